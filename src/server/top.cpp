#include "server/top.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/unique_fd.hpp"
#include "server/json_value.hpp"
#include "server/status_client.hpp"
#include "server/top_screen.hpp"

namespace ferry::server {
namespace {

constexpr std::string_view usage =
    "ferry top [--once] [ADDRESS]: how the ferry fares whose --admin is ADDRESS, ADDR:PORT or\n"
    "unix:PATH; without it the first of FERRY_ADMIN, else 127.0.0.1:9180. q ends it. With --once, "
    "or\nwhere standard output is no terminal, it shows once what happened in a second.\n";
constexpr std::string_view usual_address = "127.0.0.1:9180";
constexpr int interval_ms = 1'000;

struct request {
    std::string address;
    bool is_once = false;
    bool wants_help = false;
};

/// Nothing: the usage is wrong.
std::optional<request> read_arguments(std::span<char* const> arguments) {
    request made;
    for (const std::string_view each : arguments) {
        if (each == "--once") {
            made.is_once = true;
        } else if (each == "--help" || each == "-h") {
            made.wants_help = true;
        } else if (each.starts_with('-') || !made.address.empty()) {
            return std::nullopt;
        } else {
            made.address = each;
        }
    }
    if (made.address.empty()) {
        const char* const said = std::getenv("FERRY_ADMIN");
        const std::string_view all = said == nullptr ? std::string_view() : said;
        const auto first = all.substr(0, all.find(','));
        made.address = first.empty() || first == "off" ? usual_address : first;
    }
    return made;
}

screen_size size_of_terminal() noexcept {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        return {};
    }
    return {.columns = size.ws_col, .rows = size.ws_row};
}

void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

/// A terminal that shows another screen and says each key at once, as it was when this dies.
class borrowed_terminal {
  public:
    borrowed_terminal() noexcept : has_keys_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (has_keys_) {
            auto raw = before_;
            raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
            ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        put("\x1b[?1049h\x1b[?25l");  // The other screen, and no cursor (xterm).
    }
    borrowed_terminal(const borrowed_terminal&) = delete;
    borrowed_terminal& operator=(const borrowed_terminal&) = delete;
    ~borrowed_terminal() {
        put("\x1b[?25h\x1b[?1049l");
        if (has_keys_) {
            ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
        }
    }
    [[nodiscard]] bool has_keys() const noexcept { return has_keys_; }

  private:
    termios before_{};
    bool has_keys_;
};

unique_fd block_screen_signals() noexcept {
    sigset_t handled;
    sigemptyset(&handled);
    for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
        sigaddset(&handled, each);
    }
    ::pthread_sigmask(SIG_BLOCK, &handled, nullptr);
    return unique_fd(::signalfd(-1, &handled, SFD_CLOEXEC));
}

/// Draws over what is there: each line to its end, and nothing below the last.
void draw(std::string_view lines) {
    std::string out = "\x1b[H";
    while (!lines.empty()) {
        const auto line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(line.size() + 1);
        out += line;
        out += lines.empty() ? "\x1b[K" : "\x1b[K\r\n";
    }
    put(out + "\x1b[J");
}

enum class wish : std::uint8_t { go_on, draw_again, leave };

/// What comes first of a key, a signal and the next second.
wish wait_for_wish(int signals, bool has_keys) {
    pollfd waited[2] = {{.fd = signals, .events = POLLIN, .revents = 0},
                        {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}};
    if (::poll(waited, 2, interval_ms) <= 0) {
        return wish::go_on;
    }
    if (waited[0].revents != 0) {
        signalfd_siginfo came{};
        const auto got = ::read(signals, &came, sizeof came);
        return got == static_cast<ssize_t>(sizeof came) && came.ssi_signo == SIGWINCH
                   ? wish::draw_again
                   : wish::leave;
    }
    char key = 0;
    const bool has_key = ::read(STDIN_FILENO, &key, 1) == 1;
    return !has_key || key == 'q' || key == 'Q' ? wish::leave : wish::draw_again;
}

std::expected<json_value, std::string> look(const std::string& address) {
    const auto text = fetch_status(address);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto read = json_value::parse(*text);
    if (!read) {
        return std::unexpected("what answers there is no admin server of ferry");
    }
    return std::move(*read);
}

int give_up(std::string_view why) {
    std::fputs(fmt::format("ferry: {}\n", why).c_str(), stderr);
    return 1;
}

/// Shows it until somebody has seen enough. `first` is what has been told already.
void show_on(const std::string& address, json_value first) {
    const auto signals = block_screen_signals();
    const borrowed_terminal terminal;
    json_value before = first;
    json_value now = std::move(first);
    std::string trouble;
    for (auto wanted = wish::draw_again; wanted != wish::leave;) {
        if (wanted == wish::go_on) {
            if (auto fresh = look(address)) {
                before = std::exchange(now, std::move(*fresh));
                trouble.clear();
            } else {
                trouble = std::move(fresh.error());
            }
        }
        auto size = size_of_terminal();
        size.rows -= trouble.empty() || size.rows < 2 ? 0U : 1U;
        draw(trouble + (trouble.empty() ? "" : "\n") + draw_top(before, now, size, true));
        wanted = wait_for_wish(signals.get(), terminal.has_keys());
    }
}

}  // namespace

int show_top(std::span<char* const> arguments) {
    const auto asked = read_arguments(arguments);
    if (!asked) {
        std::fputs(fmt::format("ferry: usage: {}", usage).c_str(), stderr);
        return 2;
    }
    if (asked->wants_help) {
        put(usage);
        return 0;
    }
    auto first = look(asked->address);
    if (!first) {
        return give_up(first.error());
    }
    const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
    if (asked->is_once || !is_terminal) {
        const screen_size all{.columns = is_terminal ? size_of_terminal().columns
                                                     : std::numeric_limits<std::size_t>::max(),
                              .rows = std::numeric_limits<std::size_t>::max()};
        ::poll(nullptr, 0, interval_ms);
        const auto second = look(asked->address);
        if (!second) {
            return give_up(second.error());
        }
        put(draw_top(*first, *second, all, false));
        return 0;
    }
    show_on(asked->address, std::move(*first));
    return 0;
}

}  // namespace ferry::server
