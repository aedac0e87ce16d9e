#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace ferry::auth {

/// How fast content may go, in octets a second. 0: as fast as it goes.
struct rates {
    std::uint64_t download = 0;  ///< To the client.
    std::uint64_t upload = 0;    ///< From it.

    friend bool operator==(const rates&, const rates&) = default;
};

/// How much of the server an account may use. 0: as much as there is.
struct limits {
    std::uint64_t sessions_max = 0;              ///< Logged in at the same time.
    std::uint64_t sessions_per_address_max = 0;  ///< Of them from one address.
    rates together = {};                         ///< Of all sessions of the account.
    rates each_session = {};
    std::uint64_t home_octets_max = 0;  ///< In its home and all beneath, whoever put it there.
    std::uint64_t home_files_max = 0;   ///< Names there: directories count, too.

    /// Reads words between commas, none twice:
    ///
    /// - "sessions=4", "per-address=2": a number, 1 at least;
    /// - "download=10M", "upload=1M", "rate=5M": octets a second for all sessions of the account
    ///   together, 1KiB at least and 1024GiB at most, as `parse_size` reads them; "rate" is both
    ///   ways, each for itself, where nothing else is said;
    /// - "session-download=", "session-upload=", "session-rate=": the same for each session;
    /// - "quota=10G": octets in its home, as `parse_size` reads them, up to 4096 PiB;
    /// "files=10000":
    ///   names there, 1 at least each.
    ///
    /// The error says what is wrong, for a person.
    [[nodiscard]] static std::expected<limits, std::string> parse(std::string_view text);

    /// The same as text, for `parse`; empty when there are none.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const limits&, const limits&) = default;
};

}  // namespace ferry::auth
