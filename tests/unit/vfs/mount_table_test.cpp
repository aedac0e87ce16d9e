#include "ferry/vfs/mount_table.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tree_calls.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using vfs::file_kind;
using vfs::path;
using vfs::upload_mode;
using strings = std::vector<std::string>;

namespace {

struct mounted {
    std::string_view at;
    std::string_view directory;  ///< Of the fixture's host.
    vfs::tree_options options = {};
};

/// A table of mounts on directories of the test's, each made when it is not there, with a file
/// "mine" that holds the directory's name.
struct mount_fixture : tree_calls {
    explicit mount_fixture(const std::vector<mounted>& mounts) {
        std::vector<vfs::mount> made;
        for (const auto& each : mounts) {
            host.make_directory(each.directory);
            host.write(std::string(each.directory) + "/mine", each.directory);
            made.push_back(
                {.at = at(each.at),
                 .files =
                     vfs::open_local_tree((host / each.directory).c_str(), each.options).value()});
        }
        files = vfs::make_mount_table(std::move(made));
    }

    scratch host;
};

}  // namespace

TEST_CASE("mounts: the longest that leads to a name has it") {
    mount_fixture tree({{"/", "root"}, {"/a", "first"}, {"/a/b/c", "third"}, {"/ab", "other"}});
    CHECK(tree.content("/mine") == "root");
    CHECK(tree.content("/a/mine") == "first");
    CHECK(tree.content("/a/b/c/mine") == "third");
    CHECK(tree.content("/ab/mine") == "other");
    CHECK(tree.content("/a/b/mine") == "[not found]");
    CHECK(tree.content("/abc/mine") == "[not found]");
    CHECK(tree.content("/a/b/../../ab/./mine") == "other");
    CHECK(tree.status("/a")->inode == tree.host.inode("first"));
    CHECK(tree.status("/a/")->inode == tree.host.inode("first"));
    CHECK(tree.status("/")->inode == tree.host.inode("root"));
}

TEST_CASE("mounts: what is beneath a mount point in the other tree is out of sight") {
    mount_fixture tree({{"/", "root"}, {"/file", "first"}, {"/dir", "second"}});
    tree.host.write("root/file", "shadowed");
    tree.host.make_directory("root/dir");
    tree.host.write("root/dir/old", "shadowed");
    CHECK(tree.names("/") == strings{"dir/", "file/", "mine"});
    CHECK(tree.names("/dir") == strings{"mine"});
    CHECK(tree.content("/dir/old") == "[not found]");
    CHECK(tree.open("/file")->is_directory());
    CHECK(tree.status("/dir")->inode == tree.host.inode("second"));
    for (const auto& each : tree.entries("/").value()) {
        if (each.name == "dir") {
            CHECK(each.status.inode == tree.host.inode("second"));
        }
    }
}

TEST_CASE("mounts: directories on the way that no tree has are there and take no changes") {
    mount_fixture tree({{"/", "root"}, {"/way/to/it", "it"}, {"/root/deep", "deep"}});
    tree.host.make_directory("root/root");
    tree.host.write("root/root/own", "own");
    CHECK(tree.names("/") == strings{"mine", "root/", "way/"});
    CHECK(tree.names("/way") == strings{"to/"});
    CHECK(tree.names("/way/to/") == strings{"it/"});
    CHECK(tree.names("/way/to/it") == strings{"mine"});
    CHECK(tree.names("/root") == strings{"deep/", "own"});  // That one the tree has.
    const auto way = tree.status("/way/");
    REQUIRE(way);
    CHECK(way->kind == file_kind::directory);
    CHECK(way->inode != tree.status("/way/to")->inode);
    CHECK(tree.open("/way")->is_directory());
    CHECK(tree.code_of(tree.open("/way/other")) == errc::not_found);

    CHECK(tree.code_of(tree.upload("/way/new", "x")) == errc::read_only);
    CHECK(tree.code_of(tree.make_directory("/way/to/new")) == errc::read_only);
    CHECK(tree.code_of(tree.set_modified("/way", {.seconds = 1})) == errc::read_only);
    CHECK(tree.code_of(tree.upload("/way/new/x", "x")) == errc::not_found);
    CHECK(tree.upload("/root/new", "x"));
    CHECK(tree.host.read("root/root/new") == "x");
}

TEST_CASE("mounts: a file or a link of the other tree on the way is a directory all the same") {
    mount_fixture tree({{"/", "root"}, {"/file/a", "first"}, {"/out/b", "second"}});
    tree.host.write("root/file", "x");
    tree.host.link({.at = "root/out", .to = ".."});
    CHECK(tree.names("/") == strings{"file/", "mine", "out/"});
    CHECK(tree.names("/file") == strings{"a/"});
    CHECK(tree.names("/out") == strings{"b/"});
    CHECK(tree.status("/file/")->kind == file_kind::directory);
    CHECK(tree.content("/file/a/mine") == "first");
    CHECK(tree.content("/out/b/mine") == "second");
    CHECK(tree.content("/out/first/mine") == "[leads outside the served tree]");
    CHECK(tree.code_of(tree.upload("/file/new", "x")) == errc::read_only);
}

