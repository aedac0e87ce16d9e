#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/auth/limits.hpp"
#include "ferry/auth/rights.hpp"
#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::auth {

/// Somebody who may log in, by `password` or by `hash`, whichever is not empty.
struct account {
    std::string name;
    std::string password;    ///< As it is: from a command line, for a quick start.
    std::string hash;        ///< Of crypt(5).
    std::string root = "/";  ///< The path in the tree that this user sees as "/".
    permissions allowed;
    limits bounds;
    bool is_locked = false;  ///< Nobody gets in.
};

/// Who logged in.
struct identity {
    std::string name;
    std::string root = "/";
    permissions allowed;
    limits bounds;
    bool anonymous = false;
};

/// Everybody who may log in, one table for every protocol. Immutable once made; all cores share it.
class accounts {
  public:
    /// `anonymous`: what a visitor without an account may do; nothing for no anonymous login.
    /// `visitors`: how much all of them together may use.
    accounts(std::vector<account> named, std::optional<permissions> anonymous,
             const limits& visitors = {});
    accounts(const accounts&) = delete;
    accounts& operator=(const accounts&) = delete;

    /// True for the names that FTP's anonymous login goes by: "anonymous" and "ftp" in any case
    /// (RFC 1635), if there is such a login.
    [[nodiscard]] bool is_anonymous_name(std::string_view name) const noexcept;

    /// What a visitor who has not logged in may do; nothing when that is nobody.
    [[nodiscard]] const std::optional<permissions>& anonymous() const noexcept {
        return anonymous_;
    }

    [[nodiscard]] const limits& visitors() const noexcept { return visitors_; }

    [[nodiscard]] std::size_t size() const noexcept { return named_.size(); }

    /// Whom others vouch for, by a certificate; nothing where nobody is called so, or the account
    /// is locked. Not an anonymous visitor. Cost: one pass over all accounts.
    [[nodiscard]] std::optional<identity> identity_of(std::string_view name) const;

    /// Everybody with a name, in the order of the table.
    [[nodiscard]] std::span<const account> named() const noexcept { return named_; }

    /// True when somebody may do it somewhere.
    [[nodiscard]] bool may_anywhere(right which) const noexcept;

    /// What a login is compared with.
    struct candidate {
        const account* matched = nullptr;   ///< By name; null: there is none.
        bool is_plain_right = false;        ///< The password is that of an account without a hash.
        const std::string* hash = nullptr;  ///< To compare with, a decoy's too; null: no account
                                            ///< has any.
    };
    /// Compares in the same time whoever it is. Cost: one pass over all accounts.
    [[nodiscard]] candidate find(std::string_view name, std::string_view password) const noexcept;

  private:
    std::vector<account> named_;
    std::optional<permissions> anonymous_;
    limits visitors_;
    const std::string* decoy_ = nullptr;  ///< A hash that nobody's password is compared with.
};

/// What all visitors without an account are called, over any protocol: no user can be called so.
inline constexpr std::string_view name_of_visitors = "anonymous";

/// True for the names that an anonymous login goes by, whether there is one or not.
[[nodiscard]] bool is_name_of_anonymous(std::string_view name) noexcept;

/// Checks a name and its password. Nothing when either is wrong, or the account is locked; neither
/// the answer nor the time taken tells which, nor how much of the password was right (threats.md,
/// F10). An anonymous visitor gives any password. Passwords are hashed on the offload pool: a
/// login takes its time and no core. errc::cancelled, exhausted: nobody can tell.
[[nodiscard]] runtime::task<result<std::optional<identity>>> log_in(
    runtime::core& here, std::shared_ptr<const accounts> users, std::string name,
    std::string password);

}  // namespace ferry::auth
