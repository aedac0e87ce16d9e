#include "ferry/net/drop_rest.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "ferry/base/units.hpp"

namespace ferry::net {
namespace {

constexpr auto dropping_time_max = std::chrono::seconds(2);
constexpr std::uint64_t dropped_bytes_max = 256_MiB;
constexpr std::size_t dropped_piece_bytes = 64_KiB;

}  // namespace

runtime::task<bool> drop_rest(stream& peer) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(dropped_piece_bytes);
    const auto until = peer.here().now() + dropping_time_max;
    std::uint64_t dropped = 0;
    while (dropped < dropped_bytes_max) {
        const auto got = co_await peer.receive(std::span(memory.get(), dropped_piece_bytes), until);
        if (!got || *got == 0) {
            co_return got.has_value();
        }
        dropped += *got;
    }
    co_return false;
}

}  // namespace ferry::net
