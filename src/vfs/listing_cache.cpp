#include "ferry/vfs/listing_cache.hpp"

#include <algorithm>
#include <new>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/path.hpp"
#include "vfs/change_watch.hpp"
#include "vfs/recent_names.hpp"

namespace ferry::vfs {

using runtime::task;

namespace {

constexpr std::size_t forms_max = 8;

constexpr runtime::duration listing_look_every = std::chrono::seconds(1);

/// Whether its directory's watch does not tell of every change of it.
bool is_unsure(const directory_entry& entry, std::uint64_t device) noexcept {
    return entry.is_link || entry.status.kind == file_kind::directory || entry.status.links != 1 ||
           entry.status.device != device;
}

std::size_t octets_of(const std::string& text) noexcept {
    return text.capacity() > std::string().capacity() ? text.capacity() + 1 : 0;
}

std::size_t octets_of(const directory_text& text) noexcept {
    return sizeof(directory_text) + octets_of(text.octets) + octets_of(text.about);
}

std::size_t octets_of(const directory_content& what) noexcept {
    std::size_t sum = what.entries.capacity() * sizeof(directory_entry) +
                      what.unsure.capacity() * sizeof(std::uint32_t);
    for (const auto& each : what.entries) {
        sum += octets_of(each.name) + octets_of(each.link_target);
    }
    for (const auto& each : what.forms) {
        sum += sizeof(directory_form) + octets_of(each.key) + octets_of(*each.text);
    }
    return sum;
}

void find_unsure(directory_content& in, std::uint64_t device) {
    in.unsure.clear();
    for (std::uint32_t i = 0; i < in.entries.size(); ++i) {
        if (is_unsure(in.entries[i], device)) {
            in.unsure.push_back(i);
        }
    }
}

/// Where `name` is among `entries`, or would be.
auto place_of(auto& entries, std::string_view name) noexcept {
    return std::ranges::lower_bound(
        entries, name, {},
        [](const directory_entry& each) -> std::string_view { return each.name; });
}

bool is_as_known(const directory_content& known, const listing_cache::looked_at& now) noexcept {
    const auto at = place_of(known.entries, now.name);
    const bool is_known = at != known.entries.end() && at->name == now.name;
    return is_known ? now.entry == *at : !now.entry;
}

void put(directory_content& into, const listing_cache::looked_at& now) {
    const auto at = place_of(into.entries, now.name);
    const bool is_known = at != into.entries.end() && at->name == now.name;
    if (is_known && now.entry) {
        *at = *now.entry;
    } else if (is_known) {
        into.entries.erase(at);
    } else if (now.entry) {
        into.entries.insert(at, *now.entry);
    }
}

/// Of a file with several names those in this directory may not have been told of: they had been
/// its only ones. What is true of one is of all.
void tell_twins(directory_content& in, std::span<const listing_cache::looked_at> now) {
    for (const auto& each : now) {
        if (!each.entry || each.entry->is_link || each.entry->status.links == 1 ||
            each.entry->status.kind != file_kind::regular) {
            continue;
        }
        const metadata& status = each.entry->status;
        for (auto& other : in.entries) {
            if (other.status.inode == status.inode && other.status.device == status.device) {
                other.status = status;
            }
        }
    }
}

struct key_hash {
    std::size_t operator()(const listing_cache::key& key) const noexcept {
        constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;  // 2^64 over the golden ratio.
        const auto mixed = (key.inode * odd) ^ (key.device + (key.hides_dot_names ? 1U : 0U));
        return static_cast<std::size_t>(mixed * odd);
    }
};

}  // namespace

std::shared_ptr<directory_content> make_content(std::vector<directory_entry> entries,
                                                std::uint64_t device) {
    auto made = std::make_shared<directory_content>(std::move(entries));
    find_unsure(*made, device);
    return made;
}

struct listing_cache::entry final : trail, runtime::list_node {
    entry(state& of, const key& of_what) noexcept : owner(of), which(of_what) {}
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry() override;
    void on_broken() noexcept override;
    bool on_entry(std::string_view name) noexcept override;

    state& owner;
    key which;
    std::shared_ptr<directory_content> content;  ///< Null: it is not in the table yet.
    std::vector<known::change> changes;          ///< That nobody has looked at yet.
    std::size_t octets = 0;
    runtime::time_point read_at{};
    runtime::time_point used_at{};
    bool was_used = false;  ///< By another listing than the one that has read it.
};

struct listing_cache::state {
    state(runtime::core& core, bounds most) : here(core), limits(most), not_empty(core.io()) {
        if (limits.bytes_max == 0 || limits.directories_max == 0) {
            return;
        }
        if (auto opened = change_watch::open()) {
            watch = std::move(*opened);
        }
    }

    [[nodiscard]] entry* find(const key& which) noexcept;
    [[nodiscard]] entry* find_trusted(const key& which) noexcept;
    [[nodiscard]] entry* find_sure(const directory_text& form) noexcept;
    void note_use(entry& hit) noexcept;
    void count_octets(entry& changed) noexcept;
    void look_if_anything_arrived() noexcept;
    void drop_broken() noexcept;
    void remove(entry& gone) noexcept;
    void evict(entry& gone) noexcept;
    void clear() noexcept;
    [[nodiscard]] bool is_worth_keeping(const key& which) noexcept;

