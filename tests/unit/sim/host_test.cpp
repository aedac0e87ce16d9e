#include "sim/host.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>

using namespace ferry;
using namespace std::chrono_literals;
using sim::first_descriptor;

namespace {

struct host_machine {
    explicit host_machine(std::uint64_t seed = 1) : world(seed) {}

    /// A descriptor of a file, made if there is none.
    int open(const char* path) {
        sim::open_file_ptr opened;
        REQUIRE(host.files().open(nullptr, path,
                                  {.flags = O_RDWR | O_CREAT, .mode = 0644, .resolve = 0},
                                  opened) == 0);
        return host.install(opened, O_RDWR);
    }
    /// Descriptors of both ends of a connection, on this host.
    std::pair<int, int> pair() {
        auto [first, second] = world.wires().make_pair();
        const int left = host.install(std::move(first), O_RDWR);
        return {left, host.install(std::move(second), O_RDWR)};
    }
    /// Both ends of a TCP connection, not on this host yet.
    std::pair<sim::socket_ptr, sim::socket_ptr> tcp_pair() {
        auto& wires = world.wires();
        sockaddr_in address{.sin_family = AF_INET,
                            .sin_port = ::htons(80),
                            .sin_addr = {.s_addr = ::htonl(INADDR_LOOPBACK)},
                            .sin_zero = {}};
        const auto* const at = static_cast<const sockaddr*>(static_cast<const void*>(&address));
        const auto listener = wires.make_socket(AF_INET);
        REQUIRE(wires.bind(listener, at, sizeof address) == 0);
        REQUIRE(wires.listen(listener, 1) == 0);
        auto client = wires.make_socket(AF_INET);
        REQUIRE(wires.connect(client, at, sizeof address) == -EINPROGRESS);
        run();
        int refused = 0;
        auto server = wires.accept(listener, refused);
        REQUIRE(server != nullptr);
        wires.close(listener);
        return {std::move(server), std::move(client)};
    }
    void run() {
        while (world.events().step()) {}
    }
    std::int64_t send(int fd, std::string_view octets) {
        return world.wires().send(host.connection(fd), std::as_bytes(std::span(octets)));
    }
    std::int64_t receive(int fd) {
        std::array<std::byte, 100> into;
        return world.wires().receive(host.connection(fd), into);
    }

    sim::world world;
    sim::host host{world};
};

}  // namespace

TEST_CASE("host: the lowest free number, as POSIX has it") {
    host_machine on;
    for (int i = 0; i < 5; ++i) {
        REQUIRE(on.open("/file") == first_descriptor + i);
    }
    CHECK(on.host.close(first_descriptor + 3) == 0);
    CHECK(on.host.close(first_descriptor + 1) == 0);
    CHECK(on.host.count_descriptors() == 3);
    CHECK(on.open("/file") == first_descriptor + 1);
    CHECK(on.open("/file") == first_descriptor + 3);
    CHECK(on.open("/file") == first_descriptor + 5);
    CHECK(on.host.close(first_descriptor) == 0);
    CHECK(on.host.close(first_descriptor) == -EBADF);
    CHECK(on.open("/file") == first_descriptor);
    CHECK(on.host.count_descriptors() == 6);
}

