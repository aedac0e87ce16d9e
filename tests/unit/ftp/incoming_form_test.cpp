#include "ftp/incoming_form.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "ferry/base/random.hpp"
#include "form_rows.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace ferry::ftp::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

/// Octets that mean something to one form or another, without a stored CR LF, which TYPE A joins.
std::string file_of(ferry::random& source, std::size_t runs_max) {
    constexpr auto alphabet = "a\n\r\f \xff\0\x15+1\n\n"sv;
    std::string made;
    for (auto left = source.below(runs_max + 1); left > 0; --left) {
        made.append(source.below(5) == 0 ? 70 : 1, alphabet[source.below(alphabet.size())]);
    }
    for (auto at = made.find("\r\n"); at != std::string::npos; at = made.find("\r\n")) {
        made.erase(at, 1);
    }
    return made;
}

}  // namespace

TEST_CASE("incoming form: a file comes back in every form, however it is cut") {
    ferry::random source(3);
    for (const auto& how : every_form()) {
        CAPTURE(describe_form(how));
        for (int i = 0; i < 15; ++i) {
            const auto file = file_of(source, 30);
            CAPTURE(file);
            const auto network = sent(how, file, file.size() + 1);
            if (how.mode != transfer_mode::deflated) {
                REQUIRE(sent(how, file, 1) == network);
            }
            for (const std::size_t piece_bytes : {1UZ, 2UZ, 3UZ, 7UZ, network.size() + 1}) {
                REQUIRE(received(how, network, piece_bytes) == file);
            }
        }
    }
}

TEST_CASE("incoming form: the next file on the connection is left alone") {
    for (const auto& how : every_form()) {
        if (!marks_ends(how.mode)) {
            continue;
        }
        CAPTURE(describe_form(how));
        const auto both = sent(how, "a\nb", 1) + sent(how, "next", 9);
        for (const std::size_t piece_bytes : {1UZ, 4UZ, both.size()}) {
            const auto first = receive(how, both, piece_bytes);
            REQUIRE(first);
            CHECK(first->file == "a\nb");
            CHECK(first->was_marked);
            CHECK(received(how, first->rest, piece_bytes) == "next");
        }
    }
}

TEST_CASE("incoming form: what was cut off is not whole, where the form marks its end") {
    for (const auto& how : every_form()) {
        if (how.mode == transfer_mode::stream && how.structure == file_structure::file) {
            continue;  // The end of the connection is the end of the file.
        }
        CAPTURE(describe_form(how));
        const auto network = sent(how, "ab\ncd", 9);
        // Records may end with the connection, between two of them (RFC 959 section 3.4).
        const bool may_end = how.structure == file_structure::record && !marks_ends(how.mode) &&
                             how.mode == transfer_mode::stream;
        std::size_t whole = 0;
        for (std::size_t kept = 0; kept < network.size(); ++kept) {
            CAPTURE(kept);
            const auto came = receive(how, network.substr(0, kept), 2);
            whole += came ? 1 : 0;
            CHECK((came || came.error() == errc::closed));
        }
        CHECK(whole == (may_end ? 2 : 0));
    }
}

TEST_CASE("incoming form: what is not of the form is refused (RFC 959 section 3.4)") {
    struct row {
        representation how;
        std::string network;
        errc why;
    };
    using enum data_type;
    using enum file_structure;
    using enum transfer_mode;
    constexpr auto n = text_format::non_print;
    const row rows[] = {
        {{image, n, file, block}, "\x01\0\1a"s, errc::invalid},
        {{image, n, file, block}, "\x80\0\1a"s, errc::invalid},  // A record in an image of F.
        {{ascii, n, record, block}, "\xc0\0\2a\n"s, errc::unsupported},
        {{ascii, n, record, stream}, "a\n\xff\x03", errc::unsupported},
        {{ebcdic, n, record, stream}, "a\x15\xff\x03", errc::unsupported},
        {{image, n, record, stream}, "a\xff\x07", errc::invalid},
        {{image, n, record, stream},
         "a\xff\x03"
         "b",
         errc::invalid},
        {{image, n, page, stream}, "\4\0\2\7ab"s, errc::invalid},
        {{image, n, page, block}, "\x40\0\6\4\0\2\1ab"s, errc::invalid},  // No last page.
        {{image, n, file, compressed}, "\0\0\0"s, errc::invalid},
        {{image, n, file, deflated}, "hello", errc::invalid},
    };
    for (const auto& each : rows) {
        CAPTURE(describe_form(each.how));
        const auto came = receive(each.how, each.network, each.network.size());
        REQUIRE_FALSE(came);
        CHECK(came.error() == each.why);
    }
}

