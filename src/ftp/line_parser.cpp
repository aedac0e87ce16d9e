#include "ftp/line_parser.hpp"

#include <algorithm>
#include <utility>

#include "ferry/base/ascii.hpp"

namespace ferry::ftp {
namespace {

// Telnet commands (RFC 854). SE is the lowest; those not named here need nothing but to be
// stripped.
constexpr unsigned char telnet_se = 240;
constexpr unsigned char telnet_sb = 250;
constexpr unsigned char telnet_will = 251;
constexpr unsigned char telnet_wont = 252;
constexpr unsigned char telnet_do = 253;
constexpr unsigned char telnet_dont = 254;
constexpr unsigned char telnet_iac = 255;

constexpr std::size_t answer_bytes_max = 64 * 3;

/// How many octets at the front of `input` mean nothing but themselves.
std::size_t count_plain(std::string_view input) noexcept {
    std::size_t count = 0;
    while (count < input.size() && input[count] != '\r' && input[count] != '\n' &&
           static_cast<unsigned char>(input[count]) != telnet_iac) {
        ++count;
    }
    return count;
}

}  // namespace

line_event line_parser::next(std::string_view& input) {
    if (finished_) {
        line_.clear();
        finished_ = false;
    }
    while (!input.empty()) {
        if (telnet_ == telnet_state::data && !after_cr_) {
            const auto plain = count_plain(input);
            append(input.substr(0, plain));
            input.remove_prefix(plain);
            if (input.empty()) {
                break;
            }
        }
        const auto taken = input.substr(0, 1);
        const char octet = taken.front();
        input.remove_prefix(1);
        if (!is_data(static_cast<unsigned char>(octet))) {
            continue;
        }
        if (octet == '\n') {
            after_cr_ = false;
            finished_ = true;
            return std::exchange(swallowing_, false) ? line_event::overlong : line_event::line;
        }
        if (std::exchange(after_cr_, octet == '\r')) {
            append("\r");
            if (octet == '\0') {
                continue;
            }
        }
        if (octet != '\r') {
            append(taken);
        }
    }
    return line_event::none;
}

std::string_view line_parser::line() const noexcept {
    return finished_ ? std::string_view(line_) : std::string_view{};
}

std::string line_parser::take_answers() {
    return std::exchange(answers_, {});
}

void line_parser::reset() noexcept {
    line_.clear();
    answers_.clear();
    telnet_ = telnet_state::data;
    after_cr_ = false;
    swallowing_ = false;
    finished_ = false;
}

/// Runs the Telnet layer over one octet. Returns whether the octet belongs to the line.
bool line_parser::is_data(unsigned char octet) {
    switch (telnet_) {
        case telnet_state::data:
            if (octet == telnet_iac) {
                telnet_ = telnet_state::iac;
                return false;
            }
            return true;
        case telnet_state::iac:
            telnet_ = telnet_state::data;
            if (octet == telnet_iac) {
                return true;
            }
            if (octet < telnet_se) {
                if (std::exchange(after_cr_, false)) {
                    append("\r");
                }
                append("\xff");
                return true;
            }
            if (octet == telnet_sb) {
                telnet_ = telnet_state::subnegotiation;
            } else if (octet >= telnet_will) {
                telnet_ = telnet_state::option;
                request_ = octet;
            }
            return false;
        case telnet_state::option:
            telnet_ = telnet_state::data;
            if (octet == '\r' || octet == '\n') {
                return true;
            }
            answer(octet);
            return false;
        case telnet_state::subnegotiation:
        case telnet_state::subnegotiation_iac: {
            const bool after_iac = telnet_ == telnet_state::subnegotiation_iac;
            const bool ends = octet == '\n' || (after_iac && octet == telnet_se);
            const bool escapes = !after_iac && octet == telnet_iac;
            telnet_ = ends      ? telnet_state::data
                      : escapes ? telnet_state::subnegotiation_iac
                                : telnet_state::subnegotiation;
            return octet == '\n';
        }
    }
    return true;
}

/// Refuses one request. WONT and DONT are no requests: answering them could go on for ever (RFC
/// 854).
void line_parser::answer(unsigned char option) {
    if (answers_.size() + 3 > answer_bytes_max ||
        (request_ != telnet_will && request_ != telnet_do)) {
        return;
    }
    answers_ += static_cast<char>(telnet_iac);
    answers_ += static_cast<char>(request_ == telnet_will ? telnet_dont : telnet_wont);
    answers_ += static_cast<char>(option);
}

void line_parser::append(std::string_view octets) {
    if (swallowing_) {
        return;
    }
    if (octets.size() > line_bytes_max_ - line_.size()) {
        swallowing_ = true;
        line_.clear();
        return;
    }
    line_ += octets;
}

command_line parse_command(std::string_view line) noexcept {
    command_line made;
    const auto space = line.find(' ');
    const auto verb = line.substr(0, space);
    const auto is_verb_octet = [](char c) { return ascii::is_alpha(c) || ascii::is_digit(c); };
    if (verb.empty() || verb.size() > verb_bytes_max || !ascii::is_alpha(verb.front()) ||
        !std::ranges::all_of(verb, is_verb_octet)) {
        return made;
    }
    std::ranges::transform(verb, made.verb_octets.begin(), ascii::to_upper);
    made.verb_bytes = static_cast<std::uint8_t>(verb.size());
    if (space != std::string_view::npos) {
        made.argument = line.substr(space + 1);
    }
    return made;
}

}  // namespace ferry::ftp
