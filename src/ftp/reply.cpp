#include "ftp/reply.hpp"

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ftp/reply_codes.hpp"

namespace ferry::ftp {
namespace {

constexpr char iac = '\xff';

void append_harmless(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (ascii::is_control(c)) {
            out += '?';
            continue;
        }
        out += c;
        if (c == iac) {
            out += c;
        }
    }
}

void append_line(std::string& out, int code, char separator, std::string_view text) {
    out += static_cast<char>('0' + code / 100);
    out += static_cast<char>('0' + code / 10 % 10);
    out += static_cast<char>('0' + code % 10);
    out += separator;
    append_harmless(out, text);
    out += "\r\n";
}

int code_for(errc code, file_use use) noexcept {
    const int refused = use == file_use::existing ? 550 : 553;
    // Behind the 150 of an upload RFC 959 section 5.4 has 451, 551 and 552, and no 450 or 452. Not
    // 451: after a 4yz lftp 4.9 tries again by itself and, where it had read its file to the end,
    // may send the last 192 KiB alone, which then get the name (threats.md, V13). 5yz is final.
    const bool is_late = use == file_use::content;
    switch (code) {
        case errc::invalid:
        case errc::name_too_long:
            return 553;
        case errc::denied:
        case errc::outside_tree:
        case errc::read_only:
        case errc::not_empty:
            return 550;
        case errc::not_found:
        case errc::not_regular:
        case errc::exists:
        case errc::is_directory:
        case errc::not_directory:
            return refused;
        case errc::no_space:
            return is_late ? 552 : 452;
        case errc::over_quota:
        case errc::too_large:
            return 552;
        case errc::busy:
            return is_late ? 551 : 450;
        case errc::exhausted:
        case errc::io:
            return is_late ? 551 : 451;
        case errc::unsupported:
            return 504;
        case errc::in_use:
        case errc::unavailable:
            return 425;
        case errc::timed_out:
        case errc::cancelled:
        case errc::closed:
        case errc::reset:
            return 426;
    }
    return 451;
}

}  // namespace

void append_reply(std::string& out, const reply& what) {
    FERRY_ASSERT(is_reply_code(what.code));
    if (what.lines.empty()) {
        append_line(out, what.code, ' ', what.text);
        return;
    }
    append_line(out, what.code, '-', what.text);
    for (const auto& line : what.lines) {
        out += ' ';
        append_harmless(out, line);
        out += "\r\n";
    }
    append_line(out, what.code, ' ', "End");
}

std::string quote_pathname(std::string_view pathname) {
    std::string quoted = "\"";
    for (const char c : pathname) {
        quoted += c;
        if (c == '"') {
            quoted += c;
        }
    }
    quoted += '"';
    return quoted;
}

reply reply_for(const error& what, file_use use) {
    // A link that leads out of the tree is told apart from one without permission by nobody.
    const auto shown = what.code == errc::outside_tree ? errc::denied : what.code;
    if (what == errc::invalid && what.os_errno == 0) {  // By ferry's own rules for names.
        return {code_for(what.code, use), "Not a usable file name here"};
    }
    return {code_for(what.code, use), std::string(describe(shown))};
}

}  // namespace ferry::ftp
