#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "load/histogram.hpp"
#include "operation.hpp"

namespace ferry::ftp_load {

/// What one download of a file was, for the others to be compared with.
struct content_mark {
    std::uint64_t octets = 0;
    std::uint64_t hash = 0;  ///< 0 without --verify.

    friend bool operator==(const content_mark&, const content_mark&) = default;
};

/// What became of operations: of one thread while it runs, of all of them at the end.
struct tally {
    struct row {
        load::histogram latency;   ///< Nanoseconds of each operation that went well.
        std::uint64_t octets = 0;  ///< On data connections, those of operations cut off too.
        std::uint64_t failed = 0;
    };
    std::array<row, operation_count> rows;
    struct trouble {
        std::uint64_t times = 0;
        std::string said;  ///< The text of the first reply that told it; empty: none did.
    };
    std::map<std::string, trouble, std::less<>> errors;      ///< By what is wrong, in words.
    std::map<std::string, content_mark, std::less<>> marks;  ///< By name: its first download.

    [[nodiscard]] row& of(operation what) noexcept { return rows[static_cast<std::size_t>(what)]; }
    [[nodiscard]] const row& of(operation what) const noexcept {
        return rows[static_cast<std::size_t>(what)];
    }
    /// Adds another thread's. A name whose first download differed there is an error, once.
    void add(const tally& other);
    void count_error(std::string_view what, std::string_view said = {});

    [[nodiscard]] std::uint64_t done() const noexcept;
    [[nodiscard]] std::uint64_t failed() const noexcept;
    [[nodiscard]] std::uint64_t octets() const noexcept;
};

/// The hash behind --verify, of pieces in order: 64-bit FNV-1a. Against mistakes, not against who
/// means to deceive.
class content_hash {
  public:
    void take(std::span<const std::byte> piece) noexcept {
        for (const auto octet : piece) {
            state_ = (state_ ^ std::to_integer<std::uint64_t>(octet)) * 0x100000001b3U;
        }
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return state_; }

  private:
    std::uint64_t state_ = 0xcbf29ce484222325U;
};

}  // namespace ferry::ftp_load
