#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace ferry::http {

/// A pattern of paths: octets that stand for themselves, and at most one '*', which stands for any
/// octets, '/' and none at all included. Without a '*' and without a '/' at its end it fits a path
/// with that '/', too.
class path_pattern {
  public:
    static constexpr std::size_t bytes_max = 1'024;

    /// Errors, for a person: neither '/' nor '*' at the beginning, two '*', or what no path has:
    /// "//", "." and "..", a backslash, a control octet; a '?' or '#', which are of no path.
    [[nodiscard]] static std::expected<path_pattern, std::string> parse(std::string_view text);

    /// What the '*' stands for where `path` fits, a view into it: empty for a pattern without.
    /// Nothing where it does not fit. Cost: two comparisons.
    [[nodiscard]] std::optional<std::string_view> match(std::string_view path) const noexcept;

    [[nodiscard]] bool has_star() const noexcept { return star_ != std::string::npos; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

  private:
    std::string text_;
    std::size_t star_ = std::string::npos;
};

}  // namespace ferry::http
