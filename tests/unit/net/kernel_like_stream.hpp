#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ferry/net/plain_stream.hpp"
#include "net/kernel_tls.hpp"

namespace ferry::net_test {

/// A connection on a machine whose kernel seals records of TLS: it is told the key, and does with
/// it what Linux does, by OpenSSL. Knows nothing of ferry's own records.
class kernel_like_stream final : public net::stream {
  public:
    explicit kernel_like_stream(net::stream& below) : below_(below) {}

    bool can_seal = true;
    int asked = 0;                       ///< How often it was told a key.
    std::optional<net::record_key> key;  ///< Set: it seals.
    std::uint64_t file_octets = 0;       ///< Of files that went through it.
    runtime::event* full = nullptr;      ///< Set: what is sent waits for it.
    bool lacks_memory = false;           ///< Of what is sent some goes, and then memory is out.

    bool seal_in_kernel(const net::record_key& by) noexcept override;
    runtime::task<result<void>> send_record(std::uint8_t kind, std::span<const std::byte> octets,
                                            runtime::duration stall_timeout) override;
    runtime::task<result<void>> send(std::span<const std::byte> octets,
                                     runtime::duration stall_timeout) override;
    runtime::task<result<std::uint64_t>> send_file(file_message message,
                                                   runtime::duration stall_timeout) override;

    std::string_view input() const noexcept override { return below_.input(); }
    void take_input(std::string& into) override { below_.take_input(into); }
    void consume(std::size_t octets) noexcept override { below_.consume(octets); }
    runtime::task<result<void>> fill(runtime::time_point deadline) override {
        const auto filled = co_await below_.fill(deadline);
        co_return filled;
    }
    runtime::task<result<std::size_t>> receive(std::span<std::byte> into,
                                               runtime::time_point deadline) override {
        const auto got = co_await below_.receive(into, deadline);
        co_return got;
    }
    void shut_down_sending() noexcept override { below_.shut_down_sending(); }
    runtime::task<> close(net::farewell how) override { co_await below_.close(how); }
    const net::endpoint& peer() const noexcept override { return below_.peer(); }
    const net::endpoint& local() const noexcept override { return below_.local(); }
    runtime::core& here() noexcept override { return below_.here(); }

  private:
    std::string seal(unsigned char kind, std::string_view clear);

    net::stream& below_;
};

}  // namespace ferry::net_test
