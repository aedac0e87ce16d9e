#include "vfs/name_variants.hpp"

#include <doctest/doctest.h>

#include <latch>
#include <optional>
#include <string>
#include <vector>

#include "ferry/vfs/mount_table.hpp"
#include "tree_calls.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using vfs::name_rules;
using vfs::upload_mode;
using strings = std::vector<std::string>;

namespace {

constexpr std::string_view composed = "caf\u00e9";
constexpr std::string_view decomposed = "cafe\u0301";
constexpr name_rules fold{.folds_case = true};
constexpr name_rules nfc{.is_normalising = true};

std::string below(std::string_view directory, std::string_view name) {
    return std::string(directory) + "/" + std::string(name);
}

struct variants_fixture : tree_calls {
    explicit variants_fixture(name_rules rules)
        : variants_fixture(vfs::tree_options{.names = rules}) {}
    explicit variants_fixture(vfs::tree_options options) {
        host.make_directory("Music");
        host.make_directory("Music/Old");
        host.write("Music/Old/Song.ogg", "song");
        host.write("ReadMe", "read me");
        files = vfs::open_local_tree(host.root().c_str(), options).value();
    }

    scratch host;
};

/// Keeps a thread of the pool until `go`.
struct held_thread : runtime::offload_job {
    explicit held_thread(std::latch& until) noexcept
        : offload_job(+[](offload_job& job) noexcept { static_cast<held_thread&>(job).go.wait(); }),
          go(until) {}
    std::latch& go;
};

/// What some askers have come to: a search, or being told that there are too many.
struct progress {
    std::size_t searching = 0;
    std::size_t busy = 0;
    std::size_t found = 0;
};

runtime::task<> ask(runtime::core& here, const vfs::tree& files, progress& all,
                    std::latch& settled) {
    const auto found = co_await files.status(here, at("/readme"));
    all.found += found ? 1U : 0U;
    if (!found && found.error() == errc::busy) {
        ++all.busy;
        settled.count_down();
    }
}

runtime::task<bool> ask_at_once(runtime::nursery& children, const vfs::tree& files, progress& all,
                                std::latch& settled, std::size_t askers) {
    for (std::size_t i = 0; i < askers; ++i) {
        children.start(&ask, std::ref(children.here()), std::cref(files), std::ref(all),
                       std::ref(settled));
    }
    co_await children.join();
    co_return true;
}

}  // namespace

TEST_CASE("variants: keys are the same for what the rules take for one") {
    CHECK(vfs::key_of("ReadMe", {}) == "ReadMe");
    CHECK(vfs::key_of("ReadMe", fold) == vfs::key_of("README", fold));
    CHECK(vfs::key_of("ReadMe", nfc) != vfs::key_of("README", nfc));
    CHECK(vfs::key_of(composed, nfc) == vfs::key_of(decomposed, nfc));
    CHECK(vfs::key_of(composed, fold) == vfs::key_of("CAFE\u0301", fold));
    CHECK(vfs::key_of("\xff\xfe", fold) == "\xff\xfe");
}

TEST_CASE("variants: a name in any case finds the one that is there") {
    variants_fixture tree(fold);
    for (const auto* name : {"/readme", "/README", "/ReadMe"}) {
        CAPTURE(name);
        CHECK(tree.content(name) == "read me");
        CHECK(tree.status(name)->size_bytes == 7);
    }
    CHECK(tree.content("/MUSIC/old/SONG.OGG") == "song");
    CHECK(tree.names("/music/OLD/") == strings{"Song.ogg"});
    CHECK(tree.names("/") == strings{"Music/", "ReadMe"});
    CHECK(tree.code_of(tree.open("/readme/")) == errc::not_directory);
    CHECK(tree.code_of(tree.open("/music/none")) == errc::not_found);
    CHECK(tree.code_of(tree.open("/none/readme")) == errc::not_found);
    CHECK(tree.code_of(tree.status("/none/")) == errc::not_found);
    CHECK(variants_fixture(nfc).content("/readme") == "[not found]");
}

TEST_CASE("variants: composed and decomposed letters are one name") {
    for (const auto rules : {fold, nfc}) {
        variants_fixture tree(rules);
        tree.host.write(composed, "composed");
        CHECK(tree.content(below("", decomposed)) == "composed");
        CHECK(tree.upload(below("", decomposed), "replaced"));
        CHECK(tree.host.read(composed) == "replaced");
        CHECK_FALSE(tree.host.exists(decomposed));
    }
    variants_fixture neither(name_rules{});
    neither.host.write(composed, "composed");
    CHECK(neither.content(below("", decomposed)) == "[not found]");
}

