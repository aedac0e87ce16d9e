#include "sim/trace.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ferry::sim {
namespace {

std::string line_of(const event& each) {
    return fmt::format("{:>16.6f} ms  {:<28} {:>8} {:>10}",
                       static_cast<double>(each.when.time_since_epoch().count()) / 1e6, each.what,
                       each.subject, each.value);
}

}  // namespace

void trace::note(const event& happened) noexcept {
    // FNV-1a: the point is that a difference shows, not that nobody can make one.
    const auto mix = [this](std::uint64_t word) noexcept {
        for (int shift = 0; shift < 64; shift += 8) {
            hash_ = (hash_ ^ ((word >> shift) & 0xFFU)) * 0x100000001B3U;
        }
    };
    mix(static_cast<std::uint64_t>(happened.when.time_since_epoch().count()));
    for (const char* letter = happened.what; *letter != '\0'; ++letter) {
        hash_ = (hash_ ^ static_cast<unsigned char>(*letter)) * 0x100000001B3U;
    }
    mix(static_cast<std::uint64_t>(happened.subject));
    mix(static_cast<std::uint64_t>(happened.value));
    kept_[count_ % kept_max] = happened;
    ++count_;
    if (follower_) {
        follower_(line_of(happened));
    }
}

std::vector<std::string> trace::last() const {
    std::vector<std::string> lines;
    const std::uint64_t kept = std::min<std::uint64_t>(count_, kept_max);
    for (std::uint64_t index = count_ - kept; index < count_; ++index) {
        lines.push_back(line_of(kept_[index % kept_max]));
    }
    return lines;
}

}  // namespace ferry::sim
