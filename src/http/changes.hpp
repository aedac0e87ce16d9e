#pragma once

#include <cerrno>
#include <optional>
#include <string_view>

#include "ferry/base/error.hpp"
#include "ferry/runtime/task.hpp"
#include "http/conditions.hpp"
#include "http/content_reader.hpp"
#include "http/planning.hpp"

namespace ferry::http {

// What the plans of all methods that change something share.

inline constexpr std::string_view no_parent = "There is no directory for it to be in.";
inline constexpr std::string_view is_a_directory = "That is a directory.";
inline constexpr std::string_view name_is_taken = "That name is taken.";
inline constexpr std::string_view changed_meanwhile = "It has changed meanwhile.";

/// Whether a change has failed because somebody else's came between, which the tree has seen, or
/// heard by EEXIST. Not where the kernel says EBUSY, as of what something is mounted on, nor while
/// a home is counted (EAGAIN): nothing has changed there.
[[nodiscard]] constexpr bool is_of_another_change(const error& why) noexcept {
    return why == errc::busy && (why.os_errno == 0 || why.os_errno == EEXIST);
}

/// What a name is before it is changed.
struct subject {
    vfs::path name;
    viewer::place at;
    auth::rights allowed;
    std::optional<vfs::metadata> status;  ///< Nothing: there is no such thing.

    [[nodiscard]] bool is_directory() const noexcept {
        return status && status->kind == vfs::file_kind::directory;
    }
};

[[nodiscard]] runtime::task<result<subject>> look_at(const planning& plan, vfs::path name);

[[nodiscard]] bool is_conditional(const request& asked) noexcept;

/// The tag of a file just now as if it had lain still: who changes files hears it at once and may
/// name it at once. That another process writes in place within a tick of the clock (4 ms) behind a
/// change is all that it cannot tell. A time that is still to come tells as little as one just now.
[[nodiscard]] validators settled_validators(const vfs::metadata& status, wall_time now) noexcept;

/// The preconditions of a request that changes something (RFC 9110 section 13.2.2).
[[nodiscard]] bool conditions_hold(const planning& plan,
                                   const std::optional<vfs::metadata>& status);

/// The same once content has been read: what the connection does next may be another thing.
[[nodiscard]] planning after_content(const planning& plan, const content_reader& content);

/// What an answer says of what was made.
struct made_file {
    std::optional<validators> made = {};
    std::string_view repr_digest = {};  ///< Its value.
};

/// An answer without content.
[[nodiscard]] response_plan plan_done(const planning& plan, status what,
                                      const made_file& file = {});

/// Why a tree refuses a change whatever the client may do; empty: there is no more to say.
[[nodiscard]] std::string_view reason_of(const error& why) noexcept;

/// What a failed change is answered with; where it concerns a new name the directory for it is
/// missing, not what was asked for (RFC 4918 sections 9.3.1, 9.7.1, 9.9.4).
[[nodiscard]] response_plan plan_failed(const planning& plan, const error& why);

/// PUT: RFC 9110 section 9.3.4.
[[nodiscard]] runtime::task<response_plan> plan_put(const planning& plan, content_reader& content,
                                                    vfs::path name);

}  // namespace ferry::http
