#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/net/stream.hpp"
#include "ferry/runtime/token_bucket.hpp"

namespace ferry::net {

/// How fast octets may go one way. All its rates hold together: one of this stream's own, one that
/// it shares with others, one that it shares with those of its address, on any core.
class pacer {
  public:
    struct rate {
        runtime::token_bucket* bucket = nullptr;  ///< Outlives the pacer. Null: no such rate.
        std::uint64_t octets_per_second = 0;      ///< 0: no such rate.
    };

    pacer() noexcept = default;  ///< As fast as they go.
    pacer(rate own, rate shared) noexcept;
    pacer(rate own, rate shared, rate of_address) noexcept;
    pacer(const pacer&) = delete;
    pacer& operator=(const pacer&) = delete;
    ~pacer() { put_back(); }

    [[nodiscard]] bool is_limited() const noexcept { return quantum_ != 0; }

    /// Waits until some of `wanted` octets (at least 1) may move, and says how many: 1 at least.
    /// Sleeps by the core's timers and takes no turn meanwhile. Errors: errc::cancelled.
    [[nodiscard]] runtime::task<result<std::uint64_t>> allow(runtime::core& here,
                                                             std::uint64_t wanted);

    /// From now on the address is another's. Nothing may be waiting in `allow`.
    void go_over_to(rate of_address) noexcept;

    /// Says that `octets` of those allowed have moved, or may have. What has not may still; the
    /// rest is put back in the end.
    void moved(std::uint64_t octets) noexcept;

  private:
    void put_back() noexcept;
    void set(const std::array<rate, 3>& rates) noexcept;

    std::array<rate, 3> rates_;
    std::uint64_t quantum_ = 0;  ///< 0: no rates.
    std::uint64_t allowed_ = 0;  ///< Drawn and not moved.
};

/// A stream whose octets go no faster than they may; all else is the stream's below. What it waits
/// for the rate counts against no deadline: only the peer's own slowness does. `fill` is not held
/// back: it is for requests, not for content.
class paced_stream final : public stream {
  public:
    /// All of them outlive this one.
    paced_stream(stream& below, pacer& sending, pacer& receiving) noexcept
        : below_(below), sending_(sending), receiving_(receiving) {}

    [[nodiscard]] std::string_view input() const noexcept override { return below_.input(); }
    void take_input(std::string& into) override { below_.take_input(into); }
    void consume(std::size_t octets) noexcept override { below_.consume(octets); }
    [[nodiscard]] runtime::task<result<void>> fill(runtime::time_point deadline) override;
    [[nodiscard]] runtime::task<result<std::size_t>> receive(std::span<std::byte> into,
                                                             runtime::time_point deadline) override;
    [[nodiscard]] runtime::task<result<void>> send(std::span<const std::byte> octets,
                                                   runtime::duration stall_timeout) override;
    [[nodiscard]] runtime::task<result<std::uint64_t>> send_file(
        file_message message, runtime::duration stall_timeout) override;
    void shut_down_sending() noexcept override { below_.shut_down_sending(); }
    [[nodiscard]] runtime::task<> close(farewell how) override;
    [[nodiscard]] const endpoint& peer() const noexcept override { return below_.peer(); }
    [[nodiscard]] const endpoint& local() const noexcept override { return below_.local(); }
    [[nodiscard]] runtime::core& here() noexcept override { return below_.here(); }

  private:
    stream& below_;
    pacer& sending_;
    pacer& receiving_;
    bool is_torn_ = false;  ///< A `send` has failed, and some pieces of it have left.
};

}  // namespace ferry::net
