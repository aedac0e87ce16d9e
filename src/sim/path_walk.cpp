#include "sim/path_walk.hpp"

#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace ferry::sim {

namespace {

constexpr unsigned links_max = 40;
constexpr std::size_t name_bytes_max = 255;
constexpr std::string_view magic_links = "/proc/self/fd/";

int look_up_in(const inode& directory, std::string_view name, inode*& found) {
    found = nullptr;
    if (directory.is_dead()) {
        return -ENOENT;
    }
    if (name.size() > name_bytes_max) {
        return -ENAMETOOLONG;
    }
    found = directory.find(name);
    return 0;
}

last_component component_of(std::string_view name) noexcept {
    if (name == ".") {
        return last_component::dot;
    }
    return name == ".." ? last_component::dot_dot : last_component::name;
}

}  // namespace

int path_walk::begin(inode* from, const char* path) {
    const std::size_t path_bytes = ::strnlen(path, PATH_MAX);
    if (path_bytes == 0) {
        return -ENOENT;
    }
    if (path_bytes == PATH_MAX) {
        return -ENAMETOOLONG;
    }
    at = from == nullptr ? &disk_root_ : from;
    if ((resolve_ & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) != 0) {
        base_ = at;
    }
    rest_ = {path, path_bytes};
    if (rest_.front() == '/') {
        return begin_at_root();
    }
    return at->is_directory() ? 0 : -ENOTDIR;
}

int path_walk::begin_at_root() {
    if ((resolve_ & RESOLVE_BENEATH) != 0) {
        return -EXDEV;
    }
    // There is no /proc here. The caller resolves the links in it that open what is open.
    if ((resolve_ & (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)) != 0 &&
        rest_.starts_with(magic_links) && (resolve_ & RESOLVE_IN_ROOT) == 0) {
        return -ELOOP;
    }
    at = base_;
    return 0;
}

int path_walk::to_last() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of('/'), rest_.size()));
    last = last_component::none;
    name = {};
    has_slash = false;
    while (!rest_.empty()) {
        name = rest_.substr(0, rest_.find('/'));
        last = component_of(name);
        std::string_view after = rest_.substr(name.size());
        has_slash = !after.empty();
        const std::size_t slashes = std::min(after.find_first_not_of('/'), after.size());
        if (slashes == after.size()) {
            rest_ = {};
            return 0;
        }
        after.remove_prefix(slashes);
        rest_ = after;
        if (last != last_component::name) {
            if (const int failed = step_dots()) {
                return failed;
            }
            continue;
        }
        inode* found = nullptr;
        if (const int failed = look_up(found)) {
            return failed;
        }
        if (found == nullptr) {
            return -ENOENT;
        }
        if (found->is_symlink()) {
            if (const int failed = follow(*found)) {
                return failed;
            }
            rest_.remove_prefix(std::min(rest_.find_first_not_of('/'), rest_.size()));
            continue;
        }
        if (!found->is_directory()) {
            return -ENOTDIR;
        }
        at = found;
    }
    last = last_component::none;  // A path, or a link, of slashes only.
    name = {};
    has_slash = false;
    return 0;
}

int path_walk::look_up(inode*& found) const {
    return look_up_in(*at, name, found);
}

int path_walk::step_dots() {
    return last == last_component::dot_dot ? step_up() : 0;
}

int path_walk::step_up() {
    if (at == base_) {
        return (resolve_ & RESOLVE_BENEATH) != 0 ? -EXDEV : 0;
    }
    at = at->parent;
    return 0;
}

int path_walk::follow(const inode& link) {
    if (links_++ == links_max || (resolve_ & RESOLVE_NO_SYMLINKS) != 0) {
        return -ELOOP;
    }
    std::string next;
    next.reserve(link.target.size() + 1 + rest_.size());
    next = link.target;
    if (!rest_.empty() || has_slash) {
        next += '/';
        next += rest_;
    }
    spelled_ = std::move(next);
    rest_ = spelled_;
    return rest_.front() == '/' ? begin_at_root() : 0;
}

int path_walk::to_end(last_step how, inode*& found) {
    for (;;) {
        if (const int failed = to_last()) {
            return failed;
        }
        if (last != last_component::name) {
            if (const int failed = step_dots()) {
                return failed;
            }
            found = at;
            return 0;
        }
        if (has_slash) {
            how = {.follows_link = true, .wants_directory = true};
        }
        if (const int failed = look_up(found)) {
            return failed;
        }
        if (found == nullptr) {
            return -ENOENT;
        }
        if (!found->is_symlink() || !how.follows_link) {
            return how.wants_directory && !found->is_directory() ? -ENOTDIR : 0;
        }
        if (const int failed = follow(*found)) {
            return failed;
        }
    }
}

int find_place(inode& disk_root, inode* from, const char* path, name_place& into) {
    path_walk walk(disk_root, 0);
    if (const int failed = walk.begin(from, path)) {
        return failed;
    }
    if (const int failed = walk.to_last()) {
        return failed;
    }
    into = {.directory = walk.at,
            .last = walk.last,
            .name = std::string(walk.name),
            .has_slash = walk.has_slash,
            .found = nullptr};
    return 0;
}

int look_up_name(name_place& in) {
    return look_up_in(*in.directory, in.name, in.found);
}

}  // namespace ferry::sim
