#include "sim/octet_queue.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "ferry/base/random.hpp"

using namespace ferry;

TEST_CASE("octet_queue: what is put in, taken from both ends and read is what a string has") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        ferry::random rng(seed);
        sim::octet_queue queue;
        std::string model;
        // Around each of the sizes that chunks have.
        const std::uint64_t bounds[] = {10, 600, 70'000, 300'000};
        for (unsigned step = 0; step < 200; ++step) {
            const auto bound = bounds[rng.below(4)];
            const auto some_of_it = [&] { return rng.below(std::min(bound, model.size()) + 1); };
            const auto dice = rng.below(10);
            if (dice < 4) {
                std::string fresh(rng.below(bound), '\0');
                for (std::size_t at = 0; at < fresh.size(); at += sizeof(std::uint64_t)) {
                    const std::uint64_t octets = rng.next();
                    std::memcpy(&fresh[at], &octets, std::min(sizeof octets, fresh.size() - at));
                }
                queue.append(std::as_bytes(std::span(fresh)));
                model += fresh;
            } else if (dice < 7) {
                const auto count = some_of_it();
                queue.drop_front(count);
                model.erase(0, count);
            } else if (dice < 8) {
                const auto count = some_of_it();
                queue.drop_back(count);
                model.resize(model.size() - count);
            } else {
                const auto offset = rng.below(model.size() + 1);
                std::string read(rng.below(std::min(bound, model.size() - offset) + 1), '\0');
                queue.copy(offset, std::as_writable_bytes(std::span(read)));
                REQUIRE((read == model.substr(offset, read.size())));
            }
            REQUIRE(queue.size() == model.size());
        }
        std::string rest(model.size(), '\0');
        queue.copy(0, std::as_writable_bytes(std::span(rest)));
        CHECK((rest == model));
    }
}
