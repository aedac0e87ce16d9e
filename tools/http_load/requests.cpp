#include "requests.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace ferry::http_load {
namespace {

void append_number(std::string& into, std::uint64_t number) {
    std::array<char, 20> digits{};
    const auto made = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    into.append(digits.data(), made.ptr);
}

}  // namespace

request_maker::request_maker(const load_options& options) : range_bytes_(options.range_bytes) {
    const auto at = options.path.find("{}");
    is_numbered_ = at != std::string::npos;
    front_ = fmt::format("{} {}", options.method, options.path.substr(0, at));
    if (is_numbered_) {
        behind_ = options.path.substr(at + 2);
    }
    behind_ += fmt::format(" HTTP/1.1\r\nHost: {}\r\n", options.where.show());
    for (const auto& each : options.fields) {
        behind_ += each + "\r\n";
    }
    if (options.closes) {
        behind_ += "Connection: close\r\n";
    }
    behind_ += range_bytes_ != 0 ? "Range: bytes=" : "\r\n";
}

void request_maker::append(std::string& into, request_choice which) const {
    into += front_;
    if (is_numbered_) {
        append_number(into, which.number);
    }
    into += behind_;
    if (range_bytes_ != 0) {
        append_number(into, which.range_offset);
        into += '-';
        append_number(into, which.range_offset + range_bytes_ - 1);
        into += "\r\n\r\n";
    }
}

}  // namespace ferry::http_load
