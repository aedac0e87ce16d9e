#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ftp/mode_strings.hpp"

/// What the tests of MODE B and of MODE C have in common.
namespace ferry::ftp::test {

inline constexpr mode_framing plain{};
inline constexpr mode_framing lines{.rule = record_rule::lines};
inline constexpr mode_framing records{.rule = record_rule::records};

template <class Writer>
std::string written_by(Writer writer, std::string_view stored, std::size_t piece_bytes) {
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        writer.add(piece, out);
        stored.remove_prefix(piece.size());
    }
    writer.finish(out);
    return out;
}

/// The file, with `<marker>` wherever a marker came. Nothing may follow its end.
template <class Reader>
result<std::string> read_by(Reader reader, std::string_view received, std::size_t piece_bytes) {
    std::string out;
    bool ended = false;
    while (!received.empty()) {
        auto piece = received.substr(0, piece_bytes);
        received.remove_prefix(piece.size());
        while (!piece.empty()) {
            FERRY_TRY(event, reader.read(piece, out));
            const bool is_right = (event != mode_event::none || piece.empty()) && !ended;
            if (!is_right) {
                FAIL("an event where there is none, or something behind the end");
            }
            if (event == mode_event::marker) {
                out += '<' + reader.marker() + '>';
            }
            ended = event == mode_event::end_of_file;
        }
    }
    if (auto whole = reader.finish(); !whole) {
        return failure(whole.error());
    }
    return out;
}

/// Markers between octets, between records and at both ends (RFC 959 section 3.5).
template <class Writer>
std::string with_markers(Writer writer) {
    std::string out;
    writer.add_marker("0", out);
    writer.add("ab", out);
    writer.add_marker("2", out);
    writer.add("ccc\n", out);
    writer.add_marker("6", out);
    writer.add("\n", out);
    writer.add_marker(std::string(marker_bytes_max, 'm'), out);
    writer.finish(out);
    return out;
}
inline const std::string file_with_markers =
    "<0>ab<2>ccc\n<6>\n<" + std::string(marker_bytes_max, 'm') + ">";

}  // namespace ferry::ftp::test
