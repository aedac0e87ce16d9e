#include "vfs/name_locks.hpp"

#include <chrono>

#include "ferry/runtime/wait.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {
namespace {

// Others hold a name for some system calls.
constexpr auto pause = std::chrono::milliseconds(1);

}  // namespace

bool name_locks::try_take(const entry_key& name, manner how) {
    return held_.use([&](std::map<entry_key, holders>& held) {
        auto& now = held[name];
        if (now.is_alone || (how == manner::alone && now.sharing != 0)) {
            return false;
        }
        if (how == manner::alone) {
            now.is_alone = true;
        } else {
            ++now.sharing;
        }
        return true;
    });
}

void name_locks::give_back(const entry_key& name, bool is_alone) noexcept {
    held_.use([&](std::map<entry_key, holders>& held) noexcept {
        const auto found = held.find(name);
        if (is_alone) {
            found->second.is_alone = false;
        } else {
            --found->second.sharing;
        }
        if (!found->second.is_alone && found->second.sharing == 0) {
            held.erase(found);
        }
    });
}

runtime::task<result<name_locks::hold>> name_locks::take(runtime::core& here, entry_key name,
                                                         manner how) {
    hold taken;
    while (!try_take(name, how)) {
        const auto slept = co_await runtime::sleep_until(here, here.now() + pause);
        if (!slept) {
            co_return failure(slept.error());
        }
    }
    taken.name_ = std::move(name);
    taken.is_alone_ = how == manner::alone;
    taken.locks_ = this;
    co_return taken;
}

runtime::task<result<name_locks::hold>> name_locks::take(runtime::core& here, int directory,
                                                         std::string_view name, manner how) {
    const auto status = metadata_of(directory);
    if (!status) {
        co_return failure(status.error());
    }
    while (name.ends_with('/')) {
        name.remove_suffix(1);
    }
    entry_key key{.device = status->device, .directory = status->inode, .name = std::string(name)};
    auto taken = co_await take(here, std::move(key), how);
    co_return taken;
}

}  // namespace ferry::vfs
