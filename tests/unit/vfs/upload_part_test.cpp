#include "vfs/upload_part.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "tree_calls.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::opcode;
using vfs::durability;
using vfs::upload_mode;
using strings = std::vector<std::string>;
using namespace std::chrono_literals;

namespace {

constexpr const char* anns_part = ".ferry-part-3-ann-file";

/// A tree that keeps parts for an hour.
struct part_fixture : tree_calls {
    explicit part_fixture(vfs::tree_options options = {}, runtime::duration kept = 1h) {
        files = vfs::open_local_tree(host.root().c_str(), options).value();
        files->keep_parts(kept);
    }

    /// Begins, writes and is cut off: what `keep` said.
    result<void> cut(std::string_view content, vfs::upload_options options,
                     durability level = durability::none) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, std::string_view text,
               vfs::upload_options how, durability wanted) -> runtime::task<result<void>> {
                const auto where = at("/file");
                auto begun = co_await tree.begin_upload(here, where, how);
                if (!begun) {
                    co_return failure(begun.error());
                }
                const auto written = co_await begun->write(here, octets(text));
                if (!written) {
                    co_return failure(written.error());
                }
                co_return co_await begun->keep(here, wanted);
            },
            std::cref(*files), content, std::move(options), level);
    }

    result<vfs::metadata> part(std::string_view owner, std::string_view name = "/file") {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where,
               std::string_view whose) -> runtime::task<result<vfs::metadata>> {
                co_return co_await tree.part_status(here, where, whose);
            },
            std::cref(*files), at(name), owner);
    }

    scratch host;
};

vfs::upload_options of(std::string owner, upload_mode mode = upload_mode::replace,
                       std::uint64_t offset = 0) {
    return {.mode = mode, .restart_offset = offset, .part_owner = std::move(owner)};
}

}  // namespace

TEST_CASE("part: its name is one owner's and one file's") {
    CHECK(vfs::make_part_name("ann", "file") == anns_part);
    CHECK(vfs::make_part_name("an", "n-file") != vfs::make_part_name("an-n", "file"));
    CHECK(vfs::make_part_name("1-a", "b") != vfs::make_part_name("1", "a-b"));
    CHECK(vfs::make_part_name("", "file").empty());
    CHECK(vfs::make_part_name("a/b", "file").empty());
    CHECK(vfs::make_part_name(std::string("a\0b", 3), "file").empty());
    CHECK(vfs::make_part_name("ann", std::string(238, 'x')).empty());
    CHECK(vfs::make_part_name("ann", std::string(237, 'x')).size() == 255);
    CHECK(vfs::is_part_name(anns_part));
    CHECK(vfs::is_part_name(".ferry-part-12-abcdefghijkl-x"));
    for (const char* name :
         {".ferry-part-3-ann-", ".ferry-part-3-bob", ".ferry-part-0--x",
          ".ferry-part-99999999999999999999-a-x", ".ferry-part-", ".ferry-part-ann-file",
          ".ferry-part--x", "file", ".ferry-upload-0123456789abcdef", ".ferry-part-3"}) {
        CAPTURE(name);
        CHECK_FALSE(vfs::is_part_name(name));
    }
}

TEST_CASE("part: an upload that was cut off goes on where it ended (threats.md, V12)") {
    for (const auto level : {durability::none, durability::data, durability::full}) {
        part_fixture tree;
        CHECK(tree.cut("hello ", of("ann"), level));
        CHECK(tree.host.names() == strings{anns_part});
        CHECK(tree.names("/").empty());  // No listing shows it,
        CHECK(tree.content("/file") == "[not found]");
        CHECK_FALSE(vfs::path::parse("/.ferry-part-3-ann-file"));  // and no path reaches it.
        REQUIRE(tree.part("ann"));
        CHECK(tree.part("ann")->size_bytes == 6);
        SUBCASE("APPE") {
            CHECK(tree.upload("/file", "world", of("ann", upload_mode::append)));
            CHECK(tree.content("/file") == "hello world");
        }
        SUBCASE("REST and STOR") {
            CHECK(tree.upload("/file", "world", of("ann", upload_mode::restart, 6)));
            CHECK(tree.content("/file") == "hello world");
        }
        SUBCASE("earlier than it ended: nothing of the part is left behind") {
            CHECK(tree.upload("/file", "p", of("ann", upload_mode::restart, 3)));
            CHECK(tree.content("/file") == "help");
        }
        SUBCASE("from the beginning: the part goes with the commit") {
            CHECK(tree.upload("/file", "new", of("ann")));
            CHECK(tree.content("/file") == "new");
        }
        SUBCASE("cut off again and again") {
            CHECK(tree.cut("wor", of("ann", upload_mode::append), level));
            CHECK(tree.host.names() == strings{anns_part});
            CHECK(tree.part("ann")->size_bytes == 9);
            CHECK(tree.cut("", of("ann", upload_mode::restart, 9), level));
            CHECK(tree.part("ann")->size_bytes == 9);
            CHECK(tree.upload("/file", "ld", of("ann", upload_mode::restart, 9)));
            CHECK(tree.content("/file") == "hello world");
        }
        CHECK(tree.host.names() == strings{"file"});
        CHECK(tree.code_of(tree.part("ann")) == errc::not_found);
    }
}

