#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/auth/accounts.hpp"
#include "ferry/auth/fingerprint.hpp"
#include "ferry/auth/usage.hpp"
#include "ferry/http/server.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/account_home.hpp"
#include "ferry/vfs/path.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// A name and a password as `Authorization: Basic` carries them (RFC 7617 section 2).
struct credentials {
    std::string name;
    std::string password;
};

/// Those of `asked`. Nothing where it has none, another scheme, or what is malformed: the same as
/// none, for who needs some gets 401 anyway.
[[nodiscard]] std::optional<credentials> credentials_of(const request& asked);

/// Somebody who has an account.
struct login {
    auth::identity who;
    vfs::path root;          ///< In the whole tree: beneath it the account's rights hold.
    vfs::account_home home;  ///< What lies there, held to the quota.
    std::shared_ptr<auth::usage> usage;  ///< Of the account; null: nothing shared is limited.
};

/// The accounts of one core's requests: each says anew who asks, so what was right a short while
/// ago is remembered, and a password is hashed once in that while.
class logins {
  public:
    struct numbers {
        runtime::duration kept_max = std::chrono::minutes(5);
        std::size_t entries_max = 256;  ///< Each may hold a descriptor; 0: none is remembered.
        /// How long a password waits for those before it; then nobody can tell.
        runtime::duration turn_wait_max = std::chrono::seconds(5);
    };

    /// `with` outlives it.
    logins(runtime::core& here, const account_services& with, const vfs::tree& files,
           runtime::stop_scope& draining, const numbers& most);

    enum class outcome : std::uint8_t {
        known,
        wrong,        ///< Name or password; the time a wrong one costs has passed: 401.
        turned_away,  ///< Too many failed logins from that address: 429.
        no_home,      ///< The home of the account cannot be opened: 403.
        in_clear,     ///< The password came in clear, and is not even looked at: 403.
        unavailable,  ///< Nobody can tell just now: 503.
    };
    struct answer {
        outcome what = outcome::unavailable;
        std::shared_ptr<const login> who;  ///< With `known`; null: a visitor without an account.
    };

    /// Checks `given`, from `from`. Waits where passwords from there have been wrong (threats.md,
    /// F10), and not while the server drains.
    [[nodiscard]] runtime::task<answer> check(credentials given, const net::endpoint& from);

    /// Who is called `name`, as a certificate has said: a visitor where nobody is.
    [[nodiscard]] runtime::task<answer> find_certified(std::string name);

    /// True when there is somebody who could log in.
    [[nodiscard]] bool has_accounts() const noexcept { return with_.users->size() != 0; }

    /// True when one of them may do one of `some` somewhere.
    [[nodiscard]] bool may_anywhere(auth::rights some) const noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

    /// Lets go of the homes of those who are known: the server ends.
    void forget() noexcept { known_.clear(); }

  private:
    struct entry {
        std::shared_ptr<const login> who;
        runtime::time_point until;
    };

    [[nodiscard]] std::shared_ptr<const login> find(const auth::fingerprint& of);
    void remember(const auth::fingerprint& of, std::shared_ptr<const login> who);
    [[nodiscard]] runtime::task<answer> open_home(auth::identity who);
    [[nodiscard]] runtime::task<result<void>> wait_until(runtime::time_point when);

    runtime::core& here_;
    account_services with_;
    const vfs::tree& files_;
    runtime::stop_scope& draining_;
    numbers most_;
    auth::fingerprint_key key_;
    auth::fingerprint_key certified_key_;  ///< Another, so that no password stands for these.
    /// Whose logins are known: those of a table that was replaced are not.
    std::shared_ptr<const auth::accounts> of_;
    std::map<auth::fingerprint, entry> known_;
    runtime::permits hashing_;  ///< One password at a time: those behind it may be known then.
};

}  // namespace ferry::http
