#include <optional>
#include <string_view>
#include <utility>

#include "http/changes.hpp"
#include "http/content_range.hpp"

namespace ferry::http {

using runtime::task;

namespace {

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

}  // namespace

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

}  // namespace ferry::http
