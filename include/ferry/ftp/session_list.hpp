#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/rarely_shared.hpp"

namespace ferry::ftp {

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
            : list_(std::exchange(other.list_, nullptr)), number_(other.number_) {}
        entry& operator=(entry&& other) noexcept {
            entry taken(std::move(other));
            std::swap(list_, taken.list_);
            std::swap(number_, taken.number_);
            return *this;
        }
        ~entry() {
            if (list_ != nullptr) {
                list_->remove(number_);
            }
        }

      private:
        friend session_list;
        entry(session_list& list, std::uint64_t number) noexcept : list_(&list), number_(number) {}
        session_list* list_ = nullptr;
        std::uint64_t number_ = 0;
    };

    [[nodiscard]] entry add(who session);

    struct some {
        std::vector<who> first;  ///< Those that have been there longest.
        std::size_t all = 0;
    };
    /// At most `most` of them.
    [[nodiscard]] some look(std::size_t most);

  private:
    void remove(std::uint64_t number) noexcept;

    struct sessions {
        std::map<std::uint64_t, who> by_number;  ///< In the order of their logins.
        std::uint64_t last = 0;
    };
    runtime::rarely_shared<sessions> sessions_;
};

}  // namespace ferry::ftp
