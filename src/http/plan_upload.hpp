#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/runtime/task.hpp"
#include "http/changes.hpp"
#include "http/content_reader.hpp"
#include "http/planning.hpp"

namespace ferry::http {

// Resumable uploads: draft-ietf-httpbis-resumable-upload-12 (decision 0025), whose sections are
// meant below.

/// What a request says of the upload that its content belongs to (section 4.1).
struct upload_request {
    bool completes = true;                ///< Upload-Complete.
    std::optional<std::uint64_t> length;  ///< Upload-Length.
};

/// Whether parts of uploads go on here at all.
[[nodiscard]] bool may_resume_uploads(const planning& plan) noexcept;

/// The value of Upload-Limit (section 4.1.4): how long what has come is kept, in seconds, and how
/// large it may become.
[[nodiscard]] std::string upload_limit(const planning& plan);

/// What makes a PUT one of an upload that may go on: Upload-Complete (section 4.2.1).
[[nodiscard]] std::optional<upload_request> resumption_of(const planning& plan) noexcept;

/// What is wrong with Upload-Complete or Upload-Length of a request that has them; empty: nothing.
/// Section 4.1 would pass over a malformed one, but a PUT would then put a part in the place of
/// the whole file, which is lost for good (decision 0025).
[[nodiscard]] std::string_view why_malformed(const request& asked);

/// PUT with Upload-Complete: makes an upload resource, tells of it before the content, and where
/// that completes it makes the file (section 4.2.2). Whatever PUT itself has to look at has been.
/// Nothing: no upload goes on there, and the content is the whole file.
[[nodiscard]] runtime::task<std::optional<response_plan>> plan_upload_creation(
    const planning& plan, content_reader& content, const subject& seen, const upload_request& asks);

/// GET, HEAD, PATCH, DELETE and OPTIONS of an upload resource (sections 4.3 to 4.5): of who made it
/// alone. A request that is still at it is ended first (section 4.6).
[[nodiscard]] runtime::task<response_plan> plan_upload_resource(const planning& plan,
                                                                content_reader& content);

}  // namespace ferry::http