    runtime::core& here;
    const bounds limits;
    std::unique_ptr<change_watch> watch;  ///< Null: nothing is kept. Outlives the entries.
    recent_names<256> seen;
    recent_names<64> not_worth_it;  ///< Could not be kept, or changed before they were used.
    runtime::time_point not_worth_it_since{};
    std::uint64_t looked_at = 0;  ///< The arrivals that the last look was younger than.
    std::size_t octets = 0;
    std::uint64_t changes = 0;  ///< So many have happened, to whatever is watched.
    counters count;
    std::unordered_map<key, std::unique_ptr<entry>, key_hash> entries;
    runtime::intrusive_list<entry> by_use;  ///< Least recently used first.
    runtime::intrusive_list<entry> broken;  ///< Of the table, to be removed.
    runtime::event not_empty;
};

listing_cache::entry::~entry() {
    if (content == nullptr) {
        owner.not_worth_it.again(key_hash{}(which));
    }
}

void listing_cache::entry::on_broken() noexcept {
    if (content != nullptr) {
        unlink();
        owner.broken.push_back(*this);
    }
}

bool listing_cache::entry::on_entry(std::string_view name) noexcept {
    if (is_reserved_name(name)) {
        return true;  // Nobody is shown those.
    }
    const auto number = ++owner.changes;
    const auto again = std::ranges::find(changes, name, &known::change::name);
    if (again != changes.end()) {
        again->number = number;
        return true;
    }
    if (changes.size() >= changed_max) {
        return false;
    }
    try {
        changes.push_back({.name = std::string(name), .number = number});
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

listing_cache::reading::reading() noexcept = default;
listing_cache::reading::reading(std::unique_ptr<entry> what) noexcept : what_(std::move(what)) {}
listing_cache::reading::reading(reading&&) noexcept = default;
listing_cache::reading& listing_cache::reading::operator=(reading&&) noexcept = default;
listing_cache::reading::~reading() = default;

void listing_cache::state::look_if_anything_arrived() noexcept {
    if (looked_at != here.io().arrivals()) {
        looked_at = here.io().arrivals();
        watch->look();
    }
    drop_broken();  // Others look, too: who adds a watch.
}

void listing_cache::state::drop_broken() noexcept {
    while (auto* each = broken.front()) {
        ++count.changed;
        if (!each->was_used) {
            not_worth_it.again(key_hash{}(each->which));
        }
        remove(*each);
    }
}

void listing_cache::state::remove(entry& gone) noexcept {
    gone.unlink();
    octets -= gone.octets;
    entries.erase(entries.find(gone.which));
}

listing_cache::entry* listing_cache::state::find(const key& which) noexcept {
    const auto found = entries.find(which);
    const bool is_there = found != entries.end() && !found->second->is_broken();
    return is_there ? found->second.get() : nullptr;
}

/// The same of what has been read a moment ago.
listing_cache::entry* listing_cache::state::find_trusted(const key& which) noexcept {
    auto* const found = find(which);
    const bool is_trusted = found != nullptr && found->read_at + limits.trusted_max > here.now();
    return is_trusted ? found : nullptr;
}

/// What has that form, and in which there is nothing to look at again.
listing_cache::entry* listing_cache::state::find_sure(const directory_text& form) noexcept {
    auto* const found = find_trusted(form.of);
    const bool is_sure =
        found != nullptr && found->changes.empty() && found->content->unsure.empty() &&
        std::ranges::any_of(found->content->forms, [&form](const directory_form& each) {
            return each.text.get() == &form;
        });
    return is_sure ? found : nullptr;
}

void listing_cache::state::note_use(entry& hit) noexcept {
    ++count.hits;
    hit.was_used = true;
    hit.used_at = here.now();
    hit.unlink();
    by_use.push_back(hit);
}

/// Counts what `changed` takes by now, and makes room for it.
void listing_cache::state::count_octets(entry& changed) noexcept {
    octets -= changed.octets;
    changed.octets = octets_of(*changed.content);
    octets += changed.octets;
    if (changed.content->unsure.size() > unsure_max) {
        evict(changed);
    }
    while (octets > limits.bytes_max) {
        evict(*by_use.front());
    }
}

void listing_cache::state::evict(entry& gone) noexcept {
    ++count.evicted;
    remove(gone);
}

void listing_cache::state::clear() noexcept {
    drop_broken();
    while (auto* each = by_use.front()) {
        evict(*each);
    }
}

bool listing_cache::state::is_worth_keeping(const key& which) noexcept {
    if (here.now() >= not_worth_it_since + limits.retry_min) {
        not_worth_it.clear();
        not_worth_it_since = here.now();
    }
    const auto hash = key_hash{}(which);
    return seen.again(hash) && !not_worth_it.has(hash);
}

listing_cache::listing_cache(runtime::core& here, bounds most)
    : state_(std::make_unique<state>(here, most)) {}

listing_cache::~listing_cache() = default;

listing_cache::known listing_cache::find(const key& which) {
    state& my = *state_;
    if (!my.watch) {
        return {};
    }
    my.look_if_anything_arrived();
    entry* const hit = my.find_trusted(which);
    if (hit == nullptr) {
        ++my.count.misses;
        return {};
    }
    my.note_use(*hit);
    return {.content = hit->content, .changes = hit->changes};
}

directory_content_ptr listing_cache::update(const key& which, known before,
                                            std::span<const looked_at> now) {
    state& my = *state_;
    entry* const found = my.find(which);
    entry* const kept = found != nullptr && found->content == before.content ? found : nullptr;
    const bool is_same = std::ranges::all_of(
        now, [&before](const looked_at& each) { return is_as_known(*before.content, each); });
    if (!is_same) {
        ++my.count.updated;
        constexpr long of_both = 2;  // `before` and `kept`: no listing has it.
        const bool is_shared = kept == nullptr || before.content.use_count() > of_both;
        auto after =
            is_shared ? std::make_shared<directory_content>(*before.content) : kept->content;
        after->forms.clear();
        for (const auto& each : now) {
            put(*after, each);
        }
        tell_twins(*after, now);
        find_unsure(*after, which.device);
        before.content = after;
        if (kept != nullptr) {
            kept->content = std::move(after);
        }
    }
    if (kept != nullptr) {
        std::erase_if(kept->changes, [&before](const known::change& each) {
            const auto looked = std::ranges::find(before.changes, each.name, &known::change::name);
            return looked != before.changes.end() && looked->number == each.number;
        });
        if (!is_same) {
            my.count_octets(*kept);
        }
    }
    return std::move(before.content);
}

listing_cache::reading listing_cache::begin(const key& which, int fd) {
    state& my = *state_;
    if (!my.watch || !my.is_worth_keeping(which)) {
        return {};
    }
    auto made = std::make_unique<entry>(my, which);
    made->read_at = my.here.now();
    const auto watched =
        my.watch->watch_content(*made, {.fd = fd, .device = which.device, .inode = which.inode});
    return watched ? reading(std::move(made)) : reading();
}

void listing_cache::keep(reading done, std::shared_ptr<directory_content> content) {
    if (!done.what_) {
        return;
    }
    state& my = *state_;
    my.watch->look();
    my.drop_broken();
    entry& fresh = *done.what_;
    if (fresh.is_broken() || content->unsure.size() > unsure_max ||
        octets_of(*content) > my.limits.bytes_max) {
        return;
    }
    if (const auto other = my.entries.find(fresh.which); other != my.entries.end()) {
        auto& before = *other->second;
        if (before.content->entries == content->entries) {
            content->forms = before.content->forms;
            fresh.was_used = before.was_used;
        }
        my.remove(before);
    }
    if (my.entries.size() >= my.limits.directories_max) {
        my.evict(*my.by_use.front());
    }
    my.entries.emplace(fresh.which, std::move(done.what_));
    fresh.content = std::move(content);
    fresh.used_at = my.here.now();
    my.by_use.push_back(fresh);
    my.count_octets(fresh);
    ++my.count.kept;
    my.not_empty.announce();
}

void listing_cache::keep_form(const key& which, const directory_content_ptr& of,
                              directory_form made) {
    state& my = *state_;
    entry* const kept = my.find(which);
    if (kept == nullptr || kept->content != of ||
        kept->octets + octets_of(*made.text) > my.limits.bytes_max) {
        return;
    }
    auto& forms = kept->content->forms;
    if (forms.size() >= forms_max) {
        forms.erase(forms.begin());
    }
    forms.push_back(std::move(made));
    my.count_octets(*kept);
}

bool listing_cache::use_again(const directory_text& known) noexcept {
    state& my = *state_;
    if (!my.watch) {
        return false;
    }
    my.look_if_anything_arrived();
    entry* const kept = my.find_sure(known);
    if (kept == nullptr) {
        return false;
    }
    my.note_use(*kept);
    return true;
}

bool listing_cache::may_use_again(const directory_text& known) const noexcept {
    return state_->watch && state_->find_sure(known) != nullptr;
}

task<> listing_cache::run() {
    state& my = *state_;
    for (;;) {
        if (my.entries.empty()) {
            const auto woken = co_await my.not_empty.wait(runtime::never);
            if (!woken) {
                co_return;
            }
        }
        const auto slept =
            co_await runtime::sleep_until(my.here, my.here.now() + listing_look_every);
        if (!slept) {
            co_return;
        }
        if (my.watch) {
            my.watch->look();
        }
        my.drop_broken();
        while (auto* oldest = my.by_use.front()) {
            if (oldest->used_at + my.limits.idle_max > my.here.now()) {
                break;
            }
            my.evict(*oldest);
        }
    }
}

void listing_cache::stop_keeping() noexcept {
    state_->clear();
    state_->watch.reset();
}

std::size_t listing_cache::size() const noexcept {
    return state_->entries.size();
}

const listing_cache::counters& listing_cache::counted() const noexcept {
    return state_->count;
}

}  // namespace ferry::vfs
