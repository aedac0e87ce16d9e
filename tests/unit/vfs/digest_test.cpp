#include "ferry/vfs/digest.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ferry/base/units.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/vfs/hasher.hpp"
#include "tree_calls.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::opcode;
using runtime::task;
using vfs::digest_algorithm;
using vfs::digest_made;
using vfs::digest_request;

namespace {

vfs::digest right_answer(std::string_view text, digest_algorithm by = digest_algorithm::sha256) {
    const auto made = vfs::make_hasher(by);
    made->add(octets(text));
    return made->finish().value();
}

std::string long_content() {
    std::string text;
    while (text.size() < 9_MiB + 77) {
        text += std::to_string(text.size()) + '\n';
    }
    return text;
}

struct digest_fixture : tree_calls {
    explicit digest_fixture(std::size_t entries_max = 8,
                            std::uint64_t turn_bytes_max = vfs::digests::turn_bytes_max)
        : known(entries_max), made(machine.here, known, turn_bytes_max) {
        files = vfs::open_local_tree(host.root().c_str()).value();
    }

    result<digest_made> hash(const vfs::node& file, digest_request what = {.is_local = true}) {
        return machine.run(
            [](runtime::core&, vfs::digests& digests, const vfs::node& of, digest_request how)
                -> task<result<digest_made>> { co_return co_await digests.of(of, how); },
            std::ref(made), std::cref(file), what);
    }
    result<digest_made> hash(std::string_view name, digest_request what = {.is_local = true}) {
        const auto file = open(name);
        REQUIRE(file);
        return hash(*file, what);
    }

    /// Calls `happening` in front of the n-th piece.
    void before_piece(int number, std::function<void()> happening) {
        machine.io.set_script([number, happening = std::move(happening),
                               seen = 0](runtime::op& what) mutable -> std::optional<std::int64_t> {
            if (what.code == opcode::compute && ++seen == number) {
                happening();
            }
            return std::nullopt;
        });
    }

    int pieces_of(std::string_view name, digest_request what) {
        int pieces = 0;
        machine.io.set_script([&](runtime::op& each) -> std::optional<std::int64_t> {
            pieces += each.code == opcode::compute ? 1 : 0;
            return std::nullopt;
        });
        CHECK(hash(name, what));
        machine.io.set_script({});
        return pieces;
    }

    scratch host;
    vfs::digest_cache known;
    vfs::digests made;
};

void write_at(const std::string& file, off_t offset, std::string_view text) {
    const unique_fd open(::open(file.c_str(), O_WRONLY));
    REQUIRE(::pwrite(open.get(), text.data(), text.size(), offset) ==
            static_cast<ssize_t>(text.size()));
}

task<> hash_one(vfs::digests& by, const vfs::node& file, vfs::digest wanted, std::size_t& right) {
    const auto made = co_await by.of(file, {});
    right += made && made->value == wanted ? 1 : 0;
}

}  // namespace

TEST_CASE("digest: whole files and stretches of them, in pieces") {
    digest_fixture tree;
    const auto text = long_content();
    tree.host.write("long", text);
    tree.host.write("empty", "");
    for (const auto by : {digest_algorithm::crc32, digest_algorithm::crc32c, digest_algorithm::md5,
                          digest_algorithm::sha1, digest_algorithm::sha256,
                          digest_algorithm::sha512, digest_algorithm::blake2b}) {
        CAPTURE(static_cast<int>(by));
        const auto whole = tree.hash("/long", {.by = by});
        REQUIRE(whole);
        CHECK(whole->value == right_answer(text, by));
        CHECK(whole->size_bytes == text.size());
        CHECK(tree.hash("/empty", {.by = by})->value == right_answer("", by));
    }
    struct row {
        std::uint64_t offset;
        std::uint64_t size_bytes;
    };
    for (const auto& [offset, size_bytes] :
         {row{0, 1}, row{1, 4_MiB}, row{4_MiB - 1, 2}, row{5, text.size()}, row{text.size(), 5},
          row{text.size() - 1, ~std::uint64_t{0}}, row{0, 0}}) {
        CAPTURE(offset);
        CAPTURE(size_bytes);
        const auto stretch = tree.hash("/long", {.offset = offset, .size_bytes = size_bytes});
        const auto wanted = text.substr(offset, size_bytes);
        REQUIRE(stretch);
        CHECK(stretch->value == right_answer(wanted));
        CHECK(stretch->size_bytes == wanted.size());
    }
    CHECK(tree.code_of(tree.hash("/long", {.offset = text.size() + 1})) == errc::invalid);
    CHECK(tree.code_of(tree.hash("/", {})) == errc::is_directory);
    CHECK(tree.known.size() == 0);
    CHECK(tree.pieces_of("/long", {}) == 3);
}

