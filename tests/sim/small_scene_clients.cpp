#include "small_scene_clients.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <utility>

#include "ferry/net/connect.hpp"

namespace ferry::sim::test {

using namespace std::chrono_literals;
using runtime::task;

task<wire> dial_in(small_scene& on, net::endpoint to) {
    runtime::core& core = on.client_core();
    auto connected = co_await net::connect(core, {.to = to}, core.now() + 10s);
    REQUIRE(connected);
    co_return wire(core, std::move(*connected));
}

task<> ftp_user::log_in() {
    control_ = co_await dial_in(on_, ferry_host::ftp_address());
    co_await take_reply();
    REQUIRE(last_code == 220);
    co_await expect("USER anonymous", 331);
    co_await expect("PASS guest@", 230);
    co_await expect("TYPE I", 200);
}

task<> ftp_user::say(std::string line) {
    const auto sent = co_await control_.send(line + "\r\n", deadline());
    REQUIRE(sent);
    co_await take_reply();
}

task<> ftp_user::expect(std::string line, int code) {
    CAPTURE(line);
    co_await say(line);
    REQUIRE(last_code == code);
}

task<std::string> ftp_user::fetch(std::string command) {
    co_await expect("EPSV", 229);
    const auto bar = last_line.find("|||");
    REQUIRE(bar != std::string::npos);
    const auto port = static_cast<std::uint16_t>(std::stoi(last_line.substr(bar + 3)));
    net::endpoint to = ferry_host::ftp_address();
    to.port = port;
    wire data = co_await dial_in(on_, to);
    co_await say(std::move(command));
    if (last_code != 150 && last_code != 125) {
        co_return std::string();
    }
    bool is_over = false;
    while (!is_over) {
        const auto more = co_await data.fill(deadline());
        REQUIRE((more || more.error() == errc::reset));
        is_over = !more || !*more;
    }
    co_await take_reply();
    co_return std::move(data.input());
}

runtime::time_point ftp_user::deadline() const {
    return on_.client_core().now() + 10s;
}

task<> ftp_user::take_reply() {
    for (;;) {
        const auto end = control_.input().find("\r\n");
        if (end == std::string::npos) {
            const auto more = co_await control_.fill(deadline());
            REQUIRE((more && *more));
            continue;
        }
        last_line = control_.input().substr(0, end);
        control_.input().erase(0, end + 2);
        if (last_line.size() > 3 && last_line[3] == ' ' && last_line[0] != ' ') {
            last_code = std::stoi(last_line);
            co_return;
        }
    }
}

}  // namespace ferry::sim::test
