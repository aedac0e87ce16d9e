#include "ferry/vfs/carriage_control.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"

using namespace ferry;
using namespace std::string_view_literals;
using vfs::carriage_control::from_network;
using vfs::carriage_control::to_network;

namespace {

std::string sent(std::string_view stored, std::size_t piece_bytes) {
    to_network converter;
    std::string out;
    while (!stored.empty()) {
        converter.convert(stored.substr(0, piece_bytes), out);
        stored.remove_prefix(std::min(piece_bytes, stored.size()));
    }
    converter.finish(out);
    return out;
}

std::string kept(std::string_view received, std::size_t piece_bytes) {
    from_network converter;
    std::string out;
    while (!received.empty()) {
        converter.convert(received.substr(0, piece_bytes), out);
        received.remove_prefix(std::min(piece_bytes, received.size()));
    }
    converter.finish(out);
    return out;
}

/// What a printer shows: pages of lines, each a list of what was struck there, one over the other.
class printer {
  public:
    void line_feed() { pages_.back().emplace_back(1); }
    void carriage_return() { pages_.back().back().emplace_back(); }
    void form_feed() { pages_.emplace_back(1, line(1)); }
    /// As a terminal line of Unix prints it.
    void print(std::string_view text) {
        for (const char c : text) {
            switch (c) {
                case '\n':
                    line_feed();
                    break;
                case '\r':
                    carriage_return();
                    break;
                case '\f':
                    form_feed();
                    break;
                default:
                    pages_.back().back().back() += c;
            }
        }
    }
    friend bool operator==(const printer&, const printer&) = default;

  private:
    using line = std::vector<std::string>;
    std::vector<std::vector<line>> pages_{std::vector<line>(1, line(1))};
};

printer printed_by_unix(std::string_view stored) {
    printer made;
    made.print(stored);
    return made;
}

/// The independent reading of the network form: lines after FORTRAN's rules, as asa(1) prints them.
printer printed_by_asa(std::string_view received) {
    printer made;
    bool is_first = true;
    for (bool more = !received.empty(); more;) {
        const auto end = received.find('\n');
        more = end != std::string_view::npos;
        const auto line = received.substr(0, end);
        received.remove_prefix(more ? end + 1 : received.size());
        const char control = line.empty() ? ' ' : line.front();
        if (!more && line.empty()) {
            made.line_feed();  // The end of the last line.
            break;
        }
        if (!is_first && control == '+') {
            made.carriage_return();
        } else if (!is_first) {
            made.line_feed();
        }
        for (int i = control == '0' ? 1 : control == '-' ? 2 : 0; i > 0; --i) {
            made.line_feed();
        }
        if (control == '1') {
            made.form_feed();
        }
        made.print(line.substr(line.empty() ? 0 : 1));
        is_first = false;
    }
    return made;
}

}  // namespace

TEST_CASE("carriage_control: each control moves the paper as ASA has it (RFC 959, 3.1.1.5.3)") {
    struct row {
        std::string_view stored;
        std::string_view network;
    };
    constexpr row rows[] = {
        {"", ""},
        {"a", " a"},
        {"a\n", " a\n"},
        {"a\nb", " a\n b"},
        {"\n\n", " \n \n"},
        {"a\fb\n", " a\fb\n"},
        {"a\n\fb\n", " a\n1b\n"},
        {"\f\f", "1\f"},
        {"a\rb\n", " a\n+b\n"},
        {"\r", " \n+"},
        {"a\r", " a\n+"},
        {"a\r\r", " a\n+\n+"},
        {"+1\n0", " +1\n 0"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t piece_bytes = 1; piece_bytes <= 7; ++piece_bytes) {
            CHECK(sent(each.stored, piece_bytes) == each.network);
            CHECK(kept(each.network, piece_bytes) == each.stored);
        }
        CHECK((printed_by_unix(each.stored) == printed_by_asa(each.network)));
    }
}

TEST_CASE("carriage_control: what clients may send besides") {
    CHECK(kept("0a\n-b\n", 1) == "\na\n\n\nb\n");
    CHECK(kept("+a\n", 1) == "a\n");             // There is no line to print over.
    CHECK(kept("xa\n\n b\n", 2) == "a\n\nb\n");  // An unknown control, a line without one.
    CHECK(sent("a\r\nb\r\n", 1) == " a\n b\n");  // A stored CR LF is one line end.
    for (const auto text : {"0a\n-b\n"sv, "+a\n"sv, " a\n0b\n+c\n1d"sv}) {
        CAPTURE(text);
        CHECK((printed_by_unix(kept(text, 1)) == printed_by_asa(text)));
    }
}

TEST_CASE("carriage_control: every short file comes back, however it is cut") {
    constexpr auto alphabet = "a\n\r\f+1"sv;
    constexpr std::size_t octets_max = 6;
    for (std::size_t octets = 0; octets <= octets_max; ++octets) {
        std::size_t count = 1;
        for (std::size_t i = 0; i < octets; ++i) {
            count *= alphabet.size();
        }
        for (std::size_t number = 0; number < count; ++number) {
            std::string stored;
            for (auto left = number; stored.size() < octets; left /= alphabet.size()) {
                stored += alphabet[left % alphabet.size()];
            }
            if (stored.contains("\r\n")) {
                continue;
            }
            const auto network = sent(stored, octets_max);
            REQUIRE(sent(stored, 1) == network);
            REQUIRE(kept(network, octets_max * 2) == stored);
            REQUIRE(kept(network, 1) == stored);
        }
    }
}

TEST_CASE("carriage_control: a transfer goes on from any octet of the file or of the transfer") {
    constexpr auto stored = "a\n\fb\rc\n\n+d\r"sv;
    const auto network = sent(stored, 1);
    for (std::size_t cut = 1; cut <= stored.size(); ++cut) {
        CAPTURE(cut);
        to_network before;
        std::string out;
        before.convert(stored.substr(0, cut), out);
        to_network after;
        after.go_on_behind(stored[cut - 1]);
        after.convert(stored.substr(cut), out);
        after.finish(out);
        CHECK(out == network);
    }
    for (std::size_t cut = 0; cut <= network.size(); ++cut) {
        CAPTURE(cut);
        from_network before;
        std::string out;
        before.convert(std::string_view(network).substr(0, cut), out);
        from_network after(before.where());
        after.convert(std::string_view(network).substr(cut), out);
        after.finish(out);
        CHECK(out == stored);
    }
}