TEST_CASE("part: of two that are cut off the later one stays") {
    part_fixture tree;
    CHECK(tree.cut("first", of("ann")));
    CHECK(tree.cut("2nd", of("ann")));
    CHECK(tree.host.names() == strings{anns_part});
    CHECK(tree.part("ann")->size_bytes == 3);
}

TEST_CASE("part: nobody but its owner sees it or goes on with it") {
    part_fixture tree;
    CHECK(tree.cut("ann's", of("ann")));
    CHECK(tree.code_of(tree.part("bob")) == errc::not_found);
    CHECK(tree.code_of(tree.part("")) == errc::not_found);
    CHECK(tree.code_of(tree.upload("/file", "x", of("bob", upload_mode::restart, 5))) ==
          errc::invalid);
    CHECK(tree.code_of(tree.upload("/file", "x", of("", upload_mode::restart, 5))) ==
          errc::invalid);
    CHECK(tree.code_of(tree.upload("/file", "x", of("ann", upload_mode::restart, 6))) ==
          errc::invalid);  // Beyond its end; it stays.
    CHECK(tree.part("ann")->size_bytes == 5);
    CHECK(tree.upload("/file", "bob's", of("bob", upload_mode::append)));
    CHECK(tree.content("/file") == "bob's");
    // Now somebody has the name: readers are told of that file, and ann changes that one.
    CHECK(tree.upload("/file", "+", of("ann", upload_mode::append)));
    CHECK(tree.content("/file") == "bob's+");
}

TEST_CASE("part: none is kept where the name is taken, where nothing came or nobody may go on") {
    part_fixture tree;
    CHECK(tree.code_of(tree.cut("", of("ann"))) == errc::unsupported);
    CHECK(tree.code_of(tree.cut("x", of(""))) == errc::unsupported);
    tree.host.write("file", "old");
    for (const auto mode : {upload_mode::replace, upload_mode::append, upload_mode::restart}) {
        CHECK(tree.code_of(tree.cut("new", of("ann", mode))) == errc::unsupported);
    }
    CHECK(tree.host.names() == strings{"file"});
    CHECK(tree.content("/file") == "old");
    part_fixture never({}, 0s);
    CHECK(tree.code_of(never.cut("x", of("ann"))) == errc::unsupported);
    part_fixture only_new({.uploads = vfs::upload_policy::create});
    CHECK(tree.code_of(only_new.cut("x", of("ann"))) == errc::unsupported);
    CHECK(only_new.host.names().empty());
}

TEST_CASE("part: whoever has taken the name meanwhile keeps it") {
    part_fixture tree;
    CHECK(tree.cut("ann's", of("ann")));
    const auto outcome = tree.machine.run(
        [](runtime::core& here, const vfs::tree& files,
           const scratch& host) -> runtime::task<result<void>> {
            const auto where = at("/file");
            auto begun = co_await files.begin_upload(here, where, of("ann", upload_mode::append));
            REQUIRE(begun);
            host.write("file", "bob's");
            co_return co_await begun->commit(here, durability::none);
        },
        std::cref(*tree.files), std::cref(tree.host));
    CHECK(tree.code_of(outcome) == errc::busy);
    CHECK(tree.host.names() == strings{"file"});
    CHECK(tree.host.read("file") == "bob's");
}

