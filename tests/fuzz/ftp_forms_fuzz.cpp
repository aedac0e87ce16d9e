// Goal: a file comes back from every TYPE, STRU and MODE, however it is cut, and what a peer sends
// is read the same in any pieces. Method: the first octet of the input chooses the form, the second
// is the length of the pieces; the rest is a file, and what a peer sent.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ftp/incoming_form.hpp"
#include "ftp/outgoing_form.hpp"

namespace {

using namespace ferry;
using namespace ferry::ftp;

struct what_came {
    std::string file;
    std::string_view rest;
    errc refused = errc::io;  ///< That: it was not.
};

what_came receive(const representation& how, std::string_view network, std::size_t piece_bytes) {
    incoming_form form(how, {});
    what_came came;
    bool has_ended = false;
    while (!network.empty() && !has_ended) {
        auto piece = network.substr(0, piece_bytes);
        const auto given = piece.size();
        while (!piece.empty() && !has_ended) {
            const auto before = piece.size();
            const auto event = form.read(piece, came.file);
            if (!event) {
                came.refused = event.error().code;
                return came;
            }
            FERRY_ASSERT(piece.size() < before);
            has_ended = *event == mode_event::end_of_file;
            if (*event == mode_event::marker) {
                const auto place = form.place_at(came.file.size());
                const bool has_controls = how.format == text_format::carriage_control;
                auto again = parse_restart_marker(restart_marker_of(place, has_controls));
                FERRY_ASSERT(again && again->pending_cr == place.pending_cr);
                FERRY_ASSERT(!has_controls || *again == place);
            }
        }
        network.remove_prefix(given - piece.size());
    }
    came.rest = network;
    if (!has_ended) {
        const auto finished = form.finish(came.file);
        if (!finished) {
            came.refused = finished.error().code;
        }
    }
    return came;
}

std::string send(const representation& how, std::string_view stored, std::size_t piece_bytes) {
    outgoing_form form(how, {.deflate_level = 1});
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        FERRY_ASSERT(form.add(piece, out));
        stored.remove_prefix(piece.size());
    }
    FERRY_ASSERT(form.finish(out));
    return out;
}

/// TYPE A joins a CR and the LF behind it, and so does format C.
std::string without_stored_crlf(std::string_view octets, const representation& how) {
    std::string file(octets);
    const bool joins = how.type != data_type::image &&
                       (how.format == text_format::carriage_control || is_plain_text(how));
    for (auto at = file.find("\r\n"); joins && at != std::string::npos; at = file.find("\r\n")) {
        file.erase(at, 1);
    }
    return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 2) {
        return 0;
    }
    const representation how{
        .type = static_cast<data_type>(data[0] % 3),
        .format = (data[0] / 3 % 2) != 0 ? text_format::carriage_control : text_format::non_print,
        .structure = static_cast<file_structure>(data[0] / 6 % 3),
        .mode = static_cast<transfer_mode>(data[0] / 18 % 4)};
    const auto piece_bytes = std::max<std::size_t>(data[1], 1);
    const std::string_view octets(static_cast<const char*>(static_cast<const void*>(data + 2)),
                                  size_bytes - 2);
    if (!is_supported(how)) {
        return 0;
    }
    const auto came = receive(how, octets, piece_bytes);
    const auto whole = receive(how, octets, octets.size() + 1);
    // What follows the end of the file is looked at only where it came along with it.
    if (came.rest.empty()) {
        FERRY_ASSERT(came.refused == whole.refused);
        FERRY_ASSERT(came.refused != errc::io || came.file == whole.file);
    }

    const auto file = without_stored_crlf(octets, how);
    if (how.structure == file_structure::page && file.size() > paged_file_bytes_max) {
        return 0;
    }
    const auto network = send(how, file, piece_bytes);
    const auto back = receive(how, network, piece_bytes);
    FERRY_ASSERT(back.refused == errc::io && back.rest.empty() && back.file == file);
    return 0;
}
