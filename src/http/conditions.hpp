#pragma once

#include <cstdint>
#include <optional>

#include "ferry/base/wall_clock.hpp"
#include "ferry/vfs/metadata.hpp"
#include "http/date.hpp"
#include "http/etag.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// What the answer says of the representation it selects, and what a request's conditions are held
/// against: both from one metadata, so that they cannot disagree.
class validators {
  public:
    /// `now` is the moment that the answer's Date tells; `how` the content is packed.
    validators(const vfs::metadata& status, wall_time now,
               content_coding how = content_coding::identity) noexcept;
    /// Of what is no file: nobody knows when it was modified.
    explicit validators(const etag_text& tag) noexcept
        : etag_(tag), has_last_modified_(false), is_settled_(true) {}

    [[nodiscard]] const etag_text& etag() const noexcept { return etag_; }
    [[nodiscard]] bool has_last_modified() const noexcept { return has_last_modified_; }
    /// Last-Modified in seconds since 1970: the modification time, never later than Date (RFC 9110
    /// section 8.8.2.1).
    [[nodiscard]] std::int64_t last_modified() const noexcept { return last_modified_; }
    /// False while the file might change again within the second (RFC 9110 section 8.8.2.2).
    [[nodiscard]] bool last_modified_is_strong() const noexcept { return is_settled_; }

  private:
    etag_text etag_;
    std::int64_t last_modified_ = 0;
    bool has_last_modified_ = true;
    bool is_settled_ = false;
};

enum class verdict : std::uint8_t {
    proceed,       ///< Answer as if there were no conditions.
    not_modified,  ///< 304, with the ETag and what else the 200 would have had (section 15.4.5).
    precondition_failed,  ///< 412, without validators; change nothing.
};

/// Evaluates the preconditions of `asked` in the order of RFC 9110 section 13.2.2: If-Match, else
/// If-Unmodified-Since; then If-None-Match, else If-Modified-Since. A date that is not valid, or
/// comes twice, is as if absent (sections 13.1.3, 13.1.4), and so is any where there is no
/// modification date. CONNECT, OPTIONS and TRACE have no conditions (section 13.2.1).
///
/// `current` is nothing when the target has no representation, as for a PUT that creates. Call it
/// only when the answer would be 2xx without conditions: 404 and redirects come before
/// (section 13.2.1). Cost: four bit tests when there are no conditions. Never suspends.
[[nodiscard]] verdict evaluate_conditions(const request& asked,
                                          const std::optional<validators>& current, wall_time now);

/// Whether a Range of `asked` is to be honoured, step 5 of RFC 9110 section 13.2.2: it is there,
/// the method is GET, and If-Range, if there is one, names `current` by a strong tag or by exactly
/// its Last-Modified, while that is strong (section 13.1.5). Otherwise answer with the whole.
[[nodiscard]] bool range_applies(const request& asked, const validators& current, wall_time now);

}  // namespace ferry::http
