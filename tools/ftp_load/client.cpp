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

/// 421 is the last word of a session (RFC 959 section 5.4).
std::unexpected<problem> refused(const reply& said) {
    return std::unexpected(problem{.what = fmt::format("reply {}", said.code),
                                   .ends_session = said.code == 421,
                                   .was_cancelled = false});
}

std::unexpected<problem> unexpected_words(std::string what) {
    return std::unexpected(
        problem{.what = std::move(what), .ends_session = true, .was_cancelled = false});
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
        const auto came = co_await control_->fill(deadline());
        if (!came) {
            co_return broken("control connection", came.error());
        }
        control_->take_input(input_);
    }
}

task<outcome<reply>> client::say(std::string line) {
    line += "\r\n";
    const auto sent = co_await control_->send(std::as_bytes(std::span(line)), options_.timeout);
    if (!sent) {
        co_return broken("control connection", sent.error());
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
    control_ = std::make_unique<net::plain_stream>(here_, std::move(*socket));
    auto greeting = co_await read_reply();
    while (greeting && greeting->code / 100 == 1) {  // 120: ready in so many minutes.
        greeting = co_await read_reply();
    }
    if (!greeting) {
        co_return std::unexpected(std::move(greeting.error()));
    }
    if (greeting->code != 220) {
        co_return unexpected_words(fmt::format("greeting {}", greeting->code));
    }
    auto user = co_await say("USER " + options_.where.user);
    if (user && user->code == 331) {
        user = co_await say("PASS " + options_.where.password);
    }
    if (!user) {
        co_return std::unexpected(std::move(user.error()));
    }
    if (user->code / 100 != 2) {
        co_return unexpected_words(fmt::format("login: reply {}", user->code));
    }
    is_logged_in_ = true;
    co_return outcome<void>();
}

task<outcome<void>> client::choose_type() {
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

task<outcome<unique_fd>> client::open_data(std::string command) {
    const bool is_passive = options_.data == data_mode::epsv || options_.data == data_mode::pasv;
    if (is_passive) {
        auto opened = co_await open_passive(std::move(command));
        co_return opened;
    }
    auto opened = co_await open_active(std::move(command));
    co_return opened;
}

task<outcome<unique_fd>> client::open_passive(std::string command) {
    const bool is_extended = options_.data == data_mode::epsv;
    const auto said = co_await demand(is_extended ? "EPSV" : "PASV", 2);
    if (!said) {
        co_return std::unexpected(said.error());
    }
    const auto port = is_extended ? extended_passive_port(said->text) : passive_port(said->text);
    if (!port) {
        co_return unexpected_words(fmt::format("no port in reply {}", said->code));
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
    auto socket = co_await open_data(std::move(command));
    if (!socket) {
        co_return std::unexpected(std::move(socket.error()));
    }
    net::plain_stream data(here_, std::move(*socket));
    content_mark mark;
    content_hash hash;
    std::optional<problem> failed;
    for (;;) {
        const auto got = co_await data.receive(buffer, deadline());
        if (!got) {
            failed = broken("data connection", got.error()).error();
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
    auto socket = co_await open_data(std::move(command));
    if (!socket) {
        co_return std::unexpected(std::move(socket.error()));
    }
    net::plain_stream data(here_, std::move(*socket));
    std::optional<problem> failed;
    for (std::uint64_t left = options_.upload_bytes; left > 0;) {
        const auto piece = content.first(std::min<std::uint64_t>(left, content.size()));
        const auto sent = co_await data.send(piece, options_.timeout);
        if (!sent) {
            failed = broken("data connection", sent.error()).error();
            break;
        }
        left -= piece.size();
        octets += piece.size();
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
