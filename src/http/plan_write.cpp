#include "http/plan_write.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/copy.hpp"
#include "http/changes.hpp"
#include "http/target.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr auth::rights writing = {auth::right::create, auth::right::replace, auth::right::remove,
                                  auth::right::rename, auth::right::make_directory};

constexpr std::string_view root_stays = "This is the root of the tree, which stays.";

/// What a file that the conditions held for must still be when it is changed; null: whatever, as
/// for "If-Match: *".
const vfs::metadata* expected_of(const planning& plan, const subject& seen) noexcept {
    const auto& fields = plan.asked.fields;
    const bool names_one = fields.has(field::if_match) ? fields.only(field::if_match) != "*"
                                                       : fields.has(field::if_unmodified_since);
    const bool is_named = names_one || fields.has(field::if_none_match);
    return is_named && seen.status && !seen.is_directory() ? &*seen.status : nullptr;
}

/// Somebody has changed the file since the conditions were looked at.
response_plan plan_changed_meanwhile(const planning& plan) {
    return plan.error(
        is_conditional(plan.asked) ? status::precondition_failed : status::service_unavailable,
        changed_meanwhile);
}

task<response_plan> plan_delete(const planning& plan, vfs::path name) {
    if (!plan.rights_at(name).has(auth::right::remove)) {
        co_return plan.forbidden();
    }
    if (name.is_root()) {
        co_return plan.error(status::forbidden, root_stays);
    }
    const auto seen = co_await look_at(plan, std::move(name));
    if (!seen) {
        co_return plan.error(status_for(seen.error().code));
    }
    // A link that leads nowhere is there all the same: removing it will tell.
    if (seen->status && !conditions_hold(plan, seen->status)) {
        co_return plan.error(status::precondition_failed);
    }
    auto& here = plan.shared.here;
    auto removed = result<void>(failure(errc::is_directory));
    if (!seen->at.name.wants_directory()) {
        removed =
            co_await seen->at.files.remove_file(here, seen->at.name, expected_of(plan, *seen));
    }
    if (!removed && removed.error() == errc::is_directory) {
        removed = co_await seen->at.files.remove_directory(here, seen->at.name);
    }
    if (!removed && is_of_another_change(removed.error())) {
        co_return plan_changed_meanwhile(plan);
    }
    if (!removed && removed.error() == errc::not_empty) {
        co_return plan.error(status::conflict,
                             "The directory is not empty; its listing does not show all names.");
    }
    const bool names_a_file = plan.asked.fields.has(field::if_match);  // A part is none.
    if (!removed && removed.error() == errc::not_found && !plan.who.is_visitor() && !names_a_file) {
        // What was cut off of the client's own upload, which else keeps its room for a day.
        const auto dropped =
            co_await seen->at.files.remove_part(here, seen->at.name, plan.who.name());
        if (dropped) {
            co_return plan_done(plan, status::no_content);
        }
    }
    if (!removed) {
        co_return plan.error(status_for(removed.error().code), reason_of(removed.error()));
    }
    co_return plan_done(plan, status::no_content);
}

/// MKCOL: RFC 4918 section 9.3.
task<response_plan> plan_make_directory(const planning& plan, vfs::path name) {
    const bool has_content =
        plan.asked.framing == body_framing::chunked || plan.asked.content_length != 0;
    if (has_content) {
        co_return plan.error(status::unsupported_media_type,
                             "A directory is made without content.");
    }
    if (!plan.rights_at(name).has(auth::right::make_directory)) {
        co_return plan.forbidden();
    }
    const auto seen = co_await look_at(plan, std::move(name));
    if (!seen) {
        co_return plan_failed(plan, seen.error());
    }
    if (!conditions_hold(plan, seen->status)) {
        co_return plan.error(status::precondition_failed);
    }
    const auto made = co_await seen->at.files.make_directory(plan.shared.here, seen->at.name);
    if (!made && made.error() == errc::exists) {
        co_return plan.error(status::method_not_allowed, name_is_taken);
    }
    if (!made) {
        co_return plan_failed(plan, made.error());
    }
    co_return plan_done(plan, status::created);
}

/// The name in the tree that Destination holds (RFC 4918 section 10.3). Errors: errc::invalid,
/// unavailable: it is on another server, or as `decode_target`.
result<vfs::path> destination_of(const planning& plan) {
    const auto& asked = plan.asked;
    const auto value = asked.fields.only(field::destination);
    if (!value) {
        return failure(errc::invalid);
    }
    auto target = *value;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!ascii::equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            continue;
        }
        target.remove_prefix(scheme.size());
        const auto authority = target.substr(0, target.find('/'));
        if (!ascii::equal_ignoring_case(authority, asked.host)) {
            return failure(errc::unavailable);
        }
        target.remove_prefix(authority.size());
        break;
    }
    if (target.find_first_of("?#") != std::string_view::npos) {
        return failure(errc::invalid);
    }
    FERRY_TRY(name, decode_target(target));
    return plan.at.in_tree(std::move(name));
}

/// Overwrite (RFC 4918 section 10.6): "T" where it is missing. Nothing: it says something else.
std::optional<bool> may_overwrite(const request& asked) noexcept {
    if (!asked.fields.has(field::overwrite)) {
        return true;
    }
    const auto value = asked.fields.only(field::overwrite);
    if (value == "T" || value == "t") {
        return true;
    }
    return value == "F" || value == "f" ? std::optional(false) : std::nullopt;
}

