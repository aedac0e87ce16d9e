#include "sim/dentry.hpp"

#include <algorithm>
#include <utility>

#include "sim/inotify.hpp"

namespace ferry::sim {

dentry::dentry(inode& of, dentry_ptr in, std::string_view called)
    : what(of.shared_from_this()), parent(std::move(in)), name(called), life(of.ledger->life) {
    of.dentries.push_back(this);
}

dentry::~dentry() {
    if (life != what->ledger->life) {
        return;  // A crash has closed it before.
    }
    std::erase(what->dentries, this);
    if (what->links == 0) {
        notify_removed(*what);
    }
}

dentry_ptr dentry_of(inode& directory) {
    if (!directory.dentries.empty()) {
        return directory.dentries.front()->shared_from_this();
    }
    dentry_ptr above = directory.parent == &directory ? nullptr : dentry_of(*directory.parent);
    return std::make_shared<dentry>(directory, std::move(above), directory.own_name);
}

dentry_ptr dentry_of(inode& what, inode& directory, std::string_view name) {
    const auto is_it = [&](const dentry* each) {
        return !each->is_unlinked && each->parent->what.get() == &directory && each->name == name;
    };
    const auto found = std::ranges::find_if(what.dentries, is_it);
    return found != what.dentries.end()
               ? (*found)->shared_from_this()
               : std::make_shared<dentry>(what, dentry_of(directory), name);
}

dentry_ptr make_unnamed_dentry(inode& what, inode& directory) {
    auto made =
        std::make_shared<dentry>(what, dentry_of(directory), "#" + std::to_string(what.number));
    made->is_unlinked = true;
    return made;
}

}  // namespace ferry::sim
