#include "ferry/vfs/account_home.hpp"

#include <utility>

namespace ferry::vfs {

runtime::task<result<account_home>> open_account_home(runtime::core& here,
                                                      const home_services& with, const path& root,
                                                      quota most) {
    account_home made;
    if (root.is_root() && !most.is_any()) {
        co_return made;
    }
    auto own = co_await with.files.subtree(here, root);
    if (!own) {
        co_return failure(own.error());
    }
    made.files = std::move(*own);
    if (most.is_any()) {
        const auto status = co_await made.files->status(here, {});
        if (!status) {
            co_return failure(status.error());
        }
        made.counted = with.homes.enter(root, {.device = status->device, .inode = status->inode});
        const auto held = co_await made.files->hold_to(
            here, {.where = made.counted, .most = most, .counter = &with.counter});
        if (!held) {
            co_return failure(held.error());
        }
        with.counter.ask(made.counted);  // Before it matters: it may take a while.
    }
    co_return made;
}

}  // namespace ferry::vfs
