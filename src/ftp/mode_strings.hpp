#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"

/// What block and compressed mode share: strings of octets, each with a descriptor that says what
/// ends with it (RFC 959 sections 3.4.2 and 3.4.3).
namespace ferry::ftp {

/// The descriptor codes of RFC 959 section 3.4.2; any number of them may be set.
namespace descriptor {
inline constexpr std::uint8_t end_of_record = 128;
inline constexpr std::uint8_t end_of_file = 64;
inline constexpr std::uint8_t suspect = 32;
inline constexpr std::uint8_t restart_marker = 16;
}  // namespace descriptor

/// How records and lines go together.
enum class record_rule : std::uint8_t {
    none,     ///< STRU F, P: no record is sent, one that is received is refused.
    lines,    ///< STRU F of text: none is sent; mainframes send them (z/OS, in block mode), and the
              ///< end of each is taken for the end of a line.
    records,  ///< STRU R: a line is a record, and a record that holds a line end is refused.
};

/// How the octets of a file become strings with descriptors, and back.
struct mode_framing {
    record_rule rule = record_rule::none;
    char line_end = '\n';  ///< What ends a line in the octets given and taken: LF, for EBCDIC NL.
};

/// Why a reader stopped.
enum class mode_event : std::uint8_t {
    none,         ///< All octets are taken.
    marker,       ///< A restart marker: what is in `out` so far belongs before it (section 3.5).
    end_of_file,  ///< The file is whole. Further octets are the next file's.
};

/// The longest restart marker that is taken, in octets: it comes back in a reply.
inline constexpr std::size_t marker_bytes_max = 64;

/// Puts a file together from strings as they arrive; the part of a reader that knows descriptors.
class string_assembler {
  public:
    explicit string_assembler(mode_framing framing) noexcept : framing_(framing) {}

    /// Begins a string. Errors: errc::invalid, a descriptor that RFC 959 does not know, a marker
    /// that ends something, a record where there are none.
    [[nodiscard]] result<void> begin(std::uint8_t descriptor);

    /// Takes the next octets of the string. Errors: errc::invalid, a marker that is too long or not
    /// printable; errc::unsupported, a record holds a line end: stored, it would be two.
    [[nodiscard]] result<void> add(std::string_view data, std::string& out);

    /// Ends the string. Errors: errc::invalid, an empty marker.
    [[nodiscard]] result<mode_event> end(std::string& out);

    [[nodiscard]] const std::string& marker() const noexcept { return marker_; }
    [[nodiscard]] bool has_suspect() const noexcept { return has_suspect_; }
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

  private:
    [[nodiscard]] bool is(std::uint8_t code) const noexcept { return (descriptor_ & code) != 0; }

    mode_framing framing_;
    std::string marker_;
    std::uint8_t descriptor_ = 0;
    bool has_suspect_ = false;
    bool has_ended_ = false;
};

/// True for what RFC 959 section 3.4.2 lets a restart marker be: 1 to `marker_bytes_max` printable
/// characters of US-ASCII, no space.
[[nodiscard]] bool is_marker(std::string_view text) noexcept;

}  // namespace ferry::ftp
