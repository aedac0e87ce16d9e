#pragma once

#include <string>

#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "small_scene.hpp"
#include "wire.hpp"

namespace ferry::sim::test {

/// A client's connection; anything that stops short fails the case.
[[nodiscard]] runtime::task<wire> dial_in(small_scene& on, net::endpoint to);

/// A control connection that takes one reply after another, and reads data to the end.
class ftp_user {
  public:
    explicit ftp_user(small_scene& on) : on_(on) {}

    [[nodiscard]] runtime::task<> log_in();
    /// Sends a command and takes its reply.
    [[nodiscard]] runtime::task<> say(std::string line);
    /// The same; another code fails the case.
    [[nodiscard]] runtime::task<> expect(std::string line, int code);
    /// The data of one transfer; `last_code` is of the reply that ends it.
    [[nodiscard]] runtime::task<std::string> fetch(std::string command);

    int last_code = 0;
    std::string last_line;

  private:
    [[nodiscard]] runtime::time_point deadline() const;
    /// The next reply, of which the last line tells.
    [[nodiscard]] runtime::task<> take_reply();

    small_scene& on_;
    wire control_;
};

}  // namespace ferry::sim::test