TEST_CASE("host: a number says what is behind it, and nothing behind is nothing") {
    host_machine on;
    const int file = on.open("/file");
    const auto [left, right] = on.pair();
    CHECK(on.host.file(file) != nullptr);
    CHECK(on.host.connection(file) == nullptr);
    CHECK(on.host.connection(left) != nullptr);
    CHECK(on.host.connection(left) != on.host.connection(right));
    CHECK(on.host.file(left) == nullptr);
    for (const int none : {-1, 0, AT_FDCWD, first_descriptor - 1, right + 1, right + 100'000}) {
        CAPTURE(none);
        CHECK(on.host.find(none) == nullptr);
        CHECK(on.host.file(none) == nullptr);
        CHECK(on.host.connection(none) == nullptr);
        CHECK(on.host.status_flags(none) == -EBADF);
        CHECK(on.host.set_status_flags(none, 0) == -EBADF);
        CHECK(on.host.close(none) == -EBADF);
    }
}

TEST_CASE("host: no more descriptors than it may have") {
    host_machine on;
    const std::size_t before = on.host.descriptors_max();
    on.host.set_descriptors_max(3);
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(on.host.is_full());
        CHECK(on.open("/file") == first_descriptor + i);
    }
    CHECK(on.host.is_full());
    CHECK(on.open("/file") == -EMFILE);
    // dup3(2): a number beyond the limit is no number; one in use is taken over.
    CHECK(on.host.install_at(first_descriptor + 3, on.host.files().root()) == -EBADF);
    CHECK(on.host.install_at(0, on.host.files().root()) == -EBADF);
    CHECK(on.host.install_at(first_descriptor + 1, on.host.files().root()) == first_descriptor + 1);
    CHECK(on.host.count_descriptors() == 3);
    on.host.set_descriptors_max(before);
    CHECK(on.open("/file") == first_descriptor + 3);
}

TEST_CASE("host: a connection ends with its last descriptor, not before") {
    host_machine on;
    const auto [left, right] = on.pair();
    const int twin = on.host.install(*on.host.find(left), O_RDWR);
    CHECK(on.host.close(left) == 0);
    on.run();
    CHECK(on.receive(right) == -EAGAIN);
    CHECK(on.send(twin, "still") == 5);
    on.run();
    CHECK(on.receive(right) == 5);
    SUBCASE("closed") {
        CHECK(on.host.close(twin) == 0);
    }
    SUBCASE("replaced") {
        CHECK(on.host.install_at(twin, on.host.files().root()) == twin);
    }
    on.run();
    CHECK(on.receive(right) == 0);
    CHECK(on.world.wires().count_sockets() == 1);
}

TEST_CASE("host: a number put on itself stays open") {
    host_machine on;
    const auto [left, right] = on.pair();
    CHECK(on.host.install_at(left, *on.host.find(left), O_RDWR) == left);
    on.run();
    CHECK(on.receive(right) == -EAGAIN);
    CHECK(on.host.count_descriptors() == 2);
}

TEST_CASE("host: status flags are the description's, and F_SETFL changes only some of them") {
    host_machine on;
    const auto [left, right] = on.pair();
    const int twin = on.host.install(*on.host.find(left), on.host.status_flags(left));
    CHECK(on.host.status_flags(left) == O_RDWR);
    CHECK(on.host.set_status_flags(left, O_NONBLOCK) == 0);
    CHECK(on.host.status_flags(left) == (O_RDWR | O_NONBLOCK));
    CHECK(on.host.status_flags(twin) == (O_RDWR | O_NONBLOCK));
    CHECK(on.host.status_flags(right) == O_RDWR);
    CHECK(on.host.set_status_flags(twin, O_WRONLY | O_CREAT) == 0);
    CHECK(on.host.status_flags(left) == O_RDWR);

    const int file = on.open("/file");
    const auto write = [&](std::string_view octets) {
        return on.host.files().write(on.host.file(file), std::as_bytes(std::span(octets)), 0);
    };
    CHECK(write("one") == 3);
    CHECK(on.host.set_status_flags(file, O_APPEND) == 0);
    CHECK(write("two") == 3);
    CHECK(on.host.set_status_flags(file, 0) == 0);
    CHECK(write("O") == 1);
    std::string content;
    CHECK(on.host.files().content("/file", content));
    CHECK(content == "Onetwo");
}

TEST_CASE("host: one at a time is the current one of a thread") {
    CHECK(sim::host::current() == nullptr);
    host_machine first;
    host_machine second;
    {
        const sim::host::in_use outer(first.host);
        CHECK(sim::host::current() == &first.host);
        {
            const sim::host::in_use inner(second.host);
            CHECK(sim::host::current() == &second.host);
        }
        CHECK(sim::host::current() == &first.host);
    }
    CHECK(sim::host::current() == nullptr);
}

