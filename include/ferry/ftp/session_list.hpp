#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::ftp {

/// A count that one core makes and others see, through `std::atomic_ref`: as cheap as a plain one.
class shared_count {
  public:
    /// `seen`: where others look; null: nobody does.
    explicit shared_count(std::uint64_t* seen) noexcept : seen_(seen) {}
    shared_count(const shared_count&) = delete;
    shared_count& operator=(const shared_count&) = delete;

    shared_count& operator+=(std::uint64_t more) noexcept {
        std::atomic_ref(of_others()).store(value() + more, std::memory_order_relaxed);
        return *this;
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return seen_ != nullptr ? *seen_ : own_; }
    /// For whoever counts in the same way: `net::execute`.
    [[nodiscard]] std::uint64_t& of_others() noexcept { return seen_ != nullptr ? *seen_ : own_; }

  private:
    std::uint64_t own_ = 0;
    std::uint64_t* seen_;
};

/// What a session does at present: told by its own core, without a lock and without waiting, and
/// looked at by any.
class session_activity {
  public:
    /// A transfer begins: "RETR". What the count of its octets is seen in.
    [[nodiscard]] std::uint64_t* begin(std::string_view verb) noexcept;
    /// What it is of; of a long name the end is kept.
    void set_name(std::string_view name) noexcept;
    /// It is over, or another command is.
    void rest(runtime::time_point now) noexcept;

    struct state {
        std::string verb;  ///< Empty: nothing is transferred.
        std::string name;
        std::uint64_t octets = 0;
        runtime::time_point since;  ///< Of the last command's end.
    };
    [[nodiscard]] state look() const;

  private:
    static constexpr std::size_t word_bytes = sizeof(std::uint64_t);
    static constexpr std::size_t name_words = 16;
    static constexpr std::size_t words = name_words + 1;  // The verb is the first.

    void write(std::size_t first, std::size_t count, std::string_view text) noexcept;
    [[nodiscard]] std::string text_of(std::size_t first, std::size_t count) const;

    /// Odd while something is written: then what was read is worth nothing.
    std::atomic<std::uint64_t> version_{0};
    std::array<std::atomic<std::uint64_t>, words> text_{};
    alignas(std::atomic_ref<std::uint64_t>::required_alignment) mutable std::uint64_t octets_ = 0;
    std::atomic<runtime::duration::rep> since_{0};
};

/// Who is logged in, for SITE WHO: over all cores. From any thread: a login and its end take a
/// lock, and nothing else does. Outlives every entry it gave.
class session_list {
  public:
    struct who {
        std::string account;
        std::string address;
        std::string host;  ///< By HOST; empty: none was chosen.
        bool is_secure = false;
        wall_time since;
    };

    session_list() = default;
    session_list(const session_list&) = delete;
    session_list& operator=(const session_list&) = delete;

    /// One session's line, taken off when it dies. Empty: of nobody.
    class entry {
      public:
        entry() noexcept = default;
        entry(entry&& other) noexcept
            : list_(std::exchange(other.list_, nullptr)),
              number_(other.number_),
              doing_(std::exchange(other.doing_, nullptr)) {}
        entry& operator=(entry&& other) noexcept {
            entry taken(std::move(other));
            std::swap(list_, taken.list_);
            std::swap(number_, taken.number_);
            std::swap(doing_, taken.doing_);
            return *this;
        }
        ~entry() {
            if (list_ != nullptr) {
                list_->remove(number_);
            }
        }

        /// Where the session tells what it does; null: of nobody.
        [[nodiscard]] session_activity* doing() const noexcept { return doing_; }

      private:
        friend session_list;
        entry(session_list& list, std::uint64_t number, session_activity& doing) noexcept
            : list_(&list), number_(number), doing_(&doing) {}
        session_list* list_ = nullptr;
        std::uint64_t number_ = 0;
        session_activity* doing_ = nullptr;
    };

    [[nodiscard]] entry add(who session);

    /// One of them, and what it does.
    struct shown : who {
        session_activity::state doing;
    };
    struct some {
        std::vector<shown> first;  ///< Those that have been there longest.
        std::size_t all = 0;
    };
    /// At most `most` of them.
    [[nodiscard]] some look(std::size_t most);

  private:
    void remove(std::uint64_t number) noexcept;

    struct listed {
        explicit listed(who session) : is(std::move(session)) {}
        who is;
        session_activity doing;
    };
    struct sessions {
        std::map<std::uint64_t, listed> by_number;  ///< In the order of their logins.
        std::uint64_t last = 0;
    };
    runtime::rarely_shared<sessions> sessions_;
};

}  // namespace ferry::ftp
