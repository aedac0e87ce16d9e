#pragma once

#include <string_view>

#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/path.hpp"
#include "http/fields.hpp"
#include "http/plan.hpp"

namespace ferry::http {

inline constexpr std::string_view allowed_methods = "GET, HEAD, OPTIONS";

/// What every answer to one request shares.
struct planning {
    service::state& shared;
    const request& asked;
    after then;
    wall_time now;

    [[nodiscard]] bool is_head() const noexcept { return asked.method == method::head; }

    /// Status, date, product, and what the connection does next.
    [[nodiscard]] response_head head(status what) const;
    [[nodiscard]] connection_option connection_of() const noexcept;
    /// A page of its own; without one for HEAD.
    [[nodiscard]] response_plan error(status what, std::string_view explanation = {}) const;

    /// What a visitor may do with `name`.
    [[nodiscard]] auth::rights rights_at(const vfs::path& name) const noexcept {
        return shared.settings.visitors.at(name.text());
    }
};

/// An open regular file: conditions, range, fields, body.
[[nodiscard]] runtime::task<response_plan> plan_file(const planning& plan, const vfs::path& name,
                                                     vfs::shared_file_ptr file);

/// A directory: a redirect to the name with its slash, the index file, or a page that lists it.
[[nodiscard]] runtime::task<response_plan> plan_directory(const planning& plan,
                                                          const vfs::path& name);

}  // namespace ferry::http
