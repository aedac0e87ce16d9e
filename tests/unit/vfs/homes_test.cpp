#include "ferry/vfs/homes.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using namespace ferry;
using namespace std::chrono_literals;
using vfs::amount;

namespace {

constexpr runtime::time_point start{};

/// One home, in a tree that has its root there.
struct one_home {
    one_home() { table.add_root({}, id); }

    [[nodiscard]] vfs::home_table::homes all() const { return {&which, 1}; }
    [[nodiscard]] vfs::held_to limit(std::uint64_t octets_max, std::uint64_t files_max) const {
        return {.where = which, .most = {.octets_max = octets_max, .files_max = files_max}};
    }
    [[nodiscard]] amount used() { return table.use_of(*which).used; }

    void change(amount added, amount removed = {}) {
        const amount size{.octets = added.octets + removed.octets,
                          .files = added.files + removed.files};
        table.begin_change(all(), size);
        table.end_change(all(), {.size = size, .added = added, .removed = removed});
    }

    /// Counts it: a walk that finds `found`, while `meanwhile` happens.
    template <class Meanwhile>
    void count(vfs::measured found, runtime::time_point now, Meanwhile meanwhile) {
        auto under_way = table.try_count(which, now);
        REQUIRE(under_way);
        table.begin_walk(*under_way);
        meanwhile();
        table.end_walk(std::move(*under_way), found, now);
    }
    void count(vfs::measured found, runtime::time_point now = start) {
        count(found, now, [] {});
    }

    static constexpr vfs::directory_id id{.device = 1, .inode = 2};
    vfs::home_table table;
    std::shared_ptr<vfs::home> which = table.enter({}, id);
};

vfs::path place_named(std::string_view name) {
    return vfs::path::parse(name).value();
}

}  // namespace

TEST_CASE("homes: nobody has one until somebody enters it") {
    vfs::home_table table;
    CHECK_FALSE(table.has_any());
    const auto first = table.enter(place_named("/ann"), {.device = 1, .inode = 7});
    CHECK(table.has_any());
    CHECK(table.enter(place_named("/ann"), {.device = 1, .inode = 7}) == first);
    CHECK(table.enter(place_named("/ann"), {.device = 1, .inode = 8}) != first);
    CHECK_FALSE(table.use_of(*first).is_counted);
}

TEST_CASE("homes: a directory lies in those that it is, or has above it, or its mount has") {
    vfs::home_table table;
    constexpr vfs::directory_id root{.device = 1, .inode = 2};
    constexpr vfs::directory_id bobs{.device = 1, .inode = 3};
    constexpr vfs::directory_id music{.device = 2, .inode = 2};
    table.add_root({}, root);
    table.add_root(place_named("/bob/music"), music);
    const auto all = table.enter({}, root);
    const auto bob = table.enter(place_named("/bob"), bobs);
    const auto homes_of = [&table](std::vector<vfs::directory_id> way) {
        return table.homes_of(way);
    };
    using homes = std::vector<std::shared_ptr<vfs::home>>;
    CHECK(homes_of({{.device = 1, .inode = 9}, root}) == homes{all});
    CHECK(homes_of({{.device = 1, .inode = 9}, bobs, root}) == homes{all, bob});
    CHECK(homes_of({{.device = 2, .inode = 3}, music}) == homes{all, bob});
    CHECK(homes_of({{.device = 3, .inode = 3}}).empty());
    CHECK_FALSE(table.ends_at(root));  // One mount may lie in another's directory.
}

TEST_CASE("homes: what is set aside counts, and only growth is refused") {
    one_home has;
    has.count({.sum = {.octets = 90, .files = 3}});
    const auto most = has.limit(100, 5);
    CHECK(has.table.set_aside(has.all(), most, {}, {.octets = 10, .files = 1}));
    CHECK(has.used() == amount{.octets = 100, .files = 4});
    CHECK(has.table.set_aside(has.all(), most, {}, {.octets = 1}).error() == errc::over_quota);
    CHECK(has.table.set_aside(has.all(), most, {}, {.files = 2}).error() == errc::over_quota);
    CHECK(has.table.set_aside(has.all(), {}, {}, {.octets = 50}));  // Whom it is not about.
    CHECK(has.used() == amount{.octets = 150, .files = 4});
    // Over it: what becomes less, or no more, is none of its affair.
    CHECK(has.table.set_aside(has.all(), most, {.octets = 50}, {.octets = 49, .files = 1}));
    constexpr auto huge = ~std::uint64_t{0};
    CHECK(has.table.set_aside(has.all(), most, {}, {.octets = huge}).error() == errc::over_quota);
    CHECK(has.used() == amount{.octets = 149, .files = 5});
}

