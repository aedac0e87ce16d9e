#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "ferry/auth/accounts.hpp"
#include "ferry/auth/rights.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "http/logins.hpp"

namespace ferry::http {

/// Who asks, and what that opens. A name is the same for everybody: that of the whole tree. What
/// visitors may do everybody may; who has an account may beneath its home also do what that allows,
/// and links there end at the home, as over every other protocol. A value; holds the login as long
/// as an answer needs it.
class viewer {
  public:
    /// `account` null: a visitor. `visitors` and `files` outlive it.
    viewer(const auth::permissions& visitors, const vfs::tree& files,
           std::shared_ptr<const login> account = {}) noexcept
        : visitors_(&visitors), files_(&files), account_(std::move(account)) {}

    [[nodiscard]] bool is_visitor() const noexcept { return account_ == nullptr; }
    [[nodiscard]] const std::shared_ptr<const login>& account() const noexcept { return account_; }

    /// What every protocol calls who asks.
    [[nodiscard]] std::string_view name() const noexcept {
        return account_ == nullptr ? auth::name_of_visitors : account_->who.name;
    }

    [[nodiscard]] auth::rights rights_at(const vfs::path& name) const noexcept {
        const auto everybodys = visitors_->at(name.text());
        return is_at_home(name) ? everybodys | account_->who.allowed.at(name.text()) : everybodys;
    }
    /// The same for `name` in `directory`, which no path is made for.
    [[nodiscard]] auth::rights rights_at(const vfs::path& directory,
                                         std::string_view name) const noexcept {
        const auto everybodys = visitors_->at(directory.text(), name);
        return is_at_home(directory) ? everybodys | account_->who.allowed.at(directory.text(), name)
                                     : everybodys;
    }

    /// True when a rule for something below `name` says otherwise than the one for `name`: what is
    /// done to a whole directory at once must then be refused.
    [[nodiscard]] bool has_rules_below(const vfs::path& name) const noexcept {
        return visitors_->has_rules_below(name.text()) ||
               (is_at_home(name) && account_->who.allowed.has_rules_below(name.text()));
    }

    /// Where a name is to be looked for: in the home of the account, or in the whole tree.
    struct place {
        const vfs::tree& files;
        vfs::path name;
    };
    [[nodiscard]] place where(const vfs::path& name) const {
        if (is_at_home(name) && account_->home.files) {
            return {.files = *account_->home.files, .name = name.seen_from(account_->root)};
        }
        return {.files = *files_, .name = name};
    }

    /// True where the whole tree is the place, so that what others have open serves as well.
    [[nodiscard]] bool sees_whole_tree(const vfs::path& name) const noexcept {
        return !is_at_home(name) || account_->root.is_root();
    }

  private:
    [[nodiscard]] bool is_at_home(const vfs::path& name) const noexcept {
        return account_ != nullptr && name.is_within(account_->root);
    }

    const auth::permissions* visitors_;
    const vfs::tree* files_;
    std::shared_ptr<const login> account_;
};

}  // namespace ferry::http
