#include "vfs/watched_way.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/kernel.hpp"
#include "vfs/beneath.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {

using runtime::task;

namespace {

constexpr unsigned links_max = 40;  // As many as the kernel follows (path_resolution(7)).
// Each name is a watch of the kernel's and some memory for as long as the file is kept, each
// directory a descriptor on the way (threats.md, H6).
constexpr unsigned names_max = 64;
constexpr std::size_t directories_max = 32;

/// What a link, open as `fd`, says; errc::outside_tree where that cannot be beneath the root.
result<std::string> read_link(int fd) {
    std::array<char, path_bytes_max + 1> text;
    const auto length = kernel::readlinkat(fd, "", text.data(), text.size());
    if (length < 0) {
        return failure_from_errno(errno);
    }
    std::string target(text.data(), static_cast<std::size_t>(length));
    if (target.empty() || target.front() == '/' || target.size() > path_bytes_max) {
        return failure(errc::outside_tree);
    }
    return target;
}

/// The way so far.
struct progress {
    int root;
    std::vector<unique_fd> directories;  ///< Entered, beneath the root, one in the other.
    std::string left;                    ///< Of the name, and of what links on the way said.
    unsigned links = 0;
    unsigned names = 0;

    [[nodiscard]] int at() const noexcept {
        return directories.empty() ? root : directories.back().get();
    }
    /// Takes the next component off `left`.
    std::string take_component() {
        const auto slash = left.find('/');
        std::string taken = left.substr(0, slash);
        left.erase(0, slash == std::string::npos ? slash : slash + 1);
        return taken;
    }
};

opened_inode opened(int fd, const metadata& status) noexcept {
    return {.fd = fd, .device = status.device, .inode = status.inode};
}

/// Climbs as ".." does.
result<void> climb(progress& way) {
    if (way.directories.empty()) {
        return failure(errc::outside_tree);
    }
    way.directories.pop_back();
    return {};
}

/// Goes on from `found`, which has been opened.
result<void> enter(progress& way, unique_fd found, const metadata& status) {
    switch (status.kind) {
        case file_kind::directory:
            way.directories.push_back(std::move(found));
            return {};
        case file_kind::symlink: {
            FERRY_TRY(target, read_link(found.get()));
            if (++way.links > links_max || target.size() + way.left.size() > path_bytes_max) {
                return failure(errc::outside_tree);
            }
            way.left = way.left.empty() ? std::move(target) : std::move(target) + '/' + way.left;
            return {};
        }
        case file_kind::regular:
            if (!way.left.empty()) {
                return failure(errc::not_directory, ENOTDIR);
            }
            return {};
        case file_kind::other:
            break;
    }
    return failure(errc::unsupported);
}

}  // namespace

task<result<metadata>> watch_way(runtime::core& here, change_watch& watch, trail& what,
                                 const machine_place& place) {
    progress way{.root = place.root, .directories = {}, .left = place.name.text().substr(1)};
    auto status = metadata_of(place.root);
    if (status) {
        const auto watched = watch.watch_entry(what, opened(place.root, *status), {});
        if (!watched) {
            co_return failure(watched.error());
        }
    }
    while (status && !way.left.empty()) {  // Bounded by the name and by `links_max`.
        const std::string component = way.take_component();
        if (component.empty() || component == ".") {
            continue;
        }
        if (component == "..") {
            if (const auto climbed = climb(way); !climbed) {
                co_return failure(climbed.error());
            }
            status = metadata_of(way.at());
            continue;
        }
        if (++way.names > names_max || way.directories.size() >= directories_max) {
            co_return failure(errc::unsupported);
        }
        const auto directory = metadata_of(way.at());  // After a link it is not the last status.
        if (!directory) {
            co_return failure(directory.error());
        }
        const auto watched = watch.watch_entry(what, opened(way.at(), *directory), component);
        if (!watched) {
            co_return failure(watched.error());
        }
        auto found = co_await open_beneath(
            here, {.directory = way.at(), .name = component.c_str(), .flags = O_PATH | O_NOFOLLOW});
        if (!found) {
            co_return failure(found.error());
        }
        status = metadata_of(found->get());
        if (!status) {
            break;
        }
        if (status->device != place.device) {
            co_return failure(errc::unsupported, EXDEV);
        }
        if (const auto entered = enter(way, std::move(*found), *status); !entered) {
            co_return failure(entered.error());
        }
    }
    co_return status;
}

}  // namespace ferry::vfs
