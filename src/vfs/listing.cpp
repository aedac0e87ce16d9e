#include "vfs/listing.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/beneath.hpp"
#include "vfs/name_variants.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {

struct listing::state {
    node directory;
    listing_place place;
    runtime::directory_batch batch{};
    listing_bounds* bounds = nullptr;     ///< Or null.
    std::vector<std::string> overlaid{};  ///< Keys of names that take others' places.
    name_rules overlay_rules{};
    bool names_only = false;
    std::vector<directory_entry> entries{};          ///< Read ahead, or the last batch.
    std::size_t delivered = 0;                       ///< Of `entries`: the next call begins there.
    std::optional<runtime::permits::permit> hold{};  ///< While `entries` is more than a batch.
    bool is_at_end = false;                          ///< The directory has no more names.
    bool is_complete = false;                        ///< All of it was read ahead and is sorted.
};

namespace {

constexpr std::size_t batch_entries_max = runtime::directory_batch::records_max;

/// What of a link's text is told: where a trusted one leads on the host is nobody's business.
std::string_view told_target(std::string_view target, link_policy links) noexcept {
    const bool may_lead_out = target.starts_with('/') || target.contains("..");
    return links == link_policy::trusted && may_lead_out ? std::string_view() : target;
}

bool is_visible(const listing::state& my, std::string_view name) {
    return !is_reserved_name(name) && !(my.place.hides_dot_names && name.starts_with('.')) &&
           (my.overlaid.empty() ||
            !std::ranges::binary_search(my.overlaid, key_of(name, my.overlay_rules)));
}

/// Appends what clients may see of the batch to what has been read.
void append_visible(listing::state& my) {
    const auto& batch = my.batch;
    auto& entries = my.entries;
    for (const auto& record : batch.records) {
        const auto name =
            std::string_view(batch.names).substr(record.name_offset, record.name_bytes);
        if (!is_visible(my, name)) {
            continue;
        }
        if (record.status_errno == 0) {
            auto& entry = entries.emplace_back();
            entry.name = name;
            entry.status = metadata_of(record.status);
            entry.is_link = record.is_symlink;
            entry.link_target = told_target(
                std::string_view(batch.names).substr(record.target_offset, record.target_bytes),
                my.place.links);
        } else if (record.is_symlink) {
            auto& entry = entries.emplace_back();
            entry.name = name;
            entry.status.kind = file_kind::symlink;
            entry.is_link = true;  // Where it leads is outside: nobody's business.
        }
        // Else it vanished after its name was read, or nobody may know more than its name.
    }
}

/// Reads one batch and appends what is visible of it.
runtime::task<result<void>> read_batch(runtime::core& here, listing::state& my) {
    const auto read = co_await runtime::op_wait(
        here.io(), runtime::opcode::list_directory, my.directory.fd(), runtime::never,
        [&my](runtime::op& list) {
            list.args.list_directory = {.batch = &my.batch,
                                        .root = my.place.root,
                                        .directory = my.place.name.relative(),
                                        .resolve = resolution_of(my.place.links),
                                        .names_only = my.names_only};
        });
    if (!read && read.error().os_errno != ENOENT) {
        co_return failure(read.error());
    }
    // ENOENT: the directory itself was removed (V9). What was read before that still counts.
    my.is_at_end = !read || my.batch.at_end;
    append_visible(my);
    // 100 KiB that a listing would keep for as long as its client takes over the next batch.
    std::vector<runtime::directory_record>().swap(my.batch.records);
    std::string().swap(my.batch.names);
    co_return result<void>{};
}

/// Whether `my` may have more in memory than one batch.
bool may_hold_more(listing::state& my) {
    if (my.bounds == nullptr || my.hold || my.entries.size() < batch_entries_max) {
        return true;
    }
    my.hold = my.bounds->held.try_take();
    return my.hold.has_value();
}

/// Waits for the turn to read one batch of a listing that has begun, and reads it.
runtime::task<result<void>> read_next_batch(runtime::core& here, listing::state& my) {
    std::optional<runtime::permits::permit> turn;
    if (my.bounds != nullptr) {
        auto taken = co_await my.bounds->going_on.take(runtime::never);
        if (!taken) {
            co_return failure(taken.error());
        }
        turn = std::move(*taken);
    }
    const auto read = co_await read_batch(here, my);
    co_return read;
}

/// Waits for the turn to begin, until `deadline`, and reads the first batch: all of a small
/// directory, which so never waits for more than one batch of each that came before it.
runtime::task<result<void>> read_first_batch(runtime::core& here, listing::state& my,
                                             runtime::time_point deadline) {
    std::optional<runtime::permits::permit> turn;
    if (my.bounds != nullptr) {
        auto taken = co_await my.bounds->beginning.take(deadline);
        if (!taken) {
            const auto why = taken.error();
            co_return failure(why == errc::timed_out ? error{.code = errc::busy} : why);
        }
        turn = std::move(*taken);
    }
    const auto read = co_await read_batch(here, my);
    co_return read;
}

/// Reads on until `my` is at its end, or is larger than what may be sorted.
runtime::task<result<void>> read_ahead(runtime::core& here, listing::state& my,
                                       std::size_t sorted_entries_max) {
    while (!my.is_at_end && my.entries.size() <= sorted_entries_max && may_hold_more(my)) {
        const auto read = co_await read_next_batch(here, my);
        if (!read) {
            co_return failure(read.error());
        }
    }
    co_return result<void>{};
}

}  // namespace

