#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::sim::test {

/// What a pattern is made of.
enum class pattern_kind : std::uint8_t {
    binary,      ///< Any octets.
    text,        ///< Lines that end in LF, some in CR LF, with a lone CR here and there.
    clean_text,  ///< Lines that end in LF; TYPE A stores it as it was.
    returns,     ///< CR and nothing else: what is left of a line end that was cut in two.
};

/// An endless run of octets that nobody has to keep: every aligned 16 of them tell which pattern
/// they are of and where they stand, so two patterns differ in every 16 octets, and so do two
/// places of one.
struct pattern {
    std::uint32_t id = 0;  ///< Below 2^24.
    pattern_kind kind = pattern_kind::binary;

    friend auto operator<=>(const pattern&, const pattern&) = default;
};

/// Octets `offset` to `offset + size_bytes` of a pattern.
struct segment {
    pattern of;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;

    friend auto operator<=>(const segment&, const segment&) = default;
};

/// What a file holds, as the stretches it is made of. A value; costs nothing a megabyte.
class content {
  public:
    content() = default;
    content(pattern of, std::uint64_t size_bytes);

    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

    /// The first `size_bytes` octets.
    [[nodiscard]] content prefix(std::uint64_t size_bytes) const;
    /// What is behind the first `offset` octets.
    [[nodiscard]] content suffix(std::uint64_t offset) const;
    /// This and then `more`: APPE.
    [[nodiscard]] content followed_by(const content& more) const;
    /// This with `over` written at `offset`, the tail kept: REST and STOR. `offset` is not behind
    /// the end.
    [[nodiscard]] content overwritten(std::uint64_t offset, const content& over) const;

    /// Fills `into` with the octets from `offset` on; all of them must be there.
    void fill(std::uint64_t offset, std::span<char> into) const;
    /// The octets from `offset` on, `size_bytes` at most.
    [[nodiscard]] std::string octets(std::uint64_t offset = 0,
                                     std::uint64_t size_bytes = ~std::uint64_t{0}) const;
    /// The first position in `seen` that is not what stands at `offset` and behind; nothing when
    /// all of it is right. Octets past the end are wrong.
    [[nodiscard]] std::optional<std::size_t> first_difference(std::uint64_t offset,
                                                              std::string_view seen) const;

    /// All of it is text, which becomes much smaller when it is packed.
    [[nodiscard]] bool is_text() const noexcept;

    /// "7:0+1000,9:16+40": pattern, offset and size of each stretch.
    [[nodiscard]] std::string describe() const;

    friend auto operator<=>(const content&, const content&) = default;

  private:
    void add(segment more);

    std::vector<segment> segments_;
    std::uint64_t size_bytes_ = 0;
};

/// Says whose octets `seen` begins with, as "pattern 7 at 4096", for messages.
[[nodiscard]] std::string identify(std::string_view seen);

/// What TYPE A makes of stored octets: a LF without CR before it becomes CR LF (RFC 959 section
/// 3.1.1.1). Written anew: the server's own conversion is what is tested.
[[nodiscard]] std::string network_form(std::string_view stored);

/// What TYPE A C makes of them: each line begins with how the paper moves to it, a line down, to
/// the top of a page (of a FF) or not at all (behind a CR) (RFC 959 section 3.1.1.5.3).
[[nodiscard]] std::string printed_form(std::string_view stored);

/// What is stored when of an upload of `whole` only the first `octets` arrive, and then the end.
/// In TYPE A (`is_image` false) octets are those of the network form, and `whole` is clean text: a
/// line end of which only the CR came is stored as one.
[[nodiscard]] content stored_beginning(const content& whole, bool is_image, std::uint64_t octets);

}  // namespace ferry::sim::test
