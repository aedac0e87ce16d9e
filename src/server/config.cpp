#include "server/config.hpp"

#include <fmt/format.h>

#include "ferry/base/ascii.hpp"
#include "server/flags.hpp"
#include "server/mount_text.hpp"
#include "server/version.hpp"

namespace ferry::server {
namespace {

std::string escaped(std::string_view text) {
    std::string out;
    ascii::append_escaped(out, text);
    return out;
}

/// The value of the row `name`, as one printable line.
std::string value_of(std::string_view name, const config& settings) {
    for (const auto& row : flags()) {
        if (row.name == name) {
            return escaped(show(row, settings));
        }
    }
    return {};
}

void append_files(std::string& out, const config& settings) {
    out += fmt::format("ferry {} would serve {}\n", version,
                       settings.root.empty() ? "what is mounted" : escaped(settings.root));
    for (const auto& each : settings.mounts) {
        const auto options = show_mount_options(each.options);
        out += fmt::format("{}: {}{}{}\n", escaped(each.path), escaped(each.directory),
                           options.empty() ? "" : ", ", options);
    }
}

void append_http(std::string& out, const config& settings) {
    if (settings.http.empty() && settings.http_local.empty()) {
        out += "HTTP: off\n";
        return;
    }
    out += fmt::format("HTTP/1.1 on {}\n", value_of("http", settings));
}

void append_admin(std::string& out, const config& settings) {
    if (!settings.admin.empty() || !settings.admin_local.empty()) {
        out += fmt::format("How it fares: on {}\n", value_of("admin", settings));
    }
}

void append_tls(std::string& out, const config& settings) {
    if (!settings.https.empty()) {
        out += fmt::format("HTTP/1.1 over TLS on {}{}\n", value_of("https", settings),
                           settings.http_redirect_to_https ? ", where all of HTTP is sent" : "");
    }
    if (!wants_tls(settings)) {
        return;
    }
    out += fmt::format("TLS {} and newer; certificates: {}\n", value_of("tls-min", settings),
                       settings.tls_certs.empty() ? std::string("self-signed, made at start")
                                                  : value_of("tls-cert", settings));
}

/// What of FTP goes over TLS.
std::string_view tls_of_ftp(const config& settings) {
    if (!wants_tls(settings)) {
        return "none";
    }
    switch (settings.ftp_tls) {
        case ftp::tls_policy::allow:
            return "for who asks";
        case ftp::tls_policy::login:
            return "needed by all logins but visitors'";
        case ftp::tls_policy::require:
            return "needed by all";
    }
    return "none";
}

void append_ftp(std::string& out, const config& settings) {
    if (!settings.ftps.empty()) {
        out += fmt::format("FTP over TLS on {}\n", value_of("ftps", settings));
    }
    if (settings.ftp.empty() && settings.ftps.empty()) {
        out += "FTP: off\n";
        return;
    }
    out += fmt::format("FTP on {}; passive data ports: {}; address in PASV replies: {}; TLS: {}\n",
                       value_of("ftp", settings), value_of("passive-ports", settings),
                       value_of("public-address", settings), tls_of_ftp(settings));
}

/// What the value of an option that names rights lets visitors do.
std::string what_visitors_do(std::string_view option, const config& settings) {
    const auto what = value_of(option, settings);
    if (what == "off") {
        return "nothing";
    }
    if (what == "read") {
        return "read";
    }
    return what == "upload" ? "read and store new files" : what;
}

/// Who may do what, with an account and without.
void append_accounts(std::string& out, const config& settings, const auth::accounts& users) {
    const bool serves_ftp = !settings.ftp.empty() || !settings.ftps.empty();
    if (!settings.http.empty() || !settings.http_local.empty()) {
        // As the service is made: off is for FTP alone, unless HTTP's own option says so.
        const bool reads = !settings.http_anonymous && !settings.anonymous;
        out += fmt::format(
            "visitors over HTTP: {}\n",
            reads ? "read"
                  : what_visitors_do(settings.http_anonymous ? "http-anonymous" : "anonymous",
                                     settings));
    }
    if (serves_ftp && settings.anonymous) {
        out += fmt::format("visitors over FTP: {}\n", what_visitors_do("anonymous", settings));
    } else if (serves_ftp && users.size() == 0) {
        out += "FTP logins: none is possible\n";
    }
    if (!settings.users_file.empty()) {
        out += fmt::format("users file: {}\n", escaped(settings.users_file));
    }
    for (const auto& user : users.named()) {
        const auto bounds = user.bounds.text();
        out += fmt::format("user {}: {} under {}{}{}{}\n", escaped(user.name),
                           escaped(user.allowed.text()), escaped(user.root),
                           bounds.empty() ? "" : ", ", bounds, user.is_locked ? ", locked" : "");
    }
}

void append_machine(std::string& out, const config& settings) {
    const auto threads = settings.cores;
    out += threads == 0 ? std::string("one thread for every CPU")
                        : fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
    switch (settings.pin.mode) {
        case pin_mode::automatic:
            out += ", pinned\n";
            break;
        case pin_mode::off:
            out += ", not pinned\n";
            break;
        case pin_mode::list:
            out += fmt::format(", pinned to CPU {}\n", value_of("pin", settings));
            break;
    }
}

void append_logs(std::string& out, const config& settings) {
    const auto format = settings.access_log_format == config().access_log_format
                            ? std::string()
                            : fmt::format(", as {}", escaped(settings.access_log_format));
    switch (settings.access_log.kind) {
        case access_log_kind::off:
            out += "access log: off\n";
            break;
        case access_log_kind::standard_output:
            out += fmt::format("access log: to standard output{}\n", format);
            break;
        case access_log_kind::file:
            out += fmt::format("access log: to {}{}\n", escaped(settings.access_log.file), format);
            break;
    }
}

}  // namespace

bool wants_tls(const config& settings) noexcept {
    return !settings.https.empty() || !settings.ftps.empty() || !settings.tls_certs.empty() ||
           settings.tls_self_signed;
}

std::optional<std::string> place_on_host(const config& settings, std::string_view path) {
    const auto is_beneath = [](std::string_view name, std::string_view directory) {
        return directory == "/" || name == directory ||
               (name.starts_with(directory) && name[directory.size()] == '/');
    };
    std::string_view mounted = "/";
    std::string_view directory = settings.root;
    for (const auto& each : settings.mounts) {
        if (is_beneath(each.path, path)) {
            return std::nullopt;
        }
        if (is_beneath(path, each.path) && each.path.size() >= mounted.size()) {
            if (each.options.names.are_any()) {
                return std::nullopt;
            }
            mounted = each.path;
            directory = each.directory;
        }
    }
    if (directory.empty()) {
        return std::string();  // In no directory that is served.
    }
    path.remove_prefix(mounted == "/" ? 0 : mounted.size());
    return std::string(directory).append(path);
}

std::string describe(const config& settings, std::string_view io, const auth::accounts& users) {
    std::string out;
    append_files(out, settings);
    append_http(out, settings);
    append_admin(out, settings);
    append_tls(out, settings);
    append_ftp(out, settings);
    append_accounts(out, settings, users);
    append_machine(out, settings);
    out += fmt::format("{}\n", io);
    append_logs(out, settings);

    out += "\noptions (* is not the default):\n";
    const config normal;
    for (const auto& row : flags()) {
        if (row.scope == flag_scope::command_line) {
            continue;  // About this run, not about what would run.
        }
        const auto value = show(row, settings);
        out += fmt::format("{} {:<27} {}\n", value == show(row, normal) ? ' ' : '*', row.name,
                           value.empty() ? "none" : escaped(value));
    }
    return out;
}

}  // namespace ferry::server
