#include <doctest/doctest.h>
#include <fcntl.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "small_scene.hpp"

namespace ferry::sim::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t nfs = 0x6969;
constexpr const char* at_the_top = "/srv/.ferry-upload-0123456789abcdef";
constexpr const char* beneath = "/srv/d/.ferry-upload-fedcba9876543210";
constexpr std::string_view half = "half of it";

/// A machine on which ferry, in an earlier life, was killed in the middle of two uploads.
struct leftovers_scenario : small_scene {
    leftovers_scenario() : small_scene(1) {
        REQUIRE(files().make_directory(files().root(), "/srv/d", 0755) == 0);
        store(at_the_top, half);
        store(beneath, half);
    }

    void write(const open_file_ptr& file) {
        REQUIRE(files().write(file, std::as_bytes(std::span(half)), 0) ==
                static_cast<std::int64_t>(half.size()));
    }
    bool has(const char* path) {
        std::string ignored;
        return files().content(path, ignored);
    }
};

TEST_CASE("leftovers: on a disk of this machine they are gone at once") {
    leftovers_scenario on;
    on.server().start();
    on.let_pass(1s);
    CHECK_FALSE(on.has(at_the_top));
    CHECK_FALSE(on.has(beneath));
    on.end();
}

// Goal: another machine's upload survives the start of this one, and its leftovers do not stay for
// ever. Method: that machine's lock is not seen here, as with local_lock=flock; it writes to one of
// its files every hour and never again to the other.
TEST_CASE("leftovers: on a shared file system they go two hours after their last change") {
    leftovers_scenario on;
    on.files().set_type(nfs);
    on.server().start();
    const auto other_machine = on.open(at_the_top, O_WRONLY);
    on.let_pass(59min);
    on.write(other_machine);
    on.let_pass(59min);
    on.write(other_machine);
    CHECK(on.has(at_the_top));
    CHECK(on.has(beneath));
    on.let_pass(10min);
    CHECK(on.has(at_the_top));
    CHECK_FALSE(on.has(beneath));
    CHECK(on.files().names().size() == 4);  // /access.log, /srv/, d/ and the file.
    on.end();
}

TEST_CASE("leftovers: on a shared file system old ones are gone at once, by its own clock") {
    leftovers_scenario on;
    on.files().set_type(nfs);
    on.server().machine().jump_wall_clock(3h);
    on.store(beneath, half);  // As if just now.
    on.server().start();
    on.let_pass(1s);
    CHECK_FALSE(on.has(at_the_top));
    CHECK(on.has(beneath));
    on.let_pass(1h);
    on.end();  // While it waits for the second look.
    CHECK(on.has(beneath));
}

}  // namespace
}  // namespace ferry::sim::test
