#include <optional>
#include <string_view>
#include <utility>

#include "http/changes.hpp"
#include "http/content_range.hpp"
#include "http/plan_upload.hpp"
#include "http/storing.hpp"

namespace ferry::http {

using runtime::task;

namespace {

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
    if (const auto why = why_malformed(asked); !why.empty()) {
        return plan.error(status::bad_request, why);
    }
    const auto resumable = resumption_of(plan);
    const bool begins_with_nothing = resumable && !resumable->completes;
    if (asked.framing == body_framing::none && !begins_with_nothing) {  // RFC 9110 section 15.5.12.
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
        auto told = plan;
        if (resumable && plan.shared.uploads != nullptr) {
            told.upload.limit = upload_limit(plan);
        }
        return told.error(status::content_too_large);
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

/// Takes the content and gives it its name.
task<response_plan> store(const planning& plan, content_reader& content, const subject& seen,
                          const put_part& what) {
    auto& here = plan.shared.here;
    auto said = digests_of(plan);
    if (!said) {
        co_return std::move(said.error());
    }
    const auto wanted = wanted_digest(plan.asked.fields, field::want_repr_digest);
    content_check check;
    content_check whole;  // Where the content is only a part of it.
    check.expect(said->content, field::content_digest);
    auto& of_file = what.part ? whole : check;
    of_file.expect(said->representation, field::repr_digest);
    if (wanted) {
        of_file.want(*wanted);
    }
    auto how = upload_of(plan, seen, what);
    how.reads_back = whole.is_any();
    auto begun = co_await seen.at.files.begin_upload(here, seen.at.name, how);
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
        static_cast<void>(co_await leave(plan, *begun));
        co_return is_as_named ? plan.error(status::precondition_failed, changed_meanwhile)
                              : plan_failed(plan, is_as_named.error());
    }
    const auto got = co_await receive(here, {.content = content, .into = *begun, .check = check});
    const auto now = after_content(plan, content);
    if (got.failed && got.is_content) {
        static_cast<void>(co_await leave(plan, *begun));
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
    if (!check.holds()) {  // Before anybody sees it: the old file stands, and what came before.
        if (what.part) {
            begun->take_back();
            static_cast<void>(co_await leave(plan, *begun));
        } else {
            co_await begun->discard(here);
        }
        co_return now.problem(status::bad_request, check.problem());
    }
    if (whole.is_any()) {
        const auto read = co_await read_back(here, *begun, whole);
        if (!read) {
            co_await begun->discard(here);
            co_return plan_failed(now, read.error());
        }
    }
    if (!whole.holds()) {
        co_await begun->discard(here);
        co_return now.problem(status::bad_request, whole.problem());
    }
    auto made = co_await commit(now, *begun,
                                {.seen = seen,
                                 .is_conditional = is_conditional(plan.asked),
                                 .repr_digest = of_file.wanted_value()});
    co_return made;
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
    if (what.part) {
        const auto why = co_await why_no_part(plan, *seen);
        if (!why.empty()) {
            co_return plan.error(status::conflict, why);
        }
    }
    const bool is_longer = what.part && what.part->whole_size_bytes && seen->status &&
                           seen->status->size_bytes > *what.part->whole_size_bytes;
    if (is_longer) {
        co_return plan_beyond(plan, seen->status->size_bytes);
    }
    if (const auto resumable = resumption_of(plan)) {
        auto made = co_await plan_upload_creation(plan, content, *seen, *resumable);
        if (made) {
            co_return std::move(*made);
        }
    }
    auto stored = co_await store(plan, content, *seen, what);
    co_return stored;
}

}  // namespace ferry::http