TEST_CASE("homes: a change adds, removes and gives back what was set aside") {
    one_home has;
    has.count({.sum = {.octets = 50, .files = 2}});
    CHECK(has.table.set_aside(has.all(), {}, {}, {.octets = 30, .files = 1}));
    constexpr amount size{.octets = 80, .files = 2};
    has.table.begin_change(has.all(), size);
    has.table.end_change(has.all(), {.size = size,
                                     .added = {.octets = 60, .files = 1},
                                     .removed = {.octets = 20, .files = 1},
                                     .aside_before = {.octets = 30, .files = 1}});
    CHECK(has.used() == amount{.octets = 90, .files = 2});
    has.table.begin_change(has.all(), size);  // One that failed.
    has.table.end_change(has.all(), {.size = size});
    CHECK(has.used() == amount{.octets = 90, .files = 2});
}

TEST_CASE("homes: the first count is what is there, and the most that it can be if that changed") {
    one_home quiet;
    CHECK(quiet.table.try_count(quiet.which, start));  // Given up again at once.
    quiet.count({.sum = {.octets = 70, .files = 2}});
    CHECK(quiet.used() == amount{.octets = 70, .files = 2});
    CHECK(quiet.table.use_of(*quiet.which).is_exact);
    CHECK_FALSE(quiet.table.try_count(quiet.which, start + 59min));
    CHECK(quiet.table.try_count(quiet.which, start + 1h));

    one_home busy;
    busy.change({.octets = 5, .files = 1});  // Before: the walk sees it.
    busy.count({.sum = {.octets = 70, .files = 2}}, start,
               [&busy] { busy.change({.octets = 20, .files = 1}); });
    CHECK(busy.used() == amount{.octets = 90, .files = 3});
    CHECK_FALSE(busy.table.use_of(*busy.which).is_exact);
    CHECK_FALSE(busy.table.try_count(busy.which, start + 59s));
    busy.count({.sum = {.octets = 75, .files = 3}}, start + 1min);
    CHECK(busy.used() == amount{.octets = 75, .files = 3});
}

TEST_CASE("homes: a count in question is due soon, by what the last one took") {
    one_home has;
    has.table.question_all();  // Nothing was counted yet: that is due anyhow.
    has.count({.sum = {.octets = 100, .files = 4}});
    CHECK_FALSE(has.table.try_count(has.which, start + 1s));
    SUBCASE("of one") {
        has.table.question(*has.which);
    }
    SUBCASE("of all") {
        has.table.question_all();
    }
    CHECK(has.used() == amount{.octets = 100, .files = 4});  // It holds until then.
    CHECK_FALSE(has.table.try_count(has.which, start + 999ms));
    auto under_way = has.table.try_count(has.which, start + 1s);
    REQUIRE(under_way);
    has.table.question(*has.which);
    CHECK_FALSE(has.table.try_count(has.which, start + 1s));  // One at a time.
    has.table.begin_walk(*under_way);
    has.table.end_walk(std::move(*under_way), {.sum = {.octets = 60, .files = 3}}, start + 4s);
    CHECK(has.used() == amount{.octets = 60, .files = 3});
    has.table.question(*has.which);
    CHECK_FALSE(has.table.try_count(has.which, start + 63s));  // It took three seconds.
    CHECK(has.table.try_count(has.which, start + 64s));
}

// A change may be in the directory and not yet in the sum, or the other way round.
TEST_CASE("homes: another count corrects what must be wrong and keeps what may be right") {
    one_home has;
    has.count({.sum = {.octets = 100, .files = 4}});
    // Others added 7 octets.
    has.count({.sum = {.octets = 107, .files = 5}}, start + 1h);
    CHECK(has.used() == amount{.octets = 107, .files = 5});
    // A file of 20 octets came while it walked, seen or not.
    for (const std::uint64_t seen : {107U, 127U}) {
        one_home other;
        other.count({.sum = {.octets = 107, .files = 5}});
        other.count({.sum = {.octets = seen, .files = 5}}, start + 1h,
                    [&other] { other.change({.octets = 20, .files = 1}); });
        CHECK(other.used() == amount{.octets = 127, .files = 6});
    }
    // One that began before the walk and ends after it.
    constexpr amount size{.octets = 30, .files = 1};
    for (const std::uint64_t seen : {107U, 137U}) {
        one_home other;
        other.count({.sum = {.octets = 107, .files = 5}});
        other.table.begin_change(other.all(), size);
        other.count({.sum = {.octets = seen, .files = 6}}, start + 1h);
        other.table.end_change(other.all(), {.size = size, .added = size});
        CHECK(other.used() == amount{.octets = 137, .files = 6});
    }
    // More than all that: others removed 60.
    has.count({.sum = {.octets = 47, .files = 5}}, start + 2h,
              [&has] { has.change({}, {.octets = 10}); });
    CHECK(has.used() == amount{.octets = 57, .files = 5});
}

TEST_CASE("homes: what could not be read is still there") {
    one_home has;
    has.count({.sum = {.octets = 100, .files = 4}});
    has.count({.sum = {.octets = 30, .files = 2}, .passed_over = 1}, start + 1h);
    CHECK(has.used() == amount{.octets = 100, .files = 4});
    CHECK_FALSE(has.table.use_of(*has.which).is_exact);
    has.count({.sum = {.octets = 130, .files = 5}, .passed_over = 1}, start + 2h);
    CHECK(has.used() == amount{.octets = 130, .files = 5});
}

