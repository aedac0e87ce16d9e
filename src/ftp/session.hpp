#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/auth/accounts.hpp"
#include "ferry/base/result.hpp"
#include "ferry/ftp/server.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/net/tls_stream.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/token_bucket.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/client_names.hpp"
#include "ftp/command_queue.hpp"
#include "ftp/data_channel.hpp"
#include "ftp/list_format.hpp"
#include "ftp/reply.hpp"
#include "ftp/reply_writer.hpp"
#include "ftp/representation.hpp"
#include "ftp/restart_marker.hpp"

namespace ferry::ftp {

class running_transfer;

/// What SIZE said of an upload that was cut off.
struct told_part {
    vfs::path name;  ///< As the user sees it.
    std::uint64_t size_bytes = 0;
};

/// Who the user is: emptied by USER and REIN (RFC 959 section 4.1.1).
struct user_state {
    std::optional<std::string> claimed_name;  ///< From USER, until PASS.
    std::optional<auth::identity> identity;   ///< Nothing: nobody is logged in.
    auth::session_counts::place place;        ///< Among the sessions of that account.
    session_list::entry listed;               ///< Among all that are logged in.
    std::shared_ptr<auth::usage> usage;       ///< Of that account; null: nothing shared is limited.
    vfs::path root;                           ///< In the tree: what the user sees as "/".
    vfs::path home_root;                      ///< The same before SMNT.
    std::unique_ptr<vfs::tree> own_files;     ///< What lies there; null for the whole tree.
    std::unique_ptr<vfs::tree> mounted;       ///< By SMNT, at `root`; null: the home.
    std::shared_ptr<vfs::home> home;          ///< What its quota is about; null: it has none.
    vfs::path directory;                      ///< The working directory, as the user sees it.
    upload_place restart;                     ///< From REST, until the next transfer.
    /// From ALLO, until the next transfer.
    std::optional<std::uint64_t> announced_bytes;
    std::optional<told_part> part;          ///< From SIZE, until something is stored there.
    std::optional<vfs::path> rename_from;   ///< From RNFR, for the command right behind it.
    std::optional<vfs::path> copy_from;     ///< From SITE CPFR, the same.
    std::optional<octet_range> hash_range;  ///< From RANG, the same.
};

/// How transfers go: kept by USER, emptied by REIN (RFC 959 section 4.1.1).
struct transfer_settings {
    representation how;
    form_details details;
    fact_set facts = fact_set::usual();
    vfs::digest_algorithm hash = vfs::digest_algorithm::sha256;  ///< Of HASH.
    bool extended_only = false;          ///< After EPSV ALL (RFC 2428 section 4).
    bool lists_as_dos = false;           ///< By SITE DIRSTYLE.
    std::optional<std::uint32_t> umask;  ///< By SITE UMASK, beside the process's own.
};

/// Those of a session that has just begun.
[[nodiscard]] transfer_settings settings_at_first(const options& numbers) noexcept;

/// TLS of the control connection, and what was agreed on for data connections (RFC 4217).
struct session_security {
    /// What TLS was begun by, also on data connections to come, whatever is read anew meanwhile: a
    /// session that it has kept is resumed by it alone. Null: in clear.
    std::shared_ptr<const net::tls_server> by;
    std::string mark;     ///< Of the TLS session: data connections resume one that has it.
    std::string version;  ///< "TLSv1.3"; empty: in clear.
    std::string cipher;
    std::string client_name;        ///< The common name of the client's certificate; empty: none.
    std::string host;               ///< By HOST before AUTH: whose certificate is shown.
    bool has_buffer_size = false;   ///< PBSZ has been.
    bool protects_data = false;     ///< PROT P.
    bool begins_protected = false;  ///< As REIN leaves it: where TLS began with the connection.
    bool was_cleared = false;       ///< CCC has been.
    bool has_warned_of_reuse = false;
    runtime::time_point ticket_since{};  ///< The last one was given on the control connection.
};

/// Which of the server's hosts the client wants, by HOST: kept by USER, emptied by REIN and AUTH
/// (RFC 7151 section 3.2).
struct chosen_host {
    std::string name;  ///< Empty: none was chosen.
    vfs::path root;    ///< In the tree.
};

/// What a transfer leaves behind for the access log.
struct moved_content {
    std::string name;  ///< In the whole tree; empty until there is one.
    std::uint64_t bytes = 0;
    bool is_announced = false;  ///< There was a 150.
};

/// What of a session outlasts its silence.
struct session_memory {
    explicit session_memory(service& server) noexcept;

    client_names names;
    user_state user;
    transfer_settings settings;
    chosen_host host;
    runtime::duration idle_timeout;  ///< By SITE IDLE.
    /// The last command's end; before login the beginning of the session.
    runtime::time_point waiting_since;
    /// Of the whole session: a login in between, which anybody has where there is an anonymous one,
    /// must not buy more tries (threats.md, F10).
    std::size_t failed_logins = 0;
    std::uint64_t number;              ///< `runtime::core::number_connection`.
    bool is_greeted = false;           ///< There was a 220.
    bool has_warned_of_ports = false;  ///< Once is enough: a client may ask for ever.
};

/// One control connection: what its two coroutines and the handlers of commands share.
struct session : session_memory {
    session(service& server, net::tls_stream& connection, runtime::stop_scope& enclosing,
            session_memory&& remembered) noexcept;

