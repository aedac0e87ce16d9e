#pragma once

#include <string_view>
#include <vector>

namespace ferry {

/// The parts of `text` between separators, empty ones too: one more than there are separators. They
/// point into `text`.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace ferry
