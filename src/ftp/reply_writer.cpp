#include "ftp/reply_writer.hpp"

#include <exception>
#include <new>
#include <span>
#include <utility>

namespace ferry::ftp {

using runtime::task;

std::string reply_writer::octets_of(const reply& what) const {
    std::string octets;
    if (names_.is_utf8()) {
        append_reply(octets, what);
    } else {
        reply said{what.code, names_.to_client(what.text)};
        for (const auto& line : what.lines) {
            said.lines.push_back(names_.to_client(line));
        }
        append_reply(octets, said);
    }
    return octets;
}

void reply_writer::hold(const reply& what) {
    pending_ += octets_of(what);
}

task<result<void>> reply_writer::write(const reply& what) {
    const auto written = co_await flush(octets_of(what));
    co_return written;
}

task<result<void>> reply_writer::write_octets(std::string_view octets) {
    const auto written = co_await flush(std::string(octets));
    co_return written;
}

/// Whoever runs out of memory may say it again, so nothing is pending before there is room for all.
task<result<void>> reply_writer::flush(std::string octets) {
    pending_ += octets;
    while (is_sending_) {
        const auto woken = co_await finished_.wait();
        if (!woken) {
            co_return failure(woken.error());
        }
    }
    if (is_broken_) {
        co_return failure(errc::reset);
    }
    if (pending_.empty()) {
        co_return result<void>{};  // The other writer took it along.
    }
    std::string sending = std::exchange(pending_, {});
    const turn mine(*this);
    std::exception_ptr caught;
    try {
        const auto sent = co_await control_.send(std::as_bytes(std::span(sending)), stall_timeout_);
        is_broken_ = !sent;
        co_return sent;
    } catch (const std::bad_alloc&) {
        caught = std::current_exception();
    }
    // Nothing of it has gone. What of it is others', who take it for sent, goes with what is next.
    if (const auto own = sending.find(octets); own != std::string::npos) {
        sending.erase(own, octets.size());
    }
    sending += pending_;
    pending_.swap(sending);
    std::rethrow_exception(caught);
}

}  // namespace ferry::ftp
