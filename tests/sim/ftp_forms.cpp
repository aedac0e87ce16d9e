#include "ftp_forms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

namespace ferry::sim::test {
namespace {

constexpr unsigned end_of_record = 128;
constexpr unsigned end_of_file = 64;
constexpr unsigned restart_marker = 16;  // From the sender, where the receiver could go on.
constexpr std::uint64_t block_octets_max = 3'000;
constexpr std::size_t literal_octets_max = 127;
constexpr std::size_t run_octets_max = 63;
constexpr std::size_t page_octets = 255;
constexpr std::size_t page_header_octets = 4;
constexpr char page_of_the_end = 0;
constexpr char simple_page = 1;
constexpr char page_with_rights = 3;

// IBM's code page 037 as ISO 8859-1, with NL (0x15) and LF (0x25) exchanged: a line ends in NL.
// Made from Python's codec cp037.
// clang-format off
constexpr std::array<unsigned char, 256> of_037{
    0x00, 0x01, 0x02, 0x03, 0x9C, 0x09, 0x86, 0x7F, 0x97, 0x8D, 0x8E, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
    0x10, 0x11, 0x12, 0x13, 0x9D, 0x0A, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8F, 0x1C, 0x1D, 0x1E, 0x1F,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x17, 0x1B, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9A, 0x9B, 0x14, 0x15, 0x9E, 0x1A,
    0x20, 0xA0, 0xE2, 0xE4, 0xE0, 0xE1, 0xE3, 0xE5, 0xE7, 0xF1, 0xA2, 0x2E, 0x3C, 0x28, 0x2B, 0x7C,
    0x26, 0xE9, 0xEA, 0xEB, 0xE8, 0xED, 0xEE, 0xEF, 0xEC, 0xDF, 0x21, 0x24, 0x2A, 0x29, 0x3B, 0xAC,
    0x2D, 0x2F, 0xC2, 0xC4, 0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xD1, 0xA6, 0x2C, 0x25, 0x5F, 0x3E, 0x3F,
    0xF8, 0xC9, 0xCA, 0xCB, 0xC8, 0xCD, 0xCE, 0xCF, 0xCC, 0x60, 0x3A, 0x23, 0x40, 0x27, 0x3D, 0x22,
    0xD8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xAB, 0xBB, 0xF0, 0xFD, 0xFE, 0xB1,
    0xB0, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70, 0x71, 0x72, 0xAA, 0xBA, 0xE6, 0xB8, 0xC6, 0xA4,
    0xB5, 0x7E, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0xA1, 0xBF, 0xD0, 0xDD, 0xDE, 0xAE,
    0x5E, 0xA3, 0xA5, 0xB7, 0xA9, 0xA7, 0xB6, 0xBC, 0xBD, 0xBE, 0x5B, 0x5D, 0xAF, 0xA8, 0xB4, 0xD7,
    0x7B, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xAD, 0xF4, 0xF6, 0xF2, 0xF3, 0xF5,
    0x7D, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x51, 0x52, 0xB9, 0xFB, 0xFC, 0xF9, 0xFA, 0xFF,
    0x5C, 0xF7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0xB2, 0xD4, 0xD6, 0xD2, 0xD3, 0xD5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xB3, 0xDB, 0xDC, 0xD9, 0xDA, 0x9F,
};
// clang-format on

using octet_table = std::array<unsigned char, 256>;

/// Code page 1047 has six of the characters elsewhere.
constexpr octet_table of_1047 = [] {
    auto made = of_037;
    constexpr std::array<std::pair<unsigned char, unsigned char>, 6> others{
        {{0x5F, '^'}, {0xAD, '['}, {0xBD, ']'}, {0xB0, 0xAC}, {0xBA, 0xDD}, {0xBB, 0xA8}}};
    for (const auto& [octet, character] : others) {
        made[octet] = character;
    }
    return made;
}();

constexpr octet_table turned_round(const octet_table& table) {
    octet_table made{};
    for (std::size_t i = 0; i < table.size(); ++i) {
        made[table[i]] = static_cast<unsigned char>(i);
    }
    return made;
}

constexpr octet_table to_037 = turned_round(of_037);
constexpr octet_table to_1047 = turned_round(of_1047);

std::string translated(const octet_table& table, std::string_view text) {
    std::string made(text);
    for (char& c : made) {
        c = static_cast<char>(table[static_cast<unsigned char>(c)]);
    }
    return made;
}

constexpr char line_end_of(const data_form& form) noexcept {
    return form.is_ebcdic ? '\x15' : '\n';
}

constexpr char filler_of(const data_form& form) noexcept {
    return form.is_ebcdic ? '\x40' : '\0';
}

std::size_t octet_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<unsigned char>(text[at]);
}

void append_block(std::string& out, unsigned codes, std::string_view data) {
    out += static_cast<char>(codes);
    out += static_cast<char>(data.size() >> 8U);
    out += static_cast<char>(data.size() & 0xFFU);
    out += data;
}

/// What a block, or some strings, hold, and what is told of their end.
struct stretch_of_data {
    std::string_view data;
    unsigned codes = 0;
};

std::vector<stretch_of_data> stretches(const data_form& form, std::string_view text, bool is_end,
                                       random& rng) {
    std::vector<stretch_of_data> made;
    while (!text.empty()) {
        const auto part = text.substr(0, 1 + rng.below(block_octets_max));
        const auto line_end = form.structure == file_structure::record
                                  ? part.find(line_end_of(form))
                                  : std::string_view::npos;
        const bool has_end = line_end != std::string_view::npos;
        made.push_back({.data = part.substr(0, line_end), .codes = has_end ? end_of_record : 0});
        text.remove_prefix(has_end ? line_end + 1 : part.size());
    }
    if (is_end && !made.empty() && rng.below(2) == 0) {
        made.back().codes |= end_of_file;
    } else if (is_end) {
        made.push_back({.data = {}, .codes = end_of_file});
    }
    return made;
}

std::vector<std::string> strings_of(std::string_view octets, char filler, random& rng) {
    std::vector<std::string> made;
    while (!octets.empty()) {
        const auto other = octets.find_first_not_of(octets.front());
        const auto run = std::min({other, octets.size(), run_octets_max});
        std::string string;
        if (run > 2 && octets.front() == filler && rng.below(2) == 0) {
            string += static_cast<char>(0xC0U | run);
            octets.remove_prefix(run);
        } else if (run > 2) {
            string += static_cast<char>(0x80U | run);
            string += octets.front();
            octets.remove_prefix(run);
        } else {
            const auto part = octets.substr(0, 1 + rng.below(literal_octets_max));
            string += static_cast<char>(part.size());
            string += part;
            octets.remove_prefix(part.size());
        }
        made.push_back(std::move(string));
    }
    return made;
}

/// The strings of `what`; the last of them is told of, and where there is none, no fillers.
void append_strings(std::string& out, const data_form& form, const stretch_of_data& what,
                    random& rng) {
    auto strings = strings_of(what.data, filler_of(form), rng);
    if (what.codes != 0 && strings.empty()) {
        strings.emplace_back(1, '\xC0');
    }
    for (std::size_t i = 0; i < strings.size(); ++i) {
        if (what.codes != 0 && i + 1 == strings.size()) {
            out += '\0';
            out += static_cast<char>(what.codes);
        }
        out += strings[i];
    }
}

/// In blocks, or in strings.
std::string framed(const data_form& form, std::string_view text, bool is_end, random& rng) {
    std::string made;
    for (const auto& each : stretches(form, text, is_end, rng)) {
        if (form.mode == transfer_form::block) {
            append_block(made, each.codes, each.data);
        } else {
            append_strings(made, form, each, rng);
        }
    }
    return made;
}

/// Records in a stream (RFC 959 section 3.4.1).
std::string in_records(std::string_view text, char line_end, random& rng) {
    std::string made;
    for (const char octet : text) {
        if (octet == line_end) {
            made += "\xFF\x01";
        } else {
            made += octet == '\xFF' ? "\xFF\xFF" : std::string_view(&octet, 1);
        }
    }
    const bool ends_in_line_end = text.ends_with(line_end);
    if (ends_in_line_end && rng.below(2) == 0) {
        made.back() = '\x03';
    } else {
        made += "\xFF\x02";
    }
    return made;
}

/// Pages in any order, none of those that are not the last and all zeros (RFC 959 appendix I).
std::string in_pages(std::string_view text, random& rng) {
    std::vector<std::size_t> order((text.size() + page_octets - 1) / page_octets);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = order.size(); i > 1; --i) {
        std::swap(order[i - 1], order[rng.below(i)]);
    }
    std::string made;
    for (const auto index : order) {
        const auto page = text.substr(index * page_octets, page_octets);
        const bool is_last = (index + 1) * page_octets >= text.size();
        if (!is_last && page.find_first_not_of('\0') == std::string_view::npos) {
            continue;
        }
        const bool has_rights = rng.below(8) == 0;
        made += static_cast<char>(page_header_octets + (has_rights ? 1 : 0));
        made += static_cast<char>(index);
        made += static_cast<char>(page.size());
        made += has_rights ? page_with_rights : simple_page;
        made.append(has_rights ? 1 : 0, '\x07');
        made += page;
    }
    made += {static_cast<char>(page_header_octets), '\0', '\0', page_of_the_end};
    return made;
}

