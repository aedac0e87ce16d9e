#include "http/request.hpp"

#include "ferry/base/ascii.hpp"

namespace ferry::http {

std::size_t field_lines::count(field which) const noexcept {
    std::size_t found = 0;
    for_each(which, [&found](std::string_view) {
        ++found;
        return true;
    });
    return found;
}

std::optional<std::string_view> field_lines::only(field which) const noexcept {
    std::optional<std::string_view> value;
    bool repeated = false;
    for_each(which, [&value, &repeated](std::string_view each) {
        repeated = value.has_value();
        value = each;
        return !repeated;
    });
    return repeated ? std::nullopt : value;
}

std::optional<std::string_view> field_lines::first(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        const auto each = line(i);
        if (ascii::equal_ignoring_case(each.name, name)) {
            return each.value;
        }
    }
    return std::nullopt;
}

field_lines::record& field_lines::append() {
    if (count_ >= inline_lines) {
        spilled_.emplace_back();
    } else {
        inline_[count_] = record{};
    }
    ++count_;
    return record_at(count_ - 1);
}

void field_lines::clear() noexcept {
    text_ = nullptr;
    present_ = 0;
    count_ = 0;
    spilled_.clear();
}

}  // namespace ferry::http
