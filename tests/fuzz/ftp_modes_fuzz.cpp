// Goal: a file comes back from block and from compressed mode whatever it holds and however it is
// cut; what a peer sends is read the same in any pieces. Method: the first octet of the input is
// the length of the pieces, the second chooses how records go; the rest is a file, and what a peer
// sent.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ftp/block_mode.hpp"
#include "ftp/compressed_mode.hpp"

namespace {

using namespace ferry;
using namespace ferry::ftp;

struct what_was_read {
    std::string file;
    std::string markers;
    std::string_view rest;
    errc refused = errc::io;
    bool ended = false;

    friend bool operator==(const what_was_read& a, const what_was_read& b) {
        // What is in the file when the peer is refused depends on the pieces.
        return a.ended == b.ended && a.refused == b.refused &&
               (a.refused != errc::io ||
                (a.file == b.file && a.markers == b.markers && a.rest.size() == b.rest.size()));
    }
};

template <class Reader>
what_was_read read(Reader reader, std::string_view received, std::size_t piece_bytes) {
    what_was_read read;
    while (!received.empty() && !read.ended) {
        auto piece = received.substr(0, piece_bytes);
        const auto given = piece.size();
        const auto before = read.file.size();
        const auto event = reader.read(piece, read.file);
        if (!event) {
            read.refused = event.error().code;
            return read;
        }
        const auto taken = given - piece.size();
        FERRY_ASSERT(taken > 0 && (*event != mode_event::none || piece.empty()));
        FERRY_ASSERT(read.file.size() - before <= 64 * taken);
        received.remove_prefix(taken);
        read.ended = *event == mode_event::end_of_file;
        if (*event == mode_event::marker) {
            FERRY_ASSERT(is_marker(reader.marker()));
            read.markers += reader.marker() + '@' + std::to_string(read.file.size()) + ' ';
        }
    }
    read.rest = received;
    FERRY_ASSERT(reader.finish().has_value() == read.ended);
    return read;
}

template <class Writer>
std::string written(Writer writer, std::string_view stored, std::size_t piece_bytes) {
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        writer.add(piece, out);
        stored.remove_prefix(piece.size());
    }
    writer.finish(out);
    return out;
}

template <class Writer, class Reader>
void check(const Writer& writer, const Reader& reader, std::string_view octets,
           std::size_t piece_bytes) {
    const auto whole = octets.size() + 1;
    const auto network = written(writer, octets, piece_bytes);
    FERRY_ASSERT(network == written(writer, octets, whole));
    const auto back = read(reader, network, piece_bytes);
    FERRY_ASSERT(back.ended && back.rest.empty() && back.file == octets && back.markers.empty());

    const auto received = read(reader, octets, piece_bytes);
    FERRY_ASSERT(received == read(reader, octets, whole));
    if (received.ended) {
        const auto again = read(reader, written(writer, received.file, piece_bytes), 1);
        FERRY_ASSERT(again.ended && again.file == received.file);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 2) {
        return 0;
    }
    const auto piece_bytes = std::max<std::size_t>(data[0], 1);
    static constexpr std::array rules = {record_rule::none, record_rule::lines,
                                         record_rule::records};
    const mode_framing framing{.rule = rules[data[1] % rules.size()]};
    const std::string_view octets(static_cast<const char*>(static_cast<const void*>(data + 2)),
                                  size_bytes - 2);
    check(block_writer(framing), block_reader(framing), octets, piece_bytes);
    for (const char filler : {' ', '\0'}) {
        check(compressed_writer(framing, filler), compressed_reader(framing, filler), octets,
              piece_bytes);
    }
    return 0;
}
