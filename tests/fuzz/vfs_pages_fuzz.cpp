// Goal: a file comes back from its pages whatever it holds and however it is cut; what a peer sends
// is placed the same in any pieces, never over itself and never past the end. Method: the first
// octet of the input is the length of the pieces, the second that of a page; the rest is a file,
// and what a peer sent.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ferry/vfs/pages.hpp"

namespace {

using namespace ferry;
namespace pages = vfs::pages;

struct lengths {
    std::size_t piece_bytes;
    std::size_t page_bytes;
};

result<std::string> to_network(std::string_view stored, lengths of) {
    pages::to_network converter(of.page_bytes);
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, of.piece_bytes);
        if (const auto taken = converter.convert(piece, out); !taken) {
            return failure(taken.error());
        }
        stored.remove_prefix(piece.size());
    }
    if (const auto ended = converter.finish(out); !ended) {
        return failure(ended.error());
    }
    return out;
}

result<std::string> from_network(std::string_view received, lengths of) {
    pages::from_network converter(of.page_bytes);
    std::string file(pages::pages_max * of.page_bytes, '\0');
    std::string written(file.size(), '\0');
    while (!received.empty()) {
        auto piece = received.substr(0, of.piece_bytes);
        received.remove_prefix(piece.size());
        while (!piece.empty()) {
            const auto placed = converter.next(piece);
            if (!placed) {
                return failure(placed.error());
            }
            FERRY_ASSERT(!placed->data.empty() || piece.empty());
            FERRY_ASSERT(placed->offset + placed->data.size() <= converter.size_bytes());
            for (std::size_t i = 0; i < placed->data.size(); ++i) {
                const auto at = static_cast<std::size_t>(placed->offset) + i;
                FERRY_ASSERT(written[at] == '\0');
                written[at] = 'w';
                file[at] = placed->data[i];
            }
        }
    }
    if (const auto whole = converter.finish(); !whole) {
        return failure(whole.error());
    }
    FERRY_ASSERT(converter.size_bytes() <= file.size());
    file.resize(static_cast<std::size_t>(converter.size_bytes()));
    return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 2) {
        return 0;
    }
    const lengths given{.piece_bytes = std::max<std::size_t>(data[0], 1),
                        .page_bytes = std::max<std::size_t>(data[1], 1)};
    const lengths whole{.piece_bytes = size_bytes, .page_bytes = given.page_bytes};
    const std::string_view octets(static_cast<const char*>(static_cast<const void*>(data + 2)),
                                  size_bytes - 2);
    const auto network = to_network(octets, given);
    FERRY_ASSERT(network == to_network(octets, whole));
    FERRY_ASSERT(network.has_value() == (octets.size() <= pages::pages_max * given.page_bytes));
    if (network) {
        const auto back = from_network(*network, given);
        FERRY_ASSERT(back && *back == octets);
    }
    const auto file = from_network(octets, given);
    FERRY_ASSERT(file == from_network(octets, whole));
    if (file) {
        const auto ours = to_network(*file, given);
        FERRY_ASSERT(ours);
        const auto again = from_network(*ours, given);
        FERRY_ASSERT(again && *again == *file);
    }
    return 0;
}