TEST_CASE("part: one at a time goes on with it") {
    part_fixture tree;
    CHECK(tree.cut("ann's", of("ann")));
    const auto outcome = tree.machine.run(
        [](runtime::core& here, const vfs::tree& files) -> runtime::task<result<void>> {
            const auto where = at("/file");
            auto first = co_await files.begin_upload(here, where, of("ann", upload_mode::append));
            REQUIRE(first);
            const auto second =
                co_await files.begin_upload(here, where, of("ann", upload_mode::restart, 5));
            CHECK(second.error() == errc::invalid);  // As if there were none.
            co_return co_await first->commit(here, durability::none);
        },
        std::cref(*tree.files));
    CHECK(outcome);
    CHECK(tree.host.read("file") == "ann's");

    // Another process is at it: it has the lock.
    CHECK(tree.remove_file("/file"));
    CHECK(tree.cut("again", of("ann")));
    const unique_fd held(::open((tree.host / anns_part).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::flock(held.get(), LOCK_EX | LOCK_NB) == 0);
    CHECK(tree.code_of(tree.upload("/file", "x", of("ann", upload_mode::append))) == errc::busy);
    CHECK(tree.part("ann")->size_bytes == 5);
}

TEST_CASE("part: a newer one that takes its place while it is taken is not lost") {
    part_fixture tree;
    CHECK(tree.cut("old", of("ann")));
    bool has_struck = false;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::rename_at && !std::exchange(has_struck, true)) {
            tree.host.write("newer", "newer");
            REQUIRE(::rename((tree.host / "newer").c_str(), (tree.host / anns_part).c_str()) == 0);
        }
        return std::nullopt;
    });
    CHECK(tree.code_of(tree.upload("/file", "x", of("ann", upload_mode::append))) == errc::busy);
    CHECK(tree.host.names() == strings{anns_part});
    CHECK(tree.host.read(anns_part) == "newer");
}

// What came in between was acknowledged to the other session, and what was cut off would be a hole.
TEST_CASE("part: one that others went on with while it is taken keeps its name") {
    for (const auto& [size_bytes, mode, is_taken] :
         {std::tuple{4, upload_mode::append, false}, std::tuple{2, upload_mode::append, false},
          std::tuple{2, upload_mode::restart, false}, std::tuple{4, upload_mode::restart, true}}) {
        CAPTURE(size_bytes);
        part_fixture tree;
        CHECK(tree.cut("123", of("ann")));
        bool has_struck = false;
        tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
            if (what.code == opcode::rename_at && !std::exchange(has_struck, true)) {
                REQUIRE(::truncate((tree.host / anns_part).c_str(), size_bytes) == 0);
            }
            return std::nullopt;
        });
        const auto done = tree.upload("/file", "x", of("ann", mode, 3));
        CHECK(done.has_value() == is_taken);
        if (is_taken) {
            CHECK(tree.host.read("file") == "123x");
            continue;
        }
        CHECK(done.error() == errc::busy);
        CHECK(tree.host.names() == strings{anns_part});
        CHECK(tree.part("ann")->size_bytes == static_cast<std::uint64_t>(size_bytes));
    }
}

TEST_CASE("part: it stays where the upload that was to go on with it cannot begin") {
    const std::string content(10, 'x');
    for (const auto failed : {ENOSPC, EDQUOT, ECANCELED}) {
        for (const auto mode : {upload_mode::append, upload_mode::restart}) {
            CAPTURE(failed);
            part_fixture tree;
            CHECK(tree.cut(content, of("ann")));
            tree.machine.io.set_script([failed](runtime::op& what) -> std::optional<std::int64_t> {
                return what.code == opcode::allocate ? std::optional<std::int64_t>(-failed)
                                                     : std::nullopt;
            });
            auto how = of("ann", mode, 10);
            how.size_bytes = 2 * vfs::reserved_bytes_min;
            CHECK_FALSE(tree.upload("/file", "y", how));
            CHECK(tree.host.names() == strings{anns_part});
            CHECK(tree.host.read(anns_part) == content);
        }
    }
    part_fixture tree;
    CHECK(tree.cut(content, of("ann")));
    tree.machine.io.set_script([](runtime::op& what) -> std::optional<std::int64_t> {
        return what.code == opcode::compute ? std::optional<std::int64_t>(-EIO) : std::nullopt;
    });
    CHECK_FALSE(tree.upload("/file", "y", of("ann", upload_mode::restart, 5)));  // ftruncate(2).
    CHECK(tree.host.names() == strings{anns_part});
    CHECK(tree.host.read(anns_part) == content);
}

