#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::ftp {

/// Room for a verb, one space and a path as long as Linux takes it.
inline constexpr std::size_t line_bytes_max_default = 8'192;

/// The longest verb read; RFC 959 has up to four letters, later commands such as XSHA512 more.
inline constexpr std::size_t verb_bytes_max = 12;

/// What `line_parser::next` found.
enum class line_event : std::uint8_t {
    none,      ///< The input is used up in mid-line: read more.
    line,      ///< A command line is complete: see `line_parser::line`.
    overlong,  ///< A line over the limit has ended and is forgotten: answer 500 once and go on.
};

/// Cuts the octets of a control connection into command lines, whatever pieces they arrive in
/// (RFC 1123 section 4.1.2.10).
///
/// Line ends: CR LF (RFC 959 section 4.1) and, for cameras and scanners, a bare LF. CR NUL is one
/// CR of the line (RFC 854, RFC 2640 section 3.1), and so is a CR before anything else. All other
/// octets are kept, NUL and 0x80 to 0xFF included: what may be a name is `vfs::path`'s to say.
///
/// Telnet (RFC 1123 section 4.1.2.12, RFC 854): commands are stripped and IAC IAC is one octet
/// 0xFF. WILL and DO are refused, see `take_answers`. IP and DM, which a client sends before ABOR
/// (RFC 959 section 4.1.3), need no action since the session reads on during a transfer; but the
/// socket must have SO_OOBINLINE set, or the octet marked urgent never gets here: for Python's
/// ftplib that is the LF of ABOR. Three rules keep one line one line for octets that are no proper
/// Telnet: an IAC before an octet that is no command (below 240) is data, as in Latin-1 names; an
/// option code CR or LF is a line end; LF ends a subnegotiation, which no client may begin after
/// its options were refused.
///
/// Holds one line of at most `line_bytes_max` octets and 192 octets of answers; longer lines are
/// swallowed as they come. Cost: a few instructions an octet; allocates until its longest line has
/// fit.
class line_parser {
  public:
    /// `line_bytes_max`: the longest line accepted, its end not counted, after Telnet decoding.
    explicit line_parser(std::size_t line_bytes_max = line_bytes_max_default) noexcept
        : line_bytes_max_(line_bytes_max) {}

    /// Takes octets off the front of `input` until a line ends or no octet is left. Call again with
    /// what is left of `input` to get the next pipelined command; after `none`, `input` is empty.
    [[nodiscard]] line_event next(std::string_view& input);

    /// The line that `next` announced, without its end, possibly empty. Empty for other events.
    /// Valid until `next` or `reset`.
    [[nodiscard]] std::string_view line() const noexcept;

    /// What to send to the peer to refuse its Telnet options: IAC DONT for WILL, IAC WONT for DO
    /// (RFC 1123 section 4.1.2.12). Mostly empty. Call after each piece of input; of a flood of
    /// requests only the first 64 are answered.
    [[nodiscard]] std::string take_answers();

    /// Nothing is half read: what comes next begins a line.
    [[nodiscard]] bool is_between_lines() const noexcept {
        return (finished_ || line_.empty()) && telnet_ == telnet_state::data && !after_cr_ &&
               !swallowing_;
    }

    /// Forgets everything half read. For the moment TLS begins: what was sent in clear behind AUTH
    /// must not become a command (threats.md, T5).
    void reset() noexcept;

  private:
    enum class telnet_state : std::uint8_t {
        data,
        iac,
        option,
        subnegotiation,
        subnegotiation_iac
    };

    bool is_data(unsigned char octet);
    void answer(unsigned char option);
    void append(std::string_view octets);

    std::size_t line_bytes_max_;
    std::string line_;
    std::string answers_;
    telnet_state telnet_ = telnet_state::data;
    unsigned char request_ = 0;  ///< WILL, WONT, DO or DONT while its option code is awaited.
    bool after_cr_ = false;
    bool swallowing_ = false;  ///< The current line is over the limit.
    bool finished_ = false;    ///< `line_` is the line last announced.
};

/// A command line split into its two parts (RFC 959 section 5.3).
struct command_line {
    std::array<char, verb_bytes_max> verb_octets{};
    std::uint8_t verb_bytes = 0;
    /// Everything behind the one SP after the verb, exactly: it may begin and end with spaces, as
    /// names do. Points into the line.
    std::string_view argument;

    /// The verb in upper case; empty when the line names none.
    [[nodiscard]] std::string_view verb() const noexcept {
        return {verb_octets.data(), verb_bytes};
    }
};

/// Splits `line`. Verbs are a letter and up to eleven more letters or digits, in any case, up to SP
/// or the end (RFC 959 section 5.3). For everything else, an empty line too, the verb is empty:
/// answer 500, as to a verb that is not known. Never fails, never allocates.
[[nodiscard]] command_line parse_command(std::string_view line) noexcept;

}  // namespace ferry::ftp