TEST_CASE(
    "digest: a whole file's is kept, unless the file has just been changed (threats.md, V8)") {
    digest_fixture tree;
    tree.host.write("fresh", "words");
    CHECK(tree.pieces_of("/fresh", {.is_local = true}) == 1);
    CHECK(tree.pieces_of("/fresh", {.is_local = true}) == 1);
    CHECK(tree.known.size() == 0);

    tree.files = vfs::open_local_tree("/usr/bin").value();  // With a file that was there before.
    CHECK(tree.pieces_of("/env", {.is_local = true}) == 1);
    CHECK(tree.known.size() == 1);
    CHECK(tree.pieces_of("/env", {.is_local = true}) == 0);
    const auto size_bytes = tree.status("/env")->size_bytes;
    CHECK(tree.hash("/env")->size_bytes == size_bytes);
    CHECK(tree.hash("/env")->value == tree.hash("/env", {.is_local = false})->value);
    // Neither another algorithm nor a part of it has it, nor a file that others may change.
    CHECK(tree.pieces_of("/env", {.by = digest_algorithm::md5, .is_local = true}) == 1);
    CHECK(tree.known.size() == 2);
    CHECK(tree.pieces_of("/env", {.size_bytes = size_bytes - 1, .is_local = true}) == 1);
    CHECK(tree.pieces_of("/env", {.offset = 1, .is_local = true}) == 1);
    CHECK(tree.pieces_of("/env", {.is_local = false}) == 1);
    CHECK(tree.known.size() == 2);
}

TEST_CASE("digest: what is kept is of one status, and of no other") {
    vfs::digest_cache known;
    const vfs::metadata file{.size_bytes = 9,
                             .inode = 7,
                             .device = 3,
                             .modified = {.seconds = 100, .nanoseconds = 5},
                             .changed = {.seconds = 100, .nanoseconds = 5}};
    const auto value = right_answer("old words");
    known.put(file, digest_algorithm::sha256, value);
    CHECK(known.find(file, digest_algorithm::sha256) == value);
    CHECK_FALSE(known.find(file, digest_algorithm::sha512));
    const auto differs = [&](auto change) {
        auto other = file;
        change(other);
        return !known.find(other, digest_algorithm::sha256);
    };
    CHECK(differs([](vfs::metadata& other) { ++other.size_bytes; }));
    CHECK(differs([](vfs::metadata& other) { ++other.inode; }));
    CHECK(differs([](vfs::metadata& other) { ++other.device; }));
    CHECK(differs([](vfs::metadata& other) { ++other.modified.nanoseconds; }));
    // Written in place, and the time of modification set back.
    CHECK(differs([](vfs::metadata& other) { ++other.changed.nanoseconds; }));
    // What says nothing of the content.
    CHECK_FALSE(differs([](vfs::metadata& other) { other.mode = 0600; }));
}

TEST_CASE("digest: it is of the content as it is, not as it was opened") {
    digest_fixture tree;
    tree.host.write("a", "old words");
    const auto file = tree.open("/a");
    REQUIRE(file);
    write_at(tree.host / "a", 9, " and more");
    const auto made = tree.hash(*file);
    REQUIRE(made);
    CHECK(made->value == right_answer("old words and more"));
    CHECK(made->size_bytes == 18);
}

TEST_CASE("digest: written while it is read, it is read again, and the second time that is busy") {
    digest_fixture tree;
    const auto text = long_content();
    const auto write_x = [&] { write_at(tree.host / "a", 0, "x"); };
    SUBCASE("once") {
        tree.host.write("a", text);
        tree.before_piece(2, write_x);
        const auto made = tree.hash("/a");
        REQUIRE(made);
        CHECK(made->value == right_answer("x" + text.substr(1)));
    }
    SUBCASE("again and again") {
        tree.host.write("a", text);
        int written = 0;
        tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
            if (what.code == opcode::compute) {
                write_at(tree.host / "a", 9_MiB, std::to_string(++written));
            }
            return std::nullopt;
        });
        CHECK(tree.code_of(tree.hash("/a")) == errc::busy);
    }
    SUBCASE("cut shorter") {
        tree.host.write("a", text);
        tree.before_piece(2, [&] { REQUIRE(::truncate((tree.host / "a").c_str(), 10) == 0); });
        const auto made = tree.hash("/a");
        REQUIRE(made);
        CHECK(made->value == right_answer(text.substr(0, 10)));
        CHECK(made->size_bytes == 10);
    }
    SUBCASE("replaced: it is the old file's, which was opened") {
        tree.host.write("a", text);
        tree.host.write("b", "new");
        tree.before_piece(2, [&] {
            REQUIRE(::rename((tree.host / "b").c_str(), (tree.host / "a").c_str()) == 0);
        });
        CHECK(tree.hash("/a")->value == right_answer(text));
        CHECK(tree.hash("/a")->value == right_answer("new"));
    }
    CHECK(tree.known.size() == 0);
}