TEST_CASE("part: the rest of one is stored behind that one or not at all") {
    part_fixture tree;
    const auto rest_of = [](std::uint64_t size_bytes) {
        auto how = of("ann", upload_mode::append);
        how.part_bytes = size_bytes;
        return how;
    };
    CHECK(tree.code_of(tree.upload("/file", "x", rest_of(3))) == errc::busy);
    CHECK(tree.host.names().empty());
    CHECK(tree.cut("1234", of("ann")));
    CHECK(tree.code_of(tree.upload("/file", "x", rest_of(3))) == errc::busy);
    CHECK(tree.host.names() == strings{anns_part});
    tree.host.write("file", "whole");
    CHECK(tree.code_of(tree.upload("/file", "x", rest_of(4))) == errc::busy);
    CHECK(tree.content("/file") == "whole");
    CHECK(tree.remove_file("/file"));
    CHECK(tree.upload("/file", "5", rest_of(4)));
    CHECK(tree.content("/file") == "12345");
}

TEST_CASE("part apart: known by its own name, whoever has the file's (threats.md, V12)") {
    part_fixture tree;
    const auto one = vfs::owner_apart("1", "ann");
    const auto rest_of = [](std::string owner, std::uint64_t size_bytes,
                            upload_mode mode = upload_mode::replace) {
        auto how = of(std::move(owner), mode);
        how.part_bytes = size_bytes;
        return how;
    };
    tree.host.write("file", "old");
    CHECK(tree.cut("hello ", of(one)));
    CHECK(tree.cut("", of(vfs::owner_apart("2", "ann"))));  // Nothing yet is something, too.
    CHECK(tree.content("/file") == "old");
    CHECK(tree.names("/") == strings{"file"});
    CHECK(tree.part(one)->size_bytes == 6);
    CHECK(tree.part(vfs::owner_apart("2", "ann"))->size_bytes == 0);
    for (const auto& other : {vfs::owner_apart("1", "bob"), vfs::owner_apart("1", ""),
                              vfs::owner_apart("3", "ann"), std::string("ann")}) {
        CAPTURE(other);
        CHECK(tree.code_of(tree.part(other)) == errc::not_found);
        CHECK(tree.code_of(tree.upload("/file", "x", rest_of(other, 6))) == errc::busy);
    }
    SUBCASE("only what has the size that was said is gone on with") {
        CHECK(tree.code_of(tree.upload("/file", "x", rest_of(one, 5))) == errc::busy);
        CHECK(tree.upload("/file", "world", rest_of(one, 6)));
        CHECK(tree.content("/file") == "hello world");
        CHECK(tree.code_of(tree.part(one)) == errc::not_found);
    }
    SUBCASE("a name that must be free is, at the commit") {
        CHECK(tree.code_of(tree.upload("/file", "x", rest_of(one, 6, upload_mode::create))) ==
              errc::exists);
        CHECK(tree.part(one)->size_bytes == 6);
        CHECK(tree.remove_file("/file"));
        CHECK(tree.upload("/file", "x", rest_of(one, 6, upload_mode::create)));
        CHECK(tree.content("/file") == "hello x");
    }
    SUBCASE("a file's mode is the one it has by then") {
        REQUIRE(::chmod((tree.host / "file").c_str(), 0600) == 0);
        CHECK(tree.upload("/file", "x", rest_of(one, 6)));
        struct stat status{};
        REQUIRE(::stat((tree.host / "file").c_str(), &status) == 0);
        CHECK((status.st_mode & 0777U) == 0600U);
    }
    SUBCASE("cut off again it has what came since") {
        CHECK(tree.cut("wor", rest_of(one, 6)));
        CHECK(tree.part(one)->size_bytes == 9);
    }
}

