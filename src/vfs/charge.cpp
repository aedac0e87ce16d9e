#include "vfs/charge.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/home_counter.hpp"
#include "vfs/beneath.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {
namespace {

// Deeper than any path that a client can say, from a home as deep again.
constexpr std::size_t way_max = 8'192;

bool has_home(const std::vector<std::shared_ptr<home>>& some,
              const std::shared_ptr<home>& one) noexcept {
    return std::ranges::find(some, one) != some.end();
}

/// The directory above. Not `open_beneath`: it leads out of where it begins, and is looked at only.
runtime::task<result<unique_fd>> open_above(runtime::core& here, int directory) {
    const auto opened = co_await runtime::op_wait(
        here.io(), runtime::opcode::open_at, directory, runtime::never, [](runtime::op& open) {
            open.args.open_at = {
                .path = "..",
                .how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .mode = 0, .resolve = 0}};
        });
    if (!opened) {
        co_return failure(opened.error());
    }
    co_return unique_fd(static_cast<int>(*opened));
}

/// A directory and all above it.
runtime::task<result<std::vector<directory_id>>> find_way(runtime::core& here,
                                                          const home_table& table, int directory) {
    std::vector<directory_id> way;
    unique_fd above;
    bool has_root = false;
    while (way.size() < way_max) {
        const auto status = metadata_of(above ? above.get() : directory);
        if (!status) {
            co_return failure(status.error());
        }
        const directory_id id{.device = status->device, .inode = status->inode};
        if (!way.empty() && way.back() == id) {
            co_return way;  // That of the host's root is itself.
        }
        way.push_back(id);
        if (table.ends_at(id)) {
            co_return way;
        }
        has_root |= table.is_root(id);
        auto next = co_await open_above(here, above ? above.get() : directory);
        if (!next && has_root && next.error() == errc::denied) {
            co_return way;  // What lies above the tree need not be ours to look at.
        }
        if (!next) {
            co_return failure(next.error());
        }
        above = std::move(*next);
    }
    co_return failure(errc::name_too_long);
}

}  // namespace

amount amount_of(const metadata& entry) noexcept {
    return {.octets = entry.kind == file_kind::regular ? entry.size_bytes : 0, .files = 1};
}

charge::~charge() {
    if (table_ != nullptr && aside_ != amount{}) {
        table_->move_aside(homes_, {}, aside_);
    }
}

runtime::task<result<charge>> charge::find(runtime::core& here, home_table* table, int directory,
                                           held_to limit) {
    charge made;
    made.table_ = table;
    if (table == nullptr) {
        co_return made;
    }
    made.entered_ = table->entered();
    if (made.entered_ == 0) {
        co_return made;
    }
    made.moves_ = table->moves();
    const auto way = co_await find_way(here, *table, directory);
    if (!way) {
        co_return failure(way.error());
    }
    made.homes_ = table->homes_of(*way);
    made.limit_ = std::move(limit);
    co_return made;
}

charge charge::without(const charge& other) const {
    charge made;
    made.table_ = table_;
    made.moves_ = moves_;
    made.entered_ = entered_;
    made.limit_ = limit_;
    std::ranges::copy_if(homes_, std::back_inserter(made.homes_),
                         [&other](const auto& each) { return !has_home(other.homes_, each); });
    return made;
}

bool charge::is_limited() const noexcept {
    return limit_.where && has_home(homes_, limit_.where);
}

runtime::task<result<void>> charge::wait_for_count(runtime::core& here) const {
    if (!is_limited()) {
        co_return result<void>{};
    }
    const auto known = co_await limit_.counter->wait_for(limit_.where, count_wait_max);
    if (!known) {
        co_return failure(known.error() == errc::timed_out
                              ? error{.code = errc::busy, .os_errno = EAGAIN}
                              : known.error());
    }
    co_return result<void>{};
}