task<result<void>> move(const planning& plan, const subject& from, const subject& to,
                        bool replace) {
    const auto moved =
        co_await from.at.files.rename(plan.shared.here, {.from = from.at.name,
                                                         .to = to.at.name,
                                                         .replace = replace,
                                                         .expected = expected_of(plan, from)});
    co_return moved;
}

task<result<void>> copy(const planning& plan, const subject& from, const subject& to,
                        bool replace) {
    const auto copied = co_await vfs::copy_file(plan.shared.here, from.at.files,
                                                {.from = from.at.name,
                                                 .to = to.at.name,
                                                 .replace = replace,
                                                 .expected = expected_of(plan, from)},
                                                plan.shared.settings.durability);
    if (!copied) {
        co_return failure(copied.error());
    }
    co_return result<void>{};
}

/// True where the client may do it, whatever has the names: before anybody looks, for what is there
/// is not to be told to who may not know.
bool may_move_or_copy(const planning& plan, const vfs::path& from, const vfs::path& to) {
    const auto from_allowed = plan.rights_at(from);
    const auto to_allowed = plan.rights_at(to);
    if (plan.asked.method == method::copy) {
        return from_allowed.has(auth::right::read) && to_allowed.has(auth::right::create);
    }
    return from_allowed.has(auth::right::rename) && to_allowed.has(auth::right::rename) &&
           !plan.who.has_rules_below(from) && !plan.who.has_rules_below(to);
}

/// MOVE and COPY: RFC 4918 sections 9.8 and 9.9, of files and, moved, of directories.
task<response_plan> plan_move_or_copy(const planning& plan, vfs::path name) {
    auto destination = destination_of(plan);
    if (!destination) {
        co_return destination.error() == errc::unavailable
            ? plan.error(status::bad_gateway, "The destination is on another server.")
            : plan.error(status_for(destination.error().code),
                         "Destination is missing or malformed.");
    }
    const auto overwrite = may_overwrite(plan.asked);
    if (!overwrite) {
        co_return plan.error(status::bad_request, "Overwrite is T or F.");
    }
    if (!may_move_or_copy(plan, name, *destination)) {
        co_return plan.forbidden();
    }
    const auto from = co_await look_at(plan, std::move(name));
    if (!from) {
        co_return plan.error(status_for(from.error().code));
    }
    const auto to = co_await look_at(plan, std::move(*destination));
    if (!to) {
        co_return plan_failed(plan, to.error());
    }
    if (to->status && !to->allowed.has(auth::right::replace)) {
        co_return plan.forbidden();
    }
    if (!from->status) {
        co_return plan.error(status::not_found);
    }
    if (&from->at.files != &to->at.files) {
        co_return plan.error(status::forbidden, "Only one of the names is in your home directory.");
    }
    if (from->name == to->name) {
        co_return plan.error(status::forbidden, "Both names are the same.");
    }
    if (!conditions_hold(plan, from->status)) {
        co_return plan.error(status::precondition_failed);
    }
    if (to->status && !*overwrite) {
        co_return plan.error(status::precondition_failed, "The destination is taken.");
    }
    if (plan.asked.method == method::move && from->name.is_root()) {
        co_return plan.error(status::forbidden, root_stays);
    }
    const bool replace = *overwrite && to->allowed.has(auth::right::replace);
    auto moving = plan.asked.method == method::copy ? copy(plan, *from, *to, replace)
                                                    : move(plan, *from, *to, replace);
    const auto done = co_await std::move(moving);
    if (!done && is_of_another_change(done.error())) {
        co_return plan_changed_meanwhile(plan);
    }
    if (!done && done.error() == errc::exists) {
        co_return plan.error(status::precondition_failed, "The destination is taken.");
    }
    if (!done && done.error() == errc::invalid) {
        co_return plan.error(status::forbidden, "Both are the same, or one is within the other.");
    }
    if (!done) {
        co_return plan_failed(plan, done.error());
    }
    co_return plan_done(plan, to->status ? status::no_content : status::created);
}

}  // namespace

bool may_write_anywhere(const service::state& shared) noexcept {
    return shared.settings.visitors.has_anywhere(writing) ||
           (shared.accounts != nullptr && shared.accounts->may_anywhere(writing));
}

task<response_plan> plan_write(const planning& plan, content_reader& content) {
    if (!may_write_anywhere(plan.shared)) {
        co_return plan.error(status::method_not_allowed);
    }
    if (!plan.name) {
        co_return plan.no_name(plan.name.error().code);
    }
    if (plan.asked.method == method::put) {
        auto made = co_await plan_put(plan, content, *plan.name);
        co_return made;
    }
    if (plan.asked.method == method::delete_) {
        auto made = co_await plan_delete(plan, *plan.name);
        co_return made;
    }
    if (plan.asked.method == method::mkcol) {
        auto made = co_await plan_make_directory(plan, *plan.name);
        co_return made;
    }
    auto made = co_await plan_move_or_copy(plan, *plan.name);
    co_return made;
}

}  // namespace ferry::http
