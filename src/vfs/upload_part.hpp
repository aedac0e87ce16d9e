#pragma once

#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/metadata.hpp"

namespace ferry::vfs {

/// What the hidden name of a part begins with. Behind it: how long the owner's name is, '-', the
/// owner's name, '-', the name that the upload was to have.
inline constexpr std::string_view part_prefix = ".ferry-part-";

/// The hidden name of what `owner` has left of an upload to `name`, in the directory of that name:
/// no two pairs have the same, and no client can say it. Empty: there is none, because it would be
/// too long for a name, or `owner` holds what no name can.
[[nodiscard]] std::string make_part_name(std::string_view owner, std::string_view name);

/// Whether `owner` was made by `owner_apart`.
[[nodiscard]] bool is_owner_apart(std::string_view owner) noexcept;

[[nodiscard]] bool is_part_name(std::string_view name) noexcept;

/// Where a part may be.
struct part_place {
    int directory = -1;
    const char* name = nullptr;
    runtime::duration age_max{};  ///< What is older counts as gone.
};

struct open_part {
    unique_fd file;
    metadata status;
};

/// Opens a part, `flags` being O_PATH or O_WRONLY. errc::not_found: there is none, it is too old,
/// or it is not ours (a link, another user's file, one with more names).
[[nodiscard]] runtime::task<result<open_part>> open_a_part(runtime::core& here, part_place where,
                                                           int flags);

}  // namespace ferry::vfs
