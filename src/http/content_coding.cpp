#include "ferry/http/content_coding.hpp"

#include <array>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

// By the numbers of the codings.
constexpr std::array<std::string_view, content_codings> names = {"identity", "gzip", "br", "zstd"};

}  // namespace

std::string_view name_of(content_coding which) noexcept {
    return names[static_cast<std::size_t>(which)];
}

std::optional<content_coding> find_content_coding(std::string_view name) noexcept {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (ascii::equal_ignoring_case(name, names[i])) {
            return static_cast<content_coding>(i);
        }
    }
    if (ascii::equal_ignoring_case(name, "x-gzip")) {
        return content_coding::gzip;
    }
    return std::nullopt;
}

}  // namespace ferry::http
