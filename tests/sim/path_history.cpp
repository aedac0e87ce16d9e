#include "path_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ferry::sim::test {
namespace {

bool is_file(const node_state& what) noexcept {
    return what.kind == node_kind::file;
}

}  // namespace

std::string node_state::describe() const {
    switch (kind) {
        case node_kind::absent:
            return "nothing";
        case node_kind::directory:
            return "a directory";
        case node_kind::anything:
            return "anything";
        case node_kind::file:
            break;
    }
    auto text = fmt::format("a file of {}", octets.describe());
    if (modified) {
        text += fmt::format(" of {}", *modified);
    }
    return text;
}

std::vector<node_state> apply(const change& what, const node_state& before) {
    const bool is_free = before.kind == node_kind::absent;
    if (before.kind == node_kind::anything && what.kind != change_kind::replace) {
        return {before};
    }
    switch (what.kind) {
        case change_kind::replace:
            if (before.kind == node_kind::directory) {
                return {};
            }
            return {file_state(what.octets)};
        case change_kind::replace_file:
            return is_file(before) && (!what.only_of || *what.only_of == before.octets)
                       ? std::vector{file_state(what.octets)}
                       : std::vector<node_state>{};
        case change_kind::create:
            return is_free ? std::vector{file_state(what.octets)} : std::vector<node_state>{};
        case change_kind::append:
            if (is_free && what.parts.may_be_any()) {
                return {file_state(what.octets), {.kind = node_kind::anything}};
            }
            if (is_free) {
                return {file_state(what.octets)};
            }
            return is_file(before) ? std::vector{file_state(before.octets.followed_by(what.octets))}
                                   : std::vector<node_state>{};
        case change_kind::restart:
            if (is_free && what.offset == 0) {  // A part is cut there, too.
                return {file_state(what.octets)};
            }
            if (is_free && what.parts.may_be_any()) {
                return continued(what);
            }
            if (!is_file(before) || before.octets.size_bytes() < what.offset) {
                return {};
            }
            return {file_state(before.octets.overwritten(what.offset, what.octets))};
        case change_kind::truncate:
            return is_file(before) ? std::vector{file_state(before.octets.prefix(what.offset))}
                                   : std::vector<node_state>{};
        case change_kind::remove_file:
            return is_file(before) ? std::vector{absent_state()} : std::vector<node_state>{};
        case change_kind::make_directory:
            return is_free ? std::vector{directory_state()} : std::vector<node_state>{};
        case change_kind::remove_directory:
            return before.kind == node_kind::directory ? std::vector{absent_state()}
                                                       : std::vector<node_state>{};
        case change_kind::set_modified: {
            if (is_free) {
                return {};
            }
            auto made = before;
            made.modified = what.modified;
            return {made};
        }
        case change_kind::set_mode:
            return is_free ? std::vector<node_state>{} : std::vector{before};
        case change_kind::remove:
            if (is_free && what.parts.may_be_any()) {
                return {absent_state()};
            }
            return is_free ? std::vector<node_state>{} : std::vector{absent_state()};
        case change_kind::move_away:
            return is_free ? std::vector<node_state>{} : std::vector{absent_state()};
        case change_kind::vanish:
            return {absent_state()};
        case change_kind::arrive: {
            std::vector<node_state> made;
            for (const auto& each : what.arriving) {  // What it gives way to: rename(2).
                const bool fits =
                    is_free || (!what.only_if_free &&
                                (each.kind == node_kind::anything || each.kind == before.kind));
                if (each.kind != node_kind::absent && fits) {
                    made.push_back(each);
                }
            }
            return made;
        }
        case change_kind::copy: {
            std::vector<node_state> made;
            for (const auto& each : what.arriving) {
                const bool is_copied = is_file(each) || each.kind == node_kind::anything;
                if (is_copied && (is_free || (is_file(before) && !what.only_if_free))) {
                    made.push_back(is_file(each) ? file_state(each.octets) : each);
                }
            }
            return made;
        }
        case change_kind::accompany:
            return what.arriving;
    }
    return {};
}

/// Going on with a part: what was behind the offset is gone.
std::vector<node_state> continued(const change& what) {
    std::vector<node_state> made;
    for (const auto& whole : what.parts.wholes) {
        if (whole.size_bytes() >= what.offset) {
            made.push_back(file_state(whole.prefix(what.offset).followed_by(what.octets)));
        }
    }
    if (what.parts.is_unknown) {
        made.push_back({.kind = node_kind::anything});
    }
    return made;
}

path_history::path_history(node_state initial, moment now) {
    worlds_.insert({.value = std::move(initial)});
    durable_since_ = now;
    note(now);
}

