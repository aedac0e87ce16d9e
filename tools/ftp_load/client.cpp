#include "client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"
#include "ferry/net/connect.hpp"
#include "ferry/net/listener.hpp"

namespace ferry::ftp_load {

using runtime::task;

namespace {

std::unexpected<problem> broken(std::string_view where, const error& why) {
    return std::unexpected(problem{.what = fmt::format("{}: {}", where, describe(why.code)),
                                   .ends_session = true,
                                   .was_cancelled = why == errc::cancelled});
}

std::unexpected<problem> broken(std::string_view where, const connection& which, const error& why) {
    return std::unexpected(problem{.what = fmt::format("{}: {}", where, which.explain(why)),
                                   .ends_session = true,
                                   .was_cancelled = why == errc::cancelled});
}

/// 421 is the last word of a session (RFC 959 section 5.4).
std::unexpected<problem> refused(const reply& said) {
    return std::unexpected(problem{.what = fmt::format("reply {}", said.code),
                                   .said = said.text,
                                   .ends_session = said.code == 421,
                                   .was_cancelled = false});
}

std::unexpected<problem> unexpected_words(std::string what, std::string said = {}) {
    return std::unexpected(problem{.what = std::move(what),
                                   .said = std::move(said),
                                   .ends_session = true,
                                   .was_cancelled = false});
}

}  // namespace

task<outcome<reply>> client::read_reply() {
    reply said;
    for (;;) {
        switch (take_reply(input_, said)) {
            case reply_reading::complete:
                co_return said;
            case reply_reading::malformed:
                co_return unexpected_words("a reply that is none");
            case reply_reading::incomplete:
                break;
        }
        const auto came = co_await control_->receive_more(input_, deadline());
        if (!came) {
            co_return broken("control connection", *control_, came.error());
        }
    }
}

task<outcome<reply>> client::say(std::string line) {
    line += "\r\n";
    const auto sent = co_await control_->send(std::as_bytes(std::span(line)), options_.timeout);
    if (!sent) {
        co_return broken("control connection", *control_, sent.error());
    }
    auto said = co_await read_reply();
    co_return said;
}

task<outcome<reply>> client::demand(std::string line, int wanted) {
    auto said = co_await say(std::move(line));
    if (said && said->code / 100 != wanted) {
        co_return refused(*said);
    }
    co_return said;
}

task<outcome<void>> client::log_in() {
    auto socket = co_await net::connect(here_, {.to = server_}, deadline());
    if (!socket) {
        co_return broken("connect", socket.error());
    }
    input_.clear();
    ticket_.forget();  // Another session of FTP is another of TLS.
    control_ = std::make_unique<connection>(here_, std::move(*socket));
    auto met = co_await greet();
    if (!met) {
        co_return met;
    }
    auto user = co_await say("USER " + options_.where.user);
    if (user && user->code == 331) {
        user = co_await say("PASS " + options_.where.password);
    }
    if (!user) {
        co_return std::unexpected(std::move(user.error()));
    }
    if (user->code / 100 != 2) {
        auto why = unexpected_words(fmt::format("login: reply {}", user->code), user->text);
        // 421: too many have failed by now.
        why.error().refuses_login = user->code / 100 == 5 || user->code == 421;
        co_return why;
    }
    is_logged_in_ = true;
    co_return outcome<void>();
}

/// The greeting, and TLS before it or behind it (RFC 4217 section 4).
task<outcome<void>> client::greet() {
    if (options_.security() == tls_mode::at_once) {
        auto secured = co_await secure(*control_);
        if (!secured) {
            co_return secured;
        }
    }
    auto greeting = co_await read_reply();
    while (greeting && greeting->code / 100 == 1) {  // 120: ready in so many minutes.
        greeting = co_await read_reply();
    }
    if (!greeting) {
        co_return std::unexpected(std::move(greeting.error()));
    }
    if (greeting->code != 220) {
        co_return unexpected_words(fmt::format("greeting {}", greeting->code), greeting->text);
    }
    if (options_.security() == tls_mode::by_command) {
        const auto said = co_await say("AUTH TLS");
        if (!said) {
            co_return std::unexpected(said.error());
        }
        if (said->code != 234) {
            auto why = unexpected_words(fmt::format("AUTH TLS: reply {}", said->code), said->text);
            why.error().refuses_login = said->code / 100 == 5;
            co_return why;
        }
        auto secured = co_await secure(*control_);
        co_return secured;
    }
    co_return outcome<void>();
}

task<outcome<void>> client::secure(connection& which) {
    const auto shaken = co_await which.begin_tls(
        {.by = *tls_, .host = options_.where.host, .ticket = ticket_}, deadline());
    if (!shaken) {
        co_return broken(&which == control_.get() ? "control connection" : "data connection", which,
                         shaken.error());
    }
    co_return outcome<void>();
}

task<outcome<void>> client::prepare_transfers() {
    if (options_.security() != tls_mode::never) {
        for (const std::string_view line : {"PBSZ 0", "PROT P"}) {
            const auto agreed = co_await demand(std::string(line), 2);
            if (!agreed) {
                co_return std::unexpected(agreed.error());
            }
        }
    }
    const auto said = co_await demand(options_.is_ascii ? "TYPE A" : "TYPE I", 2);
    if (!said) {
        co_return std::unexpected(said.error());
    }
    co_return outcome<void>();
}

task<outcome<void>> client::quit() {
    const auto said = co_await demand("QUIT", 2);
    if (!said) {
        co_return std::unexpected(said.error());
    }
    co_return outcome<void>();
}

task<outcome<std::optional<std::uint64_t>>> client::size(std::string path) {
    const auto said = co_await say("SIZE " + path);
    if (!said) {
        co_return std::unexpected(said.error());
    }
    if (said->code == 421) {
        co_return refused(*said);
    }
    if (said->code != 213) {
        co_return std::optional<std::uint64_t>();
    }
    co_return parse_number(ascii::trim(said->text));
}

task<outcome<std::unique_ptr<connection>>> client::open_data(std::string command) {
    const bool is_passive = options_.data == data_mode::epsv || options_.data == data_mode::pasv;
    outcome<unique_fd> socket;
    if (is_passive) {
        auto opened = co_await open_passive(std::move(command));
        socket = std::move(opened);
    } else {
        auto opened = co_await open_active(std::move(command));
        socket = std::move(opened);
    }
    if (!socket) {
        co_return std::unexpected(std::move(socket.error()));
    }
    auto made = std::make_unique<connection>(here_, std::move(*socket));
    if (options_.security() != tls_mode::never) {
        auto secured = co_await secure(*made);
        if (!secured) {
            co_await made->close(net::farewell::abort);
            // The server may know better why.
            auto ended = co_await end_transfer(std::move(secured.error()));
            co_return std::unexpected(std::move(ended.error()));
        }
    }
    co_return made;
}

task<outcome<unique_fd>> client::open_passive(std::string command) {
    const bool is_extended = options_.data == data_mode::epsv;
    const auto said = co_await demand(is_extended ? "EPSV" : "PASV", 2);
    if (!said) {
        co_return std::unexpected(said.error());
    }
    const auto port = is_extended ? extended_passive_port(said->text) : passive_port(said->text);
    if (!port) {
        co_return unexpected_words(fmt::format("no port in reply {}", said->code), said->text);
    }
    auto to = server_;
    to.port = *port;
    auto socket = co_await net::connect(here_, {.to = to}, deadline());
    if (!socket) {
        co_return broken("data connection", socket.error());
    }
    const auto begun = co_await demand(std::move(command), 1);
    if (!begun) {
        co_return std::unexpected(begun.error());
    }
    co_return std::move(*socket);
}

task<outcome<unique_fd>> client::open_active(std::string command) {
    auto at = net::unmapped(control_->local());
    at.port = 0;
    auto listening = net::open_listener({.at = at, .backlog = 1});
    if (!listening) {
        co_return broken("listening socket", listening.error());
    }
    const auto bound = net::local_endpoint(listening->get());
    if (!bound) {
        co_return broken("listening socket", bound.error());
    }
    const auto said =
        co_await demand(options_.data == data_mode::eprt ? "EPRT " + eprt_argument(*bound)
                                                         : "PORT " + port_argument(*bound),
                        2);
    if (!said) {
        co_return std::unexpected(said.error());
    }
    // The server's connection is taken by the kernel meanwhile, whichever comes first.
    const auto begun = co_await demand(std::move(command), 1);
    if (!begun) {
        co_return std::unexpected(begun.error());
    }
    net::acceptor door(here_, std::move(*listening));
    auto socket = co_await door.accept(deadline());
    co_await door.close();
    if (!socket) {
        co_return broken("data connection", socket.error());
    }
    co_return std::move(*socket);
}

task<outcome<void>> client::end_transfer(std::optional<problem> failed) {
    if (failed && failed->was_cancelled) {
        co_return std::unexpected(std::move(*failed));
    }
    const auto said = co_await read_reply();
    if (!said) {
        co_return std::unexpected(failed ? std::move(*failed) : said.error());
    }
    if (said->code / 100 != 2) {  // It says more than that the connection broke.
        co_return refused(*said);
    }
    if (failed) {
        co_return std::unexpected(std::move(*failed));
    }
    co_return outcome<void>();
}

task<outcome<content_mark>> client::download(std::string command, std::span<std::byte> buffer,
                                             std::uint64_t& octets) {
    auto opened = co_await open_data(std::move(command));
    if (!opened) {
        co_return std::unexpected(std::move(opened.error()));
    }
    auto& data = **opened;
    content_mark mark;
    content_hash hash;
    std::optional<problem> failed;
    for (;;) {
        const auto got = co_await data.receive(buffer, deadline());
        if (!got) {
            failed = broken("data connection", data, got.error()).error();
            break;
        }
        if (*got == 0) {
            break;
        }
        if (options_.verify) {
            hash.take(buffer.first(*got));
        }
        mark.octets += *got;
        octets += *got;
    }
    co_await data.close(failed ? net::farewell::abort : net::farewell::orderly);
    auto ended = co_await end_transfer(std::move(failed));
    if (!ended) {
        co_return std::unexpected(std::move(ended.error()));
    }
    mark.hash = options_.verify ? hash.value() : 0;
    co_return mark;
}

task<outcome<void>> client::upload(std::string command, std::span<const std::byte> content,
                                   std::uint64_t& octets) {
    auto opened = co_await open_data(std::move(command));
    if (!opened) {
        co_return std::unexpected(std::move(opened.error()));
    }
    auto& data = **opened;
    std::optional<problem> failed;
    for (std::uint64_t left = options_.upload_bytes; left > 0;) {
        const auto piece = content.first(std::min<std::uint64_t>(left, content.size()));
        const auto sent = co_await data.send(piece, options_.timeout);
        if (!sent) {
            failed = broken("data connection", data, sent.error()).error();
            break;
        }
        left -= piece.size();
        octets += piece.size();
    }
    if (!failed) {
        co_await data.finish(deadline());
    }
    co_await data.close(failed ? net::farewell::abort : net::farewell::orderly);
    auto ended = co_await end_transfer(std::move(failed));
    co_return ended;
}

task<> client::close() {
    is_logged_in_ = false;
    if (control_) {
        co_await control_->close(net::farewell::orderly);
        control_.reset();
    }
}

}  // namespace ferry::ftp_load
