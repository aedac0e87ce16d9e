#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "ferry/net/connect.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "ftp_transfer.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

std::optional<unsigned> take_number(std::string_view& text, char behind) {
    unsigned value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end == text.data() + text.size() || *end != behind) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return value;
}

/// "Entering Passive Mode (h1,h2,h3,h4,p1,p2)" (RFC 959 section 4.1.2).
std::string read_passive(ftp_session& user, const std::string& text, net::endpoint& to) {
    std::string_view left = text;
    left.remove_prefix(std::min(left.find('(') + 1, left.size()));
    std::array<unsigned, 6> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto number = take_number(left, i + 1 < numbers.size() ? ',' : ')');
        if (!number || *number > 255) {
            return "no address and port";
        }
        numbers[i] = *number;
    }
    to = user.context.ftp;
    to.port = static_cast<std::uint16_t>(numbers[4] * 256 + numbers[5]);
    for (std::size_t i = 0; i < 4; ++i) {
        if (numbers[i] != to.octets[i]) {
            return "another address than that of the control connection";
        }
    }
    return to.port == 0 ? "port 0" : "";
}

/// "Entering Extended Passive Mode (|||port|)" (RFC 2428 section 3).
std::string read_extended(ftp_session& user, const std::string& text, net::endpoint& to) {
    std::string_view left = text;
    const auto begin = left.find("(|||");
    if (begin == std::string_view::npos || !left.ends_with("|)")) {
        return "no port";
    }
    left.remove_prefix(begin + 4);
    const auto port = take_number(left, '|');
    if (!port || *port == 0 || *port > 65'535) {
        return "no port";
    }
    to = user.context.ftp;
    to.port = static_cast<std::uint16_t>(*port);
    return {};
}

planned_command plan_passive(ftp_session& user, data_way& way, bool is_extended) {
    way.is_passive = true;
    return assemble(user,
                    {.verb = is_extended ? "EPSV" : "PASV",
                     .argument = is_extended && user.context.chance(4) ? "1" : "",
                     .codes =
                         [&user, is_extended] {
                             return std::vector{is_extended ? 229 : user.extended_only ? 503 : 227};
                         },
                     .effect =
                         [&user, &way, is_extended](const ftp_reply& reply) {
                             if (reply.code == 503) {
                                 return std::string();
                             }
                             user.data_is_set_up = true;
                             return is_extended ? read_extended(user, reply.text, way.to)
                                                : read_passive(user, reply.text, way.to);
                         }});
}

/// "Entering Long Passive Mode (4,4,h1,h2,h3,h4,2,p1,p2)" (RFC 1639).
std::string read_long_passive(ftp_session& user, const std::string& text, net::endpoint& to) {
    std::string_view left = text;
    left.remove_prefix(std::min(left.find('(') + 1, left.size()));
    to = user.context.ftp;
    std::array<unsigned, 9> wanted{4, 4, to.octets[0], to.octets[1], to.octets[2], to.octets[3], 2};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto number = take_number(left, i + 1 < wanted.size() ? ',' : ')');
        const bool is_right = number && (i < 7 ? *number == wanted[i] : *number <= 255);
        if (!is_right) {
            return "no long address of the server's and a port";
        }
        wanted[i] = *number;
    }
    to.port = static_cast<std::uint16_t>(wanted[7] * 256 + wanted[8]);
    return to.port == 0 ? "port 0" : "";
}

/// LPRT or LPSV (RFC 1639).
planned_command plan_long(ftp_session& user, data_way& way, const net::endpoint* at) {
    way.is_passive = at == nullptr;
    const auto argument =
        way.is_passive ? std::string()
                       : fmt::format("4,4,{},{},{},{},2,{},{}", at->octets[0], at->octets[1],
                                     at->octets[2], at->octets[3], at->port / 256, at->port % 256);
    const int right = way.is_passive ? 228 : 200;
    return assemble(
        user, {.verb = way.is_passive ? "LPSV" : "LPRT",
               .argument = argument,
               .codes = [&user, right] { return std::vector{user.extended_only ? 503 : right}; },
               .effect = [&user, &way](const ftp_reply& reply) -> std::string {
                   user.data_is_set_up = true;
                   return way.is_passive ? read_long_passive(user, reply.text, way.to) : "";
               }});
}

planned_command plan_active(ftp_session& user, data_way& way, const net::endpoint& at) {
    way.is_passive = false;
    const bool is_extended = user.context.chance(2);
    auto argument = fmt::format("|1|{}|{}|", net::format_address(at), at.port);
    if (!is_extended) {
        argument = fmt::format("{},{},{},{},{},{}", at.octets[0], at.octets[1], at.octets[2],
                               at.octets[3], at.port / 256, at.port % 256);
    }
    return assemble(user, {.verb = is_extended ? "EPRT" : "PORT",
                           .argument = std::move(argument),
                           .codes = [&user] { return std::vector{user.extended_only ? 503 : 200}; },
                           .effect =
                               [&user](const ftp_reply&) {
                                   user.data_is_set_up = true;
                                   return std::string();
                               }});
}

}  // namespace

