#include "server/invocation.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "server/flags.hpp"
#include "server/help.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

/// A file that is gone when the test is.
class temporary_file {
  public:
    explicit temporary_file(std::string_view text) {
        const unique_fd made(::mkstemp(path_.data()));
        REQUIRE(made);
        REQUIRE(::write(made.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() { ::unlink(path_.c_str()); }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/ferry-invocation-XXXXXX";
};

using words = std::vector<std::string>;

std::expected<server::config, server::early_exit> run(const words& arguments,
                                                      const words& environment = {}) {
    std::vector<const char*> argument_pointers;
    for (const auto& each : arguments) {
        argument_pointers.push_back(each.c_str());
    }
    std::vector<const char*> environment_pointers;
    for (const auto& each : environment) {
        environment_pointers.push_back(each.c_str());
    }
    environment_pointers.push_back(nullptr);
    return server::parse(
        {.arguments = argument_pointers, .environment = environment_pointers.data()});
}

/// The message of a refusal with status 2, without its LF.
std::string refusal(const words& arguments, const words& environment = {}) {
    const auto settings = run(arguments, environment);
    REQUIRE_FALSE(settings);
    CHECK(settings.error().status == 2);
    auto text = settings.error().text;
    REQUIRE(text.ends_with('\n'));
    text.pop_back();
    CHECK_FALSE(text.contains('\n'));
    return text;
}

}  // namespace

TEST_CASE("invocation: a directory alone runs with the defaults") {
    server::config normal;
    normal.root = "/srv";
    CHECK(run({"/srv"}).value() == normal);
    CHECK(run({"--root", "/srv"}).value() == normal);
    CHECK(run({"--", "/srv"}).value() == normal);
    CHECK(run({}, {"FERRY_ROOT=/srv"}).value() == normal);
    CHECK(server::parse({.arguments = std::array{"/srv"}, .environment = nullptr}).value() ==
          normal);
    CHECK(run({"--", "--http"}).value().root == "--http");
    CHECK(run({"[a]"}).value().root == "[a]");
}

TEST_CASE("invocation: options come before and after the directory, with a blank or '='") {
    const auto settings = run({"--cores=2", "--http", "127.0.0.1:1", "d", "--write",
                               "--http=[::1]:2", "--access-log", "-", "--check"})
                              .value();
    CHECK(settings.root == "d");
    CHECK(settings.cores == 2);
    CHECK(settings.http.size() == 2);
    CHECK(settings.write);
    CHECK(settings.check);
    CHECK(settings.access_log.kind == server::access_log_kind::standard_output);
    CHECK(run({"--cores", "2", "--cores", "3", "d"}).value().cores == 3);
    CHECK_FALSE(run({"--write", "--write=off", "d"}).value().write);
    CHECK(run({"--user", "ann:-x=", "--user=-bob:y=z", "d"}).value().users.size() == 2);
}

TEST_CASE("invocation: command line before environment before file before default") {
    const temporary_file file("idle-timeout = 1\nsend-timeout = 1\nheader-timeout = 1\n");
    const words environment = {"FERRY_CONFIG=" + file.path(), "FERRY_SEND_TIMEOUT=2",
                               "FERRY_HEADER_TIMEOUT=2"};
    const auto settings = run({"--header-timeout", "3", "d"}, environment).value();
    CHECK(settings.drain_timeout == 10s);
    CHECK(settings.idle_timeout == 1s);
    CHECK(settings.send_timeout == 2s);
    CHECK(settings.header_timeout == 3s);
    CHECK(settings.config_file == file.path());

    const temporary_file other("idle-timeout = 9\n");
    CHECK(run({"--config", other.path(), "d"}, environment).value().idle_timeout == 9s);
}

TEST_CASE("invocation: a stronger list replaces a weaker one whole") {
    const temporary_file file("http = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\nuser = \"ann:x\"\n");
    CHECK(run({"--config", file.path(), "d"}).value().http.size() == 2);
    const auto settings =
        run({"--config", file.path(), "--http", "127.0.0.1:3", "--user", "none", "d"}).value();
    CHECK(settings.http == std::vector{server::loopback(3)});
    CHECK(settings.users.empty());
    CHECK(run({"--config", file.path(), "--http", "off", "d"}).value().http.empty());
}

TEST_CASE("invocation: environment variables") {
    const auto settings =
        run({"d"},
            {"FERRY_HTTP=127.0.0.1:1, [::1]:2,", "FERRY_WRITE=true",
             "FERRY_USER=ann:a,b \nbob:c:/bob\n", "FERRY_CORES=", "FERRY_HEAD_BYTES_MAX=32KiB",
             "FERRY_PORT=tcp://10.0.0.1:80", "FERRY_CHECK=on", "PATH=/bin", "ferry_cores=9"})
            .value();
    CHECK(settings.http.size() == 2);
    CHECK(settings.write);
    REQUIRE(settings.users.size() == 2);
    CHECK(settings.users[0].password == "a,b ");
    CHECK(settings.users[1].directory == "/bob");
    CHECK(settings.cores == 0);
    CHECK(settings.head_bytes_max == 32U * 1'024U);
    CHECK_FALSE(settings.check);  // Only the command line says what to do, not how.
    CHECK(refusal({"d"}, {"FERRY_CORES=0"}) ==
          R"(FERRY_CORES: "0" is not a number from 1 to 1024, or all)");
}

TEST_CASE("invocation: a bad value is refused wherever it stands, also where a stronger one wins") {
    const temporary_file file("# ferry\ncores = 0\n");
    CHECK(refusal({"--cores", "0", "d"}) ==
          R"(--cores: "0" is not a number from 1 to 1024, or all)");
    CHECK(refusal({"--cores", "2", "--config", file.path(), "d"}) ==
          file.path() + R"(:2: cores: "0" is not a number from 1 to 1024, or all)");
    CHECK(refusal({"--cores", "2", "d"}, {"FERRY_CORES=x"}).starts_with("FERRY_CORES: "));
    CHECK(refusal({"--cores", "0", "--cores", "2", "d"}).starts_with("--cores: "));
    CHECK(refusal({""}) == R"(DIR: "" is not a path)");
    CHECK(refusal({"--cores=", "d"}) == R"(--cores: "" is no value)");
    CHECK(refusal({"d", "--cores"}) == "--cores: its value is missing");
    CHECK(refusal({"--user=ann:hunter2:x", "d"}).contains("hunter2") == false);
    CHECK(refusal({"--user= ann:x", "d"}) ==
          R"(--user: " ann:***": the name has a blank at an end)");
    CHECK(refusal({"d", "--usr=ann:hunter2"}).contains("hunter2") == false);
}

TEST_CASE("invocation: an unknown name is refused with the nearest known one") {
    CHECK(refusal({"--cors", "3", "d"}) == "--cors: no such option; did you mean --cores?");
    CHECK(refusal({"--htp=x", "d"}) == "--htp: no such option; did you mean --http?");
    CHECK(refusal({"--drain", "d"}) == "--drain: no such option; did you mean --drain-timeout?");
    CHECK(refusal({"--header_timeout=1", "d"}) ==
          "--header_timeout: no such option; did you mean --header-timeout?");
    CHECK(refusal({"--zzzzzz", "d"}) == "--zzzzzz: no such option; ferry --help lists them");
    CHECK(refusal({"-p", "80", "d"}) == "-p: no such option; ferry --help lists them");
    CHECK(refusal({"--x\n\x1b", "d"}).starts_with("--x\\x0a\\x1b: no such option"));
    CHECK(refusal({"--" + std::string(100'000, 'x'), "d"}).size() < 200);

    const temporary_file file("\nhtpp = \"off\"\n");
    CHECK(refusal({"--config", file.path(), "d"}) ==
          file.path() + ":2: htpp: no such option; did you mean http?");
}

TEST_CASE("invocation: what a file cannot say") {
    for (const auto* name : {"config", "check", "help", "version"}) {
        const temporary_file file(std::string(name) + " = true\n");
        CHECK(refusal({"--config", file.path(), "d"}) ==
              file.path() + ":1: " + name + ": not possible in a file");
    }
    const temporary_file array("cores = [1, 2]\n");
    CHECK(refusal({"--config", array.path(), "d"}) ==
          array.path() + ":1: cores: an array; it takes one value");
}

TEST_CASE("invocation: a configuration file that cannot be read is the world's fault: status 1") {
    const auto settings = run({"--config", "/nonexistent.toml", "d"});
    REQUIRE_FALSE(settings);
    CHECK(settings.error().status == 1);
    CHECK(settings.error().text == "configuration file /nonexistent.toml: not found\n");
}

TEST_CASE("invocation: values that do not fit together") {
    CHECK(refusal({}) == "DIR is missing: ferry [options] DIR; ferry --help says more");
    CHECK(refusal({"a", "b"}) ==
          R"("b": a second directory beside "a"; --mount /PATH=DIR serves more)");
    CHECK(refusal({"--mount", "/=a:ro", "d"}) ==
          R"(--mount /: "a" besides the directory "d"; the root is one of them)");
    CHECK(refusal({"--mount", "/a=b", "--mount", "/a/=c", "d"}) ==
          R"(--mount: "/a" is given twice)");
    CHECK(run({"--mount", "/=a:ro"}).value().root.empty());
    CHECK(run({}, {"FERRY_MOUNT=/a=b,c\n/d=e"}).value().mounts.size() == 2);
    CHECK(refusal({"--http", "off", "--ftp", "off", "d"}) ==
          "--http off and --ftp off: nothing to serve");
    // A service manager may have given sockets in their place, if it means this process.
    const auto given = "LISTEN_PID=" + std::to_string(::getpid());
    CHECK(run({"--http", "off", "--ftp", "off", "d"}, {given}));
    CHECK_FALSE(run({"--http", "off", "--ftp", "off", "d"}, {given + "0"}));
    CHECK_FALSE(run({"--http", "off", "--ftp", "off", "--check", "d"}, {given}));
    server::config nothing;
    CHECK(server::contradiction_in_listeners(nothing).empty());
    nothing.http.clear();
    nothing.ftp.clear();
    CHECK(server::contradiction_in_listeners(nothing) ==
          "--http off and --ftp off: nothing to serve");
    CHECK(refusal({"--http", "127.0.0.1:2121", "d"}) ==
          R"(--ftp: "127.0.0.1:2121" is --http's too)");
    CHECK(refusal({"--https", "127.0.0.1:8080", "--tls-self-signed", "d"}) ==
          R"(--https: "127.0.0.1:8080" is --http's too)");
    CHECK(refusal({"--https", "127.0.0.1:1", "d"}) ==
          "--https: there is no --tls-cert; --tls-self-signed makes one for developing");
    CHECK(refusal({"--ftps", "127.0.0.1:1", "d"}) ==
          "--ftps: there is no --tls-cert; --tls-self-signed makes one for developing");
    CHECK(refusal({"--ftp-tls", "login", "d"}) ==
          "--ftp-tls: there is no --tls-cert; --tls-self-signed makes one for developing");
    CHECK(refusal({"--ftps", "127.0.0.1:2121", "--tls-self-signed", "d"}) ==
          R"(--ftps: "127.0.0.1:2121" is --ftp's too)");
    CHECK(refusal({"--tls-cert", "a", "--tls-cert", "b", "--tls-key", "c", "d"}) ==
          "--tls-key: 1 for 2 of --tls-cert; name one for each, or none");
    CHECK(refusal({"--tls-cert", "a", "--tls-ocsp", "b", "--tls-ocsp", "c", "d"}) ==
          "--tls-ocsp: 2 for 1 of --tls-cert");
    CHECK(refusal({"--tls-client-certs", "optional", "d"}) ==
          "--tls-client-certs: there is no --tls-client-ca to vouch for them");
    CHECK(refusal({"--tls-client-ca", "a", "d"}) == "--tls-client-ca: --tls-client-certs is off");
    CHECK(refusal({"--tls-client-accounts", "d"}) ==
          "--tls-client-accounts: --tls-client-certs is off");
    CHECK(refusal({"--http-tls", "login", "d"}) ==
          "--http-tls login: there is no --https, so nobody could log in");
    CHECK(refusal({"--http-redirect-to-https", "d"}) ==
          "--http-redirect-to-https: there is no --https");
    CHECK(run({"--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0", "d"}));
    CHECK(refusal({"--cores", "2", "--pin", "0-2", "d"}) ==
          "--pin: 3 CPUs for --cores 2; name one for each, or leave --cores out");
    CHECK(run({"--pin", "0,2", "d"}).value().cores == 2);
}

TEST_CASE("invocation: help and version win over everything but an unknown name") {
    for (const auto* ask : {"--help", "-h"}) {
        const auto help = run({"--cores", "0", ask});
        REQUIRE_FALSE(help);
        CHECK(help.error().status == 0);
        CHECK(help.error().text == server::help_text());
    }
    const auto version = run({"--version"}, {"FERRY_CORES=0"});
    REQUIRE_FALSE(version);
    CHECK(version.error().status == 0);
    CHECK(version.error().text == server::version_text());
}

TEST_CASE("invocation: a variable that is no option is told, and keeps nobody from starting") {
    const auto warnings = [](const words& arguments, const words& environment) {
        return run(arguments, environment).value().warnings;
    };
    CHECK(
        warnings({"/srv"}, {"FERRY_CORES=2", "PATH=/bin", "FERRY=1", "FERRY_LOG_LEVEL="}).empty());
    CHECK(warnings({"/srv"}, {"FERRY_CORE=2"}) ==
          words{"FERRY_CORE: no such option; did you mean FERRY_CORES?"});
    CHECK(warnings({"/srv"}, {"FERRY_USRES_FILE=x"}) ==
          words{"FERRY_USRES_FILE: no such option; did you mean FERRY_USERS_FILE?"});
    CHECK(warnings({"/srv"}, {"FERRY_QWERTYUIOP=x", "FERRY_HELP=1"}) ==
          words{"FERRY_QWERTYUIOP: no such option", "FERRY_HELP: no such option"});
}

TEST_CASE("invocation: what is said and has no effect is told, and keeps nobody from starting") {
    const auto idle = [](words arguments) {
        arguments.emplace_back("/srv");
        return server::idle_flags(run(arguments).value());
    };
    CHECK(idle({"--write"}).size() == 1);
    CHECK(idle({"--write", "--users-file", "x"}).size() == 1);
    CHECK(idle({"--write", "--user", "ann:x"}).empty());
    CHECK(idle({"--access-log-format", "json"}) ==
          words{"--access-log-format: there is no --access-log"});
    CHECK(idle({"--access-log-format", "json", "--access-log", "-"}).empty());
    CHECK(idle({"--http-hsts", "1h"}) == words{"--http-hsts: there is no --https"});
    CHECK(idle({"--http-hsts", "1h", "--https", "*:1", "--tls-self-signed"}).empty());
    CHECK(idle({"--ftp-tls-ccc"}) == words{"--ftp-tls-ccc: FTP has no TLS"});
    CHECK(idle({"--ftp-tls-ccc", "--tls-self-signed", "--ftp-tls", "require"}) ==
          words{"--ftp-tls-ccc: --ftp-tls require lets nobody end it"});
    CHECK(idle({"--ftp-tls-ccc", "--tls-self-signed"}).empty());
    CHECK(idle({"--ftp-tls-reuse", "off", "--ftp", "off"}) ==
          words{"--ftp-tls-reuse: FTP has no TLS"});
    CHECK(idle({"--tls-cert", "x", "--tls-min", "1.3", "--ftp", "off"}) ==
          words{"--tls-cert, --tls-min: nothing has TLS: no --https, --ftps or --ftp"});
    CHECK(idle({"--tls-cert", "x", "--tls-min", "1.3"}).empty());
    CHECK(idle({"--tls-ticket-keys", "x", "--tls-kernel", "off"}) ==
          words{"--tls-kernel, --tls-ticket-keys: there is no TLS"});
    CHECK(idle({"--passive-ports", "2000-3000", "--ftp-idle-timeout", "1m", "--ftp", "off"}) ==
          words{"--passive-ports, --ftp-idle-timeout: there is no FTP"});
    CHECK(idle({"--spa", "/a", "--idle-timeout", "2m", "--http", "off"}) ==
          words{"--spa, --idle-timeout: there is no HTTP"});
    CHECK(idle({"--idle-timeout", "2m", "--http", "off", "--admin", "*:1"}).empty());
    CHECK(idle({"--forwarded-field", "forwarded"}) ==
          words{"--forwarded-field: there is no --trusted-proxy"});
    CHECK(idle({"--address-requests-burst", "5"}) ==
          words{"--address-requests-burst: --address-requests-rate is off"});
    CHECK(idle({"--http-compress", "off", "--http-compress-max", "1M"}) ==
          words{"--http-compress-max: --http-compress is off"});
    CHECK(idle({"--file-cache-entries", "off", "--file-cache-bytes", "1M",
                "--file-cache-idle-timeout", "1m"}) ==
          words{"--file-cache-bytes: --file-cache-entries is off"});
    CHECK(idle({"--io", "epoll", "--ring-entries", "64"}) ==
          words{"--ring-entries: --io is epoll"});
    CHECK(idle({"--rate-window", "1m", "--send-rate-min", "0", "--receive-rate-min", "0",
                "--ftp-transfer-rate-min", "0"})
              .empty());
    CHECK(idle({"--rate-window", "2m", "--send-rate-min", "0", "--receive-rate-min", "0",
                "--ftp-transfer-rate-min", "0"}) == words{"--rate-window: there is no least rate"});
}
