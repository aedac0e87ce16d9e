#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::http::test {

/// An answer as a client reads it (RFC 9112 sections 2 to 7).
struct answer {
    int status = 0;
    std::string status_line;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;

    [[nodiscard]] bool has(std::string_view name) const;
    /// The value of the only field line called `name`, whatever its case; "(none)" and "(several)".
    [[nodiscard]] std::string field(std::string_view name) const;
};

/// Reads the head at the beginning of `octets` and removes it from there. The status is 0 when
/// there is no whole head.
[[nodiscard]] answer take_head(std::string& octets);

/// Reads one whole answer, as Content-Length or chunks say, and removes it from `octets`; without
/// either, all of the rest is its body. The status is 0 when it is not whole.
///
/// `to_head`: it answers HEAD, so nothing follows its head.
[[nodiscard]] answer take_answer(std::string& octets, bool to_head = false);

}  // namespace ferry::http::test
