#pragma once

#include "ferry/base/access_record.hpp"

namespace ferry {

/// Where protocols report what they did: one a core. `server` writes the access log behind it.
class access_sink {
  public:
    virtual ~access_sink() = default;

    /// Takes one record. Copies what it keeps; never blocks, never fails: what finds no room is
    /// counted and dropped (threats.md, R15).
    virtual void record(const access_record& what) noexcept = 0;

    /// False when nobody reads records: spare the work of making one.
    [[nodiscard]] virtual bool wants_records() const noexcept = 0;
};

}  // namespace ferry
