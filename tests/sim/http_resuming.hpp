#pragma once

#include "ferry/runtime/task.hpp"
#include "http_conversation.hpp"

namespace ferry::sim::test {

/// An upload in two requests (draft-ietf-httpbis-resumable-upload): a PUT of its beginning, which
/// makes it known and nothing visible, perhaps a question how much there is, and a PATCH of the
/// rest, with which the file is there. Judges the answers and tells the model. An account must be
/// there, and the server keep parts.
[[nodiscard]] runtime::task<outcome> resume_an_upload(conversation& talk);

}  // namespace ferry::sim::test
