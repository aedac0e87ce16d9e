#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "ferry/base/units.hpp"

namespace ferry::net {

/// Memory in which the TLS of one core reads, seals and sends files: what one connection is done
/// with the next one takes, while it is in the processor's cache, and the system is not asked for
/// its pages again. One core's own; outlives the streams that know it.
class seal_buffers {
  public:
    /// Of each: what is sealed at a time, and what its records add.
    static constexpr std::size_t room_bytes = 116_KiB;
    /// What has grown beyond it is not kept.
    static constexpr std::size_t kept_room_bytes_max = 2 * room_bytes;
    /// As many as are kept while nobody uses them: those of clients that take what they are sent
    /// slowly are more, and go back to the allocator.
    static constexpr std::size_t kept_max = 8;

    /// An empty one with room for `room_bytes`; throws std::bad_alloc.
    [[nodiscard]] std::string take();
    /// Takes `used` back and leaves nothing in its place. What has less room is not kept, either.
    void give_back(std::string& used) noexcept;

    /// One that goes back when it dies. Without buffers of a core it is a string like any other.
    class lease {
      public:
        explicit lease(seal_buffers* from);
        lease(const lease&) = delete;
        lease& operator=(const lease&) = delete;
        ~lease();
        std::string text;

      private:
        seal_buffers* from_;
    };

  private:
    std::array<std::string, kept_max> kept_;
    std::size_t count_ = 0;
};

}  // namespace ferry::net
