#include "ferry/vfs/path.hpp"

#include <algorithm>

#include "ferry/base/assert.hpp"

namespace ferry::vfs {
namespace {

/// Applies the components of `text` to the normalised `base`. Returns whether the last component
/// said that a directory is meant.
result<bool> append_components(std::string& base, std::string_view text) {
    bool wants_directory = text.empty();
    while (!text.empty()) {
        const auto slash = text.find('/');
        const auto component = text.substr(0, slash);
        text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
        wants_directory = slash != std::string_view::npos;
        if (component.empty() || component == ".") {
            wants_directory = true;
            continue;
        }
        if (component == "..") {
            const auto last = base.rfind('/');
            base.resize(last == 0 ? 1 : last);
            wants_directory = true;
            continue;
        }
        if (component.find('\0') != std::string_view::npos) {
            return failure(errc::invalid);
        }
        if (component.size() > name_bytes_max) {
            return failure(errc::name_too_long);
        }
        if (is_reserved_name(component)) {
            return failure(errc::denied);
        }
        if (base.size() > 1) {
            base += '/';
        }
        base += component;
        if (base.size() > path_bytes_max) {
            return failure(errc::name_too_long);
        }
    }
    return wants_directory;
}

}  // namespace

result<path> path::parse(std::string_view text) {
    return path{}.resolve(text);
}

result<path> path::resolve(std::string_view text) const {
    path made;
    if (!text.starts_with('/')) {
        made.text_ = text_;
    }
    FERRY_TRY(wants_directory, append_components(made.text_, text));
    made.wants_directory_ = wants_directory || made.is_root();
    return made;
}

std::string_view path::name() const noexcept {
    return std::string_view(text_).substr(text_.rfind('/') + 1);
}

path path::parent() const {
    path above;
    const auto last = text_.rfind('/');
    if (last != 0) {
        above.text_.assign(text_, 0, last);
    }
    return above;
}

bool path::is_within(const path& ancestor) const noexcept {
    if (ancestor.is_root()) {
        return true;
    }
    return text_.starts_with(ancestor.text_) &&
           (text_.size() == ancestor.text_.size() || text_[ancestor.text_.size()] == '/');
}

std::string path::link_text_to(const path& target) const {
    // The directories that both share; the root's text is "/".
    const std::string_view from =
        parent().is_root() ? "" : std::string_view(text_).substr(0, text_.rfind('/'));
    const std::string_view to = target.is_root() ? std::string_view() : target.text_;
    std::size_t shared = 0;
    for (std::size_t at = 0;; ++at) {
        const bool from_ends = at == from.size() || from[at] == '/';
        const bool to_ends = at == to.size() || to[at] == '/';
        if (from_ends && to_ends) {
            shared = at;
        }
        if (at == from.size() || at == to.size() || from[at] != to[at]) {
            break;
        }
    }
    std::string made;
    for (auto left = std::ranges::count(from.substr(shared), '/'); left > 0; --left) {
        made += "../";
    }
    if (shared < to.size()) {
        made += to.substr(shared + 1);
    } else if (made.empty()) {
        made = ".";
    } else {
        made.pop_back();
    }
    return made;
}

path path::seen_from(const path& ancestor) const {
    FERRY_ASSERT(is_within(ancestor));
    return behind(ancestor.is_root() ? 0 : ancestor.text_.size());
}

path path::behind(std::size_t octets) const {
    path made;
    if (octets < text_.size()) {
        FERRY_ASSERT(text_[octets] == '/');
        made.text_.assign(text_, octets);
        made.wants_directory_ = wants_directory_;
    }
    return made;
}

}  // namespace ferry::vfs
