#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace ferry::runtime {

/// Where receive buffers come from and return to: one per core, owned by its reactor.
class buffer_source {
  public:
    virtual ~buffer_source() = default;

    /// Takes a buffer back for the next receive. Called by `buffer_lease` only.
    virtual void give_back(std::uint16_t buffer) noexcept = 0;
};

/// Octets that arrived, in a buffer lent by the core. Move-only; the buffer returns when it dies.
///
/// Parse or copy before the next suspension: an empty ring of buffers is back-pressure for every
/// connection of the core, so no lease may wait for anything.
class buffer_lease {
  public:
    buffer_lease() noexcept = default;
    buffer_lease(buffer_source& source, std::uint16_t buffer,
                 std::span<const std::byte> octets) noexcept
        : source_(&source), octets_(octets), buffer_(buffer) {}
    buffer_lease(buffer_lease&& other) noexcept
        : source_(std::exchange(other.source_, nullptr)),
          octets_(std::exchange(other.octets_, {})),
          buffer_(other.buffer_) {}
    buffer_lease& operator=(buffer_lease&& other) noexcept {
        if (this != &other) {
            release();
            source_ = std::exchange(other.source_, nullptr);
            octets_ = std::exchange(other.octets_, {});
            buffer_ = other.buffer_;
        }
        return *this;
    }
    buffer_lease(const buffer_lease&) = delete;
    buffer_lease& operator=(const buffer_lease&) = delete;
    ~buffer_lease() { release(); }

    [[nodiscard]] std::span<const std::byte> octets() const noexcept { return octets_; }

    /// Gives the buffer back now. Idempotent.
    void release() noexcept {
        if (source_ != nullptr) {
            std::exchange(source_, nullptr)->give_back(buffer_);
            octets_ = {};
        }
    }

  private:
    buffer_source* source_ = nullptr;
    std::span<const std::byte> octets_;
    std::uint16_t buffer_ = 0;
};

}  // namespace ferry::runtime