runtime::task<result<void>> charge::look_again(runtime::core& here, int directory) {
    if (table_ == nullptr) {
        co_return result<void>{};
    }
    auto now = co_await find(here, table_, directory);
    if (!now) {
        co_return failure(now.error());
    }
    moves_ = now->moves_;
    entered_ = now->entered_;
    if (!has_same_homes(*now)) {
        table_->move_aside(homes_, now->homes_, aside_);
        homes_.swap(now->homes_);
    }
    co_return result<void>{};
}

result<void> charge::set_aside(amount now) {
    if (!counts() || now == aside_) {
        return {};
    }
    auto set = table_->set_aside(homes_, limit_, aside_, now);
    if (set) {
        aside_ = now;
    } else if (limit_.counter != nullptr) {
        limit_.counter->ask_again(limit_.where);  // Other programs may have made room.
    }
    return set;
}

charge::change::change(charge& of, amount size) noexcept : of_(of), size_(size) {
    if (of_.counts()) {
        of_.table_->begin_change(of_.homes_, size_);
    }
}

void charge::change::end(home_table::change what) noexcept {
    if (std::exchange(is_over_, true)) {
        return;
    }
    if (of_.counts()) {
        what.size = size_;
        of_.table_->end_change(of_.homes_, what);
        if (of_.table_->moves() != of_.moves_) {  // It may have been made in others.
            of_.table_->doubt_all();
        }
    }
    of_.note_uncounted();
}

void charge::note_uncounted() const noexcept {
    if (table_ != nullptr && table_->entered() != entered_) {
        table_->doubt_since(entered_);
    }
}

void charge::doubt() noexcept {
    if (counts()) {
        table_->doubt(homes_);
    }
}

runtime::task<result<std::optional<metadata>>> find_entry(runtime::core& here, int directory,
                                                          const char* name, bool is_local) {
    const auto opened = co_await open_beneath(
        here,
        {.directory = directory, .name = name, .flags = O_PATH | O_NOFOLLOW, .is_local = is_local});
    if (!opened && opened.error() == errc::not_found) {
        co_return std::nullopt;
    }
    if (!opened) {
        co_return failure(opened.error());
    }
    const auto status = metadata_of(opened->get());
    if (!status) {
        co_return failure(status.error());
    }
    co_return *status;
}

namespace {

runtime::task<result<void>> unlink(runtime::core& here, removed_name what) {
    const auto removed = co_await runtime::op_wait(
        here.io(), runtime::opcode::unlink_at, what.directory, runtime::never,
        [&what](runtime::op& unlink) {
            unlink.args.unlink_at = {.path = what.name, .flags = what.flags};
        });
    if (!removed) {
        co_return failure(removed.error());
    }
    co_return result<void>{};
}

runtime::task<result<void>> remove_alone(runtime::core& here, charge& counted, removed_name what) {
    std::string name(what.name);
    while (name.ends_with('/')) {
        name.pop_back();
    }
    const auto entry = co_await find_entry(here, what.directory, name.c_str());
    if (!entry) {
        co_return failure(entry.error());
    }
    if (!*entry) {
        co_return failure(errc::not_found, ENOENT);
    }
    const amount size = amount_of(**entry);
    charge::change change(counted, size);
    const auto removed = co_await unlink(here, what);
    if (removed) {
        change.done({}, size, counted.aside());
    }
    co_return removed;
}

}  // namespace

runtime::task<result<void>> remove_counted(runtime::core& here, charge& counted,
                                           removed_name what) {
    name_locks::hold name;
    if (what.locks != nullptr) {
        auto taken = co_await what.locks->take(
            here, what.directory, what.name,
            counted.counts() ? name_locks::manner::alone : name_locks::manner::shared);
        if (!taken) {
            co_return failure(taken.error());
        }
        name = std::move(*taken);
    }
    if (!counted.counts()) {
        const auto removed = co_await unlink(here, what);
        counted.note_uncounted();
        co_return removed;
    }
    // A name that is gone and a call that says it was stopped would be counted for ever.
    runtime::stop_scope unstopped;
    co_return co_await remove_alone(here, counted, what).in_scope(unstopped);
}

}  // namespace ferry::vfs
