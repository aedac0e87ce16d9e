#include "wire.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <span>

#include "ferry/base/kernel.hpp"
#include "ferry/net/connect.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::sim::test {

using runtime::task;

task<> pause(client_context& context) {
    if (context.pause_max.count() <= 0 || context.chance(2)) {
        co_return;
    }
    const auto most = static_cast<std::uint64_t>(context.pause_max.count());
    const runtime::duration length(static_cast<std::int64_t>(context.rng.below(most)));
    // A stop ends the client at its next wait.
    static_cast<void>(co_await runtime::sleep_until(context.here, context.here.now() + length));
}

task<result<void>> wire::send(std::string_view octets, runtime::time_point deadline) {
    const auto left = std::as_bytes(std::span(octets));
    std::size_t done = 0;
    while (done < left.size()) {
        const auto piece = left.subspan(done);
        const auto sent = co_await runtime::op_wait(
            here_->io(), runtime::opcode::send, socket_.get(), deadline,
            [piece](runtime::op& fresh) {
                fresh.args.send = {.data = piece.data(), .size_bytes = piece.size()};
            });
        if (!sent) {
            co_return failure(sent.error());
        }
        done += static_cast<std::size_t>(*sent);
    }
    co_return result<void>{};
}

task<result<void>> wire::send_in_pieces(client_context& context, std::string_view octets,
                                        runtime::time_point deadline) {
    if (context.chance(3)) {
        const auto sent = co_await send(octets, deadline);
        co_return sent;
    }
    auto pieces_left = 1 + context.rng.below(8);
    while (!octets.empty()) {
        --pieces_left;
        const auto count = pieces_left == 0 ? octets.size() : 1 + context.rng.below(octets.size());
        const auto sent = co_await send(octets.substr(0, count), deadline);
        if (!sent) {
            co_return sent;
        }
        octets.remove_prefix(count);
        if (!octets.empty()) {
            co_await pause(context);
        }
    }
    co_return result<void>{};
}

bool wire::send_urgent(std::string_view octets) noexcept {
    return kernel::send(socket_.get(), octets.data(), octets.size(),
                        MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(octets.size());
}

task<result<bool>> wire::fill(runtime::time_point deadline, std::size_t octets_max) {
    const auto had = input_.size();
    input_.resize(had + octets_max);
    const auto room = std::as_writable_bytes(std::span(input_)).subspan(had);
    const auto got = co_await runtime::op_wait(
        here_->io(), runtime::opcode::receive, socket_.get(), deadline, [room](runtime::op& fresh) {
            fresh.args.receive = {.data = room.data(), .size_bytes = room.size()};
        });
    input_.resize(had + (got ? static_cast<std::size_t>(*got) : 0));
    if (!got) {
        co_return failure(got.error());
    }
    co_return *got != 0;
}

void wire::end_sending() noexcept {
    static_cast<void>(kernel::shutdown(socket_.get(), SHUT_WR));  // It may be gone already.
}

void wire::reset() noexcept {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    static_cast<void>(
        kernel::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    socket_.reset();
}

void wire::shrink_receive_buffer() noexcept {
    const int octets = 64 * 1024;
    static_cast<void>(
        kernel::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets));
}

task<result<wire>> dial(client_context& context, const net::endpoint& to) {
    auto connected = co_await net::connect(context.here, {.to = to}, context.soon());
    if (!connected) {
        judge_failure(context, connected.error(), "connecting", net::format_endpoint(to));
        co_return failure(connected.error());
    }
    context.findings.count("connections");
    co_return wire(context.here, std::move(*connected));
}

void judge_failure(client_context& context, const error& why, std::string_view doing,
                   std::string_view request) {
    const auto& excused = context.excused;
    if (why == errc::cancelled) {
        return;  // The run is over.
    }
    if (why == errc::timed_out) {
        if (excused.silences || excused.server_ends) {
            context.findings.count("waits in vain");
            return;
        }
        context.complain("the server is deaf", fmt::format("nothing came while {}", doing),
                         std::string(request));
        return;
    }
    if (excused.any()) {
        context.findings.count("connections broken");
        return;
    }
    context.complain("the connection broke",
                     fmt::format("{} (errno {}) while {}", describe(why.code), why.os_errno, doing),
                     std::string(request));
}

}  // namespace ferry::sim::test
