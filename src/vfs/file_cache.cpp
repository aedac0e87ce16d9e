#include "ferry/vfs/file_cache.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/text_hash.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/change_watch.hpp"
#include "vfs/recent_names.hpp"
#include "vfs/system_metadata.hpp"
#include "vfs/watched_way.hpp"

namespace ferry::vfs {

using runtime::task;

namespace {

constexpr runtime::duration look_every = std::chrono::seconds(1);

// Of the entries, those of names that are not there: whoever makes names up must not push out what
// there is.
constexpr std::size_t absent_share = 8;

// What a file takes that is kept without a descriptor, besides its content: its entry, its name and
// the kernel's watches (decision 0048).
constexpr std::size_t closed_bytes = 1'024;

// Of one core. Each has the directories on its way open, besides what is kept (threats.md, H6).
constexpr unsigned keeps_at_once_max = 4;

/// Of a name as it was asked for: "/f/" is an error where "/f" is a file.
std::size_t hash_of(const path& name) noexcept {
    return text_hash{}(name.text()) + (name.wants_directory() ? std::size_t{1} << 40U : 0);
}

/// Whether its content is all there is of it.
bool is_closed(const shared_file& file) noexcept {
    return file.body && file.file.fd() < 0;
}

/// What it takes of `bounds::bodies_bytes_max`.
std::size_t bytes_of(const shared_file& file) noexcept {
    return (file.body ? file.body->size() : 0) + (is_closed(file) ? closed_bytes : 0);
}

/// Whether the file of as many octets, open as `fd`, has these, as far as it is in memory. No time
/// says so when a page is written to by mmap(2) for a second time.
bool holds_body(int fd, std::string_view body) noexcept {
    std::array<char, 4'096> piece;
    std::uint64_t offset = 0;
    while (!body.empty()) {
        const auto got =
            kernel::read_cached(fd, piece.data(), std::min(piece.size(), body.size()), offset);
        const auto count = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
        if (count == 0 || body.substr(0, count) != std::string_view(piece.data(), count)) {
            return false;
        }
        body.remove_prefix(count);
        offset += count;
    }
    return true;
}

/// `file`, which has its body, without its descriptor.
shared_file_ptr closed(shared_file& file) {
    auto made = std::make_shared<shared_file>(node({}, file.file.status()));
    made->body = std::move(file.body);
    file.body.reset();
    return made;
}

}  // namespace

struct file_cache::state {
    struct entry final : trail, runtime::list_node {
        explicit entry(state& of) noexcept : owner(of) {}
        ~entry() override { hold(nullptr); }
        void on_broken() noexcept override { owner.drop_later(*this); }

        /// Keeps `fresh` in place of what it has kept.
        void hold(shared_file_ptr fresh) noexcept {
            if (file) {
                file->kept_as_ = nullptr;
            }
            file = std::move(fresh);
            if (file) {
                file->kept_as_ = this;
            }
        }

        state& owner;
        std::string name;  ///< Empty: it is not in the table yet.
        machine_place place;
        shared_file_ptr file;
        runtime::time_point opened_at{};  ///< When it was last found to be what the name leads to.
        runtime::time_point used_at{};
        bool was_used = false;  ///< By another request than the one that it was kept for.
    };
    /// One that is being made of a name, kept or not.
    class attempt {
      public:
        attempt(state& of, std::size_t hash) noexcept : owner_(of), hash_(hash) {
            ++owner_.keeps_under_way;
        }
        attempt(const attempt&) = delete;
        attempt& operator=(const attempt&) = delete;
        ~attempt() {
            --owner_.keeps_under_way;
            if (!has_succeeded) {
                owner_.not_worth_it.again(hash_);
            }
        }

        bool has_succeeded = false;

      private:
        state& owner_;
        std::size_t hash_;
    };
    struct room {
        std::size_t descriptors = 0;  ///< Or directories, which count as much.
        std::uint64_t bytes = 0;      ///< Of contents.
    };
    using table =
        std::unordered_map<std::string, std::unique_ptr<entry>, text_hash, std::equal_to<>>;

    state(runtime::core& core, const tree& served, bounds most)
        : here(core), files(served), limits(most), not_empty(core.io()) {
        if (limits.entries_max == 0) {
            return;
        }
        if (auto opened = change_watch::open()) {
            watch = std::move(*opened);
            seen = std::make_unique<recent_names<2'048>>();
        }
    }

