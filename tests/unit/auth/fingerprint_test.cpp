#include "ferry/auth/fingerprint.hpp"

#include <doctest/doctest.h>

using namespace ferry::auth;

TEST_CASE("fingerprint: of a name and a password, by a key") {
    const fingerprint_key key = {1, 2, 3, 4};
    const auto of = [&key](std::string_view name, std::string_view password) {
        return fingerprint_of(key, name, password).value();
    };
    const bool is_steady = of("ann", "secret") == of("ann", "secret");
    CHECK(is_steady);
    for (const auto& other : {of("ann", "Secret"), of("anns", "ecret"), of("an", "nsecret"),
                              of("", "annsecret"), of("annsecret", ""), of("ann", "")}) {
        const bool differs = other != of("ann", "secret");
        CHECK(differs);
    }
    const bool depends_on_key =
        fingerprint_of({1, 2, 3, 5}, "ann", "secret") != fingerprint_of(key, "ann", "secret");
    CHECK(depends_on_key);
}
