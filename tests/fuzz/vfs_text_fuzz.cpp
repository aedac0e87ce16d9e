// Goal: line ends convert the same however a file is cut, and nothing is lost on the way out and
// back. Method: the first octet of the input is the length of the pieces; the rest goes out and
// comes back, whole and in pieces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ferry/vfs/text.hpp"

namespace {

namespace text = ferry::vfs::text;

template <class Take>
void in_pieces(std::string_view whole, std::size_t piece_bytes, Take take) {
    while (!whole.empty()) {
        const auto piece = whole.substr(0, piece_bytes);
        take(piece);
        whole.remove_prefix(piece.size());
    }
}

std::string to_network(std::string_view stored, std::size_t piece_bytes) {
    text::to_network converter;
    std::string out;
    in_pieces(stored, piece_bytes, [&](std::string_view piece) { converter.convert(piece, out); });
    return out;
}

std::string from_network(std::string_view received, std::size_t piece_bytes) {
    text::from_network converter;
    std::string out;
    in_pieces(received, piece_bytes, [&](std::string_view piece) {
        const auto before = out.size();
        converter.convert(piece, out);
        FERRY_ASSERT(out.size() - before <= piece.size() + 1);
    });
    converter.finish(out);
    return out;
}

std::uint64_t network_size(std::string_view stored, std::size_t piece_bytes) {
    text::network_size counter;
    in_pieces(stored, piece_bytes, [&](std::string_view piece) { counter.add(piece); });
    return counter.octets();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 2) {
        return 0;
    }
    const auto piece_bytes = std::max<std::size_t>(data[0], 1);
    const std::string_view stored(static_cast<const char*>(static_cast<const void*>(data + 1)),
                                  size_bytes - 1);
    const auto network = to_network(stored, stored.size());
    FERRY_ASSERT(to_network(stored, piece_bytes) == network);
    FERRY_ASSERT(network_size(stored, stored.size()) == network.size());
    FERRY_ASSERT(network_size(stored, piece_bytes) == network.size());

    // A stored CRLF comes back as LF; everything else as it was.
    const auto normal = from_network(stored, stored.size());
    FERRY_ASSERT(from_network(stored, piece_bytes) == normal);
    FERRY_ASSERT(from_network(network, piece_bytes) == normal);
    FERRY_ASSERT(stored.contains("\r\n") || normal == stored);
    return 0;
}
