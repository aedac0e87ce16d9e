#include "ftp_forms.hpp"

#include <algorithm>
#include <array>

namespace ferry::sim::test {
namespace {

constexpr unsigned end_of_file = 64;
constexpr unsigned restart_marker = 16;  // From the sender, where the receiver could go on.
constexpr std::uint64_t block_octets_max = 3'000;
constexpr std::size_t literal_octets_max = 127;
constexpr std::size_t run_octets_max = 63;

std::size_t octet_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<unsigned char>(text[at]);
}

void append_block(std::string& out, unsigned codes, std::string_view data) {
    out += static_cast<char>(codes);
    out += static_cast<char>(data.size() >> 8U);
    out += static_cast<char>(data.size() & 0xFFU);
    out += data;
}

std::string in_blocks(std::string_view octets, random& rng) {
    std::string made;
    while (!octets.empty()) {
        const auto part = octets.substr(0, 1 + rng.below(block_octets_max));
        octets.remove_prefix(part.size());
        const bool is_last = octets.empty() && rng.below(2) == 0;
        append_block(made, is_last ? end_of_file : 0, part);
        if (is_last) {
            return made;
        }
    }
    append_block(made, end_of_file, "");
    return made;
}

std::string in_strings(std::string_view octets, random& rng) {
    std::string made;
    while (!octets.empty()) {
        const auto other = octets.find_first_not_of(octets.front());
        const auto run = std::min({other, octets.size(), run_octets_max});
        if (run > 2 && octets.front() == '\0' && rng.below(2) == 0) {
            made += static_cast<char>(0xC0U | run);  // The filler of an image.
            octets.remove_prefix(run);
        } else if (run > 2) {
            made += static_cast<char>(0x80U | run);
            made += octets.front();
            octets.remove_prefix(run);
        } else {
            const auto part = octets.substr(0, 1 + rng.below(literal_octets_max));
            made += static_cast<char>(part.size());
            made += part;
            octets.remove_prefix(part.size());
        }
    }
    made += '\0';
    made += static_cast<char>(end_of_file);
    made += '\xC0';  // A string there must be: no fillers.
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

}  // namespace

char letter_of(transfer_form form) noexcept {
    constexpr std::array letters{'S', 'B', 'C', 'Z'};
    return letters[static_cast<std::size_t>(form)];
}

std::string encoded(transfer_form form, std::string_view octets, random& rng) {
    switch (form) {
        case transfer_form::block:
            return in_blocks(octets, rng);
        case transfer_form::compressed:
            return in_strings(octets, rng);
        case transfer_form::deflated:
            return deflated(octets, rng);
        case transfer_form::stream:
            break;
    }
    return std::string(octets);
}

void form_decoder::inflation_freed::operator()(z_stream* state) const noexcept {
    ::inflateEnd(state);
    const std::unique_ptr<z_stream> owner(state);
}

form_decoder::form_decoder(transfer_form form) : form_(form) {
    if (form == transfer_form::deflated) {
        auto state = std::make_unique<z_stream>();
        ::inflateInit(state.get());
        inflation_.reset(state.release());
    }
}

bool form_decoder::take(std::string_view received, std::string& out) {
    if (form_ == transfer_form::stream) {
        out += received;
        return true;
    }
    if (received.empty()) {
        return true;
    }
    if (has_ended_) {
        return false;
    }
    if (form_ == transfer_form::deflated) {
        return inflate_all(received, out);
    }
    waiting_ += received;
    return form_ == transfer_form::block ? take_blocks(out) : take_strings(out);
}

bool form_decoder::take_blocks(std::string& out) {
    std::string_view rest = waiting_;
    while (!has_ended_ && rest.size() >= 3) {
        const auto data_bytes = octet_at(rest, 1) << 8U | octet_at(rest, 2);
        if (rest.size() - 3 < data_bytes) {
            break;
        }
        const auto codes = octet_at(rest, 0);
        if (codes != 0 && codes != end_of_file && codes != restart_marker) {
            return false;  // No records, nothing suspect.
        }
        out += codes == restart_marker ? std::string_view() : rest.substr(3, data_bytes);
        rest.remove_prefix(3 + data_bytes);
        has_ended_ = codes == end_of_file;
    }
    waiting_ = std::string(rest);
    return !has_ended_ || waiting_.empty();
}

bool form_decoder::take_strings(std::string& out) {
    std::string_view rest = waiting_;
    while (!has_ended_ && !rest.empty()) {
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
            if (*codes_ != end_of_file && *codes_ != restart_marker) {
                return false;
            }
            continue;
        }
        if (codes_ == restart_marker) {  // Its text.
            codes_.reset();
            continue;
        }
        if (is_literal) {
            out += data;
        } else {
            out.append(control & run_octets_max, is_filler ? '\0' : data.front());
        }
        has_ended_ = codes_.has_value();
    }
    waiting_ = std::string(rest);
    return !has_ended_ || waiting_.empty();
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
            has_ended_ = true;
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

}  // namespace ferry::sim::test
