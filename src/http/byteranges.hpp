#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/range.hpp"

namespace ferry::http {

/// What of a representation stands in a body, and the text before it.
struct body_part {
    std::string before;
    byte_range octets;
};

/// A multipart/byteranges (RFC 9110 section 14.6): each part with a head of its own.
class byteranges {
  public:
    struct content {
        std::span<const byte_range> parts;  ///< At least one, each inside the whole.
        std::string_view type;              ///< Of the representation.
        std::uint64_t whole_size_bytes = 0;
    };

    /// `boundary` (RFC 2046 section 5.1.1) stands nowhere in what is sent, as far as chance can
    /// tell.
    byteranges(std::string_view boundary, const content& of);

    [[nodiscard]] const std::string& content_type() const noexcept { return content_type_; }
    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    [[nodiscard]] std::vector<body_part>& parts() noexcept { return parts_; }
    [[nodiscard]] std::string& end() noexcept { return end_; }

  private:
    std::string content_type_;
    std::vector<body_part> parts_;
    std::string end_;
    std::uint64_t size_bytes_ = 0;
};

}  // namespace ferry::http
