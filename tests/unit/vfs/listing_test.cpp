#include "vfs/listing.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ferry/base/assert.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::core;
using runtime::task;
using vfs::directory_entry;
using vfs::file_kind;
using vfs::path;

namespace {

/// What one listing delivered.
struct listed {
    std::vector<directory_entry> entries;
    std::size_t batches = 0;
    bool is_complete = false;

    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& entry : entries) {
            all.push_back(entry.name);
        }
        return all;
    }
};

/// Called between two batches.
using between = void (*)(const scratch&);

task<result<listed>> list_all(core& here, vfs::tree& tree, path name, vfs::listing_options options,
                              between interfere, const scratch& host) {
    auto opened = co_await tree.open(here, name);
    if (!opened) {
        co_return failure(opened.error());
    }
    auto begun = co_await tree.list(here, std::move(*opened), name, options);
    if (!begun) {
        co_return failure(begun.error());
    }
    listed all;
    all.is_complete = begun->is_complete();
    for (;;) {
        const auto batch = co_await begun->next(here);
        if (!batch) {
            co_return failure(batch.error());
        }
        if (batch->empty()) {
            break;
        }
        ++all.batches;
        all.entries.insert(all.entries.end(), batch->begin(), batch->end());
        if (interfere != nullptr) {
            interfere(host);
        }
    }
    // The end is the end however often one asks.
    const auto after = co_await begun->next(here);
    if (!after || !after->empty()) {
        co_return failure(errc::io);
    }
    co_return all;
}

/// What a listing was when it began.
struct begun {
    bool is_complete = false;
    std::size_t held_free = 0;  ///< Permits to hold more, while it lives.
};

/// How many permits are free. Takes them for that long.
std::size_t count_free(runtime::permits& of) {
    std::vector<runtime::permits::permit> taken;
    while (auto one = of.try_take()) {
        taken.push_back(std::move(*one));
    }
    return taken.size();
}

/// Begins to list `name` while `listings` of the same lie beside it.
task<result<std::vector<begun>>> begin_some(core& here, vfs::tree& tree, path name,
                                            vfs::listing_options options, std::size_t listings) {
    std::vector<vfs::listing> all;
    std::vector<begun> seen;
    while (all.size() < listings) {
        auto opened = co_await tree.open(here, name);
        if (!opened) {
            co_return failure(opened.error());
        }
        auto made = co_await tree.list(here, std::move(*opened), name, options);
        if (!made) {
            co_return failure(made.error());
        }
        seen.push_back(
            {.is_complete = made->is_complete(), .held_free = count_free(options.bounds->held)});
        all.push_back(std::move(*made));
    }
    co_return seen;
}

struct listing_fixture {
    scratch host;
    std::unique_ptr<vfs::tree> files = vfs::open_local_tree(host.root().c_str()).value();
    test_core machine;

    result<listed> list(std::string_view name = "/", vfs::listing_options options = {},
                        between interfere = nullptr) {
        return machine.run(list_all, std::ref(*files), at(name), options, interfere,
                           std::cref(host));
    }

    /// Puts `count` names into `directory`, in an order that is not theirs. Links to one file: a
    /// name each is what counts, and they cost less.
    void fill(int count, std::string_view directory = ".") const {
        const std::string file = host / fmt::format("{}/first", directory);
        host.write(fmt::format("{}/first", directory), "x");
        for (int i = 0; i < count - 1; ++i) {
            const auto name = fmt::format("{}/f{:05}", directory, i * 7919 % (count - 1));
            FERRY_ASSERT(::link(file.c_str(), (host / name).c_str()) == 0);
        }
    }
};

/// The names of `entries` as a set, each of which must be there once.
std::set<std::string> each_once(const listed& all) {
    std::set<std::string> names;
    for (const auto& entry : all.entries) {
        CHECK(names.insert(entry.name).second);
    }
    return names;
}

}  // namespace