TEST_CASE("incoming form: mainframes send records in STRU F, too (z/OS, block mode)") {
    const representation text{.type = data_type::ascii, .mode = transfer_mode::block};
    CHECK(received(text, "\x80\0\1a\xc0\0\1b"s, 1) == "a\nb\n");
    const representation ebcdic{.type = data_type::ebcdic, .mode = transfer_mode::block};
    CHECK(received(ebcdic, "\x80\0\1\x81\xc0\0\1\x82"s, 1) == "a\nb\n");
}

TEST_CASE("incoming form: an upload goes on at every marker (RFC 959 section 3.5)") {
    constexpr auto stored = "ab\n\n\fc\rd\n\n  \xff e\r"sv;
    for (const auto& how : every_form()) {
        if (!marks_ends(how.mode) || how.structure == file_structure::page) {
            continue;
        }
        CAPTURE(describe_form(how));
        const bool has_controls = how.format == text_format::carriage_control;
        // The client's own form: the same writer, with a marker behind each octet of the file.
        for (std::size_t cut = 1; cut <= stored.size(); ++cut) {
            CAPTURE(cut);
            outgoing_form client(how, {});
            std::string before;
            REQUIRE(client.add(stored.substr(0, cut), before));
            client.add_marker("theirs", before);
            std::string after;
            outgoing_form again(how, {});
            again.go_on_behind(stored[cut - 1]);
            REQUIRE(again.add(stored.substr(cut), after));
            REQUIRE(again.finish(after));

            incoming_form first(how, {});
            std::string file;
            std::string_view left = before;
            result<mode_event> event = mode_event::none;
            while (!left.empty()) {
                event = first.read(left, file);
                REQUIRE(event);
            }
            REQUIRE(*event == mode_event::marker);
            CHECK(first.marker() == "theirs");
            const auto ours = restart_marker_of(first.place_at(file.size()), has_controls);
            const auto place = parse_restart_marker(ours);
            REQUIRE(place);
            CHECK(place->offset == file.size());
            const auto came = receive(how, after, 2, *place);
            REQUIRE(came);
            CHECK(file + came->file == stored);
        }
    }
}

TEST_CASE("restart marker: what ferry tells it reads, and nothing else") {
    using vfs::carriage_control::place;
    CHECK(restart_marker_of({.offset = 4'096}, false) == "4096");
    CHECK(restart_marker_of({.offset = 7, .pending_cr = true}, false) == "7r");
    CHECK(restart_marker_of({.offset = 7, .pending_cr = true, .line = place::text}, true) == "7rt");
    for (const auto text : {"0"sv, "12"sv, "12r"sv, "5s"sv, "5l"sv, "5t"sv, "5rt"sv}) {
        const auto read = parse_restart_marker(text);
        REQUIRE(read);
        CHECK(restart_marker_of(*read, text.find_first_of("slt") != std::string_view::npos) ==
              text);
    }
    for (const auto text :
         {""sv, "r"sv, "l"sv, "5tr"sv, "5rr"sv, "5x"sv, "-1"sv, "5 "sv, "9223372036854775808"sv}) {
        CAPTURE(text);
        CHECK_FALSE(parse_restart_marker(text));
    }
}
