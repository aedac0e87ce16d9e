#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "options.hpp"
#include "reply_reader.hpp"
#include "tally.hpp"

namespace ferry::ftp_load {

/// What went wrong in a conversation.
struct problem {
    std::string what;            ///< As it is counted: "reply 550", "data connection: timed out".
    std::string said{};          ///< The text of that reply.
    bool ends_session = true;    ///< The control connection is of no further use.
    bool was_cancelled = false;  ///< We were asked to stop: nobody's fault.
    bool refuses_login = false;  ///< For good (RFC 959 section 4.2.1: 5yz).
};

template <class T>
using outcome = std::expected<T, problem>;

/// One session as a client has it (RFC 959): a control connection, and a data connection for each
/// transfer. One command at a time. Must be closed before it dies.
class client {
  public:
    /// All of it outlives the client. `tls`: null unless the options ask for TLS.
    client(runtime::core& here, const net::endpoint& server, const load_options& options,
           const tls_client* tls) noexcept
        : here_(here), server_(server), options_(options), tls_(tls) {}

    [[nodiscard]] bool is_logged_in() const noexcept { return is_logged_in_; }

    /// Connects, takes the greeting, begins TLS if asked for, says USER and PASS.
    [[nodiscard]] runtime::task<outcome<void>> log_in();
    /// What transfers need once: with TLS that they are protected, too (RFC 4217 section 9), and
    /// TYPE A or TYPE I, as the options say.
    [[nodiscard]] runtime::task<outcome<void>> prepare_transfers();
    /// QUIT, and its reply.
    [[nodiscard]] runtime::task<outcome<void>> quit();
    /// What SIZE says of `path`; nothing where the server does not say (RFC 3659 section 4).
    [[nodiscard]] runtime::task<outcome<std::optional<std::uint64_t>>> size(std::string path);

    /// Does `command` ("RETR name", "LIST") and receives what the data connection brings, through
    /// `buffer`, until 226. `octets` grows meanwhile. Content is hashed with --verify.
    [[nodiscard]] runtime::task<outcome<content_mark>> download(std::string command,
                                                                std::span<std::byte> buffer,
                                                                std::uint64_t& octets);
    /// Does `command` and sends `options.upload_bytes` octets, `content` over and over.
    [[nodiscard]] runtime::task<outcome<void>> upload(std::string command,
                                                      std::span<const std::byte> content,
                                                      std::uint64_t& octets);

    /// Leaves without a word. Deaf to stop requests.
    [[nodiscard]] runtime::task<> close();

  private:
    [[nodiscard]] runtime::time_point deadline() const noexcept {
        return here_.now() + options_.timeout;
    }
    [[nodiscard]] runtime::task<outcome<reply>> read_reply();
    [[nodiscard]] runtime::task<outcome<reply>> say(std::string line);
    /// `say`, and a reply of another hundred than `wanted` (2: 2yz) is a problem.
    [[nodiscard]] runtime::task<outcome<reply>> demand(std::string line, int wanted);
    [[nodiscard]] runtime::task<outcome<void>> secure(connection& which);
    [[nodiscard]] runtime::task<outcome<void>> greet();
    /// The data connection for `command`, which has been answered with 1yz then; with TLS in place
    /// where there is to be TLS.
    [[nodiscard]] runtime::task<outcome<std::unique_ptr<connection>>> open_data(
        std::string command);
    [[nodiscard]] runtime::task<outcome<unique_fd>> open_passive(std::string command);
    [[nodiscard]] runtime::task<outcome<unique_fd>> open_active(std::string command);
    /// The last reply of a transfer that moved all, or failed with `failed`.
    [[nodiscard]] runtime::task<outcome<void>> end_transfer(std::optional<problem> failed);

    runtime::core& here_;
    const net::endpoint& server_;
    const load_options& options_;
    const tls_client* tls_;
    tls_ticket ticket_;  ///< Of the control connection, and of what resumed it.
    std::unique_ptr<connection> control_;
    std::string input_;
    bool is_logged_in_ = false;
};

}  // namespace ferry::ftp_load