task<outcome> set_up_data(ftp_session& user, data_way& way) {
    auto& context = user.context;
    if (user.kept.is_open()) {
        way.is_kept = true;
        user.data_is_set_up = true;
        co_return outcome::fine;
    }
    if (context.chance(3)) {
        // At the address the server sees: that of the control connection.
        const auto local = net::local_endpoint(user.control.fd());
        if (local) {
            auto at = *local;
            at.port = 0;
            auto listening = net::open_listener({.at = at, .backlog = 4});
            const auto bound = listening ? net::local_endpoint(listening->get())
                                         : result<net::endpoint>(failure(errc::in_use));
            if (bound) {
                way.listening = std::move(*listening);
                if (context.says_all && context.chance(4)) {
                    const auto set = co_await carry_out(user, plan_long(user, way, &*bound));
                    co_return set;
                }
                const auto went = co_await carry_out(user, plan_active(user, way, *bound));
                co_return went;
            }
        }
    }
    if (context.says_all && context.chance(6)) {
        const auto set = co_await carry_out(user, plan_long(user, way, nullptr));
        co_return set;
    }
    const bool is_extended = context.chance(2);
    const auto went = co_await carry_out(user, plan_passive(user, way, is_extended));
    co_return went;
}

task<result<wire>> open_data(ftp_session& user, data_way& way) {
    auto& context = user.context;
    if (way.is_kept) {
        co_return std::move(user.kept);
    }
    if (way.is_passive) {
        auto connected = co_await net::connect(context.here, {.to = way.to}, context.soon());
        if (!connected) {
            co_return failure(connected.error());
        }
        co_return wire(context.here, std::move(*connected));
    }
    const auto accepted =
        co_await runtime::op_wait(context.here.io(), runtime::opcode::accept, way.listening.get(),
                                  context.soon(), [](runtime::op&) {});
    if (!accepted) {
        co_return failure(accepted.error());
    }
    co_return wire(context.here, unique_fd(static_cast<int>(*accepted)));
}

void take_announcement(ftp_session& user, const data_way& way, ftp_reply& reply) {
    if (reply.code == (way.is_kept ? 125 : 150)) {
        user.context.findings.count("ftp transfers over a kept connection", way.is_kept ? 1 : 0);
        reply.code = 150;
    } else if (reply.code == 125 || reply.code == 150) {
        reply.code = 0;  // No reply at all is right with that.
    }
}

bool keeps_data(ftp_session& user) {
    const auto& excused = user.context.excused;
    const bool may_end = excused.resets || excused.silences || excused.finishes;
    return tells_end(user.form) && !may_end && user.context.says_all && user.context.chance(2);
}

interruption draw_interruption(client_context& context) {
    if (!context.chance(4)) {
        return interruption::none;
    }
    return static_cast<interruption>(1 + context.rng.below(6));
}

task<> interrupt(ftp_session& user, interruption what) {
    switch (what) {
        case interruption::abort: {
            // What came of it shows in the replies.
            static_cast<void>(co_await send_line(user, "ABOR"));
            break;
        }
        case interruption::abort_urgent: {
            // IP, then IAC DM with the DM urgent (RFC 854), then the command.
            if (user.control.is_secure()) {  // Nothing of TLS is urgent: all in line.
                static_cast<void>(
                    co_await user.control.send("\xff\xf4\xff\xf2", user.context.soon()));
            } else {
                static_cast<void>(co_await user.control.send("\xff\xf4\xff", user.context.soon()));
                static_cast<void>(user.control.send_urgent("\xf2"));
            }
            static_cast<void>(co_await send_line(user, "ABOR"));
            break;
        }
        case interruption::status:
            static_cast<void>(co_await send_line(user, "STAT"));
            break;
        case interruption::quit:
            static_cast<void>(co_await send_line(user, "QUIT"));
            break;
        case interruption::none:
        case interruption::drop_data:
        case interruption::drop_control:
            break;
    }
}

task<outcome> read_final(ftp_session& user, transfer_close& close) {
    auto& context = user.context;
    const bool aborts =
        close.what == interruption::abort || close.what == interruption::abort_urgent;
    bool has_status = false;
    ftp_reply reply;
    for (;;) {
        auto went = co_await read_reply(user, reply, context.soon(), close.line);
        if (went != outcome::fine) {
            co_return went;
        }
        if (close.what != interruption::status || reply.code != 211 || has_status) {
            break;
        }
        has_status = true;
    }
    close.final_code = reply.code;
    if (reply.is_preliminary() || reply.code == 211) {
        context.complain("a transfer without a final reply", reply.describe(), close.line);
        co_return outcome::broken;
    }
    std::string_view asked;
    int wanted = 0;
    if (aborts) {
        asked = "ABOR";
        wanted = 226;
    } else if (close.what == interruption::quit) {
        asked = "QUIT";
        wanted = 221;
    } else if (close.what == interruption::status && !has_status) {
        asked = "STAT";
        wanted = 211;
    }
    if (wanted == 0) {
        co_return outcome::fine;
    }
    const auto went = co_await read_reply(user, reply, context.soon(), asked);
    if (went != outcome::fine) {
        co_return went;
    }
    if (reply.code != wanted && !is_excused_reply(context, reply.code)) {
        context.complain("a reply that is not right",
                         fmt::format("{}, right would be {}; the transfer's was {}",
                                     reply.describe(), wanted, close.final_code),
                         std::string(asked) + " in " + close.line);
        co_return outcome::broken;
    }
    if (close.what != interruption::quit) {
        co_return outcome::fine;
    }
    const auto end = co_await user.control.fill(context.soon());
    if (end && *end) {
        context.complain("octets behind the last reply", user.control.input(), "QUIT");
        co_return outcome::broken;
    }
    co_return outcome::over;
}

}  // namespace ferry::sim::test
