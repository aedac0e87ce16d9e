#include "server/file_calls.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using ferry::server::explain_missing_call;
using ferry::server::why_no_files;

TEST_CASE("why_no_files: nothing, where the kernel has all it takes") {
    CHECK(why_no_files("/").empty());
    CHECK(why_no_files("/no/such/directory") == "No such file or directory");
}

TEST_CASE("explain_missing_call: the call, its error and who may be behind it, in one line") {
    for (const auto& [given, words] :
         {std::pair{EPERM, "Operation not permitted"}, std::pair{ENOSYS, "not implemented"}}) {
        const auto line = explain_missing_call("openat2", given);
        CHECK(line.starts_with("the system call openat2 fails ("));
        CHECK(line.contains(words));
        CHECK(line.contains("seccomp"));
        CHECK(line.contains("gVisor"));
        CHECK_FALSE(line.contains('\n'));
    }
}
