#include "http/listing_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ferry/base/random.hpp"
#include "listed_entry.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::listed_entry;

namespace {

std::string sorted(const std::vector<vfs::directory_entry>& entries, listing_order order) {
    entry_pointers all;
    for (const auto& each : entries) {
        all.push_back(&each);
    }
    std::string names;
    for (const auto* each : sort_entries(std::move(all), order)) {
        names += each->name + " ";
    }
    return names;
}

}  // namespace

TEST_CASE("listing order: hidden are dotfiles, reserved names and what cannot be opened") {
    CHECK_FALSE(is_shown(listed_entry(".htpasswd")));
    CHECK_FALSE(is_shown(listed_entry(".ferry-upload-1")));
    CHECK_FALSE(is_shown(listed_entry("")));
    CHECK_FALSE(is_shown(listed_entry("dangling", vfs::file_kind::symlink)));
    CHECK_FALSE(is_shown(listed_entry("fifo", vfs::file_kind::other)));
    CHECK_FALSE(is_shown(listed_entry("back\\slash")));
    CHECK(is_shown(listed_entry("a.b")));
    CHECK(is_shown(listed_entry("dir", vfs::file_kind::directory)));
}

TEST_CASE("listing order: names as people sort them") {
    CHECK(compare_names("file 9", "File 10") < 0);
    CHECK(compare_names("file9b", "file9A") > 0);
    CHECK(compare_names("a", "A") > 0);  // By octets, where nothing else tells them apart.
    CHECK(compare_names("a01", "a1") < 0);
    CHECK(compare_names("a01b", "a1a") > 0);
    CHECK(compare_names("99999999999999999999", "100000000000000000000") < 0);
    CHECK(compare_names("a", "ab") < 0);
    CHECK(compare_names("\xff", "a") > 0);
    CHECK(compare_names("same", "same") == 0);
    CHECK(compare_names("", "") == 0);
}

TEST_CASE("listing order: what names begin with alike tells nothing but what their numbers are") {
    CHECK(compare_names("part10x", "part1y") > 0);
    CHECK(compare_names("part10x", "part100") < 0);
    CHECK(compare_names("part1", "part1a") < 0);
    CHECK(compare_names("part007b", "part007B") > 0);
    CHECK(compare_names("part1.9", "part1.10") < 0);
    CHECK(compare_names("10", "9") > 0);
    CHECK(compare_names("100a2", "100A10") < 0);
}

// A comparison that contradicts itself would make std::sort go out of bounds.
TEST_CASE("listing order: the comparison is an order") {
    ferry::random rng(1);
    const std::string_view letters = "aAbB01920";
    std::vector<std::string> names;
    for (int i = 0; i < 60; ++i) {
        std::string name;
        for (auto left = rng.below(5); left > 0; --left) {
            name += letters[static_cast<std::size_t>(rng.below(letters.size()))];
        }
        names.push_back(name);
    }
    for (const auto& a : names) {
        for (const auto& b : names) {
            CHECK(compare_names(a, b) == -compare_names(b, a));
            CHECK((compare_names(a, b) == 0) == (a == b));
            for (const auto& c : names) {
                const bool ok =
                    compare_names(a, b) > 0 || compare_names(b, c) > 0 || compare_names(a, c) <= 0;
                if (!ok) {
                    FAIL(a, " ", b, " ", c);
                }
            }
        }
    }
}

TEST_CASE("listing order: directories first, whatever the order") {
    using enum vfs::file_kind;
    const std::vector<vfs::directory_entry> entries{
        listed_entry("b10", regular, 5, 30),     listed_entry("b9", regular, 7, 20),
        listed_entry("x", directory, 9'999, 10), listed_entry("c", regular, 5, 40),
        listed_entry("y", directory, 1, 5),
    };
    CHECK(sorted(entries, {}) == "x y b9 b10 c ");
    CHECK(sorted(entries, {.is_descending = true}) == "y x c b10 b9 ");
    CHECK(sorted(entries, {.key = sort_key::size}) == "x y b10 c b9 ");
    CHECK(sorted(entries, {.key = sort_key::size, .is_descending = true}) == "y x b9 c b10 ");
    CHECK(sorted(entries, {.key = sort_key::time}) == "y x b9 b10 c ");
    CHECK(sorted(entries, {.key = sort_key::time, .is_descending = true}) == "x y c b10 b9 ");
    CHECK(sorted({}, {}).empty());
}

TEST_CASE("listing order: what is sorted is seen to be") {
    using enum vfs::file_kind;
    const std::vector<vfs::directory_entry> entries{
        listed_entry("b10", regular, 5, 30),     listed_entry("b9", regular, 7, 20),
        listed_entry("x", directory, 9'999, 10), listed_entry("c", regular, 5, 40),
        listed_entry("y", directory, 1, 5),
    };
    entry_pointers all;
    for (const auto& each : entries) {
        all.push_back(&each);
    }
    for (const auto key : {sort_key::name, sort_key::size, sort_key::time}) {
        for (const bool is_descending : {false, true}) {
            const listing_order order{.key = key, .is_descending = is_descending};
            CHECK_FALSE(are_sorted(all, order));
            const auto in_order = sort_entries(all, order);
            CHECK(are_sorted(in_order, order));
            CHECK_FALSE(are_sorted(in_order, {.key = key, .is_descending = !is_descending}));
        }
    }
    CHECK(are_sorted({}, {}));
}
