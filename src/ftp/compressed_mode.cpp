#include "ftp/compressed_mode.hpp"

#include <array>
#include <utility>

#include "ferry/base/assert.hpp"

namespace ferry::ftp {
namespace {

// RFC 959 section 3.4.3: the top bits of the octet before a string, and how long each kind may be.
constexpr std::uint8_t escape = 0x00;
constexpr std::uint8_t replicated_bits = 0x80;
constexpr std::uint8_t filler_bits = 0xC0;
constexpr std::size_t literal_octets_max = 127;
constexpr std::size_t run_octets_max = 63;
/// A shorter run within other octets is no saving.
constexpr std::size_t run_octets_min = 3;

static_assert(marker_bytes_max <= literal_octets_max);

}  // namespace

void compressed_writer::add(std::string_view stored, std::string& out) {
    if (framing_.rule != record_rule::records) {
        add_data(stored, out);
        return;
    }
    while (!stored.empty()) {
        const auto line_end = stored.find(framing_.line_end);
        add_data(stored.substr(0, line_end), out);
        if (line_end == std::string_view::npos) {
            return;
        }
        end_record(out);
        stored.remove_prefix(line_end + 1);
    }
}

void compressed_writer::add_data(std::string_view data, std::string& out) {
    if (ends_record_ && !data.empty()) {
        send(descriptor::end_of_record, out);
    }
    for (const char octet : data) {
        if (run_octets_ > 0 && octet == run_octet_ && run_octets_ < run_octets_max) {
            ++run_octets_;
            continue;
        }
        end_run(out);
        run_octet_ = octet;
        run_octets_ = 1;
    }
}

void compressed_writer::end_run(std::string& out) {
    if (run_octets_ < run_octets_min) {
        for (; run_octets_ > 0; --run_octets_) {
            if (literal_.size() == literal_octets_max) {
                end_literal(out);
            }
            literal_ += run_octet_;
        }
        return;
    }
    end_literal(out);
    hold(out);
    if (run_octet_ == filler_) {
        held_ += static_cast<char>(filler_bits | run_octets_);
    } else {
        held_ += static_cast<char>(replicated_bits | run_octets_);
        held_ += run_octet_;
    }
    run_octets_ = 0;
}

void compressed_writer::end_literal(std::string& out) {
    if (literal_.empty()) {
        return;
    }
    hold(out);
    held_ += static_cast<char>(literal_.size());
    held_ += literal_;
    literal_.clear();
}

/// Makes room for a string to hold: the one before it ends nothing.
void compressed_writer::hold(std::string& out) {
    out += held_;
    held_.clear();
}

void compressed_writer::end_record(std::string& out) {
    if (ends_record_) {
        send(descriptor::end_of_record, out);  // The record before; this one is empty.
    }
    end_run(out);
    end_literal(out);
    ends_record_ = true;
}

/// Sends the string that is held, as the one that ends what `codes` say.
void compressed_writer::send(std::uint8_t codes, std::string& out) {
    if (held_.empty()) {
        held_ += static_cast<char>(filler_bits);
    }
    out += static_cast<char>(escape);
    out += static_cast<char>(codes);
    hold(out);
    ends_record_ = false;
}

void compressed_writer::add_marker(std::string_view marker, std::string& out) {
    FERRY_ASSERT(is_marker(marker));
    if (ends_record_) {
        send(descriptor::end_of_record, out);
    }
    end_run(out);
    end_literal(out);
    hold(out);
    held_ += static_cast<char>(marker.size());
    held_ += marker;
    send(descriptor::restart_marker, out);
}

void compressed_writer::finish(std::string& out) {
    end_run(out);
    end_literal(out);
    const auto record = ends_record_ ? descriptor::end_of_record : std::uint8_t{0};
    send(static_cast<std::uint8_t>(descriptor::end_of_file | record), out);
}

result<mode_event> compressed_reader::read(std::string_view& received, std::string& out) {
    while (!received.empty()) {
        const auto taken = take(received, out);
        if (!taken || *taken != mode_event::none) {
            return taken;
        }
    }
    return mode_event::none;
}

/// Takes one octet, or as much of a literal as there is.
result<mode_event> compressed_reader::take(std::string_view& received, std::string& out) {
    if (next_ == expected::literal) {
        const auto data = received.substr(0, octets_);
        received.remove_prefix(data.size());
        octets_ -= data.size();
        if (auto added = strings_.add(data, out); !added) {
            return failure(added.error());
        }
        return octets_ == 0 ? end(out) : mode_event::none;
    }
    const char octet = received.front();
    received.remove_prefix(1);
    switch (next_) {
        case expected::codes:
            codes_ = static_cast<std::uint8_t>(octet);
            next_ = expected::described_string;
            return mode_event::none;
        case expected::replicated:
            return repeat(octet, out);
        default:
            return begin(static_cast<std::uint8_t>(octet), out);
    }
}

result<mode_event> compressed_reader::begin(std::uint8_t control, std::string& out) {
    if (control == escape) {
        if (next_ == expected::described_string || strings_.has_ended()) {
            return failure(errc::invalid);
        }
        next_ = expected::codes;
        return mode_event::none;
    }
    if (auto begun = strings_.begin(codes_); !begun) {
        return failure(begun.error());
    }
    if ((control & replicated_bits) == 0) {
        next_ = expected::literal;
        octets_ = control;
        return mode_event::none;
    }
    octets_ = control & run_octets_max;
    if ((control & filler_bits) == filler_bits) {
        return repeat(filler_, out);
    }
    next_ = expected::replicated;
    return mode_event::none;
}

result<mode_event> compressed_reader::repeat(char octet, std::string& out) {
    std::array<char, run_octets_max> run;
    run.fill(octet);
    if (auto added = strings_.add({run.data(), octets_}, out); !added) {
        return failure(added.error());
    }
    return end(out);
}

result<mode_event> compressed_reader::end(std::string& out) {
    next_ = expected::string;
    codes_ = 0;
    return strings_.end(out);
}

result<void> compressed_reader::finish() const {
    return strings_.has_ended() ? result<void>() : failure(errc::closed);
}

}  // namespace ferry::ftp
