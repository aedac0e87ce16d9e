#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "ferry/vfs/digest.hpp"

namespace ferry::vfs {

/// A digest being made of octets that come piece by piece. Touches nothing but itself: for any
/// thread, one at a time.
class hasher {
  public:
    hasher() = default;
    hasher(const hasher&) = delete;
    hasher& operator=(const hasher&) = delete;
    virtual ~hasher() = default;

    virtual void add(std::span<const std::byte> octets) noexcept = 0;
    /// Once, at the end; nothing: OpenSSL refused some step.
    [[nodiscard]] virtual std::optional<digest> finish() noexcept = 0;
};

/// Null: this OpenSSL has no such algorithm. Throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<hasher> make_hasher(digest_algorithm by);

}  // namespace ferry::vfs