runtime::task<result<listing>> begin_listing(runtime::core& here, node directory,
                                             listing_place place, listing_options options) {
    auto made = std::make_unique<listing::state>(listing::state{
        .directory = std::move(directory), .place = std::move(place), .bounds = options.bounds});
    for (auto& each : options.overlay) {
        made->overlaid.push_back(key_of(each.name, options.overlay_rules));
        made->entries.push_back(std::move(each));
    }
    std::ranges::sort(made->overlaid);
    made->overlay_rules = options.overlay_rules;
    made->names_only = options.names_only;
    made->is_at_end = made->directory.fd() < 0;
    if (!made->is_at_end) {
        const auto begun = co_await read_first_batch(here, *made, options.turn_deadline);
        if (!begun) {
            co_return failure(begun.error());
        }
    }
    const auto read = co_await read_ahead(here, *made, options.sorted_entries_max);
    if (!read) {
        co_return failure(read.error());
    }
    if (made->is_at_end && made->entries.size() <= options.sorted_entries_max) {
        std::ranges::sort(made->entries, {}, &directory_entry::name);
        made->is_complete = true;
        made->batch = {};  // Its octets are in `entries`.
    }
    if (made->entries.size() <= batch_entries_max) {
        made->hold.reset();
    }
    co_return listing(std::move(made));
}

listing::listing(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
listing::listing(listing&&) noexcept = default;
listing& listing::operator=(listing&&) noexcept = default;
listing::~listing() = default;

runtime::task<result<std::span<const directory_entry>>> listing::next(runtime::core& here) {
    state& my = *state_;
    if (my.delivered == my.entries.size()) {
        my.delivered = 0;
        if (my.entries.size() > batch_entries_max) {
            std::vector<directory_entry>().swap(my.entries);
        }
        my.entries.clear();
        my.hold.reset();
    }
    // A batch may hold hidden names alone; each turn reads on, so the directory bounds this.
    while (my.entries.empty() && !my.is_at_end) {
        const auto read = co_await read_next_batch(here, my);
        if (!read) {
            co_return failure(read.error());
        }
    }
    auto ready = std::span<const directory_entry>(my.entries).subspan(my.delivered);
    if (!my.is_complete) {  // What was read ahead would make a large page otherwise.
        ready = ready.first(std::min(ready.size(), batch_entries_max));
    }
    my.delivered += ready.size();
    co_return ready;
}

bool listing::is_complete() const noexcept {
    return state_->is_complete;
}

std::optional<runtime::permits::permit> listing::take_hold() noexcept {
    return std::exchange(state_->hold, std::nullopt);
}

}  // namespace ferry::vfs
