#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ferry::http::test {

/// A file or directory as who unpacks an archive finds it.
struct unpacked {
    std::string name;
    std::string content;
    std::uint64_t size_bytes = 0;
    std::uint32_t mode = 0;
    std::int64_t modified = 0;
    bool is_directory = false;
    bool is_binary = false;  ///< tar: hdrcharset=BINARY. zip: bit 11 is not set.
    bool has_descriptor = false;
};

/// Reads a tar archive with pax headers (POSIX.1-2017, pax), or the beginning of one without
/// content, and checks every sum. What is wrong fails the test.
[[nodiscard]] std::vector<unpacked> unpack_tar(const std::string& octets);

/// Reads a .zip as its end, its central directory and its local headers have it (APPNOTE.TXT), and
/// checks that they agree, and every sum.
[[nodiscard]] std::vector<unpacked> unpack_zip(const std::string& octets);

}  // namespace ferry::http::test
