#include "http/plan_write.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/copy.hpp"
#include "http/conditions.hpp"
#include "http/content_range.hpp"
#include "http/target.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr auth::rights writing = {auth::right::create, auth::right::replace, auth::right::remove,
                                  auth::right::rename, auth::right::make_directory};

constexpr std::string_view no_parent = "There is no directory for it to be in.";
constexpr std::string_view is_a_directory = "That is a directory.";
constexpr std::string_view name_is_taken = "That name is taken.";
constexpr std::string_view changed_meanwhile = "It has changed meanwhile.";

/// The same once content has been read: what the connection does next may be another thing.
planning after_content(const planning& plan, const content_reader& content) {
    planning now = plan;
    now.then = content.lets_go_on() ? plan.wished : after::close;
    now.now = read_wall_clock();  // It may have taken hours; Date is about the answer.
    return now;
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

task<result<subject>> look_at(const planning& plan, vfs::path name) {
    auto at = plan.who.where(name);
    const auto allowed = plan.rights_at(name);
    const auto found = co_await at.files.status(plan.shared.here, at.name);
    if (!found && found.error() != errc::not_found) {
        co_return failure(found.error());
    }
    subject seen{.name = std::move(name), .at = std::move(at), .allowed = allowed, .status = {}};
    if (found) {
        seen.status = *found;
    }
    co_return seen;
}

bool is_conditional(const request& asked) noexcept {
    return asked.fields.has(field::if_match) || asked.fields.has(field::if_none_match) ||
           asked.fields.has(field::if_unmodified_since);
}

/// The tag of a file just now as if it had lain still: who changes files hears it at once and may
/// name it at once. That another process writes in place within a tick of the clock (4 ms) behind a
/// change is all that it cannot tell. A time that is still to come tells as little as one just now.
validators settled_validators(const vfs::metadata& status, wall_time now) noexcept {
    now.seconds = std::max(now.seconds, status.modified.seconds) + vfs::settled_after_seconds + 1;
    return {status, now};
}

/// The preconditions of a request that changes something (RFC 9110 section 13.2.2).
bool conditions_hold(const planning& plan, const std::optional<vfs::metadata>& status) {
    std::optional<validators> current;
    if (status) {
        current = settled_validators(*status, plan.now);
    }
    return evaluate_conditions(plan.asked, current, plan.now) == verdict::proceed;
}

/// An answer without content.
response_plan plan_done(const planning& plan, status what,
                        const std::optional<validators>& made = {}) {
    response_plan done;
    done.what = what;
    done.then = plan.then;
    auto head = plan.head(what);
    if (what != status::no_content) {
        head.content_length = 0;
    }
    if (made) {
        head.etag = made->etag().text();
    }
    append_head(done.message, head);
    return done;
}

/// What a failed change is answered with; where it concerns a new name the directory for it is
/// missing, not what was asked for (RFC 4918 sections 9.3.1, 9.7.1, 9.9.4).
response_plan plan_failed(const planning& plan, const error& why) {
    if (why == errc::not_found || why == errc::not_directory) {
        return plan.error(status::conflict, no_parent);
    }
    if (why == errc::is_directory) {
        return plan.error(status::conflict, is_a_directory);
    }
    if (why == errc::unsupported) {
        return plan.error(status::not_implemented,
                          "That lies on another file system: copy and delete instead.");
    }
    return plan.error(status_for(why.code));
}

/// What content that did not come whole is answered with.
response_plan plan_broken_content(const planning& plan, const content_reader& content,
                                  const error& why) {
    if (why == errc::invalid) {
        const auto refusal = content.refusal();
        return plan.error(refusal.what, refusal.reason);
    }
    if (why == errc::closed || why == errc::reset) {
        return plan.error(status::bad_request, "The content ended early.");
    }
    if (why == errc::timed_out) {
        return plan.error(status::request_timeout, "The content came too slowly.");
    }
    return plan.error(status_for(why.code));
}

/// Which part of the file the content of a PUT is.
struct put_part {
    std::optional<content_part> part;         ///< Nothing: it is the file.
    std::optional<std::uint64_t> size_bytes;  ///< Of the content, by Content-Range.
    bool is_malformed = false;
};

put_part part_of(const request& asked) noexcept {
    if (!asked.fields.has(field::content_range)) {
        return {};
    }
    const auto value = asked.fields.only(field::content_range);
    const auto part = value ? parse_content_range(*value) : std::nullopt;
    const bool has_other_length = part && asked.framing == body_framing::length &&
                                  asked.content_length != part->octets.size_bytes;
    if (!part || has_other_length) {
        return {.part = {}, .size_bytes = {}, .is_malformed = true};
    }
    if (part->octets.offset == 0 && part->whole_size_bytes == part->octets.size_bytes) {
        return {.part = {}, .size_bytes = part->octets.size_bytes};  // All of it.
    }
    return {.part = part, .size_bytes = part->octets.size_bytes};
}

/// Refuses a PUT for what its head says; nothing: it may go on.
std::optional<response_plan> refuse_put(const planning& plan, const vfs::path& name,
                                        const put_part& what) {
    const auto& asked = plan.asked;
    if (name.is_root() || asked.path.ends_with('/')) {
        return plan.error(status::conflict, is_a_directory);
    }
    if (asked.framing == body_framing::none) {  // RFC 9110 section 15.5.12.
        return plan.error(status::length_required);
    }
    if (asked.fields.has(field::content_encoding)) {  // Section 8.4: files are kept as they come.
        return plan.error(status::unsupported_media_type, "Content codings are not taken.");
    }
    if (what.is_malformed) {  // Section 14.5.
        return plan.error(status::bad_request, "Malformed Content-Range.");
    }
    const auto most = plan.shared.settings.upload_bytes_max;
    if (most != 0 && asked.content_length > most) {
        return plan.error(status::content_too_large);
    }
    return std::nullopt;
}

/// How the upload of a PUT goes.
vfs::upload_options upload_of(const planning& plan, const subject& seen, const put_part& what) {
    vfs::upload_options how;
    if (plan.asked.framing == body_framing::length) {
        how.size_bytes = plan.asked.content_length;
    }
    const bool may_replace = seen.allowed.has(auth::right::replace);
    if (what.part) {  // Takes the right to replace; the commit minds what has the name.
        how.mode = vfs::upload_mode::restart;
        how.restart_offset = what.part->octets.offset;
        how.size_bytes = what.part->octets.offset + what.part->octets.size_bytes;
    } else if (!may_replace || (!seen.status && is_conditional(plan.asked))) {
        how.mode = vfs::upload_mode::create;
    } else {
        how.only_if_unchanged = is_conditional(plan.asked);
    }
    how.account = plan.who.name();
    if (may_replace && !plan.who.is_visitor()) {  // Visitors are not told apart.
        how.part_owner = how.account;
    }
    return how;
}

/// What there is against a part of a file that its client takes for its own upload, cut off, when
/// the file is still the old one; empty: nothing.
task<std::string_view> why_no_part(const planning& plan, const subject& seen) {
    const auto before =
        co_await seen.at.files.replacement_of(plan.shared.here, seen.at.name, plan.who.name());
    switch (before.value_or(vfs::replacement::none)) {
        case vfs::replacement::none:
            break;
        case vfs::replacement::under_way:
            co_return "An upload of this whole file is under way.";
        case vfs::replacement::cut_off:
            co_return "An upload of it was cut off and the old file stands: send the whole file.";
        case vfs::replacement::forgotten:
            co_return "Too many uploads were cut off: send the whole file.";
    }
    co_return std::string_view();
}

/// Content at an offset that the file does not reach, or of a file that is longer already.
response_plan plan_beyond(const planning& plan, std::uint64_t size_bytes) {
    response_plan made;
    made.what = status::range_not_satisfiable;
    made.then = plan.then;
    auto head = plan.head(made.what);
    head.whole_size_bytes = size_bytes;
    made.body_bytes = append_error_answer(made.message, head, true);
    return made;
}

/// How much there is to go on behind: of the file, or of what was cut off of the client's own
/// upload to a name that nobody has.
task<std::uint64_t> size_so_far(const planning& plan, const subject& seen) {
    if (seen.status) {
        co_return seen.status->size_bytes;
    }
    if (plan.who.is_visitor()) {
        co_return 0;
    }
    const auto part =
        co_await seen.at.files.part_status(plan.shared.here, seen.at.name, plan.who.name());
    co_return part ? part->size_bytes : 0;
}

/// Takes the content into `into`. The error is the content's with `is_content`, else the disk's.
struct received {
    std::optional<error> failed;
    bool is_content = false;
};

task<received> receive(runtime::core& here, content_reader& content, vfs::upload& into) {
    for (;;) {  // Bounded by the client and the disk: each turn stores what it brought.
        const auto piece = co_await content.next();
        if (!piece) {
            co_return received{.failed = piece.error(), .is_content = true};
        }
        if (piece->empty()) {
            co_return received{};
        }
        const auto written = co_await into.write(here, *piece);
        if (!written) {
            co_return received{.failed = written.error()};
        }
    }
}

/// Whether the conditions hold for what has the name once an upload to it has begun: the commit
/// finds out what changes from there on, and nobody else what has changed before.
task<result<bool>> still_holds(const planning& plan, const subject& seen) {
    if (!is_conditional(plan.asked)) {
        co_return true;
    }
    const auto again = co_await look_at(plan, seen.name);
    if (!again) {
        co_return failure(again.error());
    }
    co_return conditions_hold(plan, again->status);
}

/// Parts with an upload that was cut off: its account may go on with it.
task<> leave(const planning& plan, vfs::upload& cut) {
    const auto kept = co_await cut.keep(plan.shared.here, plan.shared.settings.durability);
    if (!kept) {
        co_await cut.discard(plan.shared.here);
    }
}

/// Takes the content and gives it its name.
task<response_plan> store(const planning& plan, content_reader& content, const subject& seen,
                          const put_part& what) {
    auto& here = plan.shared.here;
    auto begun =
        co_await seen.at.files.begin_upload(here, seen.at.name, upload_of(plan, seen, what));
    if (!begun) {
        if (what.part && begun.error() == errc::invalid) {
            const auto size_bytes = co_await size_so_far(plan, seen);
            co_return plan_beyond(plan, size_bytes);
        }
        if (begun.error() == errc::exists) {
            co_return is_conditional(plan.asked)
                ? plan.error(status::precondition_failed, changed_meanwhile)
                : plan.error(status::conflict, name_is_taken);
        }
        co_return plan_failed(plan, begun.error());
    }
    const auto is_as_named = co_await still_holds(plan, seen);
    if (!is_as_named || !*is_as_named) {
        co_await leave(plan, *begun);
        co_return is_as_named ? plan.error(status::precondition_failed, changed_meanwhile)
                              : plan_failed(plan, is_as_named.error());
    }
    const auto got = co_await receive(here, content, *begun);
    const auto now = after_content(plan, content);
    if (got.failed && got.is_content) {
        co_await leave(plan, *begun);
        co_return plan_broken_content(now, content, *got.failed);
    }
    if (got.failed) {
        co_await begun->discard(here);
        co_return plan_failed(now, *got.failed);
    }
    if (begun->written_bytes() != what.size_bytes.value_or(begun->written_bytes())) {
        co_await begun->discard(here);
        co_return now.error(status::bad_request, "Content-Range says another length.");
    }
    const auto committed = co_await begun->commit(here, plan.shared.settings.durability);
    if (!committed) {
        co_await begun->discard(here);
        const bool is_late = committed.error() == errc::busy || committed.error() == errc::exists;
        co_return is_late
            ? now.error(is_conditional(plan.asked) ? status::precondition_failed : status::conflict,
                        changed_meanwhile)
            : plan_failed(now, committed.error());
    }
    std::optional<validators> made;
    if (const auto status = begun->status(); status) {
        made = settled_validators(*status, now.now);
    }
    co_return plan_done(now, seen.status ? status::no_content : status::created, made);
}

task<response_plan> plan_put(const planning& plan, content_reader& content, vfs::path name) {
    const auto what = part_of(plan.asked);
    if (auto refused = refuse_put(plan, name, what)) {
        co_return std::move(*refused);
    }
    if (!plan.rights_at(name).has(auth::right::create)) {
        co_return plan.forbidden();
    }
    const auto seen = co_await look_at(plan, std::move(name));
    if (!seen) {
        co_return plan_failed(plan, seen.error());
    }
    if (seen->is_directory()) {
        co_return plan.error(status::conflict, is_a_directory);
    }
    const bool changes = seen->status || what.part;
    if (changes && !seen->allowed.has(auth::right::replace)) {
        co_return plan.forbidden();
    }
    if (!conditions_hold(plan, seen->status)) {
        co_return plan.error(status::precondition_failed);
    }
    const bool is_longer = what.part && what.part->whole_size_bytes && seen->status &&
                           seen->status->size_bytes > *what.part->whole_size_bytes;
    if (is_longer) {
        co_return plan_beyond(plan, seen->status->size_bytes);
    }
    if (what.part) {
        const auto why = co_await why_no_part(plan, *seen);
        if (!why.empty()) {
            co_return plan.error(status::conflict, why);
        }
    }
    auto stored = co_await store(plan, content, *seen, what);
    co_return stored;
}

task<response_plan> plan_delete(const planning& plan, vfs::path name) {
    if (!plan.rights_at(name).has(auth::right::remove)) {
        co_return plan.forbidden();
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
        removed = co_await seen->at.files.remove_file(here, seen->at.name);
    }
    if (!removed && removed.error() == errc::is_directory) {
        removed = co_await seen->at.files.remove_directory(here, seen->at.name);
    }
    if (!removed && removed.error() == errc::not_empty) {
        co_return plan.error(status::conflict, "The directory is not empty.");
    }
    if (!removed && removed.error() == errc::not_found && !plan.who.is_visitor()) {
        // What was cut off of the client's own upload, which else keeps its room for a day.
        const auto dropped =
            co_await seen->at.files.remove_part(here, seen->at.name, plan.who.name());
        if (dropped) {
            co_return plan_done(plan, status::no_content);
        }
    }
    if (!removed) {
        co_return plan.error(status_for(removed.error().code));
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
    const auto moved = co_await from.at.files.rename(
        plan.shared.here, {.from = from.at.name, .to = to.at.name, .replace = replace});
    co_return moved;
}

task<result<void>> copy(const planning& plan, const subject& from, const subject& to,
                        bool replace) {
    const auto copied =
        co_await vfs::copy_file(plan.shared.here, from.at.files,
                                {.from = from.at.name, .to = to.at.name, .replace = replace},
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
    const bool replace = *overwrite && to->allowed.has(auth::right::replace);
    auto moving = plan.asked.method == method::copy ? copy(plan, *from, *to, replace)
                                                    : move(plan, *from, *to, replace);
    const auto done = co_await std::move(moving);
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
        co_return plan.error(status_for(plan.name.error().code));
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
