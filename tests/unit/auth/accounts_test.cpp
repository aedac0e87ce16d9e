#include "ferry/auth/accounts.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "ferry/auth/password.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/epoll.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"

using namespace ferry;
using namespace ferry::auth;

namespace {

using users_ptr = std::shared_ptr<const accounts>;
using login = result<std::optional<identity>>;

/// Logs in on a core of its own.
std::optional<identity> log_in(const users_ptr& users, const char* name, const char* password) {
    runtime::offload_pool pool(1);
    const auto io = runtime::make_epoll_reactor({}, pool).value();
    runtime::core here(0, *io, ferry::random(1));
    runtime::stop_scope stop;
    login got;
    runtime::run_core(
        here, stop,
        [](runtime::nursery& all, users_ptr whose, std::string who, std::string with,
           login& into) -> runtime::task<> {
            auto checked = co_await auth::log_in(all.here(), whose, who, with);
            into = std::move(checked);
        },
        users, std::string(name), std::string(password), std::ref(got));
    REQUIRE(got.has_value());
    return *got;
}

account with_password(std::string name, std::string password) {
    return {.name = std::move(name),
            .password = std::move(password),
            .hash = {},
            .root = "/ann",
            .allowed = rights::read_only(),
            .bounds = {}};
}

account with_hash_of(std::string name, std::string_view password) {
    return {.name = std::move(name),
            .password = {},
            .hash = hash_password(password, hash_method::sha512crypt).value(),
            .root = "/",
            .allowed = rights::all(),
            .bounds = {}};
}

users_ptr make(std::vector<account> named, std::optional<permissions> anonymous = std::nullopt) {
    return std::make_shared<const accounts>(std::move(named), std::move(anonymous));
}

}  // namespace

TEST_CASE("accounts: the right name and password, and nothing near it") {
    const auto users = make({with_password("ann", "secret"), with_password("bob", "")});
    const auto ann = log_in(users, "ann", "secret");
    REQUIRE(ann);
    CHECK(ann->name == "ann");
    CHECK(ann->root == "/ann");
    CHECK(ann->allowed == permissions(rights::read_only()));
    CHECK_FALSE(ann->anonymous);
    for (const char* wrong : {"", "secre", "secret ", "Secret", "secretsecret"}) {
        CAPTURE(wrong);
        CHECK_FALSE(log_in(users, "ann", wrong));
    }
    CHECK_FALSE(log_in(users, "Ann", "secret"));
    CHECK_FALSE(log_in(users, "", "secret"));
    CHECK_FALSE(log_in(users, "eve", "secret"));
    CHECK_FALSE(log_in(users, "bob", "secret"));
    CHECK_FALSE(log_in(users, "bob", ""));  // An account without a password is nobody's.
}

TEST_CASE("accounts: whom a certificate vouches for, whatever the password") {
    auto locked = with_hash_of("tom", "secret");
    locked.is_locked = true;
    const auto users =
        make({with_password("ann", "secret"), with_password("bob", ""), std::move(locked)},
             permissions(rights::read_only()));
    const auto ann = users->identity_of("ann");
    REQUIRE(ann);
    CHECK(ann->name == "ann");
    CHECK(ann->root == "/ann");
    CHECK_FALSE(ann->anonymous);
    CHECK(users->identity_of("bob"));  // Without a password, but not without a name.
    for (const char* nobody : {"", "Ann", "an", "tom", "eve", "anonymous", "ftp"}) {
        CAPTURE(nobody);
        CHECK_FALSE(users->identity_of(nobody));
    }
}

TEST_CASE("accounts: hashes and passwords side by side") {
    auto locked = with_hash_of("tom", "secret");
    locked.is_locked = true;
    const auto users = make({with_password("ann", "one"), with_hash_of("bob", "two"),
                             with_hash_of("eve", "three"), std::move(locked)});
    CHECK(log_in(users, "ann", "one"));
    CHECK(log_in(users, "bob", "two"));
    CHECK(log_in(users, "eve", "three"));
    CHECK(log_in(users, "eve", "three")->allowed == permissions(rights::all()));
    CHECK_FALSE(log_in(users, "ann", "two"));  // The first hash there is, and it is not hers.
    CHECK_FALSE(log_in(users, "bob", "three"));
    CHECK_FALSE(log_in(users, "eve", "two"));
    CHECK_FALSE(log_in(users, "nobody", "two"));
    CHECK_FALSE(log_in(users, "tom", "secret"));
}

// Goal: an unknown name costs a hash as a known one does (threats.md, F10).
TEST_CASE("accounts: whoever it is, one hash is compared if there are any") {
    const auto users = make({with_password("ann", "one"), with_hash_of("bob", "two")});
    for (const char* name : {"ann", "bob", "nobody", ""}) {
        CAPTURE(name);
        CHECK(users->find(name, "one").hash != nullptr);
    }
    CHECK(make({with_password("ann", "one")})->find("nobody", "one").hash == nullptr);
}

TEST_CASE("accounts: anonymous goes by two names and any password, if allowed (RFC 1635)") {
    const auto open = make({}, rights::read_only() | rights{right::create});
    for (const char* name : {"anonymous", "ftp", "Anonymous", "FTP"}) {
        const auto visitor = log_in(open, name, "guest@example.net");
        REQUIRE(visitor);
        CHECK(visitor->anonymous);
        CHECK(visitor->allowed.at("/x").has(right::create));
    }
    const auto shut = make({});
    CHECK_FALSE(log_in(shut, "anonymous", "guest@example.net"));
    CHECK_FALSE(shut->is_anonymous_name("ftp"));
}

TEST_CASE("limits: as text") {
    const auto some = limits::parse("sessions=4,per-address=2");
    REQUIRE(some);
    CHECK(some->sessions_max == 4);
    CHECK(some->sessions_per_address_max == 2);
    for (const char* wrong : {"", "sessions", "sessions=", "sessions=0", "sessions=4x", "mails=3",
                              "sessions=4,", "sessions=99999999999999999999"}) {
        CAPTURE(wrong);
        CHECK_FALSE(limits::parse(wrong));
    }
}