TEST_CASE("host: its clock goes with the world's, and jumps alone") {
    host_machine on;
    sim::host other(on.world);
    const auto seconds = [](const timespec& moment) { return moment.tv_sec; };
    const auto start = on.host.wall_clock();
    CHECK(start.tv_sec == other.wall_clock().tv_sec);
    on.world.events().jump(1'500ms);
    CHECK(on.host.wall_clock().tv_sec == start.tv_sec + 1);
    CHECK(on.host.wall_clock().tv_nsec == start.tv_nsec + 500'000'000);
    on.host.jump_wall_clock(-2s);
    CHECK(seconds(on.host.wall_clock()) == seconds(start) - 1);
    CHECK(on.host.wall_clock().tv_nsec == start.tv_nsec + 500'000'000);
    CHECK(seconds(other.wall_clock()) == seconds(start) + 1);
    on.host.jump_wall_clock(-std::chrono::hours(24 * 365 * 60));  // Before 1970.
    CHECK(on.host.wall_clock().tv_sec < 0);
    CHECK(on.host.wall_clock().tv_nsec == start.tv_nsec + 500'000'000);
}

TEST_CASE("host: which number stands for what is part of the trace") {
    const auto hash_of = [](int closed_first) {
        host_machine on;
        for (int i = 0; i < 2; ++i) {
            on.open("/file");
        }
        on.host.close(first_descriptor + closed_first);
        on.host.close(first_descriptor + 1 - closed_first);
        return on.world.record().hash();
    };
    CHECK(hash_of(0) == hash_of(0));
    CHECK(hash_of(0) != hash_of(1));
}

TEST_CASE("host: a crash takes descriptors and what was not synced, and tells nobody") {
    host_machine on;
    const int kept = on.open("/kept");
    const int lost = on.open("/lost");
    auto& files = on.host.files();
    CHECK(files.write(on.host.file(kept), std::as_bytes(std::span("kept", 4)), 0) == 4);
    CHECK(files.write(on.host.file(lost), std::as_bytes(std::span("lost", 4)), 0) == 4);
    CHECK(files.sync(on.host.file(kept), false) == 0);
    const auto dead = on.host.file(lost);
    on.host.close(lost);
    sim::open_file_ptr directory;
    REQUIRE(files.open(nullptr, "/", {.flags = O_RDONLY | O_DIRECTORY, .mode = 0, .resolve = 0},
                       directory) == 0);
    CHECK(files.sync(directory, false) == 0);
    auto [here, there] = on.tcp_pair();
    const int connection = on.host.install(here, O_RDWR);
    const int twin = on.host.install(here, O_RDWR);
    here.reset();

    on.host.crash({.writes_may_survive = false});
    CHECK(on.host.count_descriptors() == 0);
    for (const int gone : {kept, connection, twin}) {
        CHECK(on.host.find(gone) == nullptr);
        CHECK(on.host.close(gone) == 0);  // Of whoever ran before: it harms nobody.
    }
    std::array<std::byte, 10> into;
    CHECK(files.read(dead, into, 0) == -EIO);
    std::string content;
    CHECK(files.content("/kept", content));
    CHECK(content == "kept");
    CHECK(files.content("/lost", content));
    CHECK(content.empty());
    on.run();
    CHECK(on.world.wires().receive(there, into) == -EAGAIN);

    const int fresh = on.open("/fresh");
    CHECK(fresh > twin);  // Who still knows an old number must not meet what is new.
    CHECK(on.host.close(twin) == 0);
    CHECK(on.host.find(fresh) != nullptr);
    CHECK(on.host.count_descriptors() == 1);
}

TEST_CASE("host: one that ends closes what it had open") {
    sim::world world(1);
    auto [here, there] = world.wires().make_pair();
    {
        sim::host host(world);
        CHECK(host.install(here, O_RDWR) == first_descriptor);
        CHECK(host.install(here, O_RDWR) == first_descriptor + 1);
        CHECK(world.wires().count_sockets() == 2);
    }
    CHECK(world.wires().count_sockets() == 1);
    while (world.events().step()) {}
    std::array<std::byte, 10> into;
    CHECK(world.wires().receive(there, into) == 0);
}