    service& shared;
    net::tls_stream& control;
    runtime::core& here;
    runtime::stop_scope life;  ///< Stopped when nothing can be said to the client any more.
    runtime::stop_scope idle;  ///< Also stopped when the server drains: for waiting for commands.
    /// Also stopped when the client sends nothing more: for answers that are only put off.
    runtime::stop_scope heard;
    reply_writer replies;
    command_queue commands;
    data_channel data;
    runtime::token_bucket download;  ///< What the session's own rates leave.
    runtime::token_bucket upload;
    session_security security;
    /// Told to the reader, which waits behind AUTH and CCC, once they have been carried out: what
    /// comes next is TLS, or is not any more.
    runtime::event control_decided;

    running_transfer* transfer = nullptr;  ///< The one under way.
    std::uint64_t sequence = 0;            ///< Of the command under way.
    moved_content moved;                   ///< By the command under way, once its transfer ended.
    std::uint64_t abort_before = 0;        ///< Transfers of earlier commands end with 426.
    /// A server that drains hears what has been begun until then.
    std::optional<runtime::time_point> heard_until;
    bool is_proxied = false;        ///< Its connection began with a PROXY header.
    bool quit_seen = false;         ///< QUIT has been read, though maybe not carried out.
    bool is_answered = false;       ///< The command under way has had its final reply.
    bool is_leaving = false;        ///< The reply under way is the last.
    bool may_pause = false;         ///< Somebody takes it while its client is silent.
    bool is_between_lines = false;  ///< Its reader waits, and has nothing half read.
    bool has_paused = false;        ///< What still comes is not to be read here.

    /// What the user sees: names and links end at the user's root.
    [[nodiscard]] const vfs::tree& files() const noexcept {
        if (user.mounted) {
            return *user.mounted;
        }
        return user.own_files ? *user.own_files : shared.files;
    }

    [[nodiscard]] bool is_logged_in() const noexcept { return user.identity.has_value(); }

    /// What the user may do to `seen`, a name as the user sees it; nothing before login.
    [[nodiscard]] auth::rights rights_at(const vfs::path& seen) const;

    /// Whether there is anything that the user may do one of them to.
    [[nodiscard]] bool may_anywhere(auth::rights some) const noexcept {
        return user.identity && user.identity->allowed.has_anywhere(some);
    }
};

/// Reads `name` as the user typed it, for `session::files`. Errors as `vfs::path::parse`: answer
/// with `reply_for`.
[[nodiscard]] result<vfs::path> locate(const session& user, std::string_view name);

/// The quota of who is logged in.
[[nodiscard]] vfs::quota quota_of(const auth::limits& bounds) noexcept;

/// How much of the user's quota is used, for a person: "700 of 1024 octets, 3 of 5 files". Only
/// where there is one.
[[nodiscard]] std::string describe_quota(const session& user);

/// Octets that the user may still store, by its own quota; no end of them where there is none.
[[nodiscard]] std::uint64_t left_of_quota(const session& user);

/// Waits until it is known what is in the user's home, if there is a quota, for some seconds: it
/// begins at the login. False: it is not known yet.
[[nodiscard]] runtime::task<bool> wait_for_count(session& user);

/// `reply_for`, and where the user's own quota refuses it says how much of it is used.
[[nodiscard]] reply refusal(const session& user, const error& what, file_use use);

/// Whose parts of uploads that were cut off count at `seen`: the user's, where files may be
/// replaced and the octets of the transfer are those of the file (`vfs::upload_options`). Empty for
/// nobody's: visitors are not told apart, and who may replace nothing goes on with nothing.
[[nodiscard]] std::string_view part_owner_at(const session& user, const vfs::path& seen);

/// The same whatever the TYPE is: for who only removes them.
[[nodiscard]] std::string_view part_remover_at(const session& user, const vfs::path& seen);

/// What has become of an upload of the user's account that was to replace the file at `seen`.
/// `replacement::none` where that cannot be told: what is done to the name next fails, too.
[[nodiscard]] runtime::task<vfs::replacement> replacement_at(const session& user,
                                                             const vfs::path& seen);

/// Why a file is not to be gone on with from the size that it has: 450 while its upload is under
/// way, 550 where it was cut off. Nothing for `replacement::none`.
[[nodiscard]] std::optional<reply> why_not_to_go_on(vfs::replacement state);

/// The name in the whole tree of what the user sees as `seen`: for the log.
[[nodiscard]] std::string name_in_tree(const session& user, const vfs::path& seen);

/// What the fact media-type says of a file called `name`; empty where it is not told.
[[nodiscard]] std::string_view media_type_of(const session& user, std::string_view name) noexcept;

/// The answer to STAT without an argument: 211, with the octets done when a transfer is under way
/// (RFC 959 section 4.1.3). Never suspends.
[[nodiscard]] reply describe_session(const session& user);

}  // namespace ferry::ftp
