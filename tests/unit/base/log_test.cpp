#include "ferry/base/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "ferry/base/assert.hpp"
#include "ferry/base/unique_fd.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

/// Standard error as a small pipe, for as long as this lives.
class piped_errors {
  public:
    piped_errors() : before_(::dup(STDERR_FILENO)) {
        int ends[2];
        FERRY_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
        reader_.reset(ends[0]);
        const unique_fd writer(ends[1]);
        FERRY_ASSERT(::fcntl(writer.get(), F_SETPIPE_SZ, 4'096) >= 0);
        FERRY_ASSERT(::fcntl(reader_.get(), F_SETFL, O_NONBLOCK) == 0);
        FERRY_ASSERT(::dup2(writer.get(), STDERR_FILENO) >= 0);
    }
    piped_errors(const piped_errors&) = delete;
    piped_errors& operator=(const piped_errors&) = delete;
    ~piped_errors() { ::dup2(before_.get(), STDERR_FILENO); }

    /// Reads until `text` ends in `end`, for about `tries` milliseconds at most.
    void read_to(std::string& text, std::string_view end, int tries = 10'000) const {
        for (int i = 0; i < tries && !text.ends_with(end); ++i) {
            std::array<char, 65'536> piece;
            const auto got = ::read(reader_.get(), piece.data(), piece.size());
            if (got > 0) {
                text.append(piece.data(), static_cast<std::size_t>(got));
            } else {
                std::this_thread::sleep_for(1ms);
            }
        }
    }

  private:
    unique_fd before_;
    unique_fd reader_;
};

}  // namespace

TEST_CASE("log: one line an event, controls escaped, here or in the background") {
    for (const bool in_background : {false, true}) {
        CAPTURE(in_background);
        const piped_errors errors;
        std::string text;
        {
            std::optional<log::in_background> writing;
            if (in_background) {
                writing.emplace();
            }
            log::warning("a\nb \"c\"");
            log::debug("not printed");
            log::error("last");
        }
        errors.read_to(text, "last\n");
        CHECK(text.contains(" warning ferry: a\\x0ab \"c\"\n"));
        CHECK(text.ends_with(" error ferry: last\n"));
        CHECK_FALSE(text.contains("not printed"));
    }
}

// Goal: diagnostics that nobody reads hold nobody up (threats.md, R15). Method: more than a pipe
// and the background writer hold; then they are read, and what comes next tells how many are
// missing.
TEST_CASE("log: in the background a standard error that nobody reads holds nobody up") {
    const piped_errors errors;
    std::string text;
    const auto began = std::chrono::steady_clock::now();
    {
        const log::in_background writing;
        for (int i = 0; i < 5'000; ++i) {
            log::warning("something is wrong " + std::string(100, 'x'));
        }
        log::warning("the end");
        CHECK(std::chrono::steady_clock::now() - began < 10s);
        errors.read_to(text, "never", 500);  // All there is.
        log::warning("after");
        errors.read_to(text, " after\n");
    }
    CHECK(text.contains(" diagnostics were dropped"));
    CHECK_FALSE(text.contains("the end"));
    CHECK(text.ends_with(" warning ferry: after\n"));
}

TEST_CASE("log: what nobody reads does not keep the process") {
    const piped_errors errors;
    const auto began = std::chrono::steady_clock::now();
    {
        const log::in_background writing;
        for (int i = 0; i < 500; ++i) {
            log::warning(std::string(100, 'x'));
        }
    }
    CHECK(std::chrono::steady_clock::now() - began < 5s);
}
