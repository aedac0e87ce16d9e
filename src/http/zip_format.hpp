#pragma once

#include <cstdint>
#include <string>

#include "http/archive_entry.hpp"

namespace ferry::http {

/// Records of .ZIP files whose entries are stored as they are (APPNOTE.TXT 6.3.10, method 0). Sizes
/// and offsets beyond 32 bits, and counts beyond 16, are said in their ZIP64 forms, and only those.
/// Names that are UTF-8 say so (bit 11); the octets of others stand as they are, made on Unix,
/// where that means the same name. Times in UTC to the second where 32 bits suffice (extra field
/// 0x5455), and as MS-DOS has them, to two seconds from 1980 on.

/// What is known of an entry's content.
struct zip_content {
    std::uint32_t crc = 0;
    std::uint64_t size_bytes = 0;
    /// The sum was not known when the local header was written: it follows the content (bit 3).
    bool has_descriptor = false;
};

/// Appends a local file header (section 4.3.7). With a descriptor the sum does not count, and the
/// size only for choosing between 32 and 64 bits.
void append_zip_local(std::string& out, const archive_entry& entry, const zip_content& content);

/// Appends what follows the content of an entry that `has_descriptor` (section 4.3.9).
void append_zip_descriptor(std::string& out, const zip_content& content);

/// Appends an entry of the central directory (section 4.3.12). `local_offset`: where the local
/// header begins.
void append_zip_central(std::string& out, const archive_entry& entry, const zip_content& content,
                        std::uint64_t local_offset);

/// Where the central directory is.
struct zip_directory {
    std::uint64_t entries = 0;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
};

/// Appends what ends the file (sections 4.3.14 to 4.3.16).
void append_zip_end(std::string& out, const zip_directory& directory);

}  // namespace ferry::http