TEST_CASE("part apart: what was written is read, and taken back") {
    part_fixture tree;
    const auto one = vfs::owner_apart("1", "ann");
    CHECK(tree.cut("hello ", of(one)));
    CHECK(tree.machine.run(
        [](runtime::core& here, const vfs::tree& files,
           std::string owner) -> runtime::task<result<void>> {
            const auto where = at("/file");
            auto begun = co_await files.begin_upload(
                here, where, {.part_owner = std::move(owner), .part_bytes = 6, .reads_back = true});
            if (!begun) {
                co_return failure(begun.error());
            }
            CHECK(co_await begun->write(here, octets("wrong")));
            CHECK(begun->size_bytes() == 11);
            std::string into(16, '.');
            const auto got = co_await begun->read(here, std::as_writable_bytes(std::span(into)), 3);
            CHECK(got == 8);
            CHECK(into.substr(0, 8) == "lo wrong");
            begun->take_back();
            CHECK(begun->size_bytes() == 6);
            CHECK(begun->written_bytes() == 0);
            CHECK(co_await begun->write(here, octets("w")));
            co_return co_await begun->keep(here, durability::none);
        },
        std::cref(*tree.files), one));
    CHECK(tree.part(one)->size_bytes == 7);
}

TEST_CASE("part apart: where no part can be kept nothing begins") {
    const auto one = vfs::owner_apart("1", "ann");
    part_fixture none({}, runtime::duration::zero());
    CHECK(none.code_of(none.upload("/file", "x", of(one))) == errc::unsupported);
    part_fixture tree;
    CHECK(tree.upload("/" + std::string(230, 'x'), "x", of(one)));
    CHECK(tree.code_of(tree.upload("/" + std::string(240, 'x'), "x", of(one))) ==
          errc::unsupported);
    CHECK(none.host.names().empty());
}

TEST_CASE("part: its owner may remove it") {
    part_fixture tree;
    const auto remove = [&](std::string_view owner) {
        return tree.machine.run(
            [](runtime::core& here, const vfs::tree& files,
               std::string_view whose) -> runtime::task<result<void>> {
                const auto where = at("/file");
                co_return co_await files.remove_part(here, where, whose);
            },
            std::cref(*tree.files), owner);
    };
    CHECK(tree.code_of(remove("ann")) == errc::not_found);
    CHECK(tree.cut("x", of("ann")));
    CHECK(tree.code_of(remove("bob")) == errc::not_found);
    tree.host.write("file", "not what is asked for");
    CHECK(tree.code_of(remove("ann")) == errc::not_found);
    CHECK(tree.host.exists(anns_part));
    CHECK(tree.remove_file("/file"));
    CHECK(remove("ann"));
    CHECK(tree.host.names().empty());
}

TEST_CASE("part: none is told of where a link to nowhere has the name") {
    part_fixture tree;
    CHECK(tree.cut("x", of("ann")));
    tree.host.link({.at = "file", .to = "nowhere"});
    CHECK(tree.code_of(tree.part("ann")) == errc::not_found);
}

TEST_CASE("part: what is not ours is none") {
    part_fixture tree;
    tree.host.write("secret", "secret");
    tree.host.link({.at = anns_part, .to = "secret"});
    CHECK(tree.code_of(tree.part("ann")) == errc::not_found);
    CHECK(tree.upload("/file", "x", of("ann", upload_mode::append)));
    CHECK(tree.content("/file") == "x");
    CHECK(tree.content("/secret") == "secret");
    CHECK(tree.remove_file("/file"));
    REQUIRE(::link((tree.host / "secret").c_str(), (tree.host / anns_part).c_str()) == 0);
    CHECK(tree.code_of(tree.part("ann")) == errc::not_found);
    REQUIRE(::unlink((tree.host / anns_part).c_str()) == 0);
    REQUIRE(::mkfifo((tree.host / anns_part).c_str(), 0600) == 0);
    CHECK(tree.code_of(tree.part("ann")) == errc::not_found);
    CHECK(tree.upload("/file", "y", of("ann", upload_mode::append)));
    CHECK(tree.content("/file") == "y");
}

