#pragma once

#include "http_request.hpp"

namespace ferry::sim::test {

/// Draws a request whose answer does not depend on the tree: malformed, of a method that is not
/// served, with a target that names nothing. `may_be_last`: also such that end the connection.
[[nodiscard]] http_request draw_misfit(client_context& context, bool may_be_last);

}  // namespace ferry::sim::test
