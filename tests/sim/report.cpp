#include "report.hpp"

#include <fmt/format.h>

#include <utility>

namespace ferry::sim::test {
namespace {

/// Control octets as \xHH, so that a message is one line a field.
std::string printable(std::string_view text) {
    constexpr std::size_t shown_max = 600;
    std::string made;
    for (const char c : text.substr(0, shown_max)) {
        if (c == '\r') {
            made += "\\r";
        } else if (c == '\n') {
            made += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
            made += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            made += c;
        }
    }
    return text.size() > shown_max ? made + "..." : made;
}

}  // namespace

void report::add(violation what) {
    if (violations_.size() < violations_max) {
        violations_.push_back(std::move(what));
    }
    count("violations");
}

void report::count(std::string_view what, std::uint64_t by) {
    if (const auto found = counters_.find(what); found != counters_.end()) {
        found->second += by;
    } else {
        counters_.emplace(what, by);
    }
}

std::uint64_t report::counted(std::string_view what) const {
    const auto found = counters_.find(what);
    return found == counters_.end() ? 0 : found->second;
}

std::string report::describe() const {
    std::string text;
    for (const auto& each : violations_) {
        text += fmt::format("{}: {}\n  {}\n", each.client, each.rule, printable(each.details));
        if (!each.request.empty()) {
            text += fmt::format("  asked: {}\n", printable(each.request));
        }
    }
    return text;
}

std::string report::summary() const {
    std::string text;
    for (const auto& [what, count] : counters_) {
        text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", what, count);
    }
    return text;
}

}  // namespace ferry::sim::test