TEST_CASE("part: a write that failed leaves none, one that was stopped leaves what is sure") {
    for (const auto [failed, is_kept] : {std::pair{ENOSPC, false}, std::pair{ECANCELED, true}}) {
        CAPTURE(failed);
        part_fixture tree;
        const auto outcome = tree.machine.run(
            [](runtime::core& here, const vfs::tree& files, test_core& machine,
               int with) -> runtime::task<result<void>> {
                const auto where = at("/file");
                auto begun = co_await files.begin_upload(here, where, of("ann"));
                REQUIRE(begun);
                const auto sure = co_await begun->write(here, octets("sure"));
                REQUIRE(sure);
                // Half of it was written all the same.
                machine.io.set_script([with](runtime::op& what) -> std::optional<std::int64_t> {
                    if (what.code == opcode::write) {
                        REQUIRE(::pwrite(what.fd, "ha", 2, 4) == 2);
                        return -with;
                    }
                    return std::nullopt;
                });
                const auto half = co_await begun->write(here, octets("half"));
                REQUIRE_FALSE(half);
                co_return co_await begun->keep(here, durability::none);
            },
            std::cref(*tree.files), std::ref(tree.machine), failed);
        CHECK(outcome.has_value() == is_kept);
        CHECK(tree.host.names() == (is_kept ? strings{anns_part} : strings{}));
        if (is_kept) {
            CHECK(tree.host.read(anns_part) == "sure");
        }
    }
}

TEST_CASE("part: of every step that may fail, and nothing half is ever seen") {
    for (const auto code : {opcode::open_at, opcode::rename_at, opcode::link_at, opcode::sync,
                            opcode::unlink_at, opcode::compute}) {
        for (int nth = 0; nth < 6; ++nth) {
            CAPTURE(static_cast<int>(code));
            CAPTURE(nth);
            part_fixture tree;
            CHECK(tree.cut("12345", of("ann")));
            int left = nth;
            tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
                return what.code == code && left-- == 0 ? std::optional<std::int64_t>(-EIO)
                                                        : std::nullopt;
            });
            const auto done = tree.upload("/file", "x", of("ann", upload_mode::restart, 3));
            tree.machine.io.set_script({});
            if (done) {
                CHECK(tree.host.read("file") == "123x");
            } else {
                CHECK_FALSE(tree.host.exists("file"));
            }
            for (const auto& each : tree.host.names()) {
                CHECK((each == "file" || each == anns_part));
            }
        }
    }
}

