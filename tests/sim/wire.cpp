#include "wire.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

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
    if (!tls_) {
        const auto sent = co_await send_octets(octets, deadline);
        co_return sent;
    }
    if (!octets.empty()) {
        tls_->write(octets);
    }
    const auto sealed = tls_->take();
    const auto sent = co_await send_octets(sealed, deadline);
    co_return sent;
}

task<result<void>> wire::send_octets(std::string_view octets, runtime::time_point deadline) {
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
            was_reset_ = was_reset_ || sent.error().os_errno == ECONNRESET;
            co_return failure(sent.error());
        }
        done += static_cast<std::size_t>(*sent);
        octets_sent_ += static_cast<std::uint64_t>(*sent);
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

task<result<bool>> wire::receive(std::string& into, std::size_t octets_max,
                                 runtime::time_point deadline) {
    const auto had = into.size();
    into.resize(had + octets_max);
    const auto room = std::as_writable_bytes(std::span(into)).subspan(had);
    const auto got = co_await runtime::op_wait(
        here_->io(), runtime::opcode::receive, socket_.get(), deadline, [room](runtime::op& fresh) {
            fresh.args.receive = {.data = room.data(), .size_bytes = room.size()};
        });
    into.resize(had + (got ? static_cast<std::size_t>(*got) : 0));
    if (!got) {
        co_return failure(got.error());
    }
    if (*got == 0 && was_reset_) {
        co_return failure(errc::reset);
    }
    co_return *got != 0;
}

task<result<bool>> wire::fill(runtime::time_point deadline, std::size_t octets_max) {
    if (!tls_) {
        const auto got = co_await receive(input_, octets_max, deadline);
        co_return got;
    }
    for (;;) {  // Bounded by the deadline.
        const auto how = tls_->read(input_, octets_max);
        if (how == tls_side::progress::done) {
            co_return true;
        }
        if (how == tls_side::progress::ended) {
            co_return false;
        }
        if (how != tls_side::progress::wants_input) {
            co_return failure(explain(how));
        }
        const auto came = co_await receive_sealed(deadline);
        if (!came) {
            co_return failure(came.error());
        }
    }
}

task<result<void>> wire::receive_sealed(runtime::time_point deadline) {
    constexpr std::size_t sealed_bytes_max = 64 * 1024;
    std::string sealed;
    const auto came = co_await receive(sealed, sealed_bytes_max, deadline);
    if (!came) {
        co_return failure(came.error());
    }
    if (!*came) {
        co_return failure(errc::closed);
    }
    tls_->give(sealed);
    co_return result<void>{};
}

error wire::explain(tls_side::progress how) const {
    return {.code = how == tls_side::progress::broken ? errc::invalid : errc::reset};
}

task<result<void>> wire::begin_tls(const tls_clients& by, std::shared_ptr<tls_memory> resumed,
                                   tls_side::version speaks, runtime::time_point deadline) {
    tls_ = std::make_unique<tls_side>(by, std::move(resumed), speaks);
    tls_->give(std::exchange(input_, {}));
    for (;;) {  // Bounded by the deadline.
        const auto how = tls_->shake_hands();
        const auto ours = tls_->take();
        const auto sent = co_await send_octets(ours, deadline);
        if (how == tls_side::progress::done) {
            co_return sent;
        }
        if (how != tls_side::progress::wants_input) {
            co_return failure(explain(how));
        }
        if (!sent) {
            co_return sent;
        }
        const auto came = co_await receive_sealed(deadline);
        if (!came) {
            co_return came;
        }
    }
}

task<> wire::end_sending(runtime::time_point deadline) {
    if (tls_) {
        tls_->end();
        const auto last = tls_->take();
        static_cast<void>(co_await send_octets(last, deadline));
    }
    static_cast<void>(kernel::shutdown(socket_.get(), SHUT_WR));  // It may be gone already.
}

task<> wire::finish(runtime::time_point deadline) {
    if (tls_) {
        co_await end_sending(deadline);
        bool goes_on = true;
        while (goes_on) {  // Bounded by the deadline.
            const auto got = co_await fill(deadline);
            input_.clear();
            goes_on = got && *got;
        }
    }
    close();
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

task<result<void>> begin_tls(client_context& context, wire& on,
                             std::shared_ptr<tls_memory> resumed) {
    const auto speaks = context.chance(3) ? tls_side::version::only_1_2 : tls_side::version::any;
    const auto begun =
        co_await on.begin_tls(*context.tls.by, std::move(resumed), speaks, context.soon());
    if (!begun) {
        judge_failure(context, begun.error(), "shaking hands", "(TLS)");
    }
    co_return begun;
}

void judge_failure(client_context& context, const error& why, std::string_view doing,
                   std::string_view request) {
    const auto& excused = context.excused;
    if (why == errc::cancelled) {
        return;  // The run is over.
    }
    if (why == errc::invalid) {
        context.complain("what the server says is no TLS", std::string(doing),
                         std::string(request));
        return;
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