std::optional<unsigned> path_history::begin(change what, moment now) {
    ++changes_;
    unsigned number = 0;
    while (number < under_way_max && (under_way_ >> number & 1U) != 0) {
        ++number;
    }
    if (number == under_way_max) {
        give_up();
        note(now);
        return std::nullopt;
    }
    changes_under_way_[number] = std::move(what);
    under_way_ |= 1U << number;
    close_over();
    note(now);
    return number;
}

bool path_history::acknowledge(unsigned number, moment now) {
    std::set<possibility> left;
    for (const auto& each : worlds_) {
        if ((each.done >> number & 1U) != 0) {
            left.insert(each);
        }
    }
    const bool is_explained = !left.empty();
    if (is_explained) {
        worlds_ = std::move(left);
    } else {
        give_up();
    }
    end(number);
    note(now);
    return is_explained;
}

bool path_history::refuse(unsigned number, moment now) {
    std::set<possibility> left;
    for (const auto& each : worlds_) {
        if ((each.done >> number & 1U) == 0) {
            left.insert(each);
        }
    }
    const bool is_explained = !left.empty();
    if (is_explained) {
        worlds_ = std::move(left);
    } else {
        give_up();
    }
    end(number);
    note(now);
    return is_explained;
}

void path_history::settle(unsigned number, moment now) {
    end(number);
    note(now);
}

bool path_history::amend(unsigned number, content octets, moment now) {
    std::erase_if(worlds_,
                  [number](const possibility& each) { return (each.done >> number & 1U) != 0; });
    changes_under_way_[number].octets = std::move(octets);
    const bool is_explained = !worlds_.empty();
    if (is_explained) {
        close_over();
    } else {
        give_up();
    }
    note(now);
    return is_explained;
}

void path_history::add_arriving(unsigned number, const std::vector<node_state>& more, moment now) {
    auto& known = changes_under_way_[number].arriving;
    bool is_new = false;
    for (const auto& each : more) {
        if (std::ranges::find(known, each) == known.end()) {
            known.push_back(each);
            is_new = true;
        }
    }
    if (is_new) {
        close_over();
        note(now);
    }
}

std::vector<node_state> path_history::possible() const {
    std::vector<node_state> made;
    for (const auto& each : worlds_) {
        if (made.empty() || made.back() != each.value) {  // Sorted by value.
            made.push_back(each.value);
        }
    }
    return made;
}

std::vector<node_state> path_history::possible_since(moment since) const {
    std::vector<node_state> made;
    for (const auto& each : past_) {
        if (each.last >= since && std::ranges::find(made, each.value) == made.end()) {
            made.push_back(each.value);
        }
    }
    return made;
}

void path_history::become(std::vector<node_state> states, moment now) {
    worlds_.clear();
    for (auto& each : states) {
        worlds_.insert({.value = std::move(each)});
    }
    under_way_ = 0;
    note(now);
}

/// Adds every way the changes under way can still happen.
void path_history::close_over() {
    std::vector<possibility> left(worlds_.begin(), worlds_.end());
    while (!left.empty()) {
        const auto here = std::move(left.back());
        left.pop_back();
        for (unsigned number = 0; number < under_way_max; ++number) {
            const auto bit = 1U << number;
            if ((under_way_ & bit) == 0 || (here.done & bit) != 0) {
                continue;
            }
            for (auto& value : apply(changes_under_way_[number], here.value)) {
                possibility next{.value = std::move(value), .done = here.done | bit};
                const auto [at, is_new] = worlds_.insert(std::move(next));
                if (is_new) {
                    left.push_back(*at);
                }
            }
        }
        if (worlds_.size() > worlds_max) {
            give_up();
            return;
        }
    }
}

/// Brings `past_` up to date: a step lasts from `now` to the next one.
void path_history::note(moment now) {
    const auto current = possible();
    for (auto& each : past_) {
        if (each.last == open_end && !std::ranges::binary_search(current, each.value)) {
            each.last = now - 1;
        }
    }
    for (const auto& value : current) {
        const bool is_open = std::ranges::any_of(past_, [&value](const stretch& each) {
            return each.last == open_end && each.value == value;
        });
        if (!is_open) {
            past_.push_back({.value = value, .first = now, .last = open_end});
        }
    }
}

void path_history::give_up() {
    worlds_ = {{.value = {.kind = node_kind::anything}, .done = 0}};
    for (unsigned number = 0; number < under_way_max; ++number) {
        if ((under_way_ >> number & 1U) != 0) {
            worlds_.insert({.value = {.kind = node_kind::anything}, .done = 1U << number});
        }
    }
    worlds_.insert({.value = {.kind = node_kind::anything}, .done = under_way_});
}

void path_history::end(unsigned number) noexcept {
    under_way_ &= ~(1U << number);
    std::set<possibility> renumbered;
    for (auto each : worlds_) {
        each.done &= ~(1U << number);
        renumbered.insert(std::move(each));
    }
    worlds_ = std::move(renumbered);
}

}  // namespace ferry::sim::test