TEST_CASE("listing: kinds and metadata, of what links lead to") {
    listing_fixture tree;
    const scratch& host = tree.host;
    host.make_directory("dir");
    host.write("dir/file", "12345");
    REQUIRE(::chmod((host / "dir/file").c_str(), 0604) == 0);
    const timespec times[2] = {{1, 2}, {1'700'000'000, 123'456'789}};
    REQUIRE(::utimensat(AT_FDCWD, (host / "dir/file").c_str(), times, 0) == 0);
    REQUIRE(::mkfifo((host / "dir/fifo").c_str(), 0644) == 0);
    host.make_directory("dir/sub");
    host.link({.at = "dir/link", .to = "file"});
    host.link({.at = "dir/up", .to = "../dir/sub"});
    host.link({.at = "dir/dangling", .to = "nowhere"});
    host.link({.at = "dir/absolute", .to = "/etc/passwd"});
    host.link({.at = "dir/out", .to = "../../"});
    host.link({.at = "dir/tofifo", .to = "fifo"});

    const auto all = tree.list("/dir");
    REQUIRE(all);
    CHECK(all->is_complete);
    CHECK(all->names() == std::vector<std::string>{"absolute", "dangling", "fifo", "file", "link",
                                                   "out", "sub", "tofifo", "up"});
    std::map<std::string, vfs::metadata> by_name;
    for (const auto& entry : all->entries) {
        by_name[entry.name] = entry.status;
    }
    for (const char* name : {"absolute", "dangling", "out"}) {
        CAPTURE(name);
        CHECK(by_name[name].kind == file_kind::symlink);
        CHECK(by_name[name].size_bytes == 0);
    }
    CHECK(by_name["fifo"].kind == file_kind::other);
    CHECK(by_name["tofifo"].kind == file_kind::other);
    CHECK(by_name["sub"].kind == file_kind::directory);
    CHECK(by_name["up"].kind == file_kind::directory);
    for (const char* name : {"file", "link"}) {
        CAPTURE(name);
        const auto& status = by_name[name];
        CHECK(status.kind == file_kind::regular);
        CHECK(status.size_bytes == 5);
        CHECK(status.mode == 0604);
        CHECK(status.inode == host.inode("dir/file"));
        CHECK(status.modified == wall_time{.seconds = 1'700'000'000, .nanoseconds = 123'456'789});
    }
    // Both doors say the same of one file.
    const auto opened = tree.machine.run(
        [](core& here, vfs::tree& files, path name) -> task<result<vfs::node>> {
            co_return co_await files.open(here, name);
        },
        std::ref(*tree.files), at("/dir/file"));
    REQUIRE(opened);
    CHECK(opened->status().device == by_name["file"].device);
    CHECK(opened->status().owner_id == by_name["file"].owner_id);
    CHECK(opened->status().group_id == by_name["file"].group_id);
    CHECK(opened->status().links == by_name["file"].links);
    CHECK(opened->status().changed == by_name["file"].changed);
}

TEST_CASE("listing: a link says that it is one, and where it leads only inside the tree") {
    listing_fixture tree;
    tree.host.make_directory("there");
    tree.host.link({.at = "in", .to = "there"});
    tree.host.link({.at = "out", .to = "../secret"});
    const auto all = tree.list();
    REQUIRE(all);
    CHECK(all->entries.size() == 3);
    for (const auto& each : all->entries) {
        CAPTURE(each.name);
        CHECK(each.is_link == (each.name != "there"));
        CHECK(each.link_target == (each.name == "in" ? "there" : ""));
    }
}

TEST_CASE("listing: links in the root and through a linked directory") {
    listing_fixture tree;
    const scratch& host = tree.host;
    host.make_directory("dir");
    host.write("dir/file", "x");
    host.link({.at = "dir/up", .to = "../dir/file"});
    host.link({.at = "alias", .to = "dir"});
    const auto root = tree.list();
    REQUIRE(root);
    REQUIRE(root->names() == std::vector<std::string>{"alias", "dir"});
    CHECK(root->entries[0].status.kind == file_kind::directory);
    const auto through = tree.list("/alias/");
    REQUIRE(through);
    REQUIRE(through->names() == std::vector<std::string>{"file", "up"});
    CHECK(through->entries[1].status.kind == file_kind::regular);
}

TEST_CASE("listing: empty directories, and names that are ferry's own (threats.md, V12)") {
    listing_fixture tree;
    CHECK(tree.list()->entries.empty());
    CHECK(tree.list()->is_complete);
    tree.host.write(".ferry-upload-0123456789abcdef", "x");
    tree.host.make_directory(".ferry-");
    CHECK(tree.list()->entries.empty());
    tree.host.write(".ferr", "x");
    tree.host.write(".hidden", "x");
    CHECK(tree.list()->names() == std::vector<std::string>{".ferr", ".hidden"});
    CHECK(tree.list("/", {.sorted_entries_max = 0})->entries.size() == 2);
}

TEST_CASE("listing: not of a file") {
    listing_fixture tree;
    tree.host.write("file", "x");
    CHECK(tree.list("/file").error() == errc::not_directory);
}

TEST_CASE("listing: hostile names come as they are and open under their name (threats.md, V11)") {
    listing_fixture tree;
    std::vector<std::string> names{"line\nfeed",
                                   "carriage\rreturn",
                                   "\x1b[31mred",
                                   "delete\x7f",
                                   "\x01",
                                   "\"quotes'",
                                   "<b>&amp;",
                                   "100%41",
                                   "semi;type=a",
                                   " leading space",
                                   "-rf",
                                   "javascript:alert(1)",
                                   "226 Transfer complete",
                                   "\xff\xfe invalid",
                                   "\xc0\xaf overlong",
                                   "trailing ",
                                   "back\\slash",
                                   "...",
                                   "..\\..",
                                   "*",
                                   "~",
                                   std::string(255, 'x'),
                                   "\xe2\x80\xae"
                                   "bidi",
                                   "CON",
                                   "a\tb",
                                   "?query#fragment"};
    for (const auto& name : names) {
        tree.host.write(name, name);
    }
    std::ranges::sort(names);
    const auto all = tree.list();
    REQUIRE(all);
    CHECK(all->names() == names);
    for (const auto& name : names) {
        CAPTURE(name);
        const auto content = tree.machine.run(
            [](core& here, vfs::tree& files, path where) -> task<result<std::string>> {
                const auto opened = co_await files.open(here, where);
                if (!opened) {
                    co_return failure(opened.error());
                }
                std::string text(1'000, '?');
                const auto got =
                    co_await opened->read(here, std::as_writable_bytes(std::span(text)), 0);
                if (!got) {
                    co_return failure(got.error());
                }
                text.resize(*got);
                co_return text;
            },
            std::ref(*tree.files), at("/" + name));
        REQUIRE(content);
        CHECK(*content == name);
    }
}

TEST_CASE("listing: 5,000 entries sorted, in one piece") {
    listing_fixture tree;
    tree.fill(5'000);
    const auto all = tree.list();
    REQUIRE(all);
    CHECK(all->is_complete);
    CHECK(all->batches == 1);
    REQUIRE(all->entries.size() == 5'000);
    CHECK(std::ranges::is_sorted(all->entries, {}, &directory_entry::name));
    CHECK(each_once(*all).size() == 5'000);
}

TEST_CASE("listing: beyond the limit a stream with every name once (threats.md, V9)") {
    listing_fixture tree;
    tree.fill(3'000);
    const auto whole = tree.list("/", {.sorted_entries_max = 3'000});
    REQUIRE(whole);
    CHECK(whole->is_complete);
    CHECK(std::ranges::is_sorted(whole->entries, {}, &directory_entry::name));
    for (const std::size_t limit : {0UZ, 1UZ, 255UZ, 256UZ, 257UZ, 1'000UZ, 2'999UZ}) {
        CAPTURE(limit);
        const auto all = tree.list("/", {.sorted_entries_max = limit});
        REQUIRE(all);
        CHECK_FALSE(all->is_complete);
        CHECK(all->entries.size() == 3'000);
        CHECK(each_once(*all) == each_once(*whole));
    }
}

TEST_CASE("listing: what is read ahead of a stream is delivered in small pieces") {
    listing_fixture tree;
    tree.fill(3'000);
    for (const std::size_t limit : {0UZ, 255UZ, 256UZ, 257UZ, 1'000UZ, 2'999UZ}) {
        CAPTURE(limit);
        const auto all = tree.list("/", {.sorted_entries_max = limit});
        REQUIRE(all);
        CHECK(all->batches >= 12);
        CHECK(all->entries.size() == 3'000);
    }
}

// threats.md, V9 and H4: as many are held in memory as may be; the next is a stream.
TEST_CASE("listing: bounds of how many large ones are held") {
    listing_fixture tree;
    tree.fill(1'000);
    tree.host.make_directory("small");
    tree.fill(250, "small");
    vfs::listing_bounds bounds(tree.machine.here, {.reads_max = 1, .held_max = 2});
    const auto large = tree.machine.run(begin_some, std::ref(*tree.files), at("/"),
                                        vfs::listing_options{.bounds = &bounds}, 4UZ);
    REQUIRE(large);
    CHECK((*large)[0].is_complete);
    CHECK((*large)[0].held_free == 1);
    CHECK((*large)[1].is_complete);
    CHECK((*large)[1].held_free == 0);
    CHECK_FALSE((*large)[2].is_complete);
    CHECK_FALSE((*large)[3].is_complete);
    CHECK(count_free(bounds.held) == 2);  // They died.
    CHECK(count_free(bounds.beginning) == 1);

    const auto small = tree.machine.run(begin_some, std::ref(*tree.files), at("/small"),
                                        vfs::listing_options{.bounds = &bounds}, 4UZ);
    REQUIRE(small);
    for (const auto& each : *small) {
        CHECK(each.is_complete);
        CHECK(each.held_free == 2);
    }

    // Of a stream, too, what was read ahead is held, and given back when it has been delivered.
    const auto stream =
        tree.machine.run(begin_some, std::ref(*tree.files), at("/"),
                         vfs::listing_options{.sorted_entries_max = 700, .bounds = &bounds}, 2UZ);
    REQUIRE(stream);
    CHECK_FALSE((*stream)[1].is_complete);
    CHECK((*stream)[1].held_free == 0);
    const auto none = std::to_array({0UZ, 300UZ, 700UZ, 1'000UZ});
    for (const std::size_t limit : none) {
        CAPTURE(limit);
        const auto all = tree.list("/", {.sorted_entries_max = limit, .bounds = &bounds});
        REQUIRE(all);
        CHECK(each_once(*all).size() == 1'001);
        CHECK(count_free(bounds.held) == 2);
        CHECK(count_free(bounds.going_on) == 1);
    }
    vfs::listing_bounds nothing_held(tree.machine.here, {.reads_max = 1, .held_max = 0});
    const auto all = tree.list("/", {.bounds = &nothing_held});
    REQUIRE(all);
    CHECK_FALSE(all->is_complete);
    CHECK(each_once(*all).size() == 1'001);
}

TEST_CASE("listing: the hold goes with what was made of the entries") {
    listing_fixture tree;
    tree.fill(1'000);
    vfs::listing_bounds bounds(tree.machine.here, {.reads_max = 1, .held_max = 1});
    tree.machine.run(
        [](core& here, vfs::tree& files, vfs::listing_bounds& most) -> task<bool> {
            auto opened = co_await files.open(here, at("/"));
            auto made = co_await files.list(here, std::move(*opened), at("/"), {.bounds = &most});
            REQUIRE(made);
            auto hold = made->take_hold();
            CHECK(hold);
            CHECK_FALSE(made->take_hold());
            for (bool at_end = false; !at_end;) {
                const auto batch = co_await made->next(here);
                at_end = !batch || batch->empty();
            }
            CHECK(count_free(most.held) == 0);
            hold.reset();
            CHECK(count_free(most.held) == 1);
            co_return true;
        },
        std::ref(*tree.files), std::ref(bounds));
}

// Goal: one asks for large directories a hundred times; who asks for a small one waits for a batch
// of each at most, not for their ends.
TEST_CASE("listing: a small directory passes those that read on") {
    listing_fixture tree;
    tree.fill(1'000);
    tree.host.make_directory("small");
    tree.fill(250, "small");
    vfs::listing_bounds bounds(tree.machine.here, {.reads_max = 1, .held_max = 1});
    {
        const auto reads_on = bounds.going_on.try_take();
        const auto small =
            tree.list("/small", {.bounds = &bounds, .turn_deadline = tree.machine.here.now()});
        REQUIRE(small);
        CHECK(small->is_complete);
    }
    std::vector<std::size_t> free_to_begin;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory) {
            free_to_begin.push_back(count_free(bounds.beginning));
        }
        return std::nullopt;
    });
    REQUIRE(tree.list("/", {.bounds = &bounds}));
    REQUIRE(free_to_begin.size() > 2);
    CHECK(free_to_begin.front() == 0);
    for (const std::size_t each : std::span(free_to_begin).subspan(1)) {
        CHECK(each == 1);
    }
}

TEST_CASE("listing: no turn is busy, and a stop ends the wait for one") {
    listing_fixture tree;
    tree.fill(1'000);
    vfs::listing_bounds bounds(tree.machine.here, {.reads_max = 1, .held_max = 0});
    {
        const auto turn = bounds.beginning.try_take();
        const auto now = tree.machine.here.now();
        CHECK(tree.list("/", {.bounds = &bounds, .turn_deadline = now}).error() == errc::busy);
        tree.machine.io.stop_when_waiting(tree.machine.stop);
        CHECK(tree.list("/", {.bounds = &bounds}).error() == errc::cancelled);
    }
    CHECK(count_free(bounds.beginning) == 1);

    listing_fixture other;
    other.fill(1'000);
    vfs::listing_bounds going(other.machine.here, {.reads_max = 1, .held_max = 0});
    other.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory) {
            other.machine.io.stop_when_waiting(other.machine.stop);
            other.machine.io.set_script({});
        }
        return std::nullopt;
    });
    CHECK(other.list("/", {.bounds = &going}).error() == errc::cancelled);
    CHECK(count_free(going.beginning) == 1);
    CHECK(count_free(going.going_on) == 1);
}

TEST_CASE("listing: a directory removed meanwhile ends, names that vanish are left out (V9)") {
    listing_fixture tree;
    tree.host.make_directory("dir");
    tree.fill(3'000, "dir");
    const auto all = tree.list("/dir", {.sorted_entries_max = 1}, [](const scratch& host) {
        std::filesystem::remove_all(host / "dir");
    });
    REQUIRE(all);
    CHECK(all->entries.size() < 3'000);
    CHECK_FALSE(all->entries.empty());
    each_once(*all);
}

TEST_CASE("listing: a directory renamed meanwhile is read to its end (V9)") {
    listing_fixture tree;
    tree.host.make_directory("dir");
    tree.fill(1'000, "dir");
    const auto all = tree.list("/dir", {.sorted_entries_max = 1}, [](const scratch& host) {
        std::error_code ignored;
        std::filesystem::rename(host / "dir", host / "elsewhere", ignored);
    });
    REQUIRE(all);
    CHECK(each_once(*all).size() == 1'000);
}

TEST_CASE("listing: an error of the disk is an error, a stop request too") {
    listing_fixture tree;
    tree.fill(1'000);
    std::int64_t answer = -EIO;
    int batches_before = 0;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory && batches_before-- == 0) {
            return answer;
        }
        return std::nullopt;
    });
    CHECK(tree.list().error() == errc::io);
    batches_before = 1;
    CHECK(tree.list("/", {.sorted_entries_max = 1}).error() == errc::io);
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory) {
            tree.machine.io.stop_when_waiting(tree.machine.stop);
        }
        return std::nullopt;
    });
    CHECK(tree.list().error() == errc::cancelled);
}
