#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "ferry/net/endpoint.hpp"

namespace ferry::load {

/// The addresses of `host`, from the resolver, in its order. Blocking. Errors: why there is none,
/// for a person.
[[nodiscard]] std::expected<std::vector<net::endpoint>, std::string> resolve(
    const std::string& host, std::uint16_t port);

/// The first of `addresses` that accepts a connection, which is closed again. Blocking, up to
/// `timeout` each. Errors: all of them, and why not each, for a person.
[[nodiscard]] std::expected<net::endpoint, std::string> reach(
    std::span<const net::endpoint> addresses, std::chrono::milliseconds timeout);

/// Both. Signals end the process meanwhile: before it takes them for itself.
[[nodiscard]] std::expected<net::endpoint, std::string> find_server(
    const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout);

}  // namespace ferry::load
