#include "http/send_body.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "ferry/net/send_plan.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr std::string_view chunk_end = "\r\n";
constexpr std::string_view last_chunk = "0\r\n\r\n";

/// Puts the frame of a chunk around what is in memory of `piece`; gives how many octets stand
/// before the content. What belongs behind a file waits in `owed` for the next piece.
std::size_t frame(body_piece& piece, std::string_view& owed) {
    const auto size_bytes = piece.octets.size() + piece.file.size_bytes;
    std::string front(owed);
    owed = {};
    if (size_bytes > 0) {
        front += fmt::format("{:x}\r\n", size_bytes);
    }
    piece.octets.insert(0, front);  // In place: a crowd that does not read holds this many times.
    if (piece.file.size_bytes > 0) {
        owed = chunk_end;
    } else if (size_bytes > 0) {
        piece.octets += chunk_end;
    }
    if (piece.is_last && owed.empty()) {
        piece.octets += last_chunk;
    }
    return front.size();
}

}  // namespace

task<result<void>> send_body(net::stream& peer, body_source& source, body_sending how,
                             std::uint64_t& body_bytes) {
    body_piece piece;
    std::string_view owed;
    std::string end;
    while (!piece.is_last) {
        piece.octets.clear();
        piece.file = {};
        const auto made = co_await source.next(peer.here(), piece);
        if (!made) {
            co_return failure(made.error());
        }
        const auto size_bytes = piece.octets.size() + piece.file.size_bytes;
        const std::size_t front_bytes = how.chunked ? frame(piece, owed) : 0;
        if (piece.is_last && !owed.empty()) {
            end = owed;
            end += last_chunk;
        }
        net::send_plan sending;
        sending.add(std::as_bytes(std::span(piece.octets)));
        sending.add(piece.file);
        sending.add(std::as_bytes(std::span(end)));
        std::uint64_t sent_bytes = 0;
        const auto sent =
            co_await net::execute(peer, sending, {.stall_timeout = how.stall_timeout}, sent_bytes);
        if (!sent) {
            body_bytes += sent_bytes > front_bytes ? sent_bytes - front_bytes : 0;
            co_return failure(sent.error());
        }
        body_bytes += size_bytes;
        co_await peer.here().yield();
    }
    co_return result<void>{};
}

}  // namespace ferry::http
