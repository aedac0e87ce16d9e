#pragma once

#include "ferry/runtime/task.hpp"
#include "http/planning.hpp"

namespace ferry::http {

/// Whether there is anybody who may change anything over HTTP.
[[nodiscard]] bool may_write_anywhere(const service::state& shared) noexcept;

/// PUT, DELETE (RFC 9110 sections 9.3.4, 9.3.5), MKCOL, MOVE, COPY (RFC 4918 sections 9.3, 9.8,
/// 9.9): rights, then what is there, then conditions, then the change itself, which readers see
/// whole or not at all. Until the change nothing has happened; every refusal but those of the
/// content and of the disk comes before content is asked for.
[[nodiscard]] runtime::task<response_plan> plan_write(const planning& plan,
                                                      content_reader& content);

}  // namespace ferry::http
