#pragma once

#include "ferry/runtime/task.hpp"
#include "http_conversation.hpp"

namespace ferry::sim::test {

/// One request that changes something: PUT, DELETE, MKCOL, MOVE or COPY, as one of the accounts, as
/// one that may not or as nobody; the content whole or cut off. Judges the answer and tells the
/// model what has become of it.
[[nodiscard]] runtime::task<outcome> change_something(conversation& talk);

}  // namespace ferry::sim::test
