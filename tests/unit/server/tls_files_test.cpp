#include "server/tls_files.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "../allocation_faults.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/net/tls_certificate.hpp"

using namespace ferry;
using namespace ferry::server;

namespace {

/// A file in memory that goes with it.
class file_in_memory {
  public:
    explicit file_in_memory(std::string_view text) : file_(::memfd_create("tls", MFD_CLOEXEC)) {
        REQUIRE(::write(file_.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", file_.get()); }

  private:
    unique_fd file_;
};

}  // namespace

TEST_CASE("tls_loader: of keys that were read nothing is left where it was freed" *
          doctest::skip(!test::allocation_fault::is_possible)) {
    const auto made = net::make_self_signed({"localhost"}, read_wall_clock().seconds).value();
    const auto secret = made.key.substr(made.key.size() / 2, 40);
    const auto certificate = made.certificates.substr(made.certificates.size() / 2, 40);
    const auto of_tickets = std::string(40, 'k');
    const file_in_memory own(made.certificates);
    const file_in_memory key(made.key);
    const file_in_memory both(made.certificates + made.key);
    const file_in_memory tickets(std::string(80, 'k'));
    config apart;
    apart.tls_certs = {own.path()};
    apart.tls_keys = {key.path()};
    apart.tls_ticket_keys = tickets.path();
    config in_one;
    in_one.tls_certs = {both.path()};
    for (const auto* settings : {&apart, &in_one}) {
        for (const auto& each : {secret, of_tickets}) {
            test::look_at_freed_blocks_for(each);
            {
                tls_loader loader(*settings, false);
                const auto loaded = loader.load();
                CHECK(loaded.has_value());
            }
            CHECK(test::found_in_freed_blocks() == 0);
            test::look_at_freed_blocks_for({});
        }
    }
    // What is no secret is found.
    test::look_at_freed_blocks_for(certificate);
    static_cast<void>(net::fingerprint_of(std::string(made.certificates)));
    CHECK(test::found_in_freed_blocks() > 0);
    test::look_at_freed_blocks_for({});
}
