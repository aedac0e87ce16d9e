#include "ferry/vfs/replacements.hpp"

#include <algorithm>
#include <iterator>
#include <new>

#include "vfs/name_locks.hpp"

namespace ferry::vfs {

using runtime::time_point;

bool replacement_table::is_over(const record& what, time_point now) const noexcept {
    return now - what.last >= settings_.memory;
}

void replacement_table::look(const contents& all) noexcept {
    has_any_.store(!all.names.empty() || !all.forgotten.empty(), std::memory_order_release);
}

/// Forgets that an upload was cut off, and the name if nothing is under way there.
void replacement_table::clear(contents& all, records::iterator which) noexcept {
    if (std::exchange(which->second.is_cut_off, false)) {
        --all.cut_off;
    }
    if (which->second.under_way == 0) {
        all.names.erase(which);
    }
}

/// Forgets all of the account that has the most, and remembers that.
void replacement_table::forget_most(contents& all, time_point now) const {
    std::map<std::string_view, std::size_t> counts;
    for (const auto& [what, each] : all.names) {
        counts[what.second] += each.is_cut_off ? 1 : 0;
    }
    const auto most =
        std::ranges::max_element(counts, {}, [](const auto& each) { return each.second; });
    const std::string account(most->first);
    all.forgotten.insert_or_assign(account, now + settings_.memory);
    for (auto it = all.names.begin(); it != all.names.end();) {
        const auto next = std::next(it);
        if (it->first.second == account && it->second.is_cut_off) {
            clear(all, it);
        }
        it = next;
    }
}

/// Makes room for one more that is cut off.
void replacement_table::make_room(contents& all, time_point now) const {
    if (all.cut_off < settings_.names_max) {
        return;
    }
    std::erase_if(all.forgotten, [now](const auto& each) { return each.second <= now; });
    for (auto it = all.names.begin(); it != all.names.end();) {
        const auto next = std::next(it);
        if (it->second.is_cut_off && is_over(it->second, now)) {
            clear(all, it);
        }
        it = next;
    }
    if (all.cut_off >= settings_.names_max) {
        forget_most(all, now);
    }
}

replacement_table::attempt replacement_table::begin(entry_key name, std::string account,
                                                    time_point now) {
    key what{std::move(name), std::move(account)};
    all_.use([&](contents& all) {
        make_room(all, now);  // Here, where it may fail: the end has to be noted.
        ++all.names[what].under_way;
        look(all);
    });
    return {*this, std::move(what)};
}

void replacement_table::end(const key& what, outcome how, time_point now) noexcept {
    all_.use([&](contents& all) noexcept {
        const auto found = all.names.find(what);
        record& mine = found->second;
        --mine.under_way;
        if (how == outcome::cut_off) {
            all.cut_off += mine.is_cut_off ? 0 : 1;
            mine.is_cut_off = true;
            mine.last = now;
        } else if (how == outcome::whole || !mine.is_cut_off) {
            clear(all, found);
        }
        look(all);
    });
}

replacement replacement_table::state_of(const entry_key& name, std::string_view account,
                                        time_point now) {
    if (!has_any()) {
        return replacement::none;
    }
    const key wanted{name, std::string(account)};
    return all_.use([&](contents& all) {
        const auto found = all.names.find(wanted);
        if (found != all.names.end() && found->second.is_cut_off) {
            if (!is_over(found->second, now)) {
                return replacement::cut_off;
            }
            const bool is_under_way = found->second.under_way != 0;
            clear(all, found);
            look(all);
            return is_under_way ? replacement::under_way : replacement::none;
        }
        if (found != all.names.end()) {
            return replacement::under_way;
        }
        const auto many = all.forgotten.find(account);
        return many != all.forgotten.end() && now < many->second ? replacement::forgotten
                                                                 : replacement::none;
    });
}

void replacement_table::forget(const entry_key& name) noexcept {
    if (!has_any()) {
        return;
    }
    all_.use([&](contents& all) noexcept {
        const auto [first, last] = all.names.equal_range(name);
        for (auto it = first; it != last;) {
            const auto next = std::next(it);
            clear(all, it);
            it = next;
        }
        look(all);
    });
}

void replacement_table::forget(int directory, std::string_view name) noexcept {
    if (!has_any()) {
        return;
    }
    try {
        if (const auto key = key_of_entry(directory, name)) {
            forget(*key);
        }
    } catch (const std::bad_alloc&) {
        // It stays.
    }
}

std::size_t replacement_table::size() {
    return all_.use([](const contents& all) { return all.names.size(); });
}

}  // namespace ferry::vfs
