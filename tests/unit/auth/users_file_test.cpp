#include "ferry/auth/users_file.hpp"

#include <doctest/doctest.h>

#include "ferry/auth/password.hpp"

using namespace ferry::auth;

namespace {

/// Made once: a hash is slow on purpose.
const std::string& some_hash() {
    static const std::string made = hash_password("secret", hash_method::sha512crypt).value();
    return made;
}

}  // namespace

TEST_CASE("password: each method's hashes are of that password and no other") {
    for (const auto method :
         {hash_method::yescrypt, hash_method::sha512crypt, hash_method::bcrypt}) {
        const auto hash = hash_password("pass wörd", method);
        REQUIRE(hash);
        CAPTURE(*hash);
        CHECK(why_no_hash(*hash).empty());
        CHECK(is_password_of("pass wörd", *hash));
        CHECK_FALSE(is_password_of("pass word", *hash));
        CHECK_FALSE(is_password_of("", *hash));
        CHECK(hash_password("pass wörd", method) != hash);  // Fresh salt.
    }
}

TEST_CASE("password: what cannot be hashed, and what is no hash") {
    CHECK_FALSE(hash_password(std::string_view("a\0b", 3), hash_method::sha512crypt));
    CHECK_FALSE(hash_password(std::string(600, 'x'), hash_method::sha512crypt));
    CHECK_FALSE(is_password_of(std::string_view("secret\0", 7), some_hash()));
    for (const char* wrong : {"", "x", "secret", "$9$abc$def", "*0", "$y$"}) {
        CAPTURE(wrong);
        CHECK_FALSE(why_no_hash(wrong).empty());
        CHECK_FALSE(is_password_of("secret", wrong));
        CHECK_FALSE(is_password_of("", wrong));
    }
    // DES and MD5 of old: compared by anybody in no time.
    CHECK_FALSE(why_no_hash("ab1234567890.").empty());
    CHECK_FALSE(why_no_hash("$1$abcdefgh$QVkGSPw9cRVqDmnNp4hCg/").empty());
}

TEST_CASE("users_file: every field, and what is left out") {
    const auto users = parse_users("# people\n\nann:" + some_hash() + ":/home/ann:all,/x=none:" +
                                   "sessions=2\r\n  \nbob:" + some_hash() + "\ncid:!" +
                                   some_hash() + ":/a%3Ab:list");
    REQUIRE(users);
    REQUIRE(users->size() == 3);
    const auto& ann = (*users)[0];
    CHECK(ann.name == "ann");
    CHECK(ann.hash == some_hash());
    CHECK(ann.root == "/home/ann");
    CHECK(ann.allowed == permissions::parse("all,/x=none").value());
    CHECK(ann.bounds.sessions_max == 2);
    const auto& bob = (*users)[1];
    CHECK(bob.root == "/");
    CHECK(bob.allowed == permissions(rights::read_only()));
    CHECK(bob.bounds == limits{});
    CHECK_FALSE(bob.is_locked);
    const auto& cid = (*users)[2];
    CHECK(cid.root == "/a:b");
    CHECK(cid.is_locked);
}

TEST_CASE("users_file: what is wrong, and in which line") {
    const auto why = [](const std::string& text) {
        const auto users = parse_users(text);
        return users ? std::string("fine") : users.error();
    };
    const auto begins = [&why](const std::string& text, const char* with) {
        CAPTURE(text);
        CAPTURE(why(text));
        CHECK(why(text).starts_with(with));
    };
    begins("\nann", "line 2: the hash of \"ann\" cannot be used: it is empty");
    begins("ann:secret", "line 1: the hash of \"ann\" cannot be used");
    begins(":" + some_hash(), "line 1: the name is empty");
    begins("ftp:" + some_hash(), "line 1: \"ftp\" is the anonymous user");
    begins(" ann:" + some_hash(), "line 1: the name");
    begins(std::string(65, 'a') + ":" + some_hash(), "line 1: the name has 65 octets");
    begins("ann:" + some_hash() + ":home", "line 1: the home");
    begins("ann:" + some_hash() + ":/a%3", "line 1: the home");
    begins("ann:" + some_hash() + "::lis", "line 1: \"lis\" is no permission");
    begins("ann:" + some_hash() + ":::sessions=-1", "line 1: \"sessions=-1\" is no limit");
    begins("ann:" + some_hash() + "::::", "line 1: it has more than five fields");
    begins("ann:" + some_hash() + "\n#\nann:" + some_hash(), "line 3: \"ann\" comes twice");
}

TEST_CASE("users_file: a new hash leaves all else as it is") {
    const std::string before = "# people\nann:x:/a:all:sessions=1\r\nbroken\n\nbob:y";
    CHECK(with_hash(before, "ann", "NEW") ==
          "# people\nann:NEW:/a:all:sessions=1\r\nbroken\n\nbob:y");
    CHECK(with_hash(before, "bob", "NEW") ==
          "# people\nann:x:/a:all:sessions=1\r\nbroken\n\nbob:NEW");
    CHECK(with_hash(before, "cid", "NEW") == before + "\ncid:NEW:/:read-only:\n");
    CHECK(with_hash("", "cid", "NEW") == "cid:NEW:/:read-only:\n");
    CHECK(with_hash("#ann:x\n", "ann", "NEW") == "#ann:x\nann:NEW:/:read-only:\n");
}
