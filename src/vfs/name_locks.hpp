#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/entry_key.hpp"

namespace ferry::vfs {

/// The key of `name` in an open directory, a '/' at its end or not. Errors: of fstat(2).
[[nodiscard]] result<entry_key> key_of_entry(int directory, std::string_view name);

/// Who is about to change a name just now, over all cores: so that what an append has looked at is
/// still there when its file takes the name (threats.md, F13). Whoever replaces, removes or renames
/// shares a name with others like it; who depends on what has the name has it alone. Of this
/// process: what others do to the files is not their affair.
///
/// Held for some system calls, never for a transfer or a sync. Outlives what it gave.
class name_locks {
  public:
    name_locks() = default;
    name_locks(const name_locks&) = delete;
    name_locks& operator=(const name_locks&) = delete;

    /// Given back when it dies. Move-only; empty when moved from.
    class hold {
      public:
        hold() noexcept = default;
        hold(hold&& other) noexcept
            : locks_(std::exchange(other.locks_, nullptr)),
              name_(std::move(other.name_)),
              is_alone_(other.is_alone_) {}
        hold& operator=(hold&& other) noexcept {
            hold taken(std::move(other));
            std::swap(locks_, taken.locks_);
            std::swap(name_, taken.name_);
            std::swap(is_alone_, taken.is_alone_);
            return *this;
        }
        ~hold() {
            if (locks_ != nullptr) {
                locks_->give_back(name_, is_alone_);
            }
        }

      private:
        friend name_locks;
        name_locks* locks_ = nullptr;
        entry_key name_;
        bool is_alone_ = false;
    };

    enum class manner : std::uint8_t { shared, alone };

    /// Waits, a millisecond at a time, until `name` can be had in that manner. errc::cancelled: a
    /// stop came first. Cost without a wait: two looks into a small map under a mutex.
    [[nodiscard]] runtime::task<result<hold>> take(runtime::core& here, entry_key name, manner how);

    /// The same for `name` in an open directory. Also what fstat(2) says.
    [[nodiscard]] runtime::task<result<hold>> take(runtime::core& here, int directory,
                                                   std::string_view name, manner how);

    struct two_holds {
        hold first;
        hold second;  ///< Empty where both names are one.
    };
    /// Takes two names alone, in an order that all keep to: nobody waits for ever.
    [[nodiscard]] runtime::task<result<two_holds>> take_both(runtime::core& here, entry_key one,
                                                             entry_key other);

  private:
    struct holders {
        std::uint32_t sharing = 0;
        bool is_alone = false;
    };

    [[nodiscard]] bool try_take(const entry_key& name, manner how);
    void give_back(const entry_key& name, bool is_alone) noexcept;

    runtime::rarely_shared<std::map<entry_key, holders>> held_;
};

}  // namespace ferry::vfs
