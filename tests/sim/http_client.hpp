#pragma once

#include "client_context.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::sim::test {

/// Holds seeded conversations with the HTTP server and checks every octet that comes back: framing,
/// order, status, fields, content (against the model), what follows a last answer. Ends after
/// `context.conversations` connections, at a violation (then it is in the report), or when its
/// scope is stopped.
///
/// Start it in a nursery: `nursery.start(&run_http_client, std::move(context))`.
[[nodiscard]] runtime::task<> run_http_client(client_context context);

/// One plain request on a connection of its own, checked like the others: for a scenario that wants
/// to know whether the server is well. False: it was not answered as it should be, and the report
/// says why. `path` as for `plain_get`.
[[nodiscard]] runtime::task<bool> check_http_answer(client_context& context, std::string path);

}  // namespace ferry::sim::test