TEST_CASE("mounts: without one at the root there are only their names") {
    mount_fixture tree({{"/a", "first"}, {"/b/c", "second"}});
    CHECK(tree.names("/") == strings{"a/", "b/"});
    CHECK(tree.status("/")->kind == file_kind::directory);
    CHECK(tree.content("/b/c/mine") == "second");
    CHECK(tree.code_of(tree.open("/mine")) == errc::not_found);
    CHECK(tree.code_of(tree.upload("/new", "x")) == errc::read_only);
    CHECK(tree.code_of(tree.upload("/x/new", "x")) == errc::not_found);
    CHECK(tree.code_of(tree.make_directory("/new")) == errc::read_only);
    CHECK(tree.code_of(tree.remove_file("/x")) == errc::not_found);
    CHECK(tree.code_of(tree.rename({.from = "/x", .to = "/y"})) == errc::not_found);
}

TEST_CASE("mounts: points and the way to them stay") {
    mount_fixture tree({{"/", "root"}, {"/real/at", "first"}, {"/way/to", "second"}});
    tree.host.make_directory("root/real");
    for (const auto* name : {"/real", "/real/at", "/way", "/way/to", "/"}) {
        CAPTURE(name);
        CHECK(tree.code_of(tree.remove_directory(name)) == errc::denied);
        CHECK(tree.code_of(tree.make_directory(name)) == errc::exists);
        CHECK(tree.code_of(tree.rename({.from = name, .to = "/new"})) == errc::denied);
        CHECK(tree.code_of(tree.rename({.from = "/mine", .to = name})) == errc::denied);
        CHECK(tree.code_of(tree.rename({.from = "/mine", .to = name, .replace = false})) ==
              errc::exists);
        CHECK(tree.code_of(tree.upload(name, "x")) == errc::is_directory);
        CHECK(tree.code_of(tree.upload(name, "x", {.mode = upload_mode::append})) ==
              errc::is_directory);
    }
    CHECK(tree.code_of(tree.remove_file("/real/at")) == errc::is_directory);
    CHECK(tree.code_of(tree.remove_file("/")) == errc::denied);
    CHECK(tree.host.exists("root/real"));
    CHECK(tree.content("/real/at/mine") == "first");
    CHECK(tree.set_modified("/real/at", {.seconds = 77}));
    CHECK(tree.status("/real/at")->modified.seconds == 77);
    CHECK(tree.set_permissions("/real/at", 0700));
    CHECK(tree.status("/real/at")->mode == 0700);
    CHECK(tree.code_of(tree.set_permissions("/way", 0700)) == errc::read_only);
}

TEST_CASE("mounts: who offers changes is told what they allow, and which names stay") {
    mount_fixture tree({{"/", "root"},
                        {"/ro", "first", {.is_read_only = true}},
                        {"/in", "second", {.uploads = vfs::upload_policy::create}},
                        {"/way/out", "third", {.uploads = vfs::upload_policy::none}}});
    const auto said = [&tree](std::string_view name) {
        const auto allowed = tree.files->allowed_in(at(name));
        std::string text = allowed.names ? "names" : "";
        text += allowed.uploads ? " uploads" : "";
        text += allowed.replacing ? " replacing" : "";
        for (const auto& each : allowed.points) {
            text += " " + each;
        }
        return text;
    };
    CHECK(said("/") == "names uploads replacing in ro way");
    CHECK(said("/other") == "names uploads replacing");
    CHECK_FALSE(said("/ro/deep").starts_with("names"));
    CHECK(said("/in") == "names uploads");
    CHECK(said("/way") == "names uploads replacing out");
    CHECK(said("/way/out") == "names");
    mount_fixture alone({{"/a", "first"}});
    CHECK(alone.files->allowed_in(at("/")).points == strings{"a"});
    CHECK_FALSE(alone.files->allowed_in(at("/")).names);
}

