#include "ferry/auth/accounts.hpp"

#include <doctest/doctest.h>

using namespace ferry::auth;

namespace {

accounts two_users(std::optional<rights> anonymous) {
    return accounts(
        {{.name = "ann", .password = "secret", .root = "/ann", .allowed = {.read = true}},
         {.name = "bob", .password = "", .root = "/", .allowed = {.read = true}}},
        anonymous);
}

}  // namespace

TEST_CASE("accounts: the right name and password, and nothing near it") {
    const auto users = two_users(std::nullopt);
    const auto ann = users.log_in("ann", "secret");
    REQUIRE(ann);
    CHECK(ann->name == "ann");
    CHECK(ann->root == "/ann");
    CHECK(ann->allowed == rights{.read = true});
    CHECK_FALSE(ann->anonymous);
    for (const char* wrong : {"", "secre", "secret ", "Secret", "secretsecret"}) {
        CAPTURE(wrong);
        CHECK_FALSE(users.log_in("ann", wrong));
    }
    CHECK_FALSE(users.log_in("Ann", "secret"));
    CHECK_FALSE(users.log_in("", "secret"));
    CHECK_FALSE(users.log_in("eve", "secret"));
    CHECK_FALSE(users.log_in("bob", "secret"));
    CHECK(users.log_in("bob", ""));
}

TEST_CASE("accounts: anonymous goes by two names and any password, if allowed (RFC 1635)") {
    const auto open = two_users(rights{.read = true, .create = true});
    for (const char* name : {"anonymous", "ftp", "Anonymous", "FTP"}) {
        const auto visitor = open.log_in(name, "guest@example.net");
        REQUIRE(visitor);
        CHECK(visitor->anonymous);
        CHECK(visitor->allowed.create);
    }
    const auto shut = two_users(std::nullopt);
    CHECK_FALSE(shut.log_in("anonymous", "guest@example.net"));
    CHECK_FALSE(shut.is_anonymous_name("ftp"));
}
