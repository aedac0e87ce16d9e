#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ferry::sim::test {

/// One reply of the server (RFC 959 section 4.2), its Telnet escapes undone.
struct ftp_reply {
    int code = 0;
    std::string text;                ///< Of the only or the first line, without the code.
    std::vector<std::string> lines;  ///< What is between the first and the last, without a leading
                                     ///< space.
    [[nodiscard]] bool is_preliminary() const noexcept { return code < 200; }
    [[nodiscard]] bool is_positive() const noexcept { return code < 400; }
    [[nodiscard]] std::string describe() const;
};

enum class reply_progress : std::uint8_t { incomplete, complete, malformed };

struct reply_reading {
    reply_progress progress = reply_progress::incomplete;
    ftp_reply reply;
    std::string problem;
};

/// Takes one reply off the front of `input`. Strict: CR LF ends lines, codes are 100 to 559 by
/// RFC 959 section 4.2.1, lines in between begin with a space (so that none looks like the last), a
/// lone IAC or any other control octet is an error.
[[nodiscard]] reply_reading take_reply(std::string& input);

}  // namespace ferry::sim::test
