#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ferry/base/units.hpp"
#include "ferry/runtime/permits.hpp"
#include "http/archive_walk.hpp"
#include "http/body_source.hpp"

namespace ferry::http {

/// What the central directory of a .zip may take, which is in memory until the end: some 150,000
/// files. A tar archive needs none of that.
inline constexpr std::size_t zip_directory_bytes_max = 16_MiB;

struct archive_content {
    archive_walk walk;  ///< Begun.
    std::string top;    ///< What every name in the archive begins with, '/' at its end.
    runtime::permits::permit turn;
};

/// A directory as a tar archive that is made while it is sent: in bounded memory, without a file,
/// large files from the disk to the network without a copy. An archive that says it is whole is: a
/// file that becomes shorter or cannot be read while it is sent ends it with an error, as does a
/// limit; one that grows is cut to the size it had.
[[nodiscard]] std::unique_ptr<body_source> make_tar_body(archive_content content);

/// The same as a .zip. Files are read, for the sum that stands behind each; one of up to
/// `zip_whole_bytes_max` has it in front, where readers of streams look for it.
[[nodiscard]] std::unique_ptr<body_source> make_zip_body(archive_content content);

inline constexpr std::uint64_t zip_whole_bytes_max = 128_KiB;

}  // namespace ferry::http
