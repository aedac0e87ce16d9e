#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client_context.hpp"
#include "ferry/base/random.hpp"

namespace ferry::sim::test {

/// What an Accept-Encoding says of codings, in thousandths (RFC 9110 section 12.5.3).
struct accepted_weights {
    std::map<std::string, unsigned> of{};
    std::optional<unsigned> of_others{};  ///< "*"
};

/// Draws the field, in one line or two, with members that mean nothing among the others.
[[nodiscard]] std::string draw_accept_encoding(ferry::random& rng, accepted_weights& made);

/// Which of `offered` may be answered with, and in which order they are to be tried: by weight, of
/// equals as offered; none that weighs less than what is said of "identity".
[[nodiscard]] std::vector<std::string> acceptable(const accepted_weights& said,
                                                  std::span<const std::string> offered);

/// Those that a file beside may be packed in, as the server tries them.
[[nodiscard]] std::span<const std::string> codings_beside();
/// What a file beside is called: the other's name with ".gz", ".br" or ".zst".
[[nodiscard]] std::string beside(const std::string& path, std::string_view coding);

/// What `packed` was made of. Nothing: it is not whole, or not of that coding.
[[nodiscard]] std::optional<std::string> unpack(std::string_view packed, std::string_view coding,
                                                std::size_t octets_max);

/// As `model_tree::changes` and `is_settled`, of all files that a request for `path` may be
/// answered from.
[[nodiscard]] std::uint64_t changes_around(const client_context& context, const std::string& path);
[[nodiscard]] bool is_settled_around(const client_context& context, const std::string& path);

}  // namespace ferry::sim::test
