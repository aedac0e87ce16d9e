#pragma once

#include "client_context.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::sim::test {

/// Holds seeded sessions with the FTP server: logs in as somebody, walks, lists, retrieves, stores,
/// renames, removes, interrupts, pipelines, asks for what is not there; judges every reply against
/// the command table and the model, and every octet against the model. Ends after
/// `context.conversations` sessions, at a violation, or when its scope is stopped.
///
/// Start it in a nursery: `nursery.start(&run_ftp_client, std::move(context))`.
[[nodiscard]] runtime::task<> run_ftp_client(client_context context);

/// One session that logs in, asks for PWD and leaves: for a scenario that wants to know whether the
/// server is well. False: it is not, and the report says why.
[[nodiscard]] runtime::task<bool> check_ftp_session(client_context& context);

}  // namespace ferry::sim::test
