#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"

namespace ferry::sim::test {

/// What a proxy does to the octets that pass: a server of lies without writing one.
struct lie {
    std::string name;  ///< For messages.
    bool is_ftp = false;
    /// Instead of `find` towards the server or the client pass `replace`; an empty `find` matches
    /// nothing.
    bool to_server = false;
    std::string find{};
    std::string replace{};
    /// From this octet of what passes that way on, one of every 4,096 is wrong; 0: none.
    std::size_t corrupt_from = 0;
    /// After so many octets of what the server says the connection ends; 0: it does not.
    std::size_t end_after = 0;
};

/// Stands between clients and a server and tells one lie.
class lying_proxy {
  public:
    lying_proxy(runtime::core& here, net::endpoint server, lie told);

    [[nodiscard]] net::endpoint at() const noexcept { return at_; }

    /// Serves until its scope is stopped.
    static runtime::task<> run(lying_proxy& self);

    [[nodiscard]] const lie& told() const noexcept { return told_; }
    [[nodiscard]] runtime::core& here() noexcept { return here_; }
    [[nodiscard]] const net::endpoint& server() const noexcept { return server_; }
    [[nodiscard]] int listening() const noexcept { return listening_.get(); }

  private:
    runtime::core& here_;
    net::endpoint server_;
    net::endpoint at_;
    unique_fd listening_;
    lie told_;
};

}  // namespace ferry::sim::test
