#include "tally.hpp"

namespace ferry::ftp_load {

void tally::add(const tally& other) {
    for (std::size_t i = 0; i < operation_count; ++i) {
        rows[i].latency.add(other.rows[i].latency);
        rows[i].octets += other.rows[i].octets;
        rows[i].failed += other.rows[i].failed;
    }
    for (const auto& [what, how] : other.errors) {
        auto& mine = errors[what];
        mine.times += how.times;
        if (mine.said.empty()) {
            mine.said = how.said;
        }
    }
    for (const auto& [name, mark] : other.marks) {
        const auto [at, is_new] = marks.emplace(name, mark);
        if (!is_new && at->second != mark) {
            count_error("retr: two threads got different content of one name");
        }
    }
}

void tally::count_error(std::string_view what, std::string_view said) {
    const auto at = errors.find(what);
    if (at == errors.end()) {
        errors.emplace(what, trouble{.times = 1, .said = std::string(said)});
    } else {
        ++at->second.times;
    }
}

std::uint64_t tally::done() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : rows) {
        sum += each.latency.count();
    }
    return sum;
}

std::uint64_t tally::failed() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : rows) {
        sum += each.failed;
    }
    return sum;
}

std::uint64_t tally::octets() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : rows) {
        sum += each.octets;
    }
    return sum;
}

}  // namespace ferry::ftp_load
