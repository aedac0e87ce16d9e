#include "ftp/commands_site.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

namespace {

unsigned mode_of(const test_server& server, const char* name) {
    struct stat status{};
    REQUIRE(::stat((server.directory() / name).c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("site: CHMOD sets permission bits and refuses all else (threats.md, V14)") {
    test_server server;
    server.put("a file", "x");
    server.put("dir/file", "x");
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE CHMOD 640 a file") == "200 Permissions are 640");
    CHECK(mode_of(server, "a file") == 0640);
    CHECK(user.code("site chmod 0004 a file") == 200);
    CHECK(mode_of(server, "a file") == 0004);
    CHECK(user.code("SITE CHMOD 711 dir") == 200);
    CHECK(mode_of(server, "dir") == 0711);
    CHECK(user.code("SITE CHMOD 600 ./dir/../dir/file") == 200);
    CHECK(mode_of(server, "dir/file") == 0600);
    for (const char* line :
         {"SITE CHMOD", "SITE CHMOD 644", "SITE CHMOD 644 ", "SITE CHMOD 99999 a file",
          "SITE CHMOD 4755 a file", "SITE CHMOD -1 a file", "SITE CHMOD a+x a file"}) {
        CAPTURE(line);
        CHECK(user.code(line) == 501);
    }
    CHECK(user.code("SITE CHMOD 644 missing") == 550);
    CHECK(user.code("SITE CHMOD 644 .ferry-upload-0123456789abcdef") == 550);
    CHECK(mode_of(server, "a file") == 0004);
}

TEST_CASE("site: CHMOD needs the right to replace") {
    test_server server;
    server.put("file", "x");
    client user(server);
    user.log_in("anonymous", "x");
    const auto before = mode_of(server, "file");
    CHECK(user.code("SITE CHMOD 777 file") == 550);
    CHECK(mode_of(server, "file") == before);
}

TEST_CASE("site: HELP, and what there is not") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE HELP").contains("CHMOD"));
    CHECK(user.code("SITE help ") == 214);
    CHECK(user.code("SITE") == 504);
    CHECK(user.code("SITE RECFM=VB") == 504);
}
