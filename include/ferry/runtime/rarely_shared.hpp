#pragma once

#include <mutex>
#include <utility>

namespace ferry::runtime {

/// A value that all cores share and hardly ever touch: at a login, at a reload, when a name is
/// changed (which costs the file system far more). Whoever uses it excludes the others for that
/// moment, so what is done to it is short, waits for nothing and never uses a second one. For what
/// a request or a transfer does cores exchange messages, or count in atomics. From any thread.
template <class Value>
class rarely_shared {
  public:
    rarely_shared() = default;
    rarely_shared(const rarely_shared&) = delete;
    rarely_shared& operator=(const rarely_shared&) = delete;

    /// Calls `function(Value&)` while nobody else has it and gives what it returns: a value, never
    /// a reference into it.
    template <class Function>
    auto use(Function function) {
        const std::lock_guard held(lock_);
        return function(value_);
    }

  private:
    std::mutex lock_;
    Value value_;
};

}  // namespace ferry::runtime
