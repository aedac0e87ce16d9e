#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/access_sink.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/wait.hpp"
#include "server/access_log_format.hpp"

namespace ferry::server {

/// True for a regular file: a write to it waits for a disk at most. Others may wait for whoever
/// reads them. A descriptor that is none is no file.
[[nodiscard]] bool is_file(int fd) noexcept;

/// Where the lines of a log go from now on.
struct log_successor {
    int fd = -1;  ///< Of a regular file opened for appending; stays the caller's.
    /// Let go once nothing is written any more to what was written to before.
    std::shared_ptr<const void> previous;
};

/// What comes of a successor while another waits: its file, for nothing was written to the other's.
void join_successor(std::optional<log_successor>& waiting, log_successor next) noexcept;

/// One core's end of the access log: lines are gathered in memory and written many at a time,
/// by the reactor, so that neither a slow disk nor a reader that has stopped holds up the core
/// (threats.md, R15). What finds the buffer full is dropped and counted.
///
/// Several cores append to one descriptor and their lines do not mix: a file takes each write as
/// one, a background_writer each message, of which none is longer than what a pipe takes as one
/// (PIPE_BUF) unless a line is.
class access_log final : public access_sink {
  public:
    /// `fd`: a regular file opened for appending, the inlet of a background_writer for what is
    /// none, or -1 for no log; stays the caller's. `buffer_bytes`: for lines not written yet; one
    /// line may go beyond it.
    access_log(runtime::core& here, int fd, std::size_t buffer_bytes,
               access_log_format format = {});

    void record(const access_record& what) noexcept override;
    [[nodiscard]] bool wants_records() const noexcept override { return fd_ >= 0; }

    /// Lines that were dropped so far. On the core.
    [[nodiscard]] std::uint64_t dropped() const noexcept { return told_ + dropped_; }

    /// Writes to `next` from the end of the present line on: each line is in one file, whole. A
    /// line that the former file does not take the rest of is dropped. On the core.
    void go_over_to(log_successor next) noexcept;

    /// Writes lines as they gather, at the latest a second after they came if whoever reads them
    /// keeps up, until the scope is asked to stop; then writes the rest, for two seconds at most,
    /// and ends. Run it as a child that outlives every reporter. Never fails: what could not be
    /// written is logged once until it can be again; how many lines were dropped, at once and then
    /// once a minute.
    [[nodiscard]] runtime::task<> run();

  private:
    [[nodiscard]] runtime::task<> write_gathered(runtime::time_point until);
    [[nodiscard]] std::string_view next_piece() const noexcept;
    [[nodiscard]] bool is_in_line() const noexcept {
        return written_ > 0 && writing_[written_ - 1] != '\n';
    }
    void go_over();
    void drop_unwritten() noexcept;
    void report_drops();

    runtime::core& here_;
    int fd_;
    std::size_t buffer_bytes_;
    access_log_formatter format_;
    std::string gathered_;
    std::string writing_;
    std::size_t written_ = 0;  ///< Of `writing_`.
    runtime::event half_full_;
    std::optional<log_successor> next_;
    std::uint64_t dropped_ = 0;  ///< Lines, since the last that was told.
    std::uint64_t told_ = 0;     ///< Dropped before that.
    bool announced_ = false;
    runtime::time_point report_after_{};
    bool is_file_ = false;
    bool is_failing_ = false;
};

}  // namespace ferry::server
