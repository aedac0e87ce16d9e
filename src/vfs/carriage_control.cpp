#include "ferry/vfs/carriage_control.hpp"

#include <algorithm>

namespace ferry::vfs::carriage_control {
namespace {

// The controls of RFC 959 section 3.1.1.5.3; three lines are of ANSI X3.9 (FORTRAN).
constexpr char one_line = ' ';
constexpr char two_lines = '0';
constexpr char three_lines = '-';
constexpr char top_of_page = '1';
constexpr char same_line = '+';

}  // namespace

void to_network::go_on_behind(char octet) noexcept {
    at_line_start_ = octet == '\n';
    pending_cr_ = octet == '\r';
}

void to_network::convert(std::string_view stored, std::string& out) {
    while (!stored.empty()) {
        const char first = stored.front();
        if (pending_cr_ && first != '\n') {
            out += '\n';
            out += same_line;
        }
        pending_cr_ = false;
        if (at_line_start_) {
            at_line_start_ = false;
            if (first == '\f') {
                out += top_of_page;
                stored.remove_prefix(1);
                continue;
            }
            out += one_line;
        }
        const auto end = std::min(stored.find_first_of("\r\n"), stored.size());
        out += stored.substr(0, end);
        stored.remove_prefix(end);
        if (stored.empty()) {
            return;
        }
        at_line_start_ = stored.front() == '\n';
        pending_cr_ = !at_line_start_;
        if (at_line_start_) {
            out += '\n';
        }
        stored.remove_prefix(1);
    }
}

void to_network::finish(std::string& out) {
    if (pending_cr_) {
        out += '\n';
        out += same_line;
        pending_cr_ = false;
    }
}

void from_network::convert(std::string_view received, std::string& out) {
    while (!received.empty()) {
        if (place_ != place::text && received.front() != '\n') {
            take_control(received.front(), out);
            place_ = place::text;
            received.remove_prefix(1);
            continue;
        }
        if (place_ == place::line_end) {
            out += '\n';  // Of the line before; this one is empty.
        }
        const auto end = std::min(received.find('\n'), received.size());
        out += received.substr(0, end);
        received.remove_prefix(end);
        if (!received.empty()) {
            place_ = place::line_end;
            received.remove_prefix(1);
        }
    }
}

void from_network::take_control(char control, std::string& out) {
    if (control == same_line && place_ == place::line_end) {
        out += '\r';
        return;
    }
    if (place_ == place::line_end) {
        out += '\n';
    }
    if (control == top_of_page) {
        out += '\f';
    } else if (control == two_lines || control == three_lines) {
        out += control == two_lines ? "\n" : "\n\n";
    }
}

void from_network::finish(std::string& out) {
    if (place_ == place::line_end) {
        out += '\n';
    }
    place_ = place::start;
}

}  // namespace ferry::vfs::carriage_control
