#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "ferry/ftp/hosts.hpp"
#include "ferry/http/host_names.hpp"
#include "ferry/http/rules.hpp"

namespace ferry::server {

/// FTP's hosts are HTTP's: the sites of the rules file, and the whole tree for any other name
/// unless the rules refuse it.
class rules_hosts final : public ftp::host_table {
  public:
    /// Null: there are no rules.
    void use(std::shared_ptr<const http::sites> fresh) noexcept { rules_ = std::move(fresh); }

    [[nodiscard]] std::optional<vfs::path> root_of(std::string_view name) const override {
        return rules_ ? http::root_of_host(*rules_, name) : std::optional<vfs::path>(std::in_place);
    }

    [[nodiscard]] std::optional<vfs::path> root_of_known(std::string_view name) const override {
        return rules_ && http::has_host(*rules_, name) ? http::root_of_host(*rules_, name)
                                                       : std::nullopt;
    }

  private:
    std::shared_ptr<const http::sites> rules_;
};

}  // namespace ferry::server
