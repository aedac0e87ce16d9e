#include "http/coded_bodies.hpp"

#include <compare>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "ferry/runtime/compute.hpp"
#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/wait.hpp"
#include "http/compress.hpp"

namespace ferry::http {

using runtime::task;

namespace {

// Of one core, beside what is kept: each holds a file in memory, and its result.
constexpr unsigned makes_at_once_max = 4;
// What an entry takes beside its octets.
constexpr std::size_t entry_bytes = 256;

/// One content in one coding.
struct coded_key {
    std::uint64_t device;
    std::uint64_t inode;
    std::uint64_t size_bytes;
    wall_time modified;
    wall_time changed;
    content_coding how;

    coded_key(const vfs::metadata& of, content_coding in) noexcept
        : device(of.device),
          inode(of.inode),
          size_bytes(of.size_bytes),
          modified(of.modified),
          changed(of.changed),
          how(in) {}
    friend auto operator<=>(const coded_key&, const coded_key&) = default;
};

}  // namespace

struct coded_bodies::state {
    /// Packed octets, which count for as long as an answer has them, too.
    struct packed_content {
        packed_content(state& of, std::string packed) noexcept
            : owner(of), octets(std::move(packed)) {
            owner.alive_bytes += octets.size();
        }
        packed_content(const packed_content&) = delete;
        packed_content& operator=(const packed_content&) = delete;
        ~packed_content() { owner.alive_bytes -= octets.size(); }

        state& owner;
        const std::string octets;
    };
    struct waiter : runtime::list_node {
        explicit waiter(runtime::core& here) noexcept : made(here.io()) {}
        runtime::event made;
    };
    struct entry {
        body_ptr body;  ///< Null: nothing is gained.
        bool is_being_made = true;
        runtime::intrusive_list<waiter> waiting;
        std::list<const coded_key*>::iterator place;  ///< In `by_use`, once it is made.
    };
    using table = std::map<coded_key, entry>;

    state(runtime::core& core, const compression& how_much) noexcept
        : here(core), numbers(how_much) {}

    /// Ends the making of one, whatever came of it.
    class making {
      public:
        making(state& of, table::iterator what) noexcept : owner_(of), what_(what) {
            ++owner_.makes_under_way;
        }
        making(const making&) = delete;
        making& operator=(const making&) = delete;
        ~making() {
            --owner_.makes_under_way;
            while (waiter* each = what_->second.waiting.pop_front()) {
                each->made.announce();
            }
            if (what_->second.is_being_made) {
                owner_.entries.erase(what_);
            }
        }

      private:
        state& owner_;
        table::iterator what_;
    };

    [[nodiscard]] body_ptr use(table::iterator known) noexcept;
    void keep(table::iterator made, body_ptr body);
    void drop_oldest() noexcept;
    [[nodiscard]] task<body_ptr> make(table::iterator fresh, const vfs::shared_file& file);
    [[nodiscard]] task<std::optional<std::string>> read(const vfs::shared_file& file);

    runtime::core& here;
    const compression& numbers;
    std::size_t alive_bytes = 0;  ///< Kept, or held by answers that are being sent.
    table entries;
    std::list<const coded_key*> by_use;  ///< Least recently used first.
    std::size_t kept_bytes = 0;
    unsigned makes_under_way = 0;
};

coded_bodies::body_ptr coded_bodies::state::use(table::iterator known) noexcept {
    by_use.splice(by_use.end(), by_use, known->second.place);
    return known->second.body;
}

void coded_bodies::state::drop_oldest() noexcept {
    const auto oldest = entries.find(*by_use.front());
    kept_bytes -= entry_bytes + (oldest->second.body ? oldest->second.body->size() : 0);
    by_use.pop_front();
    entries.erase(oldest);
}

void coded_bodies::state::keep(table::iterator made, body_ptr body) {
    made->second.place = by_use.insert(by_use.end(), &made->first);
    made->second.is_being_made = false;
    kept_bytes += entry_bytes + (body ? body->size() : 0);
    made->second.body = std::move(body);
    while (kept_bytes > numbers.cache_bytes_max && by_use.size() > 1) {
        drop_oldest();
    }
}

/// All of the file, if it is still what it was when it was opened.
task<std::optional<std::string>> coded_bodies::state::read(const vfs::shared_file& file) {
    if (file.body) {
        co_return *file.body;
    }
    std::string content(static_cast<std::size_t>(file.file.status().size_bytes), '\0');
    std::size_t done = 0;
    while (done < content.size()) {
        const auto into = std::as_writable_bytes(std::span(content)).subspan(done);
        const auto got = co_await file.file.read(here, into, done);
        if (!got || *got == 0) {
            co_return std::nullopt;
        }
        done += *got;
    }
    if (!file.file.is_as_opened()) {
        co_return std::nullopt;
    }
    co_return content;
}

task<coded_bodies::body_ptr> coded_bodies::state::make(table::iterator fresh,
                                                       const vfs::shared_file& file) {
    const making under_way(*this, fresh);
    auto content = co_await read(file);
    if (!content) {
        co_return nullptr;
    }
    auto packed =
        co_await runtime::run_offloaded(here, &compress, std::move(*content), fresh->first.how);
    if (!packed) {
        co_return nullptr;  // The server stops, or there is no memory.
    }
    body_ptr body;
    if (*packed) {
        const auto counted = std::make_shared<packed_content>(*this, std::move(**packed));
        body = body_ptr(counted, &counted->octets);
    }
    keep(fresh, body);
    co_return body;
}

coded_bodies::coded_bodies(runtime::core& here, const compression& numbers)
    : state_(std::make_unique<state>(here, numbers)) {}

coded_bodies::~coded_bodies() = default;

task<coded_bodies::body_ptr> coded_bodies::get(vfs::shared_file_ptr file, content_coding how) {
    state& my = *state_;
    const coded_key key(file->file.status(), how);
    for (;;) {  // Once more after each wait.
        const auto known = my.entries.find(key);
        if (known == my.entries.end()) {
            break;
        }
        if (!known->second.is_being_made) {
            co_return my.use(known);
        }
        state::waiter waiting(my.here);
        known->second.waiting.push_back(waiting);
        const auto woken = co_await waiting.made.wait();
        if (!woken) {
            co_return nullptr;
        }
    }
    // Readers that take their time hold what has given way, too (threats.md, H4).
    if (my.makes_under_way >= makes_at_once_max ||
        my.alive_bytes >= 2 * my.numbers.cache_bytes_max) {
        co_return nullptr;
    }
    const auto fresh = my.entries.try_emplace(key).first;
    auto made = co_await my.make(fresh, *file);
    co_return made;
}

coded_bodies::body_ptr coded_bodies::find(const vfs::metadata& file, content_coding how) noexcept {
    const auto known = state_->entries.find(coded_key(file, how));
    return known == state_->entries.end() || known->second.is_being_made ? nullptr
                                                                         : state_->use(known);
}

bool coded_bodies::may_gain(const vfs::metadata& file, content_coding how) const noexcept {
    const auto known = state_->entries.find(coded_key(file, how));
    return known == state_->entries.end() || known->second.is_being_made ||
           known->second.body != nullptr;
}

std::size_t coded_bodies::size_bytes() const noexcept {
    return state_->kept_bytes;
}

}  // namespace ferry::http
