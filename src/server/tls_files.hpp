#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/net/tls_server.hpp"
#include "server/config.hpp"

namespace ferry::server {

struct loaded_tls {
    std::shared_ptr<const net::tls_server> server;
    std::vector<std::string> warnings;  ///< A line each, for a person.
    std::string summary;                ///< Which certificate clients are shown.
};

/// Reads certificates, keys and what belongs to them from the files that the settings name, as
/// often as it is asked. Of the main thread: blocking.
///
/// What it makes itself it makes once: the certificate of `--tls-self-signed` that is in memory,
/// and the keys of tickets, so that sessions go on after a reload.
class tls_loader {
  public:
    /// `settings` outlives it.
    tls_loader(const config& settings, bool seals_in_kernel);

    /// Errors: one line for a person: which file, and what is wrong with it.
    [[nodiscard]] std::expected<loaded_tls, std::string> load();

    /// The certificates that are not there and that a start would make.
    [[nodiscard]] std::vector<std::string> would_make() const;
    /// Of what was loaded last.
    [[nodiscard]] const std::string& summary() const noexcept { return summary_; }

  private:
    [[nodiscard]] std::expected<net::tls_identity, std::string> make_own();
    [[nodiscard]] std::expected<net::tls_identity, std::string> read_identity(std::size_t index);
    [[nodiscard]] std::expected<void, std::string> read_ticket_keys();

    const config& settings_;
    bool seals_in_kernel_;
    std::shared_ptr<net::tls_ticket_keys> tickets_;
    std::optional<net::tls_identity> own_;
    std::string summary_;
};

}  // namespace ferry::server
