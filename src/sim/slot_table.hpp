#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ferry::sim {

/// Values found by keys that are never given out twice and never 0, so that what is over is known
/// as such by whoever still has its key. Keys depend on nothing but the order of calls.
template <class Value>
class slot_table {
  public:
    std::uint64_t insert(Value value) {
        std::uint32_t index = 0;
        if (free_.empty()) {
            index = static_cast<std::uint32_t>(slots_.size());
            slots_.emplace_back();
        } else {
            index = free_.back();
            free_.pop_back();
        }
        slot& into = slots_[index];
        into.value = std::move(value);
        into.is_used = true;
        return std::uint64_t{into.generation} << 32U | index;
    }

    /// Null: it is over. Valid until the next `insert`.
    [[nodiscard]] Value* find(std::uint64_t key) noexcept {
        slot* found = slot_of(key);
        return found == nullptr ? nullptr : &found->value;
    }

    /// Takes the value out; one that is over gives `Value{}`.
    Value erase(std::uint64_t key) noexcept {
        slot* found = slot_of(key);
        if (found == nullptr) {
            return Value{};
        }
        found->is_used = false;
        ++found->generation;
        free_.push_back(static_cast<std::uint32_t>(key));
        return std::exchange(found->value, Value{});
    }

    /// Calls `see` with every value, in an order that a seed gives again.
    template <class Function>
    void for_each(Function see) {
        for (slot& each : slots_) {
            if (each.is_used) {
                see(each.value);
            }
        }
    }

  private:
    struct slot {
        Value value{};
        std::uint32_t generation = 1;
        bool is_used = false;
    };
    slot* slot_of(std::uint64_t key) noexcept {
        const auto index = static_cast<std::uint32_t>(key);
        if (index >= slots_.size() || !slots_[index].is_used ||
            slots_[index].generation != static_cast<std::uint32_t>(key >> 32U)) {
            return nullptr;
        }
        return &slots_[index];
    }

    std::vector<slot> slots_;
    std::vector<std::uint32_t> free_;
};

}  // namespace ferry::sim