std::string deflated(std::string_view octets, random& rng) {
    auto bound = ::compressBound(octets.size());
    std::string made(bound, '\0');
    const auto level = static_cast<int>(rng.below(10));
    ::compress2(static_cast<Bytef*>(static_cast<void*>(made.data())), &bound,
                static_cast<const Bytef*>(static_cast<const void*>(octets.data())), octets.size(),
                level);
    made.resize(bound);
    return made;
}

std::string typed_octets(const data_form& form, std::string_view octets) {
    return form.is_ebcdic ? translated(form.is_1047 ? to_1047 : to_037, octets)
                          : std::string(octets);
}

}  // namespace

char letter_of(transfer_form form) noexcept {
    constexpr std::array letters{'S', 'B', 'C', 'Z'};
    return letters[static_cast<std::size_t>(form)];
}

char letter_of(file_structure structure) noexcept {
    constexpr std::array letters{'F', 'R', 'P'};
    return letters[static_cast<std::size_t>(structure)];
}

std::string describe(const data_form& form) {
    return fmt::format("TYPE {} STRU {} MODE {}", form.is_ebcdic ? "E" : "I",
                       letter_of(form.structure), letter_of(form.mode));
}

std::string encoded(const data_form& form, std::string_view octets, random& rng) {
    auto text = typed_octets(form, octets);
    if (form.structure == file_structure::page) {
        text = in_pages(text, rng);
    } else if (form.structure == file_structure::record && !tells_end(form)) {
        text = in_records(text, line_end_of(form), rng);
    }
    switch (form.mode) {
        case transfer_form::block:
        case transfer_form::compressed:
            return framed(form, text, true, rng);
        case transfer_form::deflated:
            return deflated(text, rng);
        case transfer_form::stream:
            break;
    }
    return text;
}