TEST_CASE("mounts: changes go to the tree that has the name, and not from one to another") {
    mount_fixture tree({{"/", "root"}, {"/a", "first"}, {"/ro", "second", {.is_read_only = true}}});
    CHECK(tree.upload("/a/new", "x"));
    CHECK(tree.host.read("first/new") == "x");
    CHECK(tree.make_directory("/a/dir"));
    CHECK(tree.rename({.from = "/a/new", .to = "/a/dir/new"}));
    CHECK(tree.host.read("first/dir/new") == "x");
    CHECK(tree.set_modified("/a/dir/new", {.seconds = 55}));
    CHECK(tree.status("/a/dir/new")->modified.seconds == 55);

    const auto across = tree.rename({.from = "/a/dir/new", .to = "/new"});
    CHECK(tree.code_of(across) == errc::unsupported);
    CHECK(across.error().os_errno == EXDEV);  // rename(2).
    CHECK(tree.code_of(tree.rename({.from = "/mine", .to = "/a/mine"})) == errc::unsupported);
    CHECK(tree.host.read("root/mine") == "root");
    CHECK(tree.host.read("first/dir/new") == "x");

    CHECK(tree.remove_file("/a/dir/new"));
    CHECK(tree.remove_directory("/a/dir"));
    CHECK(tree.host.names("first") == strings{"mine"});
    CHECK(tree.code_of(tree.upload("/ro/new", "x")) == errc::read_only);
    CHECK(tree.code_of(tree.remove_file("/ro/mine")) == errc::read_only);
    CHECK(tree.upload("/new", "the root is not"));
}

TEST_CASE("mounts: links end in the tree they lie in (threats.md, V2)") {
    mount_fixture tree({{"/", "root"}, {"/a", "first"}});
    tree.host.make_directory("root/a");
    tree.host.write("root/a/under", "under");
    tree.host.link({.at = "root/to-a", .to = "a"});
    tree.host.link({.at = "first/up", .to = "../mine"});
    tree.host.link({.at = "first/here", .to = "mine"});
    CHECK(tree.content("/to-a/under") == "under");
    CHECK(tree.content("/to-a/mine") == "[not found]");
    CHECK(tree.content("/a/up") == "[leads outside the served tree]");
    CHECK(tree.content("/a/here") == "first");
    CHECK(tree.names("/a") == strings{"here", "mine", "up@"});
}

TEST_CASE("mounts: a large directory comes unsorted with its mount points, each name once") {
    mount_fixture tree({{"/", "root"}, {"/n7", "first"}, {"/zz", "second"}});
    for (int i = 0; i < 600; ++i) {
        tree.host.write("root/n" + std::to_string(i), "");
    }
    for (const std::size_t sorted_max : {0U, 100U, 601U, 602U}) {
        CAPTURE(sorted_max);
        auto all = tree.names("/", sorted_max);
        CHECK(std::ranges::is_sorted(all) == (sorted_max == 602));
        std::ranges::sort(all);
        CHECK(all.size() == 602);
        CHECK(std::ranges::adjacent_find(all) == all.end());
        CHECK(std::ranges::binary_search(all, "n7/"));
        CHECK(std::ranges::binary_search(all, "zz/"));
    }
}

TEST_CASE("mounts: a subtree keeps those beneath it") {
    mount_fixture tree({{"/", "root"},
                        {"/home/ann/pub", "first"},
                        {"/home/ann/x/y", "second"},
                        {"/home/bob", "third"}});
    tree.host.make_directory("root/home");
    tree.host.make_directory("root/home/ann");
    tree.host.write("root/home/ann/own", "own");
    const auto before = open_descriptors();
    {
        tree_calls ann;
        ann.files = tree.subtree("/home/ann").value();
        CHECK(ann.names("/") == strings{"own", "pub/", "x/"});
        CHECK(ann.content("/pub/mine") == "first");
        CHECK(ann.content("/x/y/mine") == "second");
        CHECK(ann.content("/own") == "own");
        CHECK(ann.code_of(ann.remove_directory("/pub")) == errc::denied);
        CHECK(ann.upload("/pub/new", "x"));
        CHECK(tree.host.read("first/new") == "x");

        tree_calls bob;
        bob.files = tree.subtree("/home/bob").value();
        CHECK(bob.names("/") == strings{"mine"});
        CHECK(bob.content("/mine") == "third");

        tree_calls inner;
        inner.files = ann.subtree("/x").value();
        CHECK(inner.names("/") == strings{"y/"});
        CHECK(inner.content("/y/mine") == "second");

        tree_calls whole;
        whole.files = tree.subtree("/").value();
        CHECK(whole.content("/home/ann/x/y/mine") == "second");
    }
    CHECK(open_descriptors() == before);
    CHECK(tree.code_of(tree.subtree("/home/eve")) == errc::not_found);
    CHECK(tree.code_of(tree.subtree("/mine")) == errc::not_directory);
}

TEST_CASE("mounts: what a crash left is removed from all that take uploads") {
    mount_fixture tree({{"/", "root"}, {"/a", "first"}, {"/ro", "second", {.is_read_only = true}}});
    for (const std::string directory : {"root", "first", "second"}) {
        tree.host.write(directory + "/.ferry-upload-0123456789abcdef", "left");
    }
    CHECK(tree.remove_leftovers().removed == 2);
    CHECK(tree.host.names("first") == strings{"mine"});
    CHECK(tree.host.exists("second/.ferry-upload-0123456789abcdef"));
}
