#include "ferry/vfs/listing_cache.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::core;
using runtime::opcode;
using runtime::task;
using vfs::directory_entry;
using vfs::listing_cache;

namespace {

using entries = std::vector<directory_entry>;

task<entries> list_through_cache(core& here, const vfs::tree& files, std::string_view name,
                                 vfs::listing_bounds* bounds) {
    auto opened = co_await files.open(here, at(name));
    REQUIRE(opened.has_value());
    auto begun = co_await files.list(here, std::move(*opened), at(name), {.bounds = bounds});
    REQUIRE(begun.has_value());
    CHECK(begun->is_complete());
    entries all;
    for (;;) {
        const auto batch = co_await begun->next(here);
        REQUIRE(batch.has_value());
        if (batch->empty()) {
            break;
        }
        all.insert(all.end(), batch->begin(), batch->end());
    }
    co_return all;
}

/// The form "a" of the directory: the one that is kept, else a fresh one.
task<vfs::directory_text_ptr> form_of(core& here, const vfs::tree& files, std::string_view name,
                                      vfs::listing_bounds* bounds) {
    auto opened = co_await files.open(here, at(name));
    REQUIRE(opened.has_value());
    const auto begun = co_await files.list(here, std::move(*opened), at(name), {.bounds = bounds});
    REQUIRE(begun.has_value());
    auto known = begun->kept_form("a");
    co_return known ? known : begun->keep_form("a", {.octets = "text", .about = "of a"});
}

/// A tree and what one core keeps of its directories.
struct listed_site {
    explicit listed_site(listing_cache::bounds most = {.trusted_max = std::chrono::hours(1)})
        : cache(machine.here, most) {
        bounds.kept = &cache;
    }

    /// What a request that arrives now gets.
    entries list(std::string_view name) {
        machine.io.note_arrival();
        return machine.run(&list_through_cache, std::cref(*tree), name, &bounds);
    }
    entries list_uncached(std::string_view name) {
        return machine.run(&list_through_cache, std::cref(*tree), name,
                           static_cast<vfs::listing_bounds*>(nullptr));
    }
    vfs::directory_text_ptr form(std::string_view name) {
        machine.io.note_arrival();
        return machine.run(&form_of, std::cref(*tree), name, &bounds);
    }
    /// Whether a request that arrives now may have that form.
    [[nodiscard]] bool is_good(const vfs::directory_text_ptr& form) {
        machine.io.note_arrival();
        return cache.use_again(*form);
    }
    /// Twice is enough to be kept.
    void warm(std::string_view name) {
        list(name);
        list(name);
    }
    [[nodiscard]] bool is_hit(std::string_view name) {
        const auto before = cache.counted().hits;
        list(name);
        return cache.counted().hits == before + 1;
    }
    [[nodiscard]] listing_cache::key key_of(const std::string& name) const {
        struct stat status{};
        REQUIRE(::stat((files / name).c_str(), &status) == 0);
        return {.device = status.st_dev, .inode = status.st_ino};
    }

    scratch files;
    test_core machine;
    std::unique_ptr<vfs::tree> tree = vfs::open_local_tree(files.root().c_str()).value();
    listing_cache cache;
    vfs::listing_bounds bounds{machine.here, {}};
};

void run_in_shell(const scratch& in, const std::string& commands) {
    const std::string line = fmt::format("cd '{}' && {{ {}; }}", in.root(), commands);
    REQUIRE(std::system(line.c_str()) == 0);
}

std::vector<std::string> names_of(const entries& all) {
    std::vector<std::string> names;
    for (const auto& each : all) {
        names.push_back(each.name);
    }
    return names;
}

}  // namespace

TEST_CASE("listing cache: a directory is kept from its second listing on, and then reads nothing") {
    listed_site on;
    run_in_shell(on.files, "mkdir d; touch d/b d/a d/c");
    std::size_t reads = 0;
    on.machine.io.set_script([&reads](runtime::op& what) -> std::optional<std::int64_t> {
        reads += what.code == opcode::list_directory ? 1 : 0;
        return std::nullopt;
    });
    const std::vector<std::string> names{"a", "b", "c"};
    CHECK(names_of(on.list("/d")) == names);
    CHECK(on.cache.size() == 0);
    CHECK(names_of(on.list("/d")) == names);
    CHECK(on.cache.size() == 1);
    CHECK(reads == 2);
    for (int i = 0; i < 3; ++i) {
        CHECK(on.list("/d") == on.list_uncached("/d"));
    }
    CHECK(reads == 2 + 3);
    CHECK(on.cache.counted().hits == 3);
}

