#include "ferry/vfs/tree_options.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "tree_calls.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using vfs::link_policy;
using vfs::path;
using vfs::upload_mode;
using vfs::upload_policy;
using strings = std::vector<std::string>;

namespace {

/// A directory of the host, a tree on what is in its "srv", and "out" beside that.
struct options_fixture : tree_calls {
    explicit options_fixture(vfs::tree_options options) {
        host.make_directory("srv");
        host.make_directory("srv/dir");
        host.make_directory("out");
        host.write("srv/file", "file");
        host.write("srv/dir/deep", "deep");
        host.write("out/secret", "secret");
        files = vfs::open_local_tree((host / "srv").c_str(), options).value();
    }

    scratch host;
};

}  // namespace

TEST_CASE("read only: every change is refused before the disk is asked, and nothing is lost") {
    options_fixture tree({.is_read_only = true});
    for (const auto mode :
         {upload_mode::replace, upload_mode::append, upload_mode::restart, upload_mode::create}) {
        CHECK(tree.code_of(tree.upload("/file", "x", {.mode = mode})) == errc::read_only);
        CHECK(tree.code_of(tree.upload("/new", "x", {.mode = mode})) == errc::read_only);
    }
    CHECK(tree.code_of(tree.remove_file("/file")) == errc::read_only);
    CHECK(tree.code_of(tree.remove_directory("/dir")) == errc::read_only);
    CHECK(tree.code_of(tree.make_directory("/new")) == errc::read_only);
    CHECK(tree.code_of(tree.rename({.from = "/file", .to = "/new"})) == errc::read_only);
    CHECK(tree.code_of(tree.set_modified("/file", {.seconds = 1})) == errc::read_only);
    CHECK(tree.code_of(tree.set_permissions("/file", 0600)) == errc::read_only);

    CHECK(tree.host.names("srv") == strings{"dir", "file"});
    CHECK(tree.content("/file") == "file");
    CHECK(tree.status("/dir/deep")->size_bytes == 4);
    CHECK(tree.names("/") == strings{"dir/", "file"});
}

TEST_CASE("read only: what a subtree of it is, and leftovers stay") {
    options_fixture tree({.is_read_only = true});
    tree.host.write("srv/.ferry-upload-0123456789abcdef", "left");
    CHECK(tree.remove_leftovers().removed == 0);
    CHECK(tree.host.exists("srv/.ferry-upload-0123456789abcdef"));
    tree.files = tree.subtree("/dir").value();
    CHECK(tree.code_of(tree.remove_file("/deep")) == errc::read_only);
    CHECK(tree.content("/deep") == "deep");
}

TEST_CASE("hidden: names with a dot in front are not listed and not reached") {
    options_fixture shown({});
    options_fixture tree({.hides_dot_names = true});
    for (const scratch* host : {&shown.host, &tree.host}) {
        host->make_directory("srv/.git");
        host->write("srv/.git/config", "secret");
        host->write("srv/dir/.htpasswd", "secret");
        host->write("srv/dir/a.b", "dots elsewhere are letters");
    }
    CHECK(shown.names("/dir") == strings{".htpasswd", "a.b", "deep"});
    CHECK(shown.content("/.git/config") == "secret");

    CHECK(tree.names("/") == strings{"dir/", "file"});
    CHECK(tree.names("/dir") == strings{"a.b", "deep"});
    for (const auto* name : {"/.git", "/.git/", "/.git/config", "/dir/.htpasswd", "/.missing"}) {
        CAPTURE(name);
        CHECK(tree.code_of(tree.open(name)) == errc::not_found);
        CHECK(tree.code_of(tree.status(name)) == errc::not_found);
        CHECK(tree.code_of(tree.remove_file(name)) == errc::not_found);
        CHECK(tree.code_of(tree.remove_directory(name)) == errc::not_found);
        CHECK(tree.code_of(tree.set_modified(name, {.seconds = 1})) == errc::not_found);
        CHECK(tree.code_of(tree.subtree(name)) == errc::not_found);
        CHECK(tree.code_of(tree.rename({.from = name, .to = "/seen"})) == errc::not_found);
        CHECK(tree.code_of(tree.rename({.from = "/file", .to = name})) == errc::denied);
        CHECK(tree.code_of(tree.make_directory(name)) == errc::denied);
    }
    CHECK(tree.code_of(tree.upload("/.new", "x")) == errc::denied);
    CHECK(tree.content("/dir/a.b") == "dots elsewhere are letters");
    CHECK(tree.host.read("srv/.git/config") == "secret");
}