TEST_CASE("homes: one count at a time, again when it was given up or is in doubt") {
    one_home has;
    {
        const auto first = has.table.try_count(has.which, start);
        CHECK(first);
        CHECK_FALSE(has.table.try_count(has.which, start));
    }
    has.count({});
    CHECK_FALSE(has.table.try_count(has.which, start));
    has.table.doubt(has.all());
    CHECK(has.table.try_count(has.which, start));
}

TEST_CASE("homes: what comes into doubt while it is counted is counted again soon") {
    one_home has;
    has.count({.sum = {.octets = 100, .files = 4}});
    has.count({.sum = {.octets = 90, .files = 3}}, start + 1h,
              [&has] { has.table.doubt(has.all()); });
    CHECK(has.used() == amount{.octets = 90, .files = 3});
    CHECK_FALSE(has.table.use_of(*has.which).is_exact);
    CHECK_FALSE(has.table.try_count(has.which, start + 1h + 59s));
    has.count({.sum = {.octets = 80, .files = 3}}, start + 1h + 1min);
    CHECK(has.table.use_of(*has.which).is_exact);
    CHECK_FALSE(has.table.try_count(has.which, start + 2h));

    one_home first;
    first.count({}, start, [&first] { first.table.doubt_all(); });
    CHECK_FALSE(first.table.use_of(*first.which).is_exact);
    CHECK(first.table.try_count(first.which, start + 1min));
}

TEST_CASE("homes: one that is never still is counted less and less often, up to an hour") {
    one_home has;
    auto now = start;
    const auto count_while_changing = [&] {
        has.count({.sum = {.octets = 5, .files = 1}}, now,
                  [&has] { has.change({.octets = 1}, {.octets = 1}); });
    };
    count_while_changing();
    for (const auto wait : {1min, 2min, 4min, 8min, 16min, 32min, 60min, 60min}) {
        CAPTURE(wait.count());
        CHECK_FALSE(has.table.try_count(has.which, now + wait - 1s));
        now += wait;
        count_while_changing();
    }
    now += 1h;
    has.count({.sum = {.octets = 5, .files = 1}}, now);
    CHECK(has.table.use_of(*has.which).is_exact);
    has.table.doubt(has.all());
    count_while_changing();
    CHECK(has.table.try_count(has.which, now + 1min));
}

// It may be renamed from where the walk has not been to where it has: all in it is not seen.
TEST_CASE("homes: a walk that a directory's rename overlaps takes nothing off a sum") {
    enum class over : std::uint8_t { before, within, around };
    for (const auto how : {over::before, over::within, over::around}) {
        CAPTURE(static_cast<int>(how));
        one_home has;
        has.count({.sum = {.octets = 100, .files = 4}});
        if (how != over::within) {
            has.table.begin_directory_rename();
        }
        if (how == over::before) {
            has.table.end_directory_rename();
        }
        has.count({.sum = {.octets = 10, .files = 2}}, start + 1h, [&] {
            if (how == over::within) {
                has.table.begin_directory_rename();
                has.table.end_directory_rename();
            }
        });
        const amount kept{.octets = 100, .files = 4};
        const amount seen{.octets = 10, .files = 2};
        CHECK(has.used() == (how == over::before ? seen : kept));
        CHECK(has.table.try_count(has.which, start + 1h + 1min).has_value() ==
              (how != over::before));
    }
}

TEST_CASE("homes: of many, those above are found in the order in which they were entered") {
    vfs::home_table table;
    constexpr vfs::directory_id root{.device = 1, .inode = 2};
    table.add_root({}, root);
    std::vector<std::shared_ptr<vfs::home>> all;
    for (std::uint64_t inode = 100; inode > 90; --inode) {
        all.push_back(table.enter(place_named("/same"), {.device = 1, .inode = inode}));
    }
    all.push_back(table.enter(place_named("/other"), {.device = 1, .inode = 95}));
    CHECK(table.entered() == all.size());
    const std::vector<vfs::directory_id> way{
        {.device = 1, .inode = 93}, {.device = 1, .inode = 95}, root};
    CHECK(table.homes_of(way) == std::vector<std::shared_ptr<vfs::home>>{all[5], all[7], all[10]});
}

// Goal: uploads on all cores never have more together than the quota (threats.md, V13). Method:
// four threads take what they can of one home, in steps.
TEST_CASE("homes: all at once never have more than there is room for") {
    one_home has;
    has.count({});
    const auto most = has.limit(10'000, 0);
    std::array<std::uint64_t, 4> taken{};
    {
        std::vector<std::jthread> all;
        for (auto& mine : taken) {
            all.emplace_back([&has, &most, &mine] {
                for (std::uint64_t step = 1; step < 200; ++step) {
                    if (has.table.set_aside(has.all(), most, {.octets = mine},
                                            {.octets = mine + step})) {
                        mine += step;
                    }
                }
            });
        }
    }
    const std::uint64_t sum = taken[0] + taken[1] + taken[2] + taken[3];
    CHECK(sum <= 10'000);
    CHECK(sum > 10'000 - 200);
    CHECK(has.used() == amount{.octets = sum});
}