// Goal: whoever lists after a change sees it, all that a listing tells of each name (issue of the
// file cache's decision 0016 and of decision 0031). Method: what a shell does to a directory that
// is kept, and a listing that nothing is kept of to compare with.
TEST_CASE("listing cache: every change is seen by the next listing, whatever it was") {
    const std::vector<std::string> changes = {
        "echo 2 > d/f",
        "printf 2 | dd of=d/f bs=1 conv=notrunc status=none",
        "echo more >> d/f",
        "truncate -s 0 d/f",
        "truncate -s 90000 d/f",
        "fallocate -l 5000 d/f",
        "cp --reflink=never other d/f",
        "touch -d 1999-12-31 d/f",
        "touch -m -d 1999-12-31 d/f",
        "chmod 600 d/f",
        "chmod 700 d/sub",
        "echo new > d/g",
        "mkdir d/g",
        "mkfifo d/g",
        "ln -s f d/g",
        "ln -s /etc/hostname d/g",
        "rm d/f",
        "rm d/f; echo again > d/f",
        "rm d/f; mkdir d/f",
        "rmdir d/sub",
        "mv d/f away",
        "mv other d/",
        "mv other d/f",
        "mv d/f d/g",
        "mv d/f d/g; mv d/g d/f",
        "mv d/sub d/moved",
        "mv d/sub away",
        "ln other d/g",
        "ln d/f d/g; echo through >> d/g",
        "echo through the other name >> d2/twin",
        "rm d2/twin",
        "ln d2/twin d2/third",
        "touch d/sub/x",
        "mkdir d/sub/y",
        "touch -d 1999-12-31 d/sub",
        "echo through a link >> d/link",
        "rm d2/target",
        "echo at the end of a link >> d2/target",
        "echo longer > d2/new; mv d2/new d2/target",
        "ln -sfn ../d2/twin d/link",
        "chmod 700 d",
        "mv d e; mkdir d; echo another > d/h",
        "mv d e; mv e d; touch d/z",
        "rm d/f; for i in $(seq 300); do echo $i > d/n$i; done",
        "for i in $(seq 40); do echo $i > d/n$i; rm d/n$i; done; echo last > d/n7",
        "echo $(seq 300) > d/f; for i in $(seq 300); do touch -d @$i d/f; done",
    };
    for (const auto& each : changes) {
        CAPTURE(each);
        listed_site on;
        run_in_shell(on.files,
                     "mkdir -p d/sub d2; echo 1 > d/f; echo 2 > d/e; echo z > d2/twin; "
                     "ln d2/twin d/twin; echo t > d2/target; ln -s ../d2/target d/link; "
                     "ln -s nowhere d/broken; echo other > other");
        on.warm("/d");
        REQUIRE(on.is_hit("/d"));
        run_in_shell(on.files, each);
        const auto fresh = on.list_uncached("/d");
        CHECK(on.list("/d") == fresh);
        CHECK(on.list("/d") == fresh);
        CHECK(on.list("/d") == fresh);
        // And what is kept by now is watched as well.
        run_in_shell(on.files, "(echo last >> d/f) 2> /dev/null; rm -f d/e; touch d/y");
        CHECK(on.list("/d") == on.list_uncached("/d"));
    }
}

TEST_CASE("listing cache: only names that something has happened to are looked at again") {
    listed_site on;
    run_in_shell(on.files, "mkdir d; for i in $(seq 600); do echo $i > d/n$i; done");
    on.warm("/d");
    std::size_t looked = 0;
    on.machine.io.set_script([&looked](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::list_directory) {
            looked += what.args.list_directory.again
                          ? what.args.list_directory.batch->records.size()
                          : 1'000;
        }
        return std::nullopt;
    });
    run_in_shell(on.files, "echo 2 > d/n7; rm d/n9; touch d/new");
    const auto seen = on.list("/d");
    CHECK(looked == 3);
    on.list("/d");
    CHECK(looked == 3);
    on.machine.io.set_script({});
    CHECK(seen == on.list_uncached("/d"));
    CHECK(on.cache.counted().updated == 1);
    CHECK(on.cache.counted().changed == 0);
}

