#pragma once

#include <functional>
#include <string_view>

namespace ferry {

/// For unordered containers whose keys are strings: looks up a `std::string_view` without making a
/// string of it, with `std::equal_to<>` beside it.
struct text_hash : std::hash<std::string_view> {
    using is_transparent = void;
};

}  // namespace ferry
