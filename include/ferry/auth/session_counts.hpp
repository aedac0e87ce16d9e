#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/auth/accounts.hpp"
#include "ferry/runtime/rarely_shared.hpp"

namespace ferry::auth {

/// Which limit of an account is reached.
enum class full : std::uint8_t { sessions, sessions_per_address };

/// How many sessions each account with a limit has, over all cores and protocols. From any thread:
/// a login takes a lock, which is nothing beside what it costs otherwise, and nothing else does.
/// Outlives every place it gave.
class session_counts {
  public:
    session_counts() = default;
    session_counts(const session_counts&) = delete;
    session_counts& operator=(const session_counts&) = delete;

    /// One session's place, given back when it dies. Empty: of an account without such limits.
    class place {
      public:
        place() noexcept = default;
        place(place&& other) noexcept
            : counts_(std::exchange(other.counts_, nullptr)),
              name_(std::move(other.name_)),
              address_(std::move(other.address_)) {}
        place& operator=(place&& other) noexcept {
            place taken(std::move(other));
            std::swap(counts_, taken.counts_);
            name_.swap(taken.name_);
            address_.swap(taken.address_);
            return *this;
        }
        ~place() {
            if (counts_ != nullptr) {
                counts_->give_back(name_, address_);
            }
        }

      private:
        friend session_counts;
        session_counts* counts_ = nullptr;
        std::string name_;
        std::string address_;
    };

    /// Takes a place for a session of `who` from `address`, in whatever notation, always the same.
    [[nodiscard]] std::expected<place, full> take(const identity& who, std::string_view address);

    /// Sessions that count just now.
    [[nodiscard]] std::size_t size();

  private:
    void give_back(const std::string& name, const std::string& address) noexcept;

    struct user {
        std::uint64_t sessions = 0;
        std::map<std::string, std::uint64_t, std::less<>> by_address;
    };
    using users_with_sessions = std::map<std::string, user, std::less<>>;

    runtime::rarely_shared<users_with_sessions> users_;
};

}  // namespace ferry::auth
