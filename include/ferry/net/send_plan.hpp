#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/file_span.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::net {

/// What to send, decided beforehand: spans of memory and of files, in order. Owns nothing: all of
/// it must stay until the plan is executed. Any protocol makes one; `execute` sends it.
class send_plan {
  public:
    void add(std::span<const std::byte> memory) {
        if (!memory.empty()) {
            segments_.emplace_back(memory);
        }
    }
    void add(const runtime::file_span& file) {
        if (file.size_bytes > 0) {
            segments_.emplace_back(file);
        }
    }

    using segment = std::variant<std::span<const std::byte>, runtime::file_span>;
    [[nodiscard]] std::span<const segment> segments() const noexcept { return segments_; }

  private:
    std::vector<segment> segments_;
};

struct send_limits {
    runtime::duration stall_timeout{};  ///< The longest time without any progress.
};

/// Sends `plan` and decides nothing. Memory goes in front of the file behind it in one call; after
/// each quantum of a file everything else on the core has its turn (datapath.md, 4).
///
/// `sent_bytes` grows while sending, for whoever shows progress, and never counts what was not
/// sent: memory that leaves without a file behind it counts when all of it went. Errors as
/// `stream::send` and `stream::send_file`; after one the peer has part of the plan: abort or close.
[[nodiscard]] runtime::task<result<void>> execute(stream& peer, const send_plan& plan,
                                                  send_limits limits, std::uint64_t& sent_bytes);

}  // namespace ferry::net
