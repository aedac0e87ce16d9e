#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ferry/base/wall_clock.hpp"
#include "ferry/http/content_coding.hpp"
#include "ferry/vfs/metadata.hpp"

namespace ferry::http {

/// An entity tag (RFC 9110 section 8.8.3) as a view: `opaque` with its quotes, without `W/`.
struct entity_tag {
    std::string_view opaque;
    bool weak = false;
};

/// How two tags are compared (RFC 9110 section 8.8.3.2).
enum class comparison : std::uint8_t {
    strong,  ///< Both strong and the same octets: If-Match, If-Range.
    weak,    ///< The same octets: If-None-Match.
};

[[nodiscard]] constexpr bool matches(const entity_tag& a, const entity_tag& b,
                                     comparison how) noexcept {
    return a.opaque == b.opaque && (how == comparison::weak || (!a.weak && !b.weak));
}

/// The beginning of a digest that no two contents have alike, whoever makes them.
using content_digest = std::span<const char, 16>;

/// A tag of ferry's own making, with its octets.
class etag_text {
  public:
    /// As in an ETag field: `"..."` or `W/"..."`.
    [[nodiscard]] std::string_view text() const noexcept {
        return weak_ ? std::string_view(octets_.data(), size_bytes_)
                     : std::string_view(octets_.data(), size_bytes_).substr(2);
    }
    /// For comparisons. Valid as long as this text.
    [[nodiscard]] entity_tag tag() const noexcept {
        return {.opaque = std::string_view(octets_.data(), size_bytes_).substr(2), .weak = weak_};
    }

  private:
    friend etag_text make_etag(const vfs::metadata& status, wall_time now,
                               content_coding how) noexcept;
    friend etag_text make_etag(content_digest made_of, content_coding how) noexcept;
    std::array<char, 56> octets_{};  ///< Always with `W/` before the quotes.
    std::uint8_t size_bytes_ = 0;
    bool weak_ = false;
};

/// Makes the validator of a file (threats.md, V8): modification time to the nanosecond, size, and a
/// hash of change time and inode, so that a file put in another's place with its time and size is
/// told apart; a letter for what it is packed in (section 8.8.3.3). Weak while the modification
/// time is less than `vfs::settled_after_seconds` before `now`, or after it: then the same tag
/// might stand for two contents (RFC 9110 section 8.8.1). Cost: a few instructions a digit.
[[nodiscard]] etag_text make_etag(const vfs::metadata& status, wall_time now,
                                  content_coding how = content_coding::identity) noexcept;

/// Makes the validator of what is no file: always strong.
[[nodiscard]] etag_text make_etag(content_digest made_of, content_coding how) noexcept;

/// Whether a list of tags names a given one.
enum class tag_match : std::uint8_t {
    any,  ///< The list is "*": whatever there is.
    yes,  ///< A member matches.
    no,   ///< None does, or what might have is malformed.
};

/// Searches one line of If-Match or If-None-Match for `current` (RFC 9110 sections 13.1.1, 13.1.2).
/// Empty members are passed over; reading stops at what is not a tag, which then matches nothing. A
/// field of several lines matches when one of them does. Cost: one pass, no allocation.
[[nodiscard]] tag_match find_tag(std::string_view line, const entity_tag& current,
                                 comparison how) noexcept;

/// Reads `text` as exactly one entity tag, as in If-Range. The result has an empty `opaque` when it
/// is none, which no tag of ours equals.
[[nodiscard]] entity_tag parse_tag(std::string_view text) noexcept;

}  // namespace ferry::http
