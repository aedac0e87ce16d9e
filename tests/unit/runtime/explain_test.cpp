#include "runtime/uring/explain.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using ferry::runtime::explain_refusal;

// The words are what start-up tells: "io_uring is not available: <this>" (threats.md, R7, R8).
TEST_CASE("explain_refusal: the sysctl, by its name and value") {
    for (const char* value : {"1", "2"}) {
        CHECK(explain_refusal(EPERM, value, "6.18.0") ==
              std::string("disabled by sysctl kernel.io_uring_disabled = ") + value);
    }
}

TEST_CASE("explain_refusal: a seccomp filter, whichever errno it gives") {
    for (const int given : {EPERM, ENOSYS}) {
        CAPTURE(given);
        CHECK(explain_refusal(given, "0", "6.18.0") ==
              "refused by a seccomp filter, as in the default profile of container engines");
    }
    CHECK(explain_refusal(EPERM, "", "6.1.0").contains("seccomp"));  // Before 6.6: no such sysctl.
}

TEST_CASE("explain_refusal: a kernel without it, and one too old") {
    CHECK(explain_refusal(ENOSYS, "", "5.0.0").contains("CONFIG_IO_URING"));
    CHECK(explain_refusal(EINVAL, "", "5.10.0") == "the kernel is older than 6.1 (this is 5.10.0)");
}

TEST_CASE("explain_refusal: limits, by the command that shows them") {
    CHECK(explain_refusal(ENOMEM, "0", "6.18.0").contains("ulimit -l"));
    CHECK(explain_refusal(EMFILE, "0", "6.18.0").contains("ulimit -n"));
    CHECK(explain_refusal(EACCES, "0", "6.18.0").contains("SELinux"));
    CHECK(explain_refusal(EIO, "0", "6.18.0") == "Input/output error");
}
