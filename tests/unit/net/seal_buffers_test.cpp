#include "ferry/net/seal_buffers.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

using namespace ferry::net;

TEST_CASE("seal_buffers: what was given back last is taken first") {
    seal_buffers all;
    auto first = all.take();
    auto second = all.take();
    CHECK(first.capacity() >= seal_buffers::room_bytes);
    const auto* const at = first.data();
    CHECK(second.data() != at);
    first = first.append("content");
    all.give_back(second);
    all.give_back(first);
    CHECK(first.empty());
    CHECK(first.capacity() < seal_buffers::room_bytes);
    const auto again = all.take();
    CHECK(again.data() == at);
    CHECK(again.empty());
}

TEST_CASE("seal_buffers: neither many nor small nor large ones are kept") {
    seal_buffers all;
    std::vector<std::string> used;
    std::vector<const char*> places;
    for (std::size_t i = 0; i <= seal_buffers::kept_max; ++i) {
        places.push_back(used.emplace_back(all.take()).data());
    }
    for (auto& each : used) {
        all.give_back(each);
    }
    std::string small("small");
    all.give_back(small);
    CHECK(small.empty());
    std::string large;
    large.reserve(3 * seal_buffers::room_bytes);
    used.front() = all.take();
    all.give_back(large);
    CHECK(large.capacity() < seal_buffers::room_bytes);
    all.give_back(used.front());
    for (std::size_t i = seal_buffers::kept_max; i-- > 0;) {  // The one too many is not among them.
        used[i] = all.take();
        CHECK(used[i].data() == places[i]);
    }
}

TEST_CASE("seal_buffers: a lease ends by itself, with buffers of a core and without") {
    seal_buffers all;
    const char* at = nullptr;
    {
        seal_buffers::lease mine(&all);
        mine.text.append("content");
        at = mine.text.data();
    }
    CHECK(all.take().data() == at);
    const seal_buffers::lease own(nullptr);
    CHECK(own.text.empty());
}
