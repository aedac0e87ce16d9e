#include "server/mount_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace ferry;
using server::mounted_directory;
using server::parse_mount;
using server::show_mount;
using vfs::link_policy;
using vfs::upload_policy;

namespace {

std::string mount_complaint(std::string_view text) {
    const auto parsed = parse_mount(text);
    return parsed ? std::string() : parsed.error();
}

}  // namespace

TEST_CASE("mount: a path, a directory, options") {
    CHECK(parse_mount("/music=/srv/music").value() ==
          mounted_directory{.path = "/music", .directory = "/srv/music", .options = {}});
    CHECK(parse_mount("//a/./b/../c/=relative").value() ==
          mounted_directory{.path = "/a/c", .directory = "relative", .options = {}});
    CHECK(parse_mount("/=/srv:ro").value() ==
          mounted_directory{.path = "/", .directory = "/srv", .options = {.is_read_only = true}});
    CHECK(parse_mount("/a=/b:hidden=hide,links=trusted,uploads=new,ro").value().options ==
          vfs::tree_options{.is_read_only = true,
                            .hides_dot_names = true,
                            .links = link_policy::trusted,
                            .uploads = upload_policy::create});
    CHECK(parse_mount("/a=/b:links=refuse,uploads=none").value().options ==
          vfs::tree_options{.links = link_policy::refuse, .uploads = upload_policy::none});
    CHECK(parse_mount("/a=/b:fold,nfc,windows-names=refuse").value().options ==
          vfs::tree_options{.names = {.folds_case = true, .is_normalising = true},
                            .refuses_windows_names = true});
    CHECK(show_mount(parse_mount("/a=/b:windows-names=refuse,nfc,fold").value()) ==
          "/a=/b:fold,nfc,windows-names=refuse");
    CHECK(parse_mount("/a=/b:windows-names=allow,hidden=show,links=inside,uploads=any")
              .value()
              .options == vfs::tree_options{});
}

TEST_CASE("mount: %3A, %2C, %3D and %25 stand for what has a meaning") {
    const auto odd = parse_mount("/a%3D%3a=/b%3Ac%2Cd%25=e,f:ro").value();
    CHECK(odd.path == "/a=:");
    CHECK(odd.directory == "/b:c,d%=e,f");
    CHECK(odd.options.is_read_only);
    CHECK(show_mount(odd) == "/a%3D%3A=/b%3Ac%2Cd%25%3De%2Cf:ro");
    CHECK(parse_mount(show_mount(odd)).value() == odd);
    CHECK(mount_complaint("/a=/b%") == R"("/b%" has a % that no octet follows; %25 is a %)");
    CHECK(mount_complaint("/a%zz=/b") == R"("/a%zz" has a % that no octet follows; %25 is a %)");
}

TEST_CASE("mount: shown as short as it can be, and read again as the same") {
    for (const bool is_read_only : {false, true}) {
        for (const bool hides : {false, true}) {
            for (const auto links :
                 {link_policy::refuse, link_policy::inside, link_policy::trusted}) {
                for (const auto uploads :
                     {upload_policy::any, upload_policy::create, upload_policy::none}) {
                    const mounted_directory one{.path = "/a",
                                                .directory = "/b",
                                                .options = {.is_read_only = is_read_only,
                                                            .hides_dot_names = hides,
                                                            .links = links,
                                                            .uploads = uploads}};
                    CAPTURE(show_mount(one));
                    CHECK(parse_mount(show_mount(one)).value() == one);
                }
            }
        }
    }
    CHECK(show_mount({.path = "/a", .directory = "/b", .options = {}}) == "/a=/b");
    CHECK(show_mount(parse_mount("/a=/b:links=inside,uploads=new,hidden=hide").value()) ==
          "/a=/b:hidden=hide,uploads=new");
}

TEST_CASE("mount: what is wrong is said") {
    CHECK(mount_complaint("") == R"("" is not /path=DIR[:options])");
    CHECK(mount_complaint("a=/b") == R"("a=/b" is not /path=DIR[:options])");
    CHECK(mount_complaint("/srv/music") == R"("/srv/music" is not /path=DIR[:options])");
    CHECK(mount_complaint("/a=") == R"("/a=" names no directory)");
    CHECK(mount_complaint("/a=:ro") == R"("/a=:ro" names no directory)");
    CHECK(mount_complaint("/a=%00") == R"("/a=%00" names no directory)");
    CHECK(mount_complaint("/.ferry-x=/b") == R"("/.ferry-x" is no usable path: permission denied)");
    CHECK(mount_complaint("/a=/b:").starts_with(
        R"("" is no option of a mount: ro, hidden=show|hide)"));
    CHECK(mount_complaint("/a=/b:rw").starts_with(R"("rw" is no option of a mount: )"));
    CHECK(mount_complaint("/a=/b:ro,").starts_with(R"("" is no option of a mount: )"));
    CHECK(
        mount_complaint("/a=/b:links=yes").starts_with(R"("links=yes" is no option of a mount: )"));
    CHECK(mount_complaint("/a=/b:c:ro").starts_with(R"("c:ro" is no option of a mount: )"));
    CHECK(mount_complaint("/a=/b:ro,ro") == R"("ro" is said twice)");
    CHECK(mount_complaint("/a=/b:links=inside,links=refuse") == R"("links" is said twice)");
}
