#include "http/logins.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/head_parser.hpp"
#include "service_on_tree.hpp"

using namespace ferry;
using namespace ferry::http;
using namespace std::chrono_literals;
using runtime::task;

namespace {

std::optional<credentials> read_authorization(std::string_view value) {
    const std::string octets =
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: " + std::string(value) + "\r\n\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(octets) == head_progress::complete);
    return credentials_of(parser.head());
}

/// A tree with the accounts ann, whose home is a directory, and bob.
struct desk : http::test::service_on_tree {
    desk() : service_on_tree({}) {
        files.make_directory("ann");
        set_accounts("secret");
    }

    void set_accounts(std::string ann_password) {
        auth::account ann{.name = "ann", .password = std::move(ann_password), .root = "/ann"};
        ann.allowed = auth::rights::all();
        const auth::account bob{.name = "bob", .password = "", .root = "/missing"};
        auth::account eve{.name = "eve", .password = "e", .root = "/missing"};
        users = std::make_shared<auth::accounts>(std::vector{ann, bob, eve},
                                                 auth::permissions(auth::rights::read_only()));
    }

    logins::answer check(std::string name, std::string password) {
        return check(table, std::move(name), std::move(password));
    }

    logins::answer check(logins& by, std::string name, std::string password) {
        return machine.run(
            [](runtime::core&, logins& asked, credentials given) -> task<logins::answer> {
                const net::endpoint from{.octets = {192, 0, 2, 1}};
                auto got = co_await asked.check(std::move(given), from);
                co_return got;
            },
            std::ref(by), credentials{.name = std::move(name), .password = std::move(password)});
    }

    logins table{machine.here, accounts, *tree, draining, {.entries_max = 2}};
};

}  // namespace

TEST_CASE("logins: credentials of Basic (RFC 7617 section 2)") {
    const auto ann = read_authorization("Basic YW5uOnNlY3JldA==");
    REQUIRE(ann.has_value());
    CHECK(ann->name == "ann");
    CHECK(ann->password == "secret");
    CHECK(read_authorization("bAsIc  YW5uOnNlY3JldA==").has_value());  // Section 2: any case.
    const auto colons = read_authorization("Basic YTpiOmM=");
    REQUIRE(colons.has_value());
    CHECK(colons->name == "a");
    CHECK(colons->password == "b:c");  // A name has no colon, a password may.
    const auto empty = read_authorization("Basic Og==");
    REQUIRE(empty.has_value());
    CHECK(empty->name.empty());
    for (const std::string_view each : {"", "Basic", "Basic YW5u", "Basic YW5uOnNlY3JldA",
                                        "Basic =", "Bearer YW5uOnNlY3JldA==", "Basic a:b"}) {
        CAPTURE(each);
        CHECK_FALSE(read_authorization(each).has_value());
    }
}

TEST_CASE("logins: who is right is known, and stays so without another look at the password") {
    desk with;
    const auto first = with.check("ann", "secret");
    REQUIRE(first.what == logins::outcome::known);
    CHECK(first.who->who.name == "ann");
    CHECK(first.who->root.text() == "/ann");
    CHECK(first.who->home.files != nullptr);
    CHECK(with.check("ann", "secret").who == first.who);
    CHECK(with.table.size() == 1);
    CHECK(with.check("ann", "Secret").what == logins::outcome::wrong);
    CHECK(with.check("annx", "secret").what == logins::outcome::wrong);
    CHECK(with.check("bob", "").what == logins::outcome::wrong);  // Without a password nobody is.
}

TEST_CASE("logins: accounts read anew are asked anew") {
    desk with;
    const auto before = with.check("ann", "secret");
    REQUIRE(before.what == logins::outcome::known);
    with.set_accounts("changed");
    CHECK(with.check("ann", "secret").what == logins::outcome::wrong);
    CHECK(with.check("ann", "changed").what == logins::outcome::known);
    CHECK(with.table.size() == 1);
}

TEST_CASE("logins: the homes of those who are known are let go where all are forgotten") {
    desk with;
    const std::weak_ptr<const login> known = with.check("ann", "secret").who;
    CHECK_FALSE(known.expired());  // And with it the descriptor of the directory.
    with.table.forget();
    CHECK(known.expired());
    CHECK(with.table.size() == 0);
    CHECK(with.check("ann", "secret").what == logins::outcome::known);
}

TEST_CASE("logins: what is remembered ends after a while, and has a limit") {
    desk with;
    logins brief{with.machine.here, with.accounts, *with.tree, with.draining, {.kept_max = 0ms}};
    const auto before = with.check(brief, "ann", "secret");
    const auto after = with.check(brief, "ann", "secret");
    CHECK(after.what == logins::outcome::known);
    CHECK(after.who != before.who);
    CHECK(brief.size() == 1);
    logins none{with.machine.here, with.accounts, *with.tree, with.draining, {.entries_max = 0}};
    CHECK(with.check(none, "ann", "secret").what == logins::outcome::known);
    CHECK(none.size() == 0);
    std::vector<auth::account> many;
    for (int i = 0; i < 5; ++i) {
        many.push_back({.name = "user" + std::to_string(i), .password = "p"});
    }
    with.users = std::make_shared<auth::accounts>(many, std::nullopt);
    for (const auto& each : many) {
        CHECK(with.check(each.name, "p").what == logins::outcome::known);
        CHECK(with.table.size() <= 2);
    }
}

TEST_CASE("logins: while too many answers are put off, nobody is heard from there (F10)") {
    desk with;
    auth::failed_logins slow{{}};
    const account_services& services = with.accounts;
    const account_services by_slow{.users = services.users,
                                   .usages = services.usages,
                                   .failures = slow,
                                   .homes = services.homes,
                                   .counter = services.counter};
    logins table{with.machine.here, by_slow, *with.tree, with.draining, {}};
    const auth::origin from{.prefix = 0xC000'0201'0000'0000, .is_v6 = false};
    const auto now = with.machine.here.now();
    while (slow.is_heard(from, now)) {
        static_cast<void>(slow.judge(from, now, false));
    }
    CHECK(with.check(table, "ann", "secret").what == logins::outcome::turned_away);
}

TEST_CASE("logins: a home that cannot be opened is told apart, to who has the password") {
    desk with;
    CHECK(with.check("eve", "e").what == logins::outcome::no_home);
    CHECK(with.check("eve", "x").what == logins::outcome::wrong);
    CHECK(with.table.size() == 0);
}

TEST_CASE("logins: anonymous is a visitor, and resets nobody's failures (RFC 1635)") {
    desk with;
    const auto got = with.check("anonymous", "a@b");
    CHECK(got.what == logins::outcome::known);
    CHECK(got.who == nullptr);
    CHECK(with.failures.size() == 0);
}
