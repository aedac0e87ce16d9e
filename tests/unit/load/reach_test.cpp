#include "load/reach.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <string>

#include "ferry/base/unique_fd.hpp"
#include "ferry/net/endpoint.hpp"

using namespace ferry;
using namespace ferry::load;

namespace {

/// A port of this machine that is taken, by one who accepts connections or by one who does not.
class door {
  public:
    explicit door(bool is_open) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_storage address{};
        const auto length = net::to_sockaddr(*net::parse_endpoint("127.0.0.1:0"), address);
        const void* const start = &address;
        REQUIRE(::bind(socket_.get(), static_cast<const sockaddr*>(start), length) == 0);
        if (is_open) {
            REQUIRE(::listen(socket_.get(), 1) == 0);
        }
        socklen_t size = sizeof address;
        void* const out = &address;
        REQUIRE(::getsockname(socket_.get(), static_cast<sockaddr*>(out), &size) == 0);
        at_ = *net::from_sockaddr(static_cast<const sockaddr*>(start), size);
    }
    [[nodiscard]] const net::endpoint& at() const noexcept { return at_; }

  private:
    unique_fd socket_;
    net::endpoint at_;
};

constexpr std::chrono::seconds timeout(10);

}  // namespace

TEST_CASE("reach: the first address that accepts a connection") {
    const door closed(false);
    const door open(true);
    const door another(true);
    const std::array addresses{closed.at(), open.at(), another.at()};
    const auto found = reach(addresses, timeout);
    REQUIRE(found);
    CHECK(*found == open.at());
}

TEST_CASE("reach: where none does it names each and says why") {
    const door one(false);
    const door other(false);
    const std::array addresses{one.at(), other.at()};
    const auto found = reach(addresses, timeout);
    REQUIRE_FALSE(found);
    CHECK(found.error() == "no connection: " + net::format_endpoint(one.at()) +
                               ": Connection refused; " + net::format_endpoint(other.at()) +
                               ": Connection refused");
}

TEST_CASE("reach: an address is its own only one, and a name that is none has none") {
    const auto found = resolve("::1", 80);
    REQUIRE(found);
    REQUIRE(found->size() == 1);
    CHECK(net::format_endpoint(found->front()) == "[::1]:80");
    CHECK_FALSE(resolve("a name with blanks", 80));
}
