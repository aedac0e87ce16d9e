#pragma once

#include <cstdint>

#include "ferry/base/result.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "http/body_source.hpp"

namespace ferry::http {

struct body_sending {
    bool chunked = false;  ///< A chunk a piece (RFC 9112 section 7.1), else as they are.
    runtime::duration stall_timeout{};
};

/// Sends all pieces of `source` to `peer`, files without copying them, and everybody else on the
/// core has a turn after each. `body_bytes` grows by what was sent of the content. Errors: of the
/// source, or as `net::execute`; the peer has part of the body then: abort.
[[nodiscard]] runtime::task<result<void>> send_body(net::stream& peer, body_source& source,
                                                    body_sending how, std::uint64_t& body_bytes);

}  // namespace ferry::http