    void look() noexcept;
    void look_if_anything_arrived() noexcept;
    void drop_later(entry& broken) noexcept;
    void drop_broken() noexcept;
    void remove(entry& gone) noexcept;
    void evict(entry& gone) noexcept;
    void evict_idle() noexcept;
    void evict_open() noexcept;
    [[nodiscard]] bool is_trusted(entry& known) noexcept;
    [[nodiscard]] bool is_worth_keeping(const path& name) noexcept;
    void note_unwatched(const error& why) noexcept;
    [[nodiscard]] bool is_small(const shared_file& file) const noexcept;
    [[nodiscard]] bool has_room_for(room wanted) noexcept;
    [[nodiscard]] runtime::intrusive_list<entry>& line_of(const entry& which) noexcept;
    [[nodiscard]] entry* oldest_with(bool descriptor) noexcept;
    [[nodiscard]] bool may_be_kept(const path& name, need what) noexcept;
    [[nodiscard]] entry* find(const path& name) noexcept;
    void note_use(entry& hit) noexcept;
    [[nodiscard]] shared_file_ptr use(entry& hit) noexcept;
    [[nodiscard]] task<result<shared_file_ptr>> open_anew(const path& name);
    [[nodiscard]] task<result<shared_file_ptr>> open_again(entry& known, const path& name);
    [[nodiscard]] task<result<shared_file_ptr>> open_and_keep(const path& name, machine_place place,
                                                              need what);
    [[nodiscard]] task<bool> fill(shared_file& into);
    [[nodiscard]] bool keep(std::unique_ptr<entry> fresh, const path& name, shared_file_ptr& file,
                            need what);

