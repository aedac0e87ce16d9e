#include "runtime/epoll/receive_buffers.hpp"

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace ferry::runtime;

TEST_CASE("receive_buffers: each is lent once, then there are none") {
    receive_buffers all(3, 64);
    std::vector<buffer_lease> leases;
    std::set<const std::byte*> places;
    while (all.free() > 0) {
        const auto into = all.next();
        CHECK(into.size() == 64);
        leases.push_back(all.lend(10));
        CHECK(leases.back().octets().data() == into.data());
        CHECK(leases.back().octets().size() == 10);
        places.insert(into.data());
    }
    CHECK(places.size() == 3);
    CHECK(all.next().empty());
    leases.erase(leases.begin() + 1);
    CHECK(all.free() == 1);
    leases.clear();
    CHECK(all.free() == 3);
}

TEST_CASE("receive_buffers: the one given back last is lent next") {
    receive_buffers all(100, 64);
    auto first = all.lend(1);
    auto second = all.lend(1);
    const auto* place = first.octets().data();
    second.release();
    first.release();
    CHECK(all.next().data() == place);
}

TEST_CASE("receive_buffers: as many as a lease can name") {
    receive_buffers all(65'536, 1);
    std::set<const std::byte*> places;
    std::vector<buffer_lease> leases;
    while (all.free() > 0) {
        leases.push_back(all.lend(1));
        places.insert(leases.back().octets().data());
    }
    CHECK(places.size() == 65'536);
}
