#include "vfs/name_locks.hpp"

#include <chrono>

#include "ferry/runtime/wait.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {
namespace {

// Others hold a name for some system calls.
constexpr auto pause = std::chrono::milliseconds(1);

}  // namespace

result<entry_key> key_of_entry(int directory, std::string_view name) {
    FERRY_TRY(status, metadata_of(directory));
    while (name.ends_with('/')) {
        name.remove_suffix(1);
    }
    return entry_key{.device = status.device, .directory = status.inode, .name = std::string(name)};
}

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
    auto key = key_of_entry(directory, name);
    if (!key) {
        co_return failure(key.error());
    }
    auto taken = co_await take(here, std::move(*key), how);
    co_return taken;
}

runtime::task<result<name_locks::two_holds>> name_locks::take_both(runtime::core& here,
                                                                   entry_key one, entry_key other) {
    if (other < one) {
        std::swap(one, other);
    }
    two_holds both;
    const bool is_one = one == other;
    auto first = co_await take(here, std::move(one), manner::alone);
    if (!first) {
        co_return failure(first.error());
    }
    both.first = std::move(*first);
    if (!is_one) {
        auto second = co_await take(here, std::move(other), manner::alone);
        if (!second) {
            co_return failure(second.error());
        }
        both.second = std::move(*second);
    }
    co_return both;
}

}  // namespace ferry::vfs