std::string encoded_part(const data_form& form, std::string_view octets, std::string_view marker,
                         random& rng) {
    auto made = framed(form, typed_octets(form, octets), false, rng);
    if (form.mode == transfer_form::block) {
        append_block(made, restart_marker, marker);
    } else {
        made += {'\0', static_cast<char>(restart_marker), static_cast<char>(marker.size())};
        made += marker;
    }
    return made;
}

void form_decoder::inflation_freed::operator()(z_stream* state) const noexcept {
    ::inflateEnd(state);
    const std::unique_ptr<z_stream> owner(state);
}

form_decoder::form_decoder(const data_form& form, std::uint64_t offset)
    : form_(form), offset_(offset), filler_(filler_of(form)) {
    if (form.mode == transfer_form::deflated) {
        auto state = std::make_unique<z_stream>();
        ::inflateInit(state.get());
        inflation_.reset(state.release());
    }
}

bool form_decoder::take(std::string_view received, std::string& out) {
    if (received.empty()) {
        return true;
    }
    if (has_mode_ended_) {
        return false;
    }
    std::string text;
    bool is_right = true;
    switch (form_.mode) {
        case transfer_form::stream:
            text = received;
            break;
        case transfer_form::deflated:
            is_right = inflate_all(received, text);
            break;
        case transfer_form::block:
            waiting_ += received;
            is_right = take_blocks(text);
            break;
        case transfer_form::compressed:
            waiting_ += received;
            is_right = take_strings(text);
            break;
    }
    std::string octets;
    is_right = is_right && take_structure(text, octets);
    out += form_.is_ebcdic ? translated(form_.is_1047 ? of_1047 : of_037, octets) : octets;
    offset_ += octets.size();
    return is_right;
}

/// Of what frames the data: true when it may be so.
bool form_decoder::take_codes(unsigned codes, std::string& out) {
    const bool has_records = form_.structure == file_structure::record;
    if ((codes & ~(end_of_file | (has_records ? end_of_record : 0U))) != 0) {
        return false;  // No records, nothing suspect.
    }
    if ((codes & end_of_record) != 0) {
        out += line_end_of(form_);
    }
    has_mode_ended_ = (codes & end_of_file) != 0;
    return true;
}

bool form_decoder::is_marker_right(std::string_view marker, const std::string& out) const {
    return marker == fmt::format("{}", offset_ + out.size());
}

bool form_decoder::take_blocks(std::string& out) {
    std::string_view rest = waiting_;
    while (!has_mode_ended_ && rest.size() >= 3) {
        const auto data_bytes = octet_at(rest, 1) << 8U | octet_at(rest, 2);
        if (rest.size() - 3 < data_bytes) {
            break;
        }
        const auto codes = static_cast<unsigned>(octet_at(rest, 0));
        const auto data = rest.substr(3, data_bytes);
        rest.remove_prefix(3 + data_bytes);
        if (codes == restart_marker) {
            ++markers_;
            if (!is_marker_right(data, out)) {
                return false;
            }
            continue;
        }
        out += data;
        if (!take_codes(codes, out)) {
            return false;
        }
    }
    waiting_ = std::string(rest);
    return !has_mode_ended_ || waiting_.empty();
}

