#include "vfs/directories_ahead.hpp"

namespace ferry::vfs {

bool directories_ahead::advance() {
    if (path_.empty()) {
        path_ = ".";
        return true;
    }
    if (waiting_.empty()) {
        return false;
    }
    const one next = waiting_.back();
    waiting_.pop_back();
    // Whatever came after its parent's other children has been walked: the path begins with it.
    path_.resize(next.parent_bytes);
    path_ += '/';
    path_.append(names_, next.name_offset);
    names_.resize(next.name_offset);
    return true;
}

bool directories_ahead::add(std::string_view name) {
    const std::size_t bytes = names_.size() + name.size() + (waiting_.size() + 1) * sizeof(one);
    if (bytes > bytes_max_ || path_.size() + 1 + name.size() > path_bytes_max) {
        return false;
    }
    waiting_.push_back({.name_offset = static_cast<std::uint32_t>(names_.size()),
                        .parent_bytes = static_cast<std::uint32_t>(path_.size())});
    names_ += name;
    return true;
}

}  // namespace ferry::vfs
