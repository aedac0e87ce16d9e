#pragma once

#include <cstdint>
#include <optional>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/representation.hpp"

/// Sizes and offsets of files in TYPE A, which count the octets of the transfer and not those on
/// the disk (RFC 3659 sections 4 and 5.3).
namespace ferry::ftp {

/// The most that SIZE reads of a file to count in it: some 0.1 ms of a core.
inline constexpr std::uint64_t counted_size_bytes_max = 1024 * 1024;

/// How many octets RETR would send of `file` in MODE S with `how`'s TYPE and STRU.
///
/// Errors: errc::too_large (more than `counted_size_bytes_max` on the disk, or than a page
/// structure holds): answer 550, or what reading fails with. Cost: reads the file.
[[nodiscard]] runtime::task<result<std::uint64_t>> count_network_size(runtime::core& here,
                                                                      const vfs::node& file,
                                                                      representation how);

/// Says that RETR in MODE S with `how`'s TYPE and STRU would send `network_offset` octets of `file`
/// at least. For what `find_network_offset` is not for.
///
/// Errors and cost as `find_network_offset`.
[[nodiscard]] runtime::task<result<void>> check_formed_offset(runtime::core& here,
                                                              const vfs::node& file,
                                                              representation how,
                                                              std::uint64_t network_offset);

/// A place in a file, found by an offset in its network form.
struct text_place {
    std::uint64_t stored_offset = 0;
    bool after_cr = false;  ///< The stored octet before it is a CR.
    bool inside_line_end =
        false;  ///< It lies between the CR and the LF that one stored LF becomes.
};

/// Where octet `network_offset` of what RETR in TYPE A would send of `file` comes from.
///
/// Errors: errc::invalid (beyond the end): answer 554, errc::cancelled, or what reading fails with.
/// Cost: reads the file up to there, giving way to others after each piece; await it where it can
/// be aborted.
[[nodiscard]] runtime::task<result<text_place>> find_network_offset(runtime::core& here,
                                                                    const vfs::node& file,
                                                                    std::uint64_t network_offset);

}  // namespace ferry::ftp