TEST_CASE("digest: a stop between two pieces ends it, and gives its turn back") {
    digest_fixture tree;
    tree.host.write("a", long_content());
    const auto file = tree.open("/a");
    REQUIRE(file);
    runtime::stop_scope stop;
    tree.before_piece(2, [&] { tree.machine.io.stop_when_waiting(stop); });
    const auto made = tree.machine.run(
        [](runtime::core&, vfs::digests& digests, const vfs::node& of, runtime::stop_scope& scope)
            -> task<result<digest_made>> { co_return co_await digests.of(of, {}).in_scope(scope); },
        std::ref(tree.made), std::cref(*file), std::ref(stop));
    CHECK(tree.code_of(made) == errc::cancelled);
    CHECK(tree.hash(*file));
}

TEST_CASE("digest: so many at once, the others wait for their turn and all are right") {
    digest_fixture tree;
    const auto text = long_content();
    tree.host.write("a", text);
    const auto file = tree.open("/a");
    REQUIRE(file);
    std::size_t right = 0;
    tree.machine.run(
        [](runtime::core& here, vfs::digests& digests, const vfs::node& of, vfs::digest wanted,
           std::size_t& count) -> task<int> {
            co_await runtime::with_nursery(
                here,
                [](runtime::nursery& all, vfs::digests& by, const vfs::node& node,
                   vfs::digest answer, std::size_t& sum) -> task<> {
                    for (std::size_t i = 0; i < 3 * vfs::digests::at_once_max; ++i) {
                        all.start(&hash_one, std::ref(by), std::cref(node), answer, std::ref(sum));
                    }
                    co_return;
                },
                std::ref(digests), std::cref(of), wanted, std::ref(count));
            co_return 0;
        },
        std::ref(tree.made), std::cref(*file), right_answer(text), std::ref(right));
    CHECK(right == 3 * vfs::digests::at_once_max);
}

namespace {

task<> hash_in_order(vfs::digests& by, const vfs::node& file, std::vector<std::uint64_t>& ended) {
    const auto made = co_await by.of(file, {.by = digest_algorithm::crc32c, .is_local = true});
    REQUIRE(made);
    ended.push_back(made->size_bytes);
}

}  // namespace

// Huge files, sparse ones of no size on the disk among them, would else have all turns for hours.
TEST_CASE("digest: a short file has its turn among long ones") {
    digest_fixture tree(8, 4_MiB);
    tree.host.write("short", "x");
    const auto small = tree.open("/short");
    std::vector<vfs::node> large;
    for (std::size_t i = 0; i < vfs::digests::at_once_max; ++i) {
        const auto name = std::to_string(i);
        tree.host.write(name, "");
        REQUIRE(::truncate((tree.host / name).c_str(), 12_MiB) == 0);
        large.push_back(tree.open("/" + name).value());
    }
    std::vector<std::uint64_t> ended;
    tree.machine.run(
        [](runtime::core& here, vfs::digests& digests, std::vector<vfs::node>& of,
           const vfs::node& last, std::vector<std::uint64_t>& sizes) -> task<int> {
            co_await runtime::with_nursery(
                here,
                [](runtime::nursery& all, vfs::digests& by, std::vector<vfs::node>& files,
                   const vfs::node& after, std::vector<std::uint64_t>& order) -> task<> {
                    for (const auto& each : files) {
                        all.start(&hash_in_order, std::ref(by), std::cref(each), std::ref(order));
                    }
                    all.start(&hash_in_order, std::ref(by), std::cref(after), std::ref(order));
                    co_return;
                },
                std::ref(digests), std::ref(of), std::cref(last), std::ref(sizes));
            co_return 0;
        },
        std::ref(tree.made), std::ref(large), std::cref(*small), std::ref(ended));
    REQUIRE(ended.size() == vfs::digests::at_once_max + 1);
    CHECK(ended.front() == 1);
}

TEST_CASE("digest: one that another has made meanwhile ends the wait for the next turn") {
    digest_fixture tree(8, 4_MiB);
    const auto text = long_content();
    tree.host.write("a", text);
    const auto file = tree.open("/a");
    REQUIRE(file);
    const auto answer = right_answer("made by another");  // To be told from its own.
    int pieces = 0;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::compute && ++pieces == 1) {
            tree.known.put(file->status(), digest_algorithm::sha256, answer);
        }
        return std::nullopt;
    });
    CHECK(tree.hash(*file)->value == answer);
    CHECK(pieces == 1);
}

TEST_CASE("digest: the cache is bounded, and the one not used for longest makes room") {
    vfs::digest_cache known(2);
    const auto file = [](std::uint64_t inode) { return vfs::metadata{.inode = inode}; };
    const auto by = digest_algorithm::md5;
    const auto value = right_answer("x", by);
    known.put(file(1), by, value);
    known.put(file(1), by, value);
    CHECK(known.size() == 1);
    known.put(file(2), by, value);
    CHECK(known.find(file(1), by) == value);
    known.put(file(3), by, value);
    CHECK(known.size() == 2);
    CHECK(known.find(file(1), by) == value);
    CHECK_FALSE(known.find(file(2), by));
    CHECK(known.find(file(3), by) == value);
    CHECK_FALSE(known.find(file(3), digest_algorithm::sha1));

    vfs::digest_cache none(0);
    none.put(file(1), by, value);
    CHECK_FALSE(none.find(file(1), by));
}