TEST_CASE("links: refused, followed inside, followed anywhere (threats.md, V2)") {
    options_fixture refused({.links = link_policy::refuse});
    options_fixture inside({.links = link_policy::inside});
    options_fixture trusted({.links = link_policy::trusted});
    for (const scratch* host : {&refused.host, &inside.host, &trusted.host}) {
        host->link({.at = "srv/in", .to = "dir/deep"});
        host->link({.at = "srv/out", .to = "../out/secret"});
        host->link({.at = "srv/far", .to = (*host / "out")});
    }
    for (const auto* name : {"/in", "/out", "/far", "/far/secret"}) {
        CAPTURE(name);
        CHECK(refused.code_of(refused.open(name)) == errc::outside_tree);
        CHECK(refused.code_of(refused.status(name)) == errc::outside_tree);
    }
    CHECK(refused.names("/") == strings{"dir/", "far@", "file", "in@", "out@"});
    CHECK(refused.content("/dir/deep") == "deep");
    CHECK(refused.code_of(refused.subtree("/far")) == errc::outside_tree);
    CHECK(refused.code_of(refused.upload("/far/new", "x")) == errc::outside_tree);
    CHECK(refused.remove_file("/in"));  // The name itself may go.

    CHECK(inside.content("/in") == "deep");
    CHECK(inside.code_of(inside.open("/out")) == errc::outside_tree);
    CHECK(inside.code_of(inside.open("/far/secret")) == errc::outside_tree);
    CHECK(inside.names("/") == strings{"dir/", "far@", "file", "in", "out@"});

    CHECK(trusted.content("/in") == "deep");
    CHECK(trusted.content("/out") == "secret");
    CHECK(trusted.content("/far/secret") == "secret");
    CHECK(trusted.names("/") == strings{"dir/", "far/", "file", "in", "out"});
    CHECK(trusted.names("/far") == strings{"secret"});
    CHECK(trusted.upload("/far/new", "beside it"));
    CHECK(trusted.host.read("out/new") == "beside it");
    CHECK(trusted.rename({.from = "/far/new", .to = "/dir/new"}));
    CHECK(trusted.host.read("srv/dir/new") == "beside it");
}

TEST_CASE("links: nothing tells where on the host a trusted one leads") {
    options_fixture tree({.links = link_policy::trusted});
    tree.host.link({.at = "srv/in", .to = "dir/deep"});
    tree.host.link({.at = "srv/out", .to = "../out/secret"});
    tree.host.link({.at = "srv/far", .to = (tree.host / "out")});
    for (const auto& each : tree.entries("/").value()) {
        CAPTURE(each.name);
        CHECK(each.link_target == (each.name == "in" ? "dir/deep" : ""));
    }
}

TEST_CASE("links: trusted ones open no FIFO, and go round in no circle (threats.md, V4)") {
    options_fixture tree({.links = link_policy::trusted});
    REQUIRE(::mkfifo((tree.host / "out/pipe").c_str(), 0644) == 0);
    tree.host.link({.at = "srv/pipe", .to = "../out/pipe"});
    tree.host.link({.at = "srv/null", .to = "/dev/null"});
    tree.host.link({.at = "srv/self", .to = "self"});
    tree.host.link({.at = "srv/magic", .to = "/proc/self/root"});
    CHECK(tree.code_of(tree.open("/pipe")) == errc::not_regular);
    CHECK(tree.code_of(tree.open("/null")) == errc::not_regular);
    CHECK(tree.code_of(tree.open("/self")) == errc::outside_tree);
    CHECK(tree.code_of(tree.open("/magic")) == errc::outside_tree);
    CHECK(tree.code_of(tree.upload("/null", "x")) == errc::not_regular);
}

TEST_CASE("uploads: only new names, or none") {
    options_fixture fresh({.uploads = upload_policy::create});
    CHECK(fresh.upload("/new", "one"));
    CHECK(fresh.code_of(fresh.upload("/new", "two")) == errc::exists);
    CHECK(fresh.code_of(fresh.upload("/file", "x", {.mode = upload_mode::append})) == errc::exists);
    CHECK(fresh.upload("/appended", "x", {.mode = upload_mode::append}));
    CHECK(fresh.code_of(fresh.upload(
              "/file", "x", {.mode = upload_mode::restart, .restart_offset = 2})) == errc::denied);
    CHECK(fresh.code_of(fresh.rename({.from = "/new", .to = "/file"})) == errc::exists);
    CHECK(fresh.content("/file") == "file");
    CHECK(fresh.rename({.from = "/new", .to = "/newer"}));
    CHECK(fresh.make_directory("/made"));

    options_fixture none({.uploads = upload_policy::none});
    CHECK(none.code_of(none.upload("/new", "x")) == errc::denied);
    CHECK(none.code_of(none.upload("/file", "x")) == errc::denied);
    CHECK(none.code_of(none.rename({.from = "/file", .to = "/dir/deep"})) == errc::exists);
    CHECK(none.host.names("srv") == strings{"dir", "file"});
    CHECK(none.remove_file("/file"));
}