TEST_CASE("variants: with two of them a name is only itself") {
    variants_fixture tree(fold);
    tree.host.write("README", "other");
    CHECK(tree.content("/ReadMe") == "read me");
    CHECK(tree.content("/README") == "other");
    CHECK(tree.content("/readme") == "[not found]");
    CHECK(tree.upload("/readme", "third"));
    CHECK(tree.host.read("readme") == "third");
}

TEST_CASE("variants: what is made is the one that is there, or has the name it was given") {
    variants_fixture tree(fold);
    CHECK(tree.upload("/README", "new"));
    CHECK(tree.host.read("ReadMe") == "new");
    CHECK(tree.code_of(tree.upload("/readme", "x", {.mode = upload_mode::create})) == errc::exists);
    CHECK(tree.upload("/readme", " and more", {.mode = upload_mode::append}));
    CHECK(tree.host.read("ReadMe") == "new and more");
    CHECK(tree.code_of(tree.make_directory("/MUSIC")) == errc::exists);
    CHECK(tree.code_of(tree.upload("/MUSIC", "x")) == errc::is_directory);
    CHECK(tree.upload("/music/New", "x"));
    CHECK(tree.host.read("Music/New") == "x");
    CHECK(tree.make_directory("/music/old/Made"));
    CHECK(tree.host.names("Music/Old") == strings{"Made", "Song.ogg"});
    CHECK(tree.code_of(tree.upload("/none/New", "x")) == errc::not_found);
    CHECK(tree.set_modified("/README", {.seconds = 7}));
    CHECK(tree.status("/ReadMe")->modified.seconds == 7);
    CHECK(tree.remove_directory("/music/OLD/made"));
    CHECK(tree.remove_file("/music/NEW"));
    CHECK(tree.host.names("Music") == strings{"Old"});
}

TEST_CASE("variants: renaming finds both names, and may change the spelling") {
    variants_fixture tree(fold);
    CHECK(tree.rename({.from = "/readme", .to = "/README"}));
    CHECK(tree.host.exists("README"));
    CHECK_FALSE(tree.host.exists("ReadMe"));
    CHECK(tree.rename({.from = "/Readme", .to = "/music/OLD/SONG.OGG"}));
    CHECK(tree.host.names("Music/Old") == strings{"Song.ogg"});
    CHECK(tree.host.read("Music/Old/Song.ogg") == "read me");
    tree.host.write("other", "x");
    CHECK(tree.code_of(tree.rename(
              {.from = "/OTHER", .to = "/music/OLD/SONG.OGG", .replace = false})) == errc::exists);
    CHECK(tree.code_of(tree.rename({.from = "/none", .to = "/new"})) == errc::not_found);
}

TEST_CASE("variants: a subtree finds them too, and links are followed from where they lie") {
    variants_fixture tree(fold);
    tree.host.link({.at = "Music/link", .to = "Old/Song.ogg"});
    CHECK(tree.names("/MUSIC") == strings{"Old/", "link"});
    CHECK(tree.content("/music/LINK") == "song");
    tree.files = tree.subtree("/MUSIC").value();
    CHECK(tree.content("/OLD/song.ogg") == "song");
}

TEST_CASE("variants: what is hidden stays so in any case, and so do ferry's own files") {
    variants_fixture tree({.hides_dot_names = true, .names = fold});
    tree.host.write(".Secret", "x");
    tree.host.write(".ferry-upload-0123456789abcdef", "x");
    CHECK(tree.content("/.secret") == "[not found]");
    CHECK_FALSE(vfs::path::parse("/.FERRY-upload-0123456789abcdef"));
    variants_fixture shown(fold);
    shown.host.write(".ferry-upload-0123456789abcdef", "x");
    CHECK(shown.names("/") == variants_fixture(fold).names("/"));
}

TEST_CASE("variants: a directory with too many names is searched for itself only") {
    variants_fixture tree(fold);
    for (std::size_t i = 0; i < vfs::variant_names_max - 2; ++i) {
        tree.host.write("x" + std::to_string(i), "");
    }
    CHECK(tree.content("/readme") == "read me");
    tree.host.write("one-more", "");
    CHECK(tree.content("/readme") == "[not found]");
    CHECK(tree.content("/ReadMe") == "read me");
    CHECK(tree.content("/music/old/song.ogg") == "[not found]");
}

