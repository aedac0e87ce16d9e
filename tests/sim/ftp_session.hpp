#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client_context.hpp"
#include "ferry/runtime/task.hpp"
#include "ftp_forms.hpp"
#include "ftp_reply.hpp"
#include "wire.hpp"

namespace ferry::sim::test {

/// One control connection as the client knows it: what the server must believe, too.
struct ftp_session {
    client_context& context;
    wire& control;

    std::optional<std::string> claimed_name{};
    std::optional<ftp_account> who{};  ///< Logged in.
    std::size_t failed_logins = 0;
    std::string home_root = "/";  ///< Of who is logged in: the root before SMNT.
    std::string directory = "/";  ///< As the user sees it.
    bool is_image = false;        ///< TYPE I, or E, which `form` tells from it.
    bool is_printed = false;      ///< TYPE A C, else A N; only without `is_image`.
    data_form form{};             ///< Another only with `is_image`.
    bool has_page_1047 = false;   ///< By SITE EBCDIC, for the next TYPE E.
    bool lists_as_dos = false;    ///< By SITE DIRSTYLE.
    std::string umask = "022";    ///< By SITE UMASK.
    std::uint64_t restart_offset = 0;
    std::optional<std::string> rename_from{};  ///< As the user sees it.
    bool has_copy_source = false;              ///< SITE CPFR has just been confirmed.
    bool has_range = false;                    ///< RANG, the same.
    bool extended_only = false;
    bool data_is_set_up = false;
    wire kept{};  ///< A data connection that has served, and serves again (RFC 959 section 3.4).
    /// TLS sessions of the control connection, for its data connections to resume.
    std::shared_ptr<tls_memory> tls = std::make_shared<tls_memory>();
    bool has_buffer_size = false;   ///< PBSZ was sent.
    bool protects_data = false;     ///< PROT P.
    bool begins_protected = false;  ///< TLS began with the connection.
    std::string cut_off{};          ///< The model's name of the replacement that was cut off last.
    /// An upload that was broken off behind a restart marker.
    struct marked_upload {
        std::string argument;
        std::uint64_t offset = 0;
        content rest;
    };
    std::optional<marked_upload> marked{};
    std::string before{};  ///< What was asked before, for messages.

    /// What the user typed as a name of the model.
    [[nodiscard]] std::string in_model(std::string_view typed) const;
    /// The normalised name as the user sees it.
    [[nodiscard]] std::string seen(std::string_view typed) const;
    /// A way to type the model's `path`; nothing when the user cannot see it.
    [[nodiscard]] std::optional<std::string> typed(const std::string& path) const;
    [[nodiscard]] bool may_change() const noexcept { return who && who->may_change; }
};

/// What the TYPE that is set, A N or A C, makes of a file.
[[nodiscard]] std::string text_form(const ftp_session& user, std::string_view stored);

/// As it begins: after REIN, and behind AUTH, where all that came in clear counts for nothing.
void forget_all(ftp_session& user);

/// Whose parts of uploads that were cut off the server keeps and tells of: the account's, if it may
/// change files and the transfer's octets are the file's; empty for nobody's.
[[nodiscard]] inline std::string part_owner(const ftp_session& user) {
    const auto& form = user.form;
    const bool has_offsets =
        user.is_image && (form.structure == file_structure::file || tells_end(form));
    return user.may_change() && has_offsets ? user.who->name : std::string();
}

/// A command line and how to judge its reply. Planned before it is sent: a change of the tree
/// begins then.
struct planned_command {
    std::string verb;
    std::string line;
    /// Why the reply is wrong, or empty; takes over what a right one means for session and model.
    std::function<std::string(const ftp_reply&)> judge;
    /// No reply came.
    std::function<void()> lost = [] {};
};

/// The codes a command may get before its own handler decides: RFC 959's and the table of ferry:
/// login (530), argument (501), rights (550), data connection (425). Nothing: the handler's turn.
[[nodiscard]] std::optional<int> refused_by_table(const ftp_session& user, std::string_view verb,
                                                  std::string_view argument);

/// True when faults of this run excuse `code`.
[[nodiscard]] bool is_excused_reply(const client_context& context, int code);

/// A planned command from its parts. `codes`: what is right when the table lets it through, asked
/// when the reply is there. `change`: what it does to the tree. `effect`: of a positive reply; its
/// result says why the text is wrong.
struct command_parts {
    std::string verb;
    std::string argument;
    std::function<std::vector<int>()> codes;
    std::optional<model_tree::token> change{};
    /// Whether it says that `change` has happened.
    std::function<bool(const ftp_reply&)> has_changed = [](const ftp_reply& reply) {
        return reply.code / 100 == 2;
    };
    std::function<std::string(const ftp_reply&)> effect = [](const ftp_reply&) {
        return std::string();
    };
};
[[nodiscard]] planned_command assemble(ftp_session& user, command_parts parts);

/// Sends one line, with Telnet's escapes.
[[nodiscard]] runtime::task<result<void>> send_line(ftp_session& user, std::string_view line);
/// The next reply. Complains about none, a malformed one, and 421 without a reason.
/// `over`: the connection ended, and that is excused.
[[nodiscard]] runtime::task<outcome> read_reply(ftp_session& user, ftp_reply& into,
                                                runtime::time_point deadline,
                                                std::string_view asked);
/// Sends all of `plans` at once and judges their replies, in order.
[[nodiscard]] runtime::task<outcome> carry_out(ftp_session& user,
                                               std::vector<planned_command> plans);
/// One of them.
[[nodiscard]] runtime::task<outcome> carry_out(ftp_session& user, planned_command plan);

/// The reply judged, for who reads it itself.
[[nodiscard]] outcome judge(ftp_session& user, const planned_command& plan, const ftp_reply& reply);

/// Line in octets: IAC doubled, CR LF behind.
[[nodiscard]] std::string line_octets(std::string_view line);

}  // namespace ferry::sim::test
