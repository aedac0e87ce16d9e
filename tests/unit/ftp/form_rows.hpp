#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/result.hpp"
#include "ftp/incoming_form.hpp"
#include "ftp/outgoing_form.hpp"
#include "ftp/representation.hpp"
#include "ftp_conversation.hpp"

namespace ferry::ftp::test {

/// Every TYPE, STRU and MODE that goes together.
inline std::vector<representation> every_form() {
    std::vector<representation> forms;
    for (const auto type : {data_type::ascii, data_type::ebcdic, data_type::image}) {
        for (const auto format : {text_format::non_print, text_format::carriage_control}) {
            if (type == data_type::image && format != text_format::non_print) {
                continue;
            }
            for (const auto structure :
                 {file_structure::file, file_structure::record, file_structure::page}) {
                for (const auto mode : {transfer_mode::stream, transfer_mode::block,
                                        transfer_mode::compressed, transfer_mode::deflated}) {
                    const representation how{
                        .type = type, .format = format, .structure = structure, .mode = mode};
                    if (is_supported(how)) {
                        forms.push_back(how);
                    }
                }
            }
        }
    }
    return forms;
}

inline std::string describe_form(const representation& how) {
    return describe_type(how) + ' ' + std::string(describe(how.structure)) + ' ' +
           std::string(describe(how.mode));
}

/// `stored` as the data connection has it.
inline std::string sent(const representation& how, std::string_view stored,
                        std::size_t piece_bytes) {
    outgoing_form form(how, {});
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        REQUIRE(form.add(piece, out));
        stored.remove_prefix(piece.size());
    }
    REQUIRE(form.finish(out));
    return out;
}

/// The file that came and how its end did.
struct what_came {
    std::string file;
    std::string markers;  ///< "theirs=ours " each.
    std::string_view rest;
    bool was_marked = false;  ///< Its end was in what came.
};

inline result<what_came> receive(const representation& how, std::string_view network,
                                 std::size_t piece_bytes, const upload_place& from = {}) {
    incoming_form form(how, {}, from);
    what_came came;
    while (!network.empty() && !came.was_marked) {
        auto piece = network.substr(0, piece_bytes);
        const auto given = piece.size();
        while (!piece.empty() && !came.was_marked) {
            FERRY_TRY(event, form.read(piece, came.file));
            if (event == mode_event::marker) {
                came.markers += form.marker() + '=' +
                                restart_marker_of(form.place_at(from.offset + came.file.size()),
                                                  how.format == text_format::carriage_control) +
                                ' ';
            }
            came.was_marked = event == mode_event::end_of_file;
        }
        network.remove_prefix(given - piece.size());
    }
    came.rest = network;
    if (!came.was_marked) {
        if (auto whole = form.finish(came.file); !whole) {
            return failure(whole.error());
        }
    }
    return came;
}

inline std::optional<std::string> received(const representation& how, std::string_view network,
                                           std::size_t piece_bytes) {
    auto came = receive(how, network, piece_bytes);
    return came && came->rest.empty() ? std::optional(came->file) : std::nullopt;
}

/// Sends TYPE, STRU and MODE of `how`.
inline void set_form(client& user, const representation& how) {
    const auto format = how.format == text_format::carriage_control ? " C" : " N";
    CHECK(user.code(how.type == data_type::image    ? std::string("TYPE I")
                    : how.type == data_type::ebcdic ? std::string("TYPE E") + format
                                                    : std::string("TYPE A") + format) == 200);
    CHECK(user.code(std::string("STRU ") + describe(how.structure).front()) == 200);
    const char mode = describe(how.mode).front();
    CHECK(user.code(std::string("MODE ") + (mode == 'D' ? 'Z' : mode)) == 200);
}

}  // namespace ferry::ftp::test
