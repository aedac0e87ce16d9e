#include "server/config.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/flags.hpp"

using namespace ferry;

namespace {

std::string described(const server::config& settings, std::vector<auth::account> named = {}) {
    return server::describe(settings, "using io_uring",
                            auth::accounts(std::move(named), settings.anonymous));
}

/// The lines before the table of options.
std::string sentences(const server::config& settings, std::vector<auth::account> named = {}) {
    const auto text = described(settings, std::move(named));
    return text.substr(0, text.find("\n\n") + 1);
}

/// Without the first line, which holds the version.
std::string after_first_line(const std::string& text) {
    return text.substr(text.find('\n') + 1);
}

}  // namespace

TEST_CASE("describe: the defaults") {
    server::config settings;
    settings.root = "/srv";
    CHECK(described(settings).starts_with("ferry "));
    CHECK(described(settings).contains(" would serve /srv\n"));
    CHECK(after_first_line(sentences(settings)) ==
          "HTTP/1.1 on 127.0.0.1:8080\n"
          "FTP on 127.0.0.1:2121; passive data ports: any; address in PASV replies: auto; "
          "TLS: none\n"
          "visitors over HTTP: read\n"
          "visitors over FTP: read\n"
          "one thread for every CPU, pinned\n"
          "using io_uring\n"
          "access log: off\n");
}

TEST_CASE("describe: mounts, with a root and without") {
    server::config settings;
    settings.root = "/srv";
    settings.mounts = {{.path = "/a b", .directory = "/c\n", .options = {}},
                       {.path = "/d",
                        .directory = "/e",
                        .options = {.is_read_only = true, .hides_dot_names = true}}};
    CHECK(described(settings).contains(
        " would serve /srv\n/a b: /c\\x0a\n/d: /e, ro,hidden=hide\nHTTP"));
    settings.root.clear();
    CHECK(described(settings).contains(" would serve what is mounted\n/a b: "));
}

TEST_CASE("describe: everything said") {
    server::config settings;
    settings.root = "d\n";
    settings.http.clear();
    settings.passive_ports = server::port_range{.first = 5'000, .last = 5'010};
    settings.anonymous = auth::rights::read_only() | auth::rights{auth::right::create};
    settings.users = {{.name = "ann", .password = "hunter2", .directory = "/a"}};
    settings.users_file = "/etc/ferry.users";
    settings.write = true;
    settings.cores = 2;
    settings.pin = {.mode = server::pin_mode::list, .cpus = {0, 3}};
    settings.access_log = {.kind = server::access_log_kind::file, .file = "/log\x1b"};
    CHECK(described(settings).contains(" would serve d\\x0a\n"));
    const std::vector<auth::account> named = {{.name = "ann",
                                               .password = "hunter2",
                                               .hash = {},
                                               .root = "/a",
                                               .allowed = auth::rights::all(),
                                               .bounds = {}},
                                              {.name = "b\n",
                                               .password = {},
                                               .hash = {},
                                               .allowed = auth::rights::read_only(),
                                               .bounds = {},
                                               .is_locked = true}};
    CHECK(after_first_line(sentences(settings, named)) ==
          "HTTP: off\n"
          "FTP on 127.0.0.1:2121; passive data ports: 5000-5010; address in PASV replies: auto; "
          "TLS: none\n"
          "visitors over FTP: read and store new files\n"
          "users file: /etc/ferry.users\n"
          "user ann: all under /a\n"
          "user b\\x0a: read-only under /, locked\n"
          "2 threads, pinned to CPU 0,3\n"
          "using io_uring\n"
          "access log: to /log\\x1b\n");
    CHECK_FALSE(described(settings).contains("hunter2"));

    settings.anonymous = std::nullopt;
    settings.users.clear();
    settings.cores = 1;
    settings.pin = {.mode = server::pin_mode::off, .cpus = {}};
    settings.access_log = {.kind = server::access_log_kind::standard_output, .file = {}};
    CHECK(sentences(settings).contains("FTP logins: none is possible\n"));
    CHECK_FALSE(sentences(settings).contains("visitors"));
    CHECK(sentences(settings).contains("1 thread, not pinned\n"));
    CHECK(sentences(settings).contains("access log: to standard output\n"));
    settings.access_log_format = "json";
    CHECK(sentences(settings).contains("access log: to standard output, as json\n"));
}

TEST_CASE("describe: visitors over HTTP are those of FTP, or others, or nobody") {
    server::config settings;
    settings.anonymous = std::nullopt;
    CHECK(sentences(settings).contains("visitors over HTTP: read\n"));
    settings.anonymous = auth::rights::read_only() | auth::rights{auth::right::create};
    CHECK(sentences(settings).contains("visitors over HTTP: read and store new files\n"));
    settings.http_anonymous = auth::permissions();
    CHECK(sentences(settings).contains("visitors over HTTP: nothing\n"));
    settings.http.clear();
    CHECK_FALSE(sentences(settings).contains("visitors over HTTP"));
    settings.http_local = {{.path = "/run/ferry.sock"}};
    CHECK(sentences(settings).contains("visitors over HTTP: nothing\n"));
}

TEST_CASE("describe: every option is listed, those that are not the default marked") {
    server::config settings;
    settings.root = "/srv";
    settings.cores = 3;
    const auto text = described(settings);
    for (const auto& row : server::flags()) {
        CAPTURE(row.name);
        if (row.scope == server::flag_scope::command_line) {
            continue;
        }
        const bool changed = row.name == "root" || row.name == "cores";
        CHECK(text.contains((changed ? "\n* " : "\n  ") + std::string(row.name) + ' '));
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        CHECK_FALSE(line.ends_with(' '));
    }
}

TEST_CASE("describe: what of FTP goes over TLS") {
    server::config settings;
    settings.root = "/srv";
    settings.tls_self_signed = true;
    CHECK(described(settings).contains("; TLS: for who asks\n"));
    settings.ftp_tls = ftp::tls_policy::login;
    CHECK(described(settings).contains("; TLS: needed by all logins but visitors'\n"));
    settings.ftp_tls = ftp::tls_policy::require;
    CHECK(described(settings).contains("; TLS: needed by all\n"));
    settings.ftp.clear();
    settings.ftps = {net::parse_address("127.0.0.1").value()};
    CHECK(described(settings).contains("visitors over FTP: read\n"));
}