TEST_CASE("listing cache: a change while a directory is read is seen by the next listing") {
    // It strikes before each operation of the listing that keeps it, one after the other.
    for (int nth = 0; nth < 6; ++nth) {
        CAPTURE(nth);
        listed_site on;
        run_in_shell(on.files, "mkdir d; for i in $(seq 600); do echo $i > d/n$i; done");
        on.list("/d");
        int seen = 0;
        on.machine.io.set_script([&](runtime::op&) -> std::optional<std::int64_t> {
            if (seen++ == nth) {
                run_in_shell(on.files, "echo more >> d/n5; mv d/n6 d/zz; rm d/n7; echo n > d/aa");
            }
            return std::nullopt;
        });
        on.list("/d");
        on.machine.io.set_script({});
        CHECK(on.cache.size() == 1);
        CHECK(on.list("/d") == on.list_uncached("/d"));
    }
}

TEST_CASE("listing cache: each of two listings at once sees what has changed before both") {
    listed_site on;
    run_in_shell(on.files, "mkdir d; echo 1 > d/f; echo 1 > d/g");
    on.warm("/d");
    const auto key = on.key_of("d");
    run_in_shell(on.files, "echo longer > d/f");
    on.machine.io.note_arrival();
    auto first = on.cache.find(key);
    run_in_shell(on.files, "echo longer > d/g");
    on.machine.io.note_arrival();
    auto second = on.cache.find(key);
    REQUIRE(first.changes.size() == 1);
    REQUIRE(second.changes.size() == 2);
    const auto now = on.list_uncached("/d");
    REQUIRE(now.size() == 2);
    const std::vector<listing_cache::looked_at> both{{.name = "f", .entry = now[0]},
                                                     {.name = "g", .entry = now[1]}};
    const auto before = first.content;
    const auto one = on.cache.update(key, std::move(first), std::span(both).first(1));
    const auto other = on.cache.update(key, std::move(second), both);
    CHECK(one->entries[0] == now[0]);
    CHECK(one->entries[1] != now[1]);
    CHECK(other->entries == now);
    CHECK(before->entries[0] != now[0]);  // What a listing has does not change under it.
    CHECK(on.list("/d") == now);
}

TEST_CASE(
    "listing cache: too much of a change, or too much that is unsure, and all is read again") {
    listed_site on;
    run_in_shell(on.files, "mkdir d; echo 1 > d/f");
    on.warm("/d");
    run_in_shell(on.files, "for i in $(seq 200); do echo $i > d/n$i; done");
    CHECK(on.list("/d") == on.list_uncached("/d"));
    CHECK(on.cache.counted().changed == 1);
    run_in_shell(on.files, "mkdir many; cd many; mkdir $(seq 129)");
    on.warm("/many");
    CHECK_FALSE(on.is_hit("/many"));
}

TEST_CASE("listing cache: what inotify does not tell is seen once it is not trusted any more") {
    listed_site on({.trusted_max = runtime::duration::zero()});
    run_in_shell(on.files, "mkdir d; echo 1 > d/f");
    on.warm("/d");
    run_in_shell(on.files, "ln d/f f2; echo more >> f2");
    CHECK(on.list("/d") == on.list_uncached("/d"));
}