bool form_decoder::take_strings(std::string& out) {
    std::string_view rest = waiting_;
    while (!has_mode_ended_ && !rest.empty()) {
        const auto control = octet_at(rest, 0);
        const bool is_escape = control == 0;
        const bool is_literal = control > 0 && control < 0x80;
        const bool is_filler = control >= 0xC0;
        const std::size_t behind = is_literal ? control : is_filler ? 0 : 1;
        if (rest.size() - 1 < behind) {
            break;
        }
        const auto data = rest.substr(1, behind);
        rest.remove_prefix(1 + behind);
        if (is_escape) {
            codes_ = static_cast<unsigned>(octet_at(data, 0));
            continue;
        }
        const auto codes = std::exchange(codes_, std::nullopt).value_or(0);
        if (codes == restart_marker) {  // Its text.
            ++markers_;
            if (!is_marker_right(data, out)) {
                return false;
            }
            continue;
        }
        if (is_literal) {
            out += data;
        } else {
            out.append(control & run_octets_max, is_filler ? filler_ : data.front());
        }
        if (!take_codes(codes, out)) {
            return false;
        }
    }
    waiting_ = std::string(rest);
    return !has_mode_ended_ || waiting_.empty();
}

bool form_decoder::inflate_all(std::string_view received, std::string& out) {
    std::array<char, 16'384> piece;
    std::string octets(received);
    inflation_->next_in = static_cast<Bytef*>(static_cast<void*>(octets.data()));
    inflation_->avail_in = static_cast<uInt>(octets.size());
    for (;;) {  // Bounded by what comes out.
        inflation_->next_out = static_cast<Bytef*>(static_cast<void*>(piece.data()));
        inflation_->avail_out = static_cast<uInt>(piece.size());
        const int how = ::inflate(inflation_.get(), Z_NO_FLUSH);
        out.append(piece.data(), piece.size() - inflation_->avail_out);
        if (how == Z_STREAM_END) {
            has_mode_ended_ = true;
            return inflation_->avail_in == 0;
        }
        if (how != Z_OK && how != Z_BUF_ERROR) {
            return false;
        }
        if (inflation_->avail_out != 0) {
            return true;
        }
    }
}

bool form_decoder::take_structure(std::string_view text, std::string& out) {
    bool is_right = true;
    if (form_.structure == file_structure::page) {
        is_right = take_pages(text, out);
    } else if (form_.structure == file_structure::record && !tells_end(form_)) {
        is_right = take_records(text, out);
    } else {
        out += text;
        has_ended_ = has_mode_ended_;
    }
    return is_right && (!has_mode_ended_ || has_ended_);
}

bool form_decoder::take_records(std::string_view text, std::string& out) {
    // `waiting_` is the mode's, which in a stream and in MODE Z keeps nothing there.
    for (const char octet : text) {
        if (has_ended_) {
            return false;
        }
        if (waiting_.empty() && octet == '\xFF') {
            waiting_ = octet;
            continue;
        }
        if (waiting_.empty() || octet == '\xFF') {
            out += octet;
            is_in_record_ = true;
        } else if (octet < '\x01' || octet > '\x03') {
            return false;
        } else {
            const auto code = static_cast<unsigned>(octet);
            out.append(code & 1U, line_end_of(form_));
            has_ended_ = (code & 2U) != 0;
            is_in_record_ = false;
        }
        waiting_.clear();
    }
    return true;
}

bool form_decoder::take_pages(std::string_view text, std::string& out) {
    // In the order of their index, as the server sends them.
    std::string_view rest = text;
    std::string joined;
    if (!pages_.empty()) {
        joined = pages_ + std::string(text);
        rest = joined;
    }
    while (!has_ended_ && rest.size() >= page_header_octets) {
        const auto header = octet_at(rest, 0);
        const auto index = octet_at(rest, 1);
        const auto size = octet_at(rest, 2);
        const auto type = rest[3];
        if (header != page_header_octets || type > simple_page || size > page_octets) {
            return false;
        }
        if (rest.size() - header < size) {
            break;
        }
        has_ended_ = type == page_of_the_end;
        if (!has_ended_) {
            const auto offset = index * page_octets;
            if (offset < placed_) {
                return false;
            }
            out.append(offset - placed_, '\0');
            out += rest.substr(header, size);
            placed_ = offset + size;
        }
        rest.remove_prefix(header + size);
    }
    pages_ = std::string(rest);
    return !has_ended_ || pages_.empty();
}

}  // namespace ferry::sim::test
