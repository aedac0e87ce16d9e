#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "http/archive_entry.hpp"

namespace ferry::http {

/// Headers of tar archives in the pax interchange format (POSIX.1-2017, pax, "ustar Interchange
/// Format" and "pax Extended Header"): ustar headers, preceded by extended ones where those cannot
/// say it: names over 100 octets or in UTF-8 beyond US-ASCII, sizes of 8 GiB and more, times before
/// 1970. A long name that is not UTF-8 is marked as binary (hdrcharset); a short one stands as it
/// is.
inline constexpr std::size_t tar_block_bytes = 512;

/// Appends the header of an entry; its content follows, then `tar_padding` of zeros.
void append_tar_header(std::string& out, const archive_entry& entry, std::uint64_t size_bytes);

/// The zeros that fill up the last block of so much content.
[[nodiscard]] constexpr std::size_t tar_padding(std::uint64_t size_bytes) noexcept {
    return static_cast<std::size_t>((tar_block_bytes - size_bytes % tar_block_bytes) %
                                    tar_block_bytes);
}

/// Appends the two blocks of zeros that end an archive.
void append_tar_end(std::string& out);

}  // namespace ferry::http
