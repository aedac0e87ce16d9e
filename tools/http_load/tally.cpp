#include "tally.hpp"

namespace ferry::http_load {

void tally::add(const tally& other) {
    latency.add(other.latency);
    octets += other.octets;
    failed += other.failed;
    connections += other.connections;
    for (const auto& [what, times] : other.errors) {
        count_error(what, times);
    }
}

void tally::count_error(std::string_view what, std::uint64_t times) {
    const auto at = errors.find(what);
    if (at == errors.end()) {
        errors.emplace(what, times);
    } else {
        at->second += times;
    }
}

}  // namespace ferry::http_load
