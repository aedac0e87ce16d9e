// Goal: a file comes back from its records whatever it holds and however it is cut, in ISO 8859-1
// and in EBCDIC, and what a peer sends is taken the same in any pieces. Method: the first octet of
// the input is the length of the pieces; the rest is a file, and what a peer sent.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ferry/vfs/ebcdic.hpp"
#include "ferry/vfs/records.hpp"

namespace {

using namespace ferry;
namespace records = vfs::records;
namespace ebcdic = vfs::ebcdic;

std::string to_network(std::string_view stored, std::size_t piece_bytes, char line_end) {
    records::to_network converter(line_end);
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        converter.convert(piece, out);
        stored.remove_prefix(piece.size());
    }
    converter.finish(out);
    return out;
}

result<std::string> from_network(std::string_view received, std::size_t piece_bytes,
                                 char line_end) {
    records::from_network converter(line_end);
    std::string out;
    while (!received.empty()) {
        const auto piece = received.substr(0, piece_bytes);
        const auto before = out.size();
        if (const auto taken = converter.convert(piece, out); !taken) {
            return failure(taken.error());
        }
        FERRY_ASSERT(out.size() - before <= piece.size());
        received.remove_prefix(piece.size());
    }
    if (const auto whole = converter.finish(); !whole) {
        return failure(whole.error());
    }
    return out;
}

void check(std::string_view octets, std::size_t piece_bytes, char line_end) {
    const auto network = to_network(octets, piece_bytes, line_end);
    FERRY_ASSERT(network == to_network(octets, octets.size() + 1, line_end));
    const auto back = from_network(network, piece_bytes, line_end);
    FERRY_ASSERT(back && *back == octets);

    const auto stored = from_network(octets, piece_bytes, line_end);
    FERRY_ASSERT(stored == from_network(octets, octets.size() + 1, line_end));
    if (stored) {
        // One file has one spelling of ours, which reads like the peer's.
        const auto ours = from_network(to_network(*stored, piece_bytes, line_end), 1, line_end);
        FERRY_ASSERT(ours && *ours == *stored);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 1) {
        return 0;
    }
    const auto piece_bytes = std::max<std::size_t>(data[0], 1);
    const std::string_view octets(static_cast<const char*>(static_cast<const void*>(data + 1)),
                                  size_bytes - 1);
    check(octets, piece_bytes, '\n');
    for (const auto page : {ebcdic::code_page::cp037, ebcdic::code_page::cp1047}) {
        std::string translated;
        ebcdic::to_network(page, octets, translated);
        check(translated, piece_bytes, ebcdic::new_line);
        std::string back;
        ebcdic::from_network(page, translated, back);
        FERRY_ASSERT(back == octets);
    }
    return 0;
}
