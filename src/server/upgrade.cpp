#include "server/upgrade.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "ferry/base/log.hpp"
#include "ferry/base/quantities.hpp"

namespace ferry::server {
namespace {

// What a successor says, with the number of its process behind; anything else is why it is none.
constexpr std::string_view serving = "serving ";
// What its predecessor answers.
constexpr std::string_view go_on = "go on";

bool say(int channel, std::string_view text) noexcept {
    return ::send(channel, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/// Empty: whoever was there has ended.
std::string hear(int channel) {
    std::array<char, 1'024> octets{};
    ssize_t got = 0;
    do {
        got = ::recv(channel, octets.data(), octets.size(), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return {octets.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

}  // namespace

void upgrade::begin() {
    if (is_over_) {
        log::info("SIGUSR2: this process takes no connections any more");
        return;
    }
    if (successor_) {
        log::info("SIGUSR2: a new process is being started already");
        return;
    }
    if (all_.by == nullptr) {
        log::error("SIGUSR2: no new process can be started: --upgrade-drain-timeout is 0");
        return;
    }
    auto started = all_.by->start(all_.doors);
    if (!started) {
        log::error(fmt::format("SIGUSR2: no new process: {}", started.error()));
        return;
    }
    successor_ = std::move(*started);
    for (auto& each : all_.names) {
        each.leave();  // Should this process end before it hears whose they are.
    }
    log::info("SIGUSR2: a new process starts; this one serves until it does");
}

bool upgrade::hear_successor() {
    const auto said = hear(successor_.get());
    if (!said.starts_with(serving)) {
        successor_.reset();
        for (auto& each : all_.names) {
            each.keep();
        }
        log::error(said.empty() ? "the new process has ended before it served: it has said why; "
                                  "this one serves on"
                                : fmt::format("{}; this process serves on", said));
        return false;
    }
    const auto number = parse_number(std::string_view(said).substr(serving.size())).value_or(0);
    log::info(
        fmt::format("process {} serves from now on; this one finishes what is under way", number));
    all_.manager.say(fmt::format("MAINPID={}", number));
    static_cast<void>(say(successor_.get(), go_on));
    close_doors();
    heir_ = std::move(successor_);
    return true;
}

void upgrade::serves(std::string status) {
    status_ = std::move(status);
    for (auto& each : all_.names) {
        each.keep();
    }
    if (!all_.predecessor ||
        !say(all_.predecessor.get(), fmt::format("{}{}", serving, ::getpid()))) {
        tell_manager();
    }
}

bool upgrade::hear_predecessor() {
    const auto said = hear(all_.predecessor.get());
    tell_manager();
    if (said == go_on) {
        return false;
    }
    all_.predecessor.reset();
    log::info("the process that served before has ended");
    return true;
}

void upgrade::tell_manager() noexcept {
    if (!std::exchange(is_told_, true)) {
        all_.manager.say(status_);
    }
}

void upgrade::close_doors() noexcept {
    is_over_ = true;
    all_.doors.clear();
}

}  // namespace ferry::server