TEST_CASE("variants: names alone are read, and only where a name is not as it is stored") {
    variants_fixture tree(fold);
    std::size_t reads = 0;
    tree.machine.io.set_script([&](const runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory) {
            ++reads;
            CHECK(what.args.list_directory.names_only);
        }
        return std::nullopt;
    });
    CHECK(tree.content("/Music/Old/Song.ogg") == "song");
    CHECK(reads == 0);
    CHECK(tree.content("/Music/OLD/Song.ogg") == "song");
    CHECK(reads == 1);
    CHECK(tree.content("/music/OLD/Song.ogg") == "song");
    CHECK(reads == 3);
}

TEST_CASE("variants: so many searches at once and no more (threats.md, V9)") {
    constexpr std::size_t askers = vfs::variant_searches_max + 3;
    variants_fixture tree(fold);
    std::latch settled(askers);  // Each reads its directory, or has been told that it may not.
    progress all;
    tree.machine.io.set_script([&](const runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory && all.searching < askers) {
            ++all.searching;
            settled.count_down();
        }
        return std::nullopt;
    });
    held_thread first(settled);
    held_thread second(settled);
    tree.machine.pool.submit(first);
    tree.machine.pool.submit(second);
    tree.machine.run(
        [](runtime::core& here, const vfs::tree& files, progress& came,
           std::latch& until) -> runtime::task<bool> {
            co_return co_await runtime::with_nursery(here, &ask_at_once, std::cref(files),
                                                     std::ref(came), std::ref(until), askers);
        },
        std::cref(*tree.files), std::ref(all), std::ref(settled));
    CHECK(all.searching == vfs::variant_searches_max);
    CHECK(all.busy == 3);
    CHECK(all.found == vfs::variant_searches_max);
    tree.machine.io.set_script({});
    CHECK(tree.content("/readme") == "read me");  // The places are free again.
}

TEST_CASE("variants: mount points are found by the rules of what is around them") {
    scratch host;
    host.make_directory("root");
    host.make_directory("root/MUSIC");
    host.write("root/MUSIC/under", "under");
    host.make_directory("root/Way");
    host.write("root/Way/own", "own");
    host.make_directory("first");
    host.write("first/Mine", "first");
    const auto open = [&](std::string_view directory, name_rules rules) {
        return std::shared_ptr<vfs::tree>(
            vfs::open_local_tree((host / directory).c_str(), {.names = rules}).value());
    };
    tree_calls tree;
    std::vector<vfs::mount> mounts;
    mounts.push_back({.at = at("/"), .files = open("root", fold), .names = fold});
    mounts.push_back({.at = at("/music"), .files = open("first", {})});
    mounts.push_back({.at = at("/way/to"), .files = open("first", {})});
    tree.files = vfs::make_mount_table(std::move(mounts));
    CHECK(tree.names("/") == strings{"music/", "way/"});
    CHECK(tree.content("/Music/Mine") == "first");
    CHECK(tree.content("/MUSIC/under") == "[not found]");  // Hidden by the mount, however spelled.
    CHECK(tree.content("/Music/mine") == "[not found]");   // The mount itself has no such rule.
    CHECK(tree.names("/WAY") == strings{"own", "to/"});
    CHECK(tree.content("/WAY/TO/Mine") == "first");
    CHECK(tree.code_of(tree.remove_directory("/MUSIC")) == errc::denied);
    CHECK(tree.code_of(tree.rename({.from = "/Music/Mine", .to = "/x"})) == errc::unsupported);
    tree.files = tree.subtree("/WAY").value();
    CHECK(tree.names("/") == strings{"own", "to/"});
    CHECK(tree.content("/To/Mine") == "first");
}

TEST_CASE("windows names: are not made, but reached and removed") {
    variants_fixture tree({.refuses_windows_names = true});
    tree.host.write("aux.txt", "x");
    for (const auto* name : {"/CON", "/nul.txt", "/a:b", "/end.", "/end ", "/Music/LPT1"}) {
        CAPTURE(name);
        CHECK(tree.code_of(tree.upload(name, "x")) == errc::invalid);
        CHECK(tree.code_of(tree.make_directory(name)) == errc::invalid);
        CHECK(tree.code_of(tree.rename({.from = "/ReadMe", .to = name})) == errc::invalid);
    }
    CHECK(tree.content("/aux.txt") == "x");
    CHECK(tree.rename({.from = "/aux.txt", .to = "/fine.txt"}));
    CHECK(tree.upload("/console", "x"));
    CHECK(tree.host.names() == strings{"Music", "ReadMe", "console", "fine.txt"});
    variants_fixture any(name_rules{});
    CHECK(any.upload("/CON", "x"));
}
