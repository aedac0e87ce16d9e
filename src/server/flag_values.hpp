#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/quantities.hpp"

/// How values of flags are written, beside the quantities of `base`: lists of CPUs. Readers return
/// nothing for what is malformed; bounds are the flag's affair.
namespace ferry::server {

inline constexpr std::size_t cpus_max = 1'024;  ///< CPU_SETSIZE.

/// CPU numbers below `cpus_max` and ranges of them, none named twice, in the order given:
/// "0,2,4-7".
[[nodiscard]] std::optional<std::vector<std::size_t>> parse_cpus(std::string_view text);

/// `text` as a message shows it: in quotes, control octets escaped, cut after 100 octets.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace ferry::server
