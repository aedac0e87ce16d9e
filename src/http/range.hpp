#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ferry/base/result.hpp"

namespace ferry::http {

/// A part of a representation: `size_bytes` octets from `offset` on, at least one, all inside it.
struct byte_range {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;

    friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// What a Range field is read against.
struct range_limits {
    std::uint64_t size_bytes = 0;  ///< Of the representation.
    std::size_t ranges_max = 16;   ///< Members of the list, unsatisfiable and empty ones included.
};

/// Reads a Range field value against a representation of `limits.size_bytes` octets.
///
/// Accepts the `bytes` unit only, whatever its case, with int-ranges and suffix-ranges (RFC 9110
/// section 14.1.2), in the order the client gave them; a last position past the end is clipped, not
/// refused, and so is a suffix longer than the whole. Numbers of any length are read; beyond 2^64 -
/// 1 they stay there.
///
/// Returns the satisfiable ranges, or:
///   errc::invalid    malformed, or another unit: ignore the field, answer 200 (section 14.2). Also
///   a
///                    suffix of an empty representation, which is satisfiable and yet has no octet
///                    to name
///   errc::not_found  well formed but none satisfiable: answer 416 (section 15.5.17)
///   errc::exhausted  more than `ranges_max`: answer 200, never a bigger reply than the file
///   (threats.md, H5)
///
/// Cost: one pass, no allocation beyond the result. Never suspends.
[[nodiscard]] result<std::vector<byte_range>> parse_range(std::string_view value,
                                                          const range_limits& limits);

/// A gap between two parts that costs less to send than a second part's head.
inline constexpr std::uint64_t part_gap_bytes_max = 80;

/// Joins ranges that overlap, touch or lie at most `part_gap_bytes_max` apart, so that no octet is
/// sent twice (threats.md, H5; RFC 9110 section 15.3.7.2). A joined range stands where the first of
/// its members stood; the others keep their order. Cost: quadratic, of as many as `parse_range`
/// lets through.
[[nodiscard]] std::vector<byte_range> merge_ranges(std::vector<byte_range> ranges);

}  // namespace ferry::http
