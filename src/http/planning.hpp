#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/path.hpp"
#include "http/answer_rules.hpp"
#include "http/fields.hpp"
#include "http/plan.hpp"
#include "http/site.hpp"
#include "http/viewer.hpp"

namespace ferry::http {

inline constexpr std::string_view methods_that_read = "GET, HEAD, OPTIONS";
/// Where somebody may change something.
inline constexpr std::string_view methods_with_writing =
    "GET, HEAD, OPTIONS, PUT, DELETE, MKCOL, MOVE, COPY";
inline constexpr std::string_view methods_of_uploads = "GET, HEAD, OPTIONS, PATCH, DELETE";

/// What answers say of an upload resource (draft-ietf-httpbis-resumable-upload section 4.1).
struct upload_state {
    std::optional<bool> complete = {};
    std::optional<std::uint64_t> offset = {};
    std::optional<std::uint64_t> length = {};
    std::string limit = {};        ///< The value of Upload-Limit.
    std::string location = {};     ///< Where the resource is.
    bool is_asked_itself = false;  ///< The request is for the resource.
    bool accepts_parts = false;    ///< Accept-Patch is told.
};

/// What every answer to one request shares.
struct planning {
    service::state& shared;
    const request& asked;
    after wished;  ///< What the connection would do whatever happens to the request's content.
    after then;
    wall_time now;
    viewer who;
    const site& at;          ///< The site that is asked.
    result<vfs::path> name;  ///< What it is asked for, in the tree; or why that is no name.
    answer_rules rules;
    bool is_secure = false;        ///< It came over TLS.
    bool may_say_password = true;  ///< See `options::logins_need_tls`.
    net::endpoint reached = {};    ///< Where the client has connected to.
    upload_state upload = {};

    [[nodiscard]] bool is_head() const noexcept { return asked.method == method::head; }

    /// Status, date, product, and what the connection does next.
    [[nodiscard]] response_head head(status what) const;
    [[nodiscard]] connection_option connection_of() const noexcept;
    /// For Allow (RFC 9110 section 10.2.1).
    [[nodiscard]] std::string_view allowed_methods() const noexcept;
    /// A page of its own; without one for HEAD.
    [[nodiscard]] response_plan error(status what, std::string_view explanation = {}) const;

    /// The same with `json` (RFC 9457) instead of a page.
    [[nodiscard]] response_plan problem(status what, std::string_view json) const;

    /// For what the client may not do: 403, or where an account might let it 401 with how to log in
    /// (RFC 9110 sections 15.5.2, 15.5.4).
    [[nodiscard]] response_plan forbidden() const;

    /// 403 to who may not log in here, for the password would be read by who listens.
    [[nodiscard]] response_plan not_in_clear() const;
    /// To who asks for what no name is, by `why` of `decode_target`.
    [[nodiscard]] response_plan no_name(errc why) const;

    /// True when there is somebody whom the client could be.
    [[nodiscard]] bool has_accounts() const noexcept {
        return shared.accounts != nullptr && shared.accounts->has_accounts();
    }

    /// What the client may do with `file`, a name in the tree.
    [[nodiscard]] auth::rights rights_at(const vfs::path& file) const noexcept {
        return who.rights_at(file);
    }

    /// True where visitors may have stored what is called `file` and others log in: its script must
    /// not act in their name.
    [[nodiscard]] bool is_visitors_to_write(const vfs::path& file) const noexcept {
        return has_accounts() &&
               shared.settings.visitors.at(file.text())
                   .has_any(auth::rights{auth::right::create, auth::right::replace});
    }

    /// `file_cache::open`, where the client may use what others have open; else as it sees the
    /// name.
    [[nodiscard]] runtime::task<result<vfs::shared_file_ptr>> open(const vfs::path& file) const;
};

/// What a redirect of the site answers, if there is one for what is asked.
[[nodiscard]] std::optional<response_plan> plan_moved(const planning& plan);

/// A redirect to `location`, encoded.
[[nodiscard]] response_plan plan_redirect(const planning& plan, status what,
                                          std::string_view location);

/// Sends the client to ask the same over TLS.
[[nodiscard]] response_plan plan_over_tls(const planning& plan);

/// The file that a site with clean URLs, or of one page (`site::spa`), has for `plan.name`: before
/// the tree is asked for that name, and when it has none. Nothing: there is no such file, or nobody
/// may read it.
[[nodiscard]] runtime::task<std::optional<response_plan>> plan_clean_page(const planning& plan);
[[nodiscard]] runtime::task<std::optional<response_plan>> plan_single_page(planning& plan,
                                                                           errc why);

/// Where the page `file` has its address without ".html", on a site with clean URLs.
[[nodiscard]] std::optional<std::string> clean_location(const planning& plan,
                                                        const vfs::path& file);

/// `made`, an error, with the page that the site has for it instead of ferry's own.
[[nodiscard]] runtime::task<response_plan> with_error_page(const planning& plan,
                                                           response_plan made);

/// An open regular file: conditions, range, fields, body.
[[nodiscard]] runtime::task<response_plan> plan_file(const planning& plan, const vfs::path& name,
                                                     vfs::shared_file_ptr file);

/// What `service::state::pages` has, which is there: to GET and HEAD, whatever the Host.
[[nodiscard]] runtime::task<response_plan> plan_page(const planning& plan);

/// A directory, which `plan.open` has found: a redirect to the name with its slash, the index file,
/// or a page that lists it.
[[nodiscard]] runtime::task<response_plan> plan_directory(const planning& plan,
                                                          const vfs::path& name,
                                                          vfs::shared_file_ptr found);

}  // namespace ferry::http
