#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ferry/base/random.hpp"
#include "ferry/runtime/op.hpp"

namespace ferry::sim {

class world;

/// What can be made to go wrong.
enum class trouble : std::uint8_t {
    op_error,         ///< An operation fails with an errno its system call may give.
    kernel_error,     ///< So does a call of `ferry::kernel`.
    short_count,      ///< A transfer moves less than it could.
    delay,            ///< An operation takes milliseconds instead of microseconds.
    buffers_empty,    ///< A receive finds no buffer (ENOBUFS) and waits for one.
    queue_full,       ///< No submission entry: the operation begins a turn later.
    overflow,         ///< The completion queue overflows: completions come late, in a heap.
    lost_arming,      ///< A multishot operation ends without having failed (R4).
    allocation,       ///< operator new throws std::bad_alloc.
    descriptors,      ///< EMFILE.
    connection_doom,  ///< A connection is reset, silenced or finished at some octet.
    file_change,  ///< Somebody else truncates, replaces or removes a file between two operations.
    clock_jump,   ///< The wall clock is set.
    crash,        ///< The machine loses power.
};
inline constexpr std::size_t trouble_count = 14;

/// Decides, for one host, what goes wrong and when: by chance, each kind with a probability of its
/// own drawn for the run; or exactly the Nth time something could. Off until told otherwise.
class faults {
  public:
    explicit faults(world& in) noexcept : in_(in) {}

    /// Draws a probability for each kind: none (0), light (1) or heavy (2) trouble, and leaves each
    /// kind out with one chance in three, so that rare ones get seen in peace.
    void draw(unsigned level);

    /// From now on only the `index`th (from 1) decision of any kind strikes; 0: none, but count.
    /// `decisions` begins at 0 again.
    void strike_nth(std::uint64_t index) noexcept;

    /// Nothing goes wrong any more: the liveness phase.
    void calm() noexcept;

    /// Whether it goes wrong this time.
    [[nodiscard]] bool strikes(trouble kind) noexcept;

    /// An errno that `code` may fail with, for `trouble::op_error`; 0: it never fails.
    [[nodiscard]] int pick_errno(runtime::opcode code) noexcept;

    /// How many decisions there have been, how many of them struck.
    [[nodiscard]] std::uint64_t decisions() const noexcept { return decisions_; }
    [[nodiscard]] std::uint64_t struck() const noexcept { return struck_; }
    [[nodiscard]] std::uint64_t struck(trouble kind) const noexcept {
        return struck_by_kind_[static_cast<std::size_t>(kind)];
    }
    [[nodiscard]] bool is_calm() const noexcept { return mode_ == mode::off; }

  private:
    enum class mode : std::uint8_t { off, chance, nth };

    world& in_;
    mode mode_ = mode::off;
    std::array<std::uint32_t, trouble_count> one_in_{};  ///< 0: never.
    std::array<std::uint64_t, trouble_count> struck_by_kind_{};
    std::uint64_t nth_ = 0;
    std::uint64_t decisions_ = 0;
    std::uint64_t struck_ = 0;
};

}  // namespace ferry::sim
