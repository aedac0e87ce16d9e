#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/result.hpp"

namespace ferry::vfs {

/// Names for clients that speak no UTF-8 but one character set of single octets, such as
/// ISO-8859-1, CP1252 or CP437 (the opposite of what RFC 2640 section 2.2 asks of new clients).
///
/// Stored names are UTF-8. What the client's set has goes out as its octet. Every other octet of a
/// name, be it part of a character the set lacks or no UTF-8 at all, goes out as `%` and two
/// hexadecimal digits, as in a URI: to a client of ISO-8859-1 `5 €` is `5 %E2%82%AC`. So no name is
/// hidden and each can be fetched, renamed and removed by what the listing shows.
///
/// An escape stands for an octet of 0x80 or more, or, as `%25`, for a `%` that would else look like
/// one. Any other `%` is itself: `100%` and `a%20b` stay what they are. The digits are upper case.
/// No escape stands for a `/`, a NUL or a dot, so a whole path may be converted as well as a name.
///
/// The mapping is one to one: `to_stored` gives back what `to_client` was given, and refuses what
/// `to_client` writes for no name. A value: it holds tables and no handle of iconv(3), cores may
/// share one.
class name_charset {
  public:
    /// Reads the tables of `charset`, a name iconv(3) knows ("latin1", "CP437"), in any case.
    ///
    /// Errors: errc::unsupported, the system does not know it, or it is no such set: several
    /// octets make a character, an octet below 0x80 is not US-ASCII, or two octets are the same
    /// character. Refuse the configuration.
    ///
    /// Cost: some 0.1 ms; may read files of the C library. For the start of the process.
    [[nodiscard]] static result<name_charset> open(std::string_view charset);

    /// The client's spelling of `stored`: at most three times as long. Cost: one pass, and a binary
    /// search for each character outside US-ASCII: 0.2 us for a name of 60 octets, 1 us for one in
    /// Cyrillic.
    [[nodiscard]] std::string to_client(std::string_view stored) const;

    /// The stored name that the client spells `received`: up to three times as long, so check its
    /// length afterwards (`path::parse` does).
    ///
    /// Errors: errc::invalid, `to_client` spells no name like that: an octet that is no character
    /// of the set, or an escape for what is written without one. Answer as a bad file name.
    ///
    /// Cost: two passes.
    [[nodiscard]] result<std::string> to_stored(std::string_view received) const;

  private:
    /// What one octet of the set is in UTF-8; no octets where the set has no such character.
    struct character {
        std::array<char, 4> utf8{};
        std::uint8_t size_bytes = 0;

        [[nodiscard]] std::string_view text() const noexcept { return {utf8.data(), size_bytes}; }
    };

    name_charset() = default;

    std::array<character, 256> characters_{};
    std::vector<std::uint8_t> order_;  ///< The octets that are characters, in the order of their
                                       ///< UTF-8.
};

}  // namespace ferry::vfs
