#include "server/passwd.hpp"

#include <fmt/format.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ferry/auth/password.hpp"
#include "ferry/auth/users_file.hpp"
#include "server/users_file_io.hpp"

namespace ferry::server {
namespace {

constexpr std::size_t password_bytes_max = 511;  // What crypt(3) takes.

int refuse(const std::string& why, int status = 1) {
    std::fputs(fmt::format("ferry passwd: {}\n", why).c_str(), stderr);
    return status;
}

/// Keeps the terminal from showing what is typed, for as long as it lives.
class without_echo {
  public:
    without_echo() {
        is_terminal_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (is_terminal_) {
            termios silent = before_;
            silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        }
    }
    without_echo(const without_echo&) = delete;
    without_echo& operator=(const without_echo&) = delete;
    ~without_echo() {
        if (is_terminal_) {
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        }
    }

  private:
    bool is_terminal_ = false;
    termios before_{};
};

/// A line of standard input without its end, LF or CR LF; nothing at the end of it, or when it is
/// too long.
std::optional<std::string> read_line() {
    std::string line;
    for (char next = 0; ::read(STDIN_FILENO, &next, 1) == 1;) {
        if (next == '\n') {
            break;
        }
        if (line.size() == password_bytes_max) {
            return std::nullopt;
        }
        line += next;
    }
    if (line.ends_with('\r')) {  // Of a file from Windows: no keyboard types one.
        line.pop_back();
    }
    return line.empty() ? std::nullopt : std::optional(line);
}

std::optional<std::string> ask(const std::string& prompt) {
    std::fputs(prompt.c_str(), stderr);
    const without_echo meanwhile;
    auto typed = read_line();
    std::fputs("\n", stderr);
    return typed;
}

/// The new password, or nothing after having said why.
std::optional<std::string> get_password(const std::string& name) {
    if (::isatty(STDIN_FILENO) == 0) {
        auto line = read_line();
        if (!line || line->empty()) {
            refuse(
                fmt::format("no password of 1 to {} octets on standard input", password_bytes_max));
            return std::nullopt;
        }
        return line;
    }
    auto typed = ask(fmt::format("Password of {}: ", name));
    if (!typed || typed->empty()) {
        refuse(fmt::format("a password has 1 to {} octets", password_bytes_max));
        return std::nullopt;
    }
    const auto again = ask("The same again: ");
    if (again != typed) {
        refuse("the two are not the same; nothing is changed");
        return std::nullopt;
    }
    return typed;
}

int store_hash(const std::string& file, const std::string& name, const std::string& hash) {
    const auto before = read_users_file(file);
    if (!before && before.error() != ENOENT) {
        return refuse(fmt::format("{}: {}", file, ::strerror(before.error())));
    }
    const std::string text = before ? before->text : std::string();
    const auto parsed = auth::parse_users(text);
    if (!parsed) {
        return refuse(fmt::format("{}: {}; nothing is changed", file, parsed.error()));
    }
    const bool is_new = std::ranges::find(*parsed, name, &auth::account::name) == parsed->end();
    const auto written = write_users_file(file, auth::with_hash(text, name, hash),
                                          before ? &before->status : nullptr);
    if (!written && written.error() == EEXIST) {
        return refuse(
            fmt::format("{0}.new is there: somebody else is changing {0}, or it is left "
                        "from a crash and may be removed",
                        file));
    }
    if (!written) {
        return refuse(fmt::format("{}: {}", file, ::strerror(written.error())));
    }
    std::fputs(fmt::format("{}: {}; a running ferry reads it at SIGHUP\n", file,
                           is_new ? fmt::format("added {}, who may read everything", name)
                                  : fmt::format("changed the password of {}", name))
                   .c_str(),
               stdout);
    return 0;
}

}  // namespace

int set_password(std::span<const char* const> arguments) {
    CLI::App app(
        "Sets the password of a user in a file for --users-file, and adds the user if need "
        "be.\nAsks for it on a terminal, else reads a line of standard input.",
        "ferry passwd");
    std::string file;
    std::string name;
    const std::map<std::string, auth::hash_method> methods{
        {"yescrypt", auth::hash_method::yescrypt},
        {"sha512crypt", auth::hash_method::sha512crypt},
        {"bcrypt", auth::hash_method::bcrypt}};
    std::string wanted = "yescrypt";
    app.add_option("--method", wanted, "yescrypt (default), sha512crypt or bcrypt");
    app.add_option("FILE", file, "the users file")->required();
    app.add_option("NAME", name, "the user")->required();
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& refused) {
        return app.exit(refused) == 0 ? 0 : 2;
    }
    const auto method = methods.find(wanted);
    if (method == methods.end()) {
        return refuse(
            fmt::format("--method: \"{}\" is none of yescrypt, sha512crypt and bcrypt", wanted), 2);
    }
    if (const auto why = auth::why_no_user_name(name); !why.empty()) {
        return refuse(why, 2);
    }
    auto password = get_password(name);
    if (!password) {
        return 1;
    }
    const auto hash = auth::hash_password(*password, method->second);
    ::explicit_bzero(password->data(), password->size());
    if (!hash) {
        return refuse("this password cannot be hashed: it holds a NUL, or is too long");
    }
    return store_hash(file, name, *hash);
}

}  // namespace ferry::server
