#include "vfs/upload_part.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/beneath.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {
namespace {

bool is_ours(const metadata& status) noexcept {
    return status.kind == file_kind::regular && status.owner_id == kernel::geteuid() &&
           status.links == 1;
}

bool is_older(const metadata& status, runtime::duration age_max) noexcept {
    const auto age =
        read_wall_clock().seconds - std::max(status.modified.seconds, status.changed.seconds);
    return age > std::chrono::ceil<std::chrono::seconds>(age_max).count();
}

}  // namespace

std::string make_part_name(std::string_view owner, std::string_view name) {
    if (owner.empty() || owner.contains('/') || owner.contains('\0')) {
        return {};
    }
    auto made = fmt::format("{}{}-{}-{}", part_prefix, owner.size(), owner, name);
    return made.size() <= name_bytes_max ? made : std::string();
}

// No account's name begins with a blank.
std::string owner_apart(std::string_view id, std::string_view account) {
    return fmt::format(" {}-{}", id, account);
}

bool is_owner_apart(std::string_view owner) noexcept {
    return owner.starts_with(' ');
}

bool is_part_name(std::string_view name) noexcept {
    if (!name.starts_with(part_prefix)) {
        return false;
    }
    name.remove_prefix(part_prefix.size());
    std::size_t owner_bytes = 0;
    const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), owner_bytes);
    name.remove_prefix(static_cast<std::size_t>(end - name.data()));
    return status == std::errc{} && owner_bytes > 0 && owner_bytes < name_bytes_max &&
           name.size() > owner_bytes + 2 && name.front() == '-' && name[owner_bytes + 1] == '-';
}

runtime::task<result<open_part>> open_a_part(runtime::core& here, part_place where, int flags) {
    const int nonblocking = flags == O_PATH ? 0 : O_NONBLOCK | O_NOCTTY;
    auto opened = co_await open_beneath(here, {.directory = where.directory,
                                               .name = where.name,
                                               .flags = flags | O_NOFOLLOW | nonblocking});
    if (!opened && (opened.error() == errc::outside_tree || opened.error() == errc::is_directory ||
                    opened.error() == errc::not_regular)) {
        co_return failure(errc::not_found);
    }
    if (!opened) {
        co_return failure(opened.error());
    }
    const auto status = metadata_of(opened->get());
    if (!status) {
        co_return failure(status.error());
    }
    if (!is_ours(*status) || is_older(*status, where.age_max)) {
        co_return failure(errc::not_found, ENOENT);
    }
    co_return open_part{.file = std::move(*opened), .status = *status};
}

}  // namespace ferry::vfs
