#include "vfs/listing.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/listing_cache.hpp"
#include "vfs/beneath.hpp"
#include "vfs/name_variants.hpp"
#include "vfs/system_metadata.hpp"

namespace ferry::vfs {

struct listing::state {
    node directory;
    listing_place place;
    runtime::directory_batch batch{};
    listing_bounds* bounds = nullptr;         ///< Or null.
    std::optional<listing_cache::key> key{};  ///< What it is kept by; none: it is not.
    std::vector<std::string> overlaid{};      ///< Keys of names that take others' places.
    name_rules overlay_rules{};
    bool names_only = false;
    std::vector<directory_entry> entries{};          ///< Read ahead, or the last batch.
    std::size_t delivered = 0;                       ///< Of `entries`: the next call begins there.
    std::optional<runtime::permits::permit> hold{};  ///< While more than a batch is in memory.
    bool is_at_end = false;                          ///< The directory has no more names.
    bool is_complete = false;         ///< All of it was known before the first entry was delivered.
    bool is_delivered = false;        ///< Of one that is complete: all.
    directory_content_ptr content{};  ///< Of one that is complete, while somebody may look at it.
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

/// Fills `entry` with what `record` says. False: it vanished after its name was read, or nobody may
/// know more than its name.
bool take(directory_entry& entry, const runtime::directory_record& record,
          const listing::state& my) {
    const std::string_view names = my.batch.names;
    if (record.status_errno != 0 && !record.is_symlink) {
        return false;
    }
    entry.name = names.substr(record.name_offset, record.name_bytes);
    entry.is_link = record.is_symlink;
    if (record.status_errno != 0) {
        entry.status.kind = file_kind::symlink;  // Where it leads is outside: nobody's business.
        return true;
    }
    entry.status = metadata_of(record.status);
    entry.link_target =
        told_target(names.substr(record.target_offset, record.target_bytes), my.place.links);
    return true;
}

/// Appends what clients may see of the batch to what has been read.
void append_visible(listing::state& my) {
    for (const auto& record : my.batch.records) {
        const auto name =
            std::string_view(my.batch.names).substr(record.name_offset, record.name_bytes);
        if (is_visible(my, name) && !take(my.entries.emplace_back(), record, my)) {
            my.entries.pop_back();
        }
    }
}

/// What a batch takes, some 100 KiB: a listing would keep it for as long as its client takes over
/// the next one.
void free_records(runtime::directory_batch& batch) noexcept {
    std::vector<runtime::directory_record>().swap(batch.records);
    std::string().swap(batch.names);
}

/// Has the batch filled: with the next names, or with the ones in it `again`.
auto fill_batch(runtime::core& here, listing::state& my, bool again) {
    return runtime::op_wait(here.io(), runtime::opcode::list_directory, my.directory.fd(),
                            runtime::never, [&my, again](runtime::op& list) {
                                list.args.list_directory = {
                                    .batch = &my.batch,
                                    .root = my.place.root,
                                    .directory = my.place.name.relative(),
                                    .resolve = resolution_of(my.place.links),
                                    .names_only = my.names_only,
                                    .again = again,
                                    .is_local = my.key && my.place.waits_for_nobody};
                            });
}

/// Reads one batch and appends what is visible of it.
runtime::task<result<void>> read_batch(runtime::core& here, listing::state& my) {
    const auto read = co_await fill_batch(here, my, false);
    if (!read && read.error().os_errno != ENOENT) {
        co_return failure(read.error());
    }
    // ENOENT: the directory itself was removed (V9). What was read before that still counts.
    my.is_at_end = !read || my.batch.at_end;
    append_visible(my);
    free_records(my.batch);
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

using turn_to_read = std::optional<runtime::permits::permit>;

/// Waits for the turn to begin, until `deadline`.
runtime::task<result<turn_to_read>> take_first_turn(const listing::state& my,
                                                    runtime::time_point deadline) {
    if (my.bounds == nullptr) {
        co_return turn_to_read();
    }
    auto taken = co_await my.bounds->beginning.take(deadline);
    if (!taken) {
        const auto why = taken.error();
        co_return failure(why == errc::timed_out ? error{.code = errc::busy} : why);
    }
    co_return turn_to_read(std::move(*taken));
}

/// Reads the first batch in its turn: all of a small directory, which so never waits for more than
/// one batch of each that came before it.
runtime::task<result<void>> read_first_batch(runtime::core& here, listing::state& my,
                                             runtime::time_point deadline) {
    const auto turn = co_await take_first_turn(my, deadline);
    if (!turn) {
        co_return failure(turn.error());
    }
    const auto read = co_await read_batch(here, my);
    co_return read;
}

using looked_at = listing_cache::looked_at;

/// Looks again at what is unsure of `known` and what has changed in it.
runtime::task<result<std::vector<looked_at>>> look_again(runtime::core& here, listing::state& my,
                                                         const listing_cache::known& known,
                                                         runtime::time_point deadline) {
    std::vector<looked_at> seen;
    seen.reserve(known.content->unsure.size() + known.changes.size());
    for (const auto each : known.content->unsure) {
        seen.push_back({.name = known.content->entries[each].name, .entry = {}});
    }
    for (const auto& each : known.changes) {
        if (is_visible(my, each.name)) {
            seen.push_back({.name = each.name, .entry = {}});
        }
    }
    if (seen.empty()) {
        co_return seen;
    }
    const auto turn = co_await take_first_turn(my, deadline);
    if (!turn) {
        co_return failure(turn.error());
    }
    for (const auto& each : seen) {
        auto& record = my.batch.records.emplace_back();
        record.name_offset = static_cast<std::uint32_t>(my.batch.names.size());
        record.name_bytes = static_cast<std::uint32_t>(each.name.size());
        my.batch.names += each.name;
    }
    const auto looked = co_await fill_batch(here, my, true);
    if (!looked) {
        co_return failure(looked.error());
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
        directory_entry now;
        if (take(now, my.batch.records[i], my)) {
            seen[i].entry = std::move(now);
        }
    }
    free_records(my.batch);
    co_return seen;
}

/// What is known of the directory and what has become of it since; null, if nothing is.
runtime::task<result<directory_content_ptr>> find_kept(runtime::core& here, listing::state& my,
                                                       const listing_cache::key& which,
                                                       const listing_options& options) {
    listing_cache& kept = *my.bounds->kept;
    auto known = kept.find(which);
    if (!known.content || known.content->entries.size() > options.sorted_entries_max) {
        co_return directory_content_ptr();
    }
    if (known.content->entries.size() > batch_entries_max) {
        my.hold = my.bounds->held.try_take();
        if (!my.hold) {
            co_return directory_content_ptr();
        }
    }
    const auto now = co_await look_again(here, my, known, options.turn_deadline);
    if (!now) {
        co_return failure(now.error());
    }
    co_return kept.update(which, std::move(known), *now);
}

/// Under which key the directory may be kept, if it may be.
std::optional<listing_cache::key> key_of(const listing::state& my) noexcept {
    const auto& status = my.directory.status();
    const bool can_be_kept = my.bounds != nullptr && my.bounds->kept != nullptr &&
                             my.overlaid.empty() && !my.names_only && my.directory.fd() >= 0 &&
                             my.place.local_device == status.device;
    if (!can_be_kept) {
        return std::nullopt;
    }
    return listing_cache::key{.device = status.device,
                              .inode = status.inode,
                              .hides_dot_names = my.place.hides_dot_names};
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

/// The octets of `name` from `begin` on, as many as a number holds; the order of such numbers is
/// that of the octets, of which none is NUL.
std::uint64_t number_of(std::string_view name, std::size_t begin) noexcept {
    std::array<unsigned char, sizeof(std::uint64_t)> octets{};
    name.substr(begin).copy(static_cast<char*>(static_cast<void*>(octets.data())), octets.size());
    std::uint64_t number = 0;
    for (const auto each : octets) {
        number = number << 8U | each;
    }
    return number;
}

/// Sorts by the octets of the names. It is numbers that are compared and moved, as entries are
/// large: each of what follows the octets that all names begin with.
std::vector<directory_entry> sorted_by_name(std::vector<directory_entry> entries) {
    struct place {
        std::uint64_t number;
        std::size_t index;
    };
    std::vector<place> order;
    order.reserve(entries.size());
    std::size_t common = entries.empty() ? 0 : entries.front().name.size();
    for (const auto& each : entries) {
        const auto& first = entries.front().name;
        const auto differ =
            std::mismatch(first.begin(), first.end(), each.name.begin(), each.name.end());
        common = std::min(common, static_cast<std::size_t>(differ.first - first.begin()));
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        order.push_back({.number = number_of(entries[i].name, common), .index = i});
    }
    std::ranges::sort(order, [&entries](const place& a, const place& b) {
        return a.number != b.number ? a.number < b.number
                                    : entries[a.index].name < entries[b.index].name;
    });
    std::vector<directory_entry> sorted;
    sorted.reserve(entries.size());
    for (const auto& each : order) {
        sorted.push_back(std::move(entries[each.index]));
    }
    return sorted;
}

/// Reads the directory, all of it if it is small enough to be sorted.
runtime::task<result<void>> read_from_disk(runtime::core& here, listing::state& my,
                                           const listing_options& options) {
    if (!my.is_at_end) {
        const auto begun = co_await read_first_batch(here, my, options.turn_deadline);
        if (!begun) {
            co_return failure(begun.error());
        }
    }
    const auto read = co_await read_ahead(here, my, options.sorted_entries_max);
    if (!read) {
        co_return failure(read.error());
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
    made->key = key_of(*made);
    const auto& key = made->key;
    if (key) {
        auto known = co_await find_kept(here, *made, *key, options);
        if (!known) {
            co_return failure(known.error());
        }
        made->content = std::move(*known);
    }
    if (!made->content) {
        auto reading = key ? options.bounds->kept->begin(*key, made->directory.fd())
                           : listing_cache::reading();
        const auto read = co_await read_from_disk(here, *made, options);
        if (!read) {
            co_return failure(read.error());
        }
        if (made->is_at_end && made->entries.size() <= options.sorted_entries_max) {
            auto content = make_content(sorted_by_name(std::exchange(made->entries, {})),
                                        made->directory.status().device);
            made->batch = {};  // Its octets are in `content`.
            if (key) {
                options.bounds->kept->keep(std::move(reading), content);
            }
            made->content = std::move(content);
        }
    }
    made->is_at_end |= made->content != nullptr;
    made->is_complete = made->content != nullptr;
    const auto& ahead = made->content ? made->content->entries : made->entries;
    if (ahead.size() <= batch_entries_max) {
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
    if (my.is_complete) {
        if (!std::exchange(my.is_delivered, true)) {
            co_return std::span(my.content->entries);
        }
        my.content.reset();
        my.hold.reset();
        co_return std::span<const directory_entry>();
    }
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
    // What was read ahead would make a large page otherwise.
    ready = ready.first(std::min(ready.size(), batch_entries_max));
    my.delivered += ready.size();
    co_return ready;
}

directory_text_ptr listing::kept_form(std::string_view key) const noexcept {
    if (!state_->content) {
        return nullptr;
    }
    const auto& forms = state_->content->forms;
    const auto found = std::ranges::find(forms, key, &directory_form::key);
    return found == forms.end() ? nullptr : found->text;
}

directory_text_ptr listing::keep_form(std::string key, directory_text made) const {
    made.of = state_->key.value_or(directory_key{});
    auto text = std::make_shared<const directory_text>(std::move(made));
    if (state_->key && state_->content) {
        state_->bounds->kept->keep_form(*state_->key, state_->content,
                                        {.key = std::move(key), .text = text});
    }
    return text;
}

bool listing::is_complete() const noexcept {
    return state_->is_complete;
}

std::optional<runtime::permits::permit> listing::take_hold() noexcept {
    return std::exchange(state_->hold, std::nullopt);
}

}  // namespace ferry::vfs
