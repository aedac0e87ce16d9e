#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::auth {

/// What an account may do in the served tree, in every protocol.
struct rights {
    bool read = false;    ///< List and retrieve.
    bool create = false;  ///< Store files under names that are free.
    bool change = false;  ///< Replace, append, rename, remove, make directories. Includes `create`.

    friend bool operator==(const rights&, const rights&) = default;
};

/// Somebody who may log in.
struct account {
    std::string name;
    std::string password;
    std::string root = "/";  ///< The path in the tree that this user sees as "/".
    rights allowed;
};

/// Who logged in.
struct identity {
    std::string name;
    std::string root = "/";
    rights allowed;
    bool anonymous = false;
};

/// Everybody who may log in, one table for every protocol. Immutable once made; all cores share it.
class accounts {
  public:
    /// `anonymous`: what a visitor without an account may do; nothing for no anonymous login.
    accounts(std::vector<account> named, std::optional<rights> anonymous);

    /// True for the names that FTP's anonymous login goes by: "anonymous" and "ftp" in any case
    /// (RFC 1635), if there is such a login.
    [[nodiscard]] bool is_anonymous_name(std::string_view name) const noexcept;

    /// Checks a name and its password. Nothing when either is wrong; the time taken does not tell
    /// which, nor how much of the password was right (threats.md, F10). An anonymous visitor gives
    /// any password. Cost: one pass over all accounts. Never suspends.
    [[nodiscard]] std::optional<identity> log_in(std::string_view name,
                                                 std::string_view password) const;

    /// What a visitor who has not logged in may do; nothing when that is nobody.
    [[nodiscard]] const std::optional<rights>& anonymous() const noexcept { return anonymous_; }

  private:
    std::vector<account> named_;
    std::optional<rights> anonymous_;
};

}  // namespace ferry::auth