    runtime::core& here;
    const tree& files;
    const bounds limits;
    std::unique_ptr<change_watch> watch;  ///< Null: nothing is kept. Outlives the entries.
    std::unique_ptr<recent_names<2'048>> seen;
    recent_names<2'048> seen_small;  ///< Of `seen`, names of small files.
    /// Names that could not be kept, or changed before they were used.
    recent_names<256> not_worth_it;
    runtime::time_point not_worth_it_since{};
    runtime::time_point no_watches_until{};  ///< The kernel has no more of them to give.
    unsigned keeps_under_way = 0;
    std::uint64_t looked_at = 0;         ///< The arrivals that the last look was younger than.
    std::size_t bodies_bytes = 0;        ///< Of all `bytes_of`.
    std::size_t without_descriptor = 0;  ///< Of `entries`, those that `is_closed`.
    std::size_t absent = 0;              ///< Of `entries`.
    counters count;
    table entries;
    /// Of the table, least recently used first in each: those in memory alone, those that are only
    /// open, and those that are both.
    runtime::intrusive_list<entry> in_memory;
    runtime::intrusive_list<entry> open;
    runtime::intrusive_list<entry> in_both;
    runtime::intrusive_list<entry> broken;  ///< Of the table, to be removed.
    runtime::event not_empty;
};

runtime::intrusive_list<file_cache::state::entry>& file_cache::state::line_of(
    const entry& which) noexcept {
    if (!which.file->body) {
        return open;
    }
    return is_closed(*which.file) ? in_memory : in_both;
}

/// The least recently used of those that have a descriptor, or count as if they had, or else of
/// those whose content is in memory. Null: there is none.
file_cache::state::entry* file_cache::state::oldest_with(bool descriptor) noexcept {
    auto* const one = descriptor ? open.front() : in_memory.front();
    auto* const other = in_both.front();
    if (one == nullptr || other == nullptr) {
        return one != nullptr ? one : other;
    }
    return one->used_at < other->used_at ? one : other;
}

void file_cache::state::drop_later(entry& gone) noexcept {
    if (!gone.name.empty()) {
        gone.unlink();
        broken.push_back(gone);
    }
}

void file_cache::state::drop_broken() noexcept {
    while (auto* each = broken.front()) {
        ++count.changed;
        if (!each->was_used) {
            not_worth_it.again(text_hash{}(each->name));
        }
        remove(*each);
    }
}

void file_cache::state::remove(entry& gone) noexcept {
    gone.unlink();
    bodies_bytes -= bytes_of(*gone.file);
    without_descriptor -= is_closed(*gone.file) ? 1U : 0U;
    absent -= gone.file->is_absent ? 1U : 0U;
    entries.erase(entries.find(gone.name));
}

void file_cache::state::look() noexcept {
    if (watch) {
        watch->look();
    }
    drop_broken();
}

void file_cache::state::look_if_anything_arrived() noexcept {
    if (looked_at != here.io().arrivals()) {
        looked_at = here.io().arrivals();
        watch->look();
    }
    drop_broken();  // Others look, too: who adds a watch.
}

file_cache::state::entry* file_cache::state::find(const path& name) noexcept {
    const auto found = entries.find(std::string_view(name.text()));
    if (found == entries.end() || found->second->is_broken()) {
        return nullptr;
    }
    // A file whose name says "directory" is an error that the tree knows.
    const auto& file = *found->second->file;
    const bool is_fit = file.is_absent || file.file.is_directory() || !name.wants_directory();
    return is_fit ? found->second.get() : nullptr;
}

void file_cache::state::note_use(entry& hit) noexcept {
    ++count.hits;
    hit.was_used = true;
    hit.used_at = here.now();
    hit.unlink();
    line_of(hit).push_back(hit);
}

shared_file_ptr file_cache::state::use(entry& hit) noexcept {
    note_use(hit);
    return hit.file;
}

/// Whether `known` is what the name leads to, as far as can be told at once: it was found to be
/// that a moment ago, or is found so now. A link on its way is left to `open_again`.
bool file_cache::state::is_trusted(entry& known) noexcept {
    const auto now = here.now();
    if (known.opened_at + limits.trusted_max > now) {
        return true;
    }
    const shared_file& file = *known.file;
    const unique_fd found(kernel::open_cached(known.place.root, known.place.name.relative(),
                                              O_RDONLY | O_NONBLOCK | O_NOCTTY));
    const bool is_absent = !found && errno == ENOENT;
    bool is_same = file.is_absent && is_absent;
    if (found && !file.is_absent) {
        const auto status = metadata_of(found.get());
        is_same = status && is_unchanged(file.file.status(), *status) &&
                  (!file.body || holds_body(found.get(), *file.body));
    }
    if (is_same) {
        ++count.renewed;
        known.opened_at = now;
    }
    return is_same;
}

/// Whether to try: it was asked for before, and not in vain. What cannot be kept, a name that is
/// not there above all, would cost ten times an open at every request.
bool file_cache::state::is_worth_keeping(const path& name) noexcept {
    if (here.now() >= not_worth_it_since + limits.retry_min) {
        not_worth_it.clear();
        not_worth_it_since = here.now();
    }
    return seen->again(text_hash{}(name.text())) && !not_worth_it.has(hash_of(name)) &&
           keeps_under_way < keeps_at_once_max && here.now() >= no_watches_until;
}

/// Why a name could not be watched. Where it is for want of watches so it will be with all others,
/// and who comes with more names than there are watches would try at each request.
void file_cache::state::note_unwatched(const error& why) noexcept {
    if (why == errc::no_space) {
        no_watches_until = here.now() + limits.retry_min;
    }
}

bool file_cache::state::is_small(const shared_file& file) const noexcept {
    return !file.file.is_directory() && file.file.status().size_bytes <= limits.body_bytes_max;
}

/// Whether there is a place for `name`: among what is open, or only in memory, where it is small.
bool file_cache::state::may_be_kept(const path& name, need what) noexcept {
    return has_room_for({.descriptors = 1}) ||
           (what == need::content && seen_small.has(hash_of(name)) &&
            has_room_for({.bytes = closed_bytes}));
}

/// Removes what has not been used for a while until there is room, and only what takes of that.
/// What is in use stays: a crowd of names that is larger than the cache would push each other out
/// for ever, at eight times the cost of not keeping any.
bool file_cache::state::has_room_for(room wanted) noexcept {
    if (wanted.bytes > limits.bodies_bytes_max) {
        return false;  // However much makes room for it.
    }
    for (;;) {
        const bool lacks_descriptors =
            entries.size() - without_descriptor + wanted.descriptors > limits.entries_max;
        if (!lacks_descriptors && bodies_bytes + wanted.bytes <= limits.bodies_bytes_max) {
            return true;
        }
        auto* const oldest = oldest_with(lacks_descriptors);
        if (oldest == nullptr || oldest->used_at + limits.kept_min > here.now()) {
            return false;
        }
        evict(*oldest);
    }
}

void file_cache::state::evict(entry& gone) noexcept {
    ++count.evicted;
    remove(gone);
}

/// Those that nobody has asked for.
void file_cache::state::evict_idle() noexcept {
    for (auto* const line : {&in_memory, &open, &in_both}) {
        while (auto* const oldest = line->front()) {
            if (oldest->used_at + limits.idle_max > here.now()) {
                break;
            }
            evict(*oldest);
        }
    }
}

/// Those that have a descriptor, or count as if they had.
void file_cache::state::evict_open() noexcept {
    drop_broken();
    for (auto* const line : {&open, &in_both}) {
        while (auto* const each = line->front()) {
            evict(*each);
        }
    }
}

task<result<shared_file_ptr>> file_cache::state::open_anew(const path& name) {
    ++count.misses;
    auto opened = co_await files.open(here, name);
    if (!opened && opened.error() == errc::exhausted && entries.size() > without_descriptor) {
        evict_open();  // Descriptors that nobody needs just now.
        opened = co_await files.open(here, name);
    }
    if (!opened) {
        co_return failure(opened.error());
    }
    co_return std::make_shared<shared_file>(std::move(*opened));
}

/// For what has been trusted for long enough. Meanwhile others go on trusting it, for a moment: who
/// opens may find no memory, or a disk that lets it wait.
task<result<shared_file_ptr>> file_cache::state::open_again(entry& known, const path& name) {
    const auto begun = here.now();
    known.opened_at = begun - limits.trusted_max + limits.trusted_max / 16;
    const shared_file_ptr file = known.file;
    auto fresh = co_await open_anew(name);
    const bool is_absent = !fresh && fresh.error() == errc::not_found;
    bool is_same = file->is_absent
                       ? is_absent
                       : fresh && is_unchanged(file->file.status(), (*fresh)->file.status());
    if (is_same && file->body) {
        // No time says so when a page is written to by mmap(2) for a second time.
        is_same = co_await fill(**fresh);
    }
    auto* const still = find(name);  // `known` may be gone.
    if (still == nullptr || still->file != file) {
        co_return fresh;
    }
    if (!is_same) {
        ++count.changed;
        remove(*still);
        co_return fresh;
    }
    still->opened_at = begun;
    if (file->is_absent) {
        note_use(*still);
        co_return fresh;
    }
    if (file->body && file->body != (*fresh)->body) {  // As many octets as before.
        still->hold(is_closed(*file) ? closed(**fresh) : *fresh);
    }
    co_return use(*still);
}

/// Reads the body of a small file. False: it cannot be read, or is changing.
task<bool> file_cache::state::fill(shared_file& into) {
    std::string body(static_cast<std::size_t>(into.file.status().size_bytes), '\0');
    std::size_t done = 0;
    while (done < body.size()) {
        const auto got = co_await into.file.read(
            here, std::as_writable_bytes(std::span(body)).subspan(done), done);
        if (!got || *got == 0) {
            co_return false;
        }
        done += *got;
    }
    into.body = std::move(body);
    co_return true;
}

task<result<shared_file_ptr>> file_cache::state::open_and_keep(const path& name,
                                                               machine_place place, need what) {
    attempt keeping(*this, hash_of(name));
    auto fresh = std::make_unique<entry>(*this);
    fresh->opened_at = here.now();
    fresh->place = place;
    const auto way = co_await watch_way(here, *watch, *fresh, place);
    if (!way) {
        note_unwatched(way.error());
    }
    auto opened = co_await open_anew(name);
    if (!opened || !way) {
        // The way has been watched as far as there is any, the first name that is not there
        // included.
        const bool is_absent =
            !opened && opened.error() == errc::not_found && !way && way.error() == errc::not_found;
        if (is_absent && limits.keeps_absence && absent < limits.entries_max / absent_share &&
            !fresh->is_broken()) {
            auto none = std::make_shared<shared_file>(node({}, {}));
            none->is_absent = true;
            keeping.has_succeeded = keep(std::move(fresh), name, none, what);
        }
        co_return opened;
    }
    shared_file_ptr file = *opened;
    const metadata& status = file->file.status();
    if (status.inode != way->inode || status.device != way->device) {
        co_return opened;
    }
    if (file->file.is_directory()) {
        file->file = node({}, status);
    } else {
        const auto watched = watch->watch_file(
            *fresh, {.fd = file->file.fd(), .device = status.device, .inode = status.inode});
        if (!watched) {
            note_unwatched(watched.error());
            co_return opened;
        }
        const auto now = metadata_of(file->file.fd());  // The file as it is watched.
        if (!now || !is_unchanged(status, *now)) {
            co_return opened;
        }
        if (is_small(*file) && has_room_for({.bytes = status.size_bytes})) {
            const bool is_whole = co_await fill(*file);
            if (!is_whole) {
                co_return opened;
            }
        }
    }
    if (fresh->is_broken()) {
        file->body.reset();
        co_return opened;
    }
    keeping.has_succeeded = keep(std::move(fresh), name, file, what);
    co_return file;
}

/// False: there is no room for it. `file` becomes the one that is kept.
bool file_cache::state::keep(std::unique_ptr<entry> fresh, const path& name, shared_file_ptr& file,
                             need what) {
    if (const auto other = entries.find(std::string_view(name.text())); other != entries.end()) {
        remove(*other->second);
    }
    if (file->body && !has_room_for({.bytes = file->body->size()})) {
        file->body.reset();  // Others have filled it up meanwhile.
    }
    if (!has_room_for({.descriptors = 1})) {
        if (what != need::content || !file->body ||
            !has_room_for({.bytes = file->body->size() + closed_bytes})) {
            return false;
        }
        file = closed(*file);
    }
    fresh->hold(file);
    fresh->used_at = here.now();
    auto& kept = *fresh;
    kept.name = name.text();
    entries.emplace(kept.name, std::move(fresh));
    bodies_bytes += bytes_of(*kept.file);
    without_descriptor += is_closed(*kept.file) ? 1U : 0U;
    absent += kept.file->is_absent ? 1U : 0U;
    line_of(kept).push_back(kept);
    ++count.kept;
    not_empty.announce();
    return true;
}

file_cache::file_cache(runtime::core& here, const tree& files, bounds most)
    : state_(std::make_unique<state>(here, files, most)) {}

file_cache::~file_cache() = default;

task<result<shared_file_ptr>> file_cache::open(const path& name, need what) {
    state& my = *state_;
    if (!my.watch) {
        auto opened = co_await my.open_anew(name);
        co_return opened;
    }
    my.look_if_anything_arrived();
    if (auto* const hit = my.find(name);
        hit != nullptr && (what == need::content || !is_closed(*hit->file))) {
        if (my.is_trusted(*hit)) {
            auto used = my.use(*hit);
            if (used->is_absent) {
                co_return failure(errc::not_found, ENOENT);
            }
            co_return used;
        }
        auto opened = co_await my.open_again(*hit, name);
        co_return opened;
    }
    if (my.is_worth_keeping(name) && my.may_be_kept(name, what)) {
        auto place = my.files.place_of(name);
        if (place) {
            auto kept = co_await my.open_and_keep(name, std::move(*place), what);
            co_return kept;
        }
    }
    auto opened = co_await my.open_anew(name);
    if (opened && my.is_small(**opened)) {
        my.seen_small.again(hash_of(name));
    }
    co_return opened;
}

shared_file_ptr file_cache::absence_of(const path& name) noexcept {
    auto* const kept = state_->watch ? state_->find(name) : nullptr;
    return kept != nullptr && kept->file->is_absent ? kept->file : nullptr;
}

bool file_cache::use_again(const shared_file& known) noexcept {
    state& my = *state_;
    if (!my.watch) {
        return false;
    }
    my.look_if_anything_arrived();
    auto* const kept = static_cast<state::entry*>(known.kept_as_);
    if (kept == nullptr || kept->is_broken() || !my.is_trusted(*kept)) {
        return false;
    }
    my.note_use(*kept);
    return true;
}

task<> file_cache::run() {
    state& my = *state_;
    for (;;) {
        if (my.entries.empty()) {
            const auto woken = co_await my.not_empty.wait(runtime::never);
            if (!woken) {
                co_return;
            }
        }
        const auto slept = co_await runtime::sleep_until(my.here, my.here.now() + look_every);
        if (!slept) {
            co_return;
        }
        my.look();
        my.evict_idle();
    }
}

void file_cache::clear() noexcept {
    state_->evict_open();
    while (auto* const each = state_->in_memory.front()) {
        state_->evict(*each);
    }
}

void file_cache::stop_keeping() noexcept {
    clear();
    state_->watch.reset();
}

std::size_t file_cache::size() const noexcept {
    return state_->entries.size();
}

const file_cache::counters& file_cache::counted() const noexcept {
    return state_->count;
}

bool file_cache::keeps_files() const noexcept {
    return state_->watch != nullptr;
}

}  // namespace ferry::vfs