TEST_CASE("listing cache: a form is good as long as nothing happens to its directory") {
    const std::vector<std::string> changes = {
        "echo 2 > d/f",
        "echo 2 >> d/f",
        "touch d/f",
        "chmod 600 d/f",
        "echo new > d/g",
        "rm d/f",
        "mkdir d/g",
        "mv d/f away",
        "mv other d/",
        "mv other d/f",
        "mv d/f d/g",
        "ln d/f d/g",
        "ln -s f d/g",
        "mv d e; mkdir d; mv d x; mv e d; rm d/f",
        "for i in $(seq 300); do echo $i > d/n$i; done",
    };
    for (const auto& each : changes) {
        CAPTURE(each);
        listed_site on;
        run_shell(on.files, "mkdir d; echo 1 > d/f; echo 2 > d/e; echo other > other");
        on.warm("/d");
        const auto form = on.form("/d");
        CHECK(form->octets == "text");
        CHECK(form->about == "of a");
        CHECK(form->of == on.key_of("d"));
        CHECK(on.is_good(form));
        CHECK(on.form("/d") == form);
        run_shell(on.files, "touch other; chmod 600 other");  // Elsewhere.
        CHECK(on.is_good(form));
        run_shell(on.files, each);
        CHECK_FALSE(on.is_good(form));
        const auto next = on.form("/d");
        CHECK(next != form);
        CHECK_FALSE(on.is_good(form));
    }
}

TEST_CASE("listing cache: no form is good by itself where names are unsure, or none is kept") {
    listed_site on;
    run_shell(on.files, "mkdir -p d/sub none; touch d/f none/f");
    on.warm("/d");
    const auto form = on.form("/d");
    CHECK_FALSE(on.is_good(form));
    CHECK(on.form("/d") == form);  // Who looks at those finds it.
    const auto once = on.form("/none");
    CHECK_FALSE(on.is_good(once));
    CHECK(on.form("/none") != once);
    on.cache.stop_keeping();
    CHECK_FALSE(on.is_good(form));
}

TEST_CASE("listing cache: what is read again and is what it was has the forms that it had") {
    listed_site on({.trusted_max = runtime::duration::zero()});
    run_shell(on.files, "mkdir d; touch d/f");
    on.warm("/d");
    const auto form = on.form("/d");
    CHECK_FALSE(on.is_good(form));  // It is trusted no longer,
    CHECK(on.form("/d") == form);   // and read.
    run_shell(on.files, "touch -d 1999-12-31 d/f");
    CHECK(on.form("/d") != form);
}

TEST_CASE("listing cache: it stays within its bounds, the least recently used goes first") {
    listed_site on({.directories_max = 2, .trusted_max = std::chrono::hours(1)});
    run_in_shell(on.files, "for d in a b c; do mkdir $d; touch $d/f; done");
    on.warm("/a");
    on.warm("/b");
    CHECK(on.is_hit("/a"));
    on.warm("/c");
    CHECK(on.cache.size() == 2);
    CHECK(on.is_hit("/a"));
    CHECK(on.is_hit("/c"));
    CHECK_FALSE(on.is_hit("/b"));

    constexpr std::size_t of_100_names = 100 * sizeof(directory_entry);
    listed_site small({.bytes_max = of_100_names * 3 / 2, .trusted_max = std::chrono::hours(1)});
    run_in_shell(small.files,
                 "for d in a b; do mkdir $d; (cd $d; touch $(seq 100)); done; "
                 "mkdir large; cd large; touch $(seq 200)");
    small.warm("/a");
    CHECK(small.is_hit("/a"));
    small.warm("/large");
    CHECK_FALSE(small.is_hit("/large"));
    CHECK(small.is_hit("/a"));
    small.warm("/b");
    CHECK(small.is_hit("/b"));
    CHECK(small.cache.size() == 1);
    run_in_shell(small.files, "cd b; touch $(seq 101 200)");  // It grows beyond them.
    CHECK(small.list("/b") == small.list_uncached("/b"));
    CHECK(small.cache.size() == 0);
}

TEST_CASE("listing cache: with no octets, and at its end, it keeps nothing") {
    listed_site off({.bytes_max = 0});
    off.files.write("f", "x");
    off.warm("/");
    CHECK(names_of(off.list("/")) == std::vector<std::string>{"f"});
    CHECK(off.cache.size() == 0);

    listed_site ended;
    ended.files.write("f", "x");
    ended.warm("/");
    REQUIRE(ended.cache.size() == 1);
    ended.cache.stop_keeping();
    CHECK(ended.cache.size() == 0);
    CHECK(names_of(ended.list("/")) == std::vector<std::string>{"f"});
    CHECK(ended.cache.size() == 0);
}
