#pragma once

#include <functional>

#include "ferry/base/error.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::server {

/// Who hears of the connections of a listening socket.
struct reception {
    std::function<void(unique_fd)> take;  ///< One that has come. May throw std::bad_alloc.
    std::function<void(errc)> pauses = [](errc) {};  ///< Accepting does, for a moment, and why.
};

/// Accepts at `listening` until `accepting` stops, or the current scope; who had connected by then
/// is taken, too (`net::acceptor::accept`). Where accepting fails, as without descriptors, it
/// pauses for 200 ms, and does not spin (threats.md, H6).
[[nodiscard]] runtime::task<> accept_all(runtime::core& here, runtime::stop_scope& accepting,
                                         unique_fd listening, reception by);

}  // namespace ferry::server
