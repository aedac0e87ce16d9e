#include "ferry/auth/limits.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace ferry::auth;

TEST_CASE("limits: every word") {
    const auto made = limits::parse("sessions=4,per-address=2,download=10M,upload=512k");
    REQUIRE(made);
    CHECK(*made == limits{.sessions_max = 4,
                          .sessions_per_address_max = 2,
                          .together = {.download = 10U << 20U, .upload = 512U << 10U}});
    CHECK(limits::parse("session-download=1k,session-upload=1048576") ==
          limits{.each_session = {.download = 1'024, .upload = 1U << 20U}});
}

TEST_CASE("limits: a rate is both ways, unless something else is said of one") {
    CHECK(limits::parse("rate=1M") ==
          limits{.together = {.download = 1U << 20U, .upload = 1U << 20U}});
    const limits other{.together = {.download = 1U << 20U, .upload = 2U << 20U}};
    CHECK(limits::parse("rate=1M,upload=2M") == other);
    CHECK(limits::parse("upload=2M,rate=1M") == other);
    CHECK(limits::parse("session-rate=1k") ==
          limits{.each_session = {.download = 1'024, .upload = 1'024}});
}

TEST_CASE("limits: what a home may have") {
    CHECK(limits::parse("quota=10G,files=10000") ==
          limits{.home_octets_max = std::uint64_t{10} << 30U, .home_files_max = 10'000});
    CHECK(limits::parse("quota=1") == limits{.home_octets_max = 1});
}

TEST_CASE("limits: what is none") {
    const auto why = [](const char* text) {
        const auto made = limits::parse(text);
        return made ? std::string("fine") : made.error();
    };
    CHECK(why("speed=1").starts_with("\"speed=1\" is no limit: sessions=N, per-address=N, quota="));
    CHECK(why("").starts_with("\"\" is no limit"));
    CHECK(why("rate").starts_with("\"rate\" is no limit"));
    CHECK(why("sessions=0") == "\"sessions=0\" is no limit: a number from 1 on is wanted");
    CHECK(why("sessions=1k") == "\"sessions=1k\" is no limit: a number from 1 on is wanted");
    constexpr auto bounds = "octets a second are wanted, 1KiB to 1024GiB, such as 10M";
    for (const char* bad : {"rate=0", "rate=1023", "rate=1025G", "rate=1kB", "rate=", "rate=-1"}) {
        CAPTURE(bad);
        CHECK(why(bad) == "\"" + std::string(bad) + "\" is no limit: " + bounds);
    }
    CHECK(why("rate=1M,rate=1M") == "rate comes twice");
    for (const char* bad : {"quota=0", "quota=", "quota=-1", "quota=10GB", "quota=5000000000G"}) {
        CAPTURE(bad);
        CHECK(why(bad) ==
              "\"" + std::string(bad) + "\" is no limit: octets are wanted, such as 10G");
    }
    CHECK(why("files=0") == "\"files=0\" is no limit: a number from 1 on is wanted");
    CHECK(why("files=1k") == "\"files=1k\" is no limit: a number from 1 on is wanted");
}

TEST_CASE("limits: what is shown is read as the same") {
    CHECK(limits{}.text().empty());
    for (const char* text :
         {"sessions=4,per-address=2,rate=10MiB,session-rate=1MiB", "download=1KiB",
          "upload=1025,session-upload=3GiB", "sessions=1,quota=10GiB,files=10000,rate=1MiB",
          "quota=1025", "files=1", "download=2KiB,upload=1KiB,session-download=4KiB"}) {
        CAPTURE(text);
        const auto made = limits::parse(text);
        REQUIRE(made);
        CHECK(made->text() == text);
    }
}
