#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ferry/base/access_sink.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/wait.hpp"
#include "server/access_log_format.hpp"

namespace ferry::server {

/// One core's end of the access log: lines are gathered in memory and written whole, many at a
/// time, through the ring, so that neither a slow disk nor a full pipe holds up the core
/// (threats.md, R15). What finds the buffer full is dropped and counted. Several cores append to
/// one descriptor; each write is whole lines.
class access_log final : public access_sink {
  public:
    /// `fd`: opened for appending, or -1 for no log; stays the caller's. `buffer_bytes`: for lines
    /// not written yet.
    access_log(runtime::core& here, int fd, std::size_t buffer_bytes);

    void record(const access_record& what) noexcept override;
    [[nodiscard]] bool wants_records() const noexcept override { return fd_ >= 0; }

    /// Writes lines as they gather, at the latest a second after they came, until the scope is
    /// asked to stop; then writes the rest and ends. Run it as a child that outlives every
    /// reporter.
    [[nodiscard]] runtime::task<> run();

  private:
    [[nodiscard]] runtime::task<> write_gathered();

    runtime::core& here_;
    int fd_;
    std::size_t buffer_bytes_;
    access_log_formatter format_;
    std::string gathered_;
    std::string writing_;
    runtime::event half_full_;
    std::uint64_t dropped_ = 0;
    bool announced_ = false;
};

}  // namespace ferry::server