TEST_CASE("part: what is too old is gone, and removed with the leftovers") {
    part_fixture tree;
    CHECK(tree.cut("x", of("ann")));
    tree.host.write(".ferry-part-3-bob", "no part by its name");
    tree.host.make_directory(".ferry-part-1-d-d");
    CHECK(tree.remove_leftovers().parts_removed == 0);
    CHECK(tree.part("ann"));
    const unique_fd held(::open((tree.host / anns_part).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::flock(held.get(), LOCK_EX | LOCK_NB) == 0);
    tree.files->keep_parts(0s);  // None is kept any more.
    CHECK(tree.code_of(tree.part("ann")) == errc::not_found);
    CHECK(tree.remove_leftovers().parts_removed == 0);  // Somebody is at it.
    REQUIRE(::flock(held.get(), LOCK_UN) == 0);
    tree.host.write(".ferry-upload-0123456789abcdef", "x");  // --leftovers keep: it stays.
    const auto found = tree.remove_leftovers(vfs::leftover_kinds::parts);
    CHECK(found.parts_removed == 1);
    CHECK(found.removed == 0);
    CHECK(tree.host.names() ==
          strings{".ferry-part-1-d-d", ".ferry-part-3-bob", ".ferry-upload-0123456789abcdef"});
    CHECK(tree.remove_leftovers().removed == 1);
}

// Else an account could keep others from removing a directory that they see nothing in.
TEST_CASE("part: no number of them keeps a directory there, and with anything else all stay") {
    part_fixture tree;
    tree.host.make_directory("d");
    for (int i = 0; i < 1'500; ++i) {
        tree.host.write("d/.ferry-part-3-ann-" + std::to_string(i), "x");
    }
    tree.host.write("d/seen", "x");
    CHECK(tree.code_of(tree.remove_directory("/d")) == errc::not_empty);
    CHECK(tree.host.names("d").size() == 1'501);
    CHECK(tree.remove_file("/d/seen"));
    CHECK(tree.remove_directory("/d"));
    CHECK(tree.host.names().empty());
}

TEST_CASE("part: belongs to its directory, by whatever name a subtree is reached") {
    part_fixture tree;
    tree.host.make_directory("home");
    auto home = tree.subtree("/home");
    REQUIRE(home);
    tree_calls inside;
    inside.files = std::move(*home);
    const auto kept = inside.machine.run(
        [](runtime::core& here, const vfs::tree& files) -> runtime::task<result<void>> {
            const auto where = at("/file");
            auto begun = co_await files.begin_upload(here, where, of("ann"));
            REQUIRE(begun);
            const auto written = co_await begun->write(here, octets("123"));
            REQUIRE(written);
            co_return co_await begun->keep(here, durability::data);
        },
        std::cref(*inside.files));
    CHECK(kept);
    CHECK(tree.part("ann", "/home/file")->size_bytes == 3);
    CHECK(tree.code_of(tree.part("ann", "/file")) == errc::not_found);
    CHECK(tree.upload("/home/file", "4", of("ann", upload_mode::append)));
    CHECK(inside.content("/file") == "1234");
}

// threats.md, V12. The rest is in ftp/commands_transfers_test.
TEST_CASE("replacements: of a tree") {
    vfs::replacement_table table({.memory = 1h});
    part_fixture tree;
    tree.files->note_replacements(table);
    const auto state = [&tree](const char* name, const char* account) {
        return tree.machine
            .run(
                [](runtime::core& here, const vfs::tree& files, vfs::path where,
                   std::string_view who) -> runtime::task<result<vfs::replacement>> {
                    co_return co_await files.replacement_of(here, where, who);
                },
                std::cref(*tree.files), at(name), std::string_view(account))
            .value();
    };
    const auto by_ann = [](upload_mode mode = upload_mode::replace) {
        return vfs::upload_options{.mode = mode, .account = "ann"};
    };
    SUBCASE("an upload of a name that is new is not noted, unless somebody else has it by then") {
        CHECK_FALSE(tree.cut("hello ", by_ann()));
        CHECK_FALSE(table.has_any());
        CHECK(tree.machine.run(
            [](runtime::core& here, part_fixture& on) -> runtime::task<result<void>> {
                const auto where = at("/file");
                auto mine = co_await on.files->begin_upload(here, where, {.account = "ann"});
                auto theirs = co_await on.files->begin_upload(here, where, {.account = "bob"});
                if (!mine || !theirs) {
                    co_return failure(errc::io);
                }
                const auto committed = co_await theirs->commit(here, durability::none);
                static_cast<void>(co_await mine->keep(here, durability::none));
                co_return committed;
            },
            std::ref(tree)));
        CHECK(state("/file", "ann") == vfs::replacement::cut_off);
        CHECK(state("/file", "bob") == vfs::replacement::none);
    }
    SUBCASE("an append to a new name that somebody else has by then is to be tried again") {
        CHECK(tree.machine.run(
            [](runtime::core& here, part_fixture& on) -> runtime::task<result<void>> {
                const auto where = at("/file");
                auto mine = co_await on.files->begin_upload(
                    here, where, {.mode = upload_mode::append, .account = "ann"});
                auto theirs = co_await on.files->begin_upload(here, where, {.account = "bob"});
                if (!mine || !theirs) {
                    co_return failure(errc::io);
                }
                const auto committed = co_await theirs->commit(here, durability::none);
                co_await mine->discard(here);
                co_return committed;
            },
            std::ref(tree)));
        CHECK_FALSE(table.has_any());
    }
    SUBCASE("one without an account, too, is not, and makes it forgotten when it is whole") {
        tree.host.write("file", "old");
        CHECK_FALSE(tree.cut("hello ", {}));
        CHECK_FALSE(table.has_any());
        CHECK_FALSE(tree.cut("hello ", by_ann()));
        CHECK(state("/file", "ann") == vfs::replacement::cut_off);
        CHECK(tree.upload("/file", "whole", {}));
        CHECK(state("/file", "ann") == vfs::replacement::none);
    }
    SUBCASE("nobody has the name any more") {
        tree.host.write("file", "old");
        CHECK_FALSE(tree.cut("hello ", by_ann()));
        std::filesystem::remove(tree.host.root() + "/file");  // Not by ferry.
        CHECK(state("/file", "ann") == vfs::replacement::none);
        tree.host.write("file", "another");
        CHECK(state("/file", "ann") == vfs::replacement::cut_off);
    }
    SUBCASE("what is never begun is not cut off") {
        tree.host.write("file", "old");
        CHECK(tree.code_of(tree.upload(
                  "/file", "x",
                  {.mode = upload_mode::restart, .restart_offset = 4, .account = "ann"})) ==
              errc::invalid);
        CHECK(tree.code_of(tree.upload("/file", "x", by_ann(upload_mode::create))) == errc::exists);
        CHECK_FALSE(table.has_any());
    }
}
