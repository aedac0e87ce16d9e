#include "http/plan_upload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "ferry/runtime/wait.hpp"
#include "http/plan_write.hpp"
#include "http/storing.hpp"
#include "http/structured_fields.hpp"
#include "http/target.hpp"
#include "http/upload_resource.hpp"

namespace ferry::http {

using runtime::task;

namespace {

// How long a request waits for the one before it to leave what came on the disk.
constexpr auto turn_wait_max = std::chrono::seconds(30);

constexpr std::string_view inconsistent_length =
    R"({"type":"https://iana.org/assignments/http-problem-types#inconsistent-upload-length",)"
    R"("title":"inconsistent length values for upload"})"
    "\n";
constexpr std::string_view completed_upload =
    R"({"type":"https://iana.org/assignments/http-problem-types#completed-upload",)"
    R"("title":"upload is already completed"})"
    "\n";
constexpr std::string_view no_upload = "There is no such upload, or no more.";
constexpr std::string_view goes_on_elsewhere = "A later request goes on with this upload.";
constexpr std::string_view no_parts =
    "No part of an upload is kept here: send the whole with Upload-Complete: ?1.";

std::string mismatching_offset(std::uint64_t expected, std::uint64_t provided) {
    return fmt::format(
        R"({{"type":"https://iana.org/assignments/http-problem-types#mismatching-upload-offset",)"
        R"("title":"offset from request does not match offset of resource",)"
        R"("expected-offset":{},"provided-offset":{}}})"
        "\n",
        expected, provided);
}

std::string owner_of(const planning& plan, const upload_resource& which) {
    return vfs::owner_apart(which.id, plan.who.name());
}

/// Where the resource is. Made of the name, not of what was asked for: "//host/name" would lead
/// there (RFC 3986 section 4.2).
std::string location_of(const planning& plan, const vfs::path& name, const upload_resource& which) {
    std::string made;
    append_encoded_path(made, plan.at.in_site(name).text());
    made += '?';
    made += upload_query(which);
    return made;
}

/// The preconditions of a request that changes an upload resource which is there, and has no tag
/// and no date of its own (RFC 9110 section 13.1).
bool conditions_hold_here(const request& asked) {
    const auto& fields = asked.fields;
    if (fields.has(field::if_match) && fields.only(field::if_match) != "*") {
        return false;
    }
    return fields.only(field::if_none_match) != "*";
}

/// What the address of a resource says of the file that has the name.
std::string state_of(const planning& plan, const subject& seen) {
    if (!seen.status) {
        return std::string(upload_resource::no_file);
    }
    const auto current = settled_validators(*seen.status, plan.now);
    const auto tag = current.etag().text();
    return std::string(tag.substr(1, tag.size() - 2));
}

/// Whether what has the name is what was expected of it when the upload began.
bool is_expected(const planning& plan, const subject& seen, const upload_resource& which) {
    return which.expected.empty() || which.expected == state_of(plan, seen);
}

/// One request's part in an upload, all that is known of it.
struct step {
    const planning& plan;
    content_reader& content;
    const subject& seen;
    const upload_resource& which;
    upload_turns::turn& turn;
    bool completes;
    std::uint64_t offset = 0;               ///< Where its content goes.
    std::optional<std::uint64_t> length{};  ///< Of the whole.
    bool creates = false;
    bool is_announced = true;  ///< The client knows where the resource is.
};

vfs::upload_options upload_options_of(const step& now) {
    const auto& asked = now.plan.asked;
    vfs::upload_options how;
    const bool must_be_free = now.which.expected == upload_resource::no_file ||
                              !now.seen.allowed.has(auth::right::replace);
    how.mode = must_be_free ? vfs::upload_mode::create : vfs::upload_mode::replace;
    how.only_if_unchanged = !must_be_free && !now.which.expected.empty();
    how.account = now.plan.who.name();
    how.part_owner = owner_of(now.plan, now.which);
    if (now.length) {
        how.size_bytes = now.length;
    } else if (asked.framing == body_framing::length) {
        how.size_bytes = now.offset + asked.content_length;
    }
    if (!now.creates) {
        how.part_bytes = now.offset;
    }
    return how;
}

/// The most octets that any upload may have, and the fields can say.
std::uint64_t whole_bytes_max(const planning& plan) noexcept {
    const auto most = plan.shared.settings.upload_bytes_max;
    return most == 0 ? count_max : std::min(most, count_max);
}

/// The most octets that the whole may have by now.
std::uint64_t size_max(const step& now) noexcept {
    const auto limit = whole_bytes_max(now.plan);
    return std::min(limit, now.length.value_or(limit));
}

/// Answers to a request that has taken content and does not complete the upload.
response_plan plan_part_stored(const planning& now, const step& what, std::uint64_t offset) {
    auto told = now;
    told.upload.complete = false;
    told.upload.offset = offset;
    told.upload.length = what.length;
    return plan_done(told, what.creates ? status::created : status::no_content);
}

/// What there is against the content that has come: the upload, still under way, is left or dropped
/// as that asks for.
task<std::optional<response_plan>> why_not_taken(const planning& now, const step& what,
                                                 const received& got, vfs::upload& into,
                                                 content_check& check) {
    auto& here = now.shared.here;
    // The parting of a request that a later one has ended, however far it was.
    const bool is_cut = got.failed && (got.is_content || *got.failed == errc::cancelled);
    if (is_cut) {
        const bool is_gone = *got.failed == errc::closed || *got.failed == errc::reset;
        bool is_kept = false;
        if (is_gone && !what.is_announced) {  // Nobody would ever find it.
            co_await into.discard(here);
        } else {
            is_kept = co_await leave(now, into);
        }
        auto told = now;
        if (!is_kept) {
            told.upload.location.clear();
        }
        if (*got.failed == errc::too_large) {
            told.upload.limit = upload_limit(now);
        }
        co_return what.turn.is_over() ? told.error(status::conflict, goes_on_elsewhere)
                                      : plan_broken_content(told, what.content, *got.failed);
    }
    auto over = now;  // Nobody goes on with it.
    over.upload.location.clear();
    if (got.failed) {
        co_await into.discard(here);
        co_return plan_failed(over, *got.failed);
    }
    if (got.is_too_long) {  // Section 4.4.2: it is invalid from here on.
        co_await into.discard(here);
        over.upload.limit = upload_limit(now);
        const bool is_longer_than_said = what.length == size_max(what);
        co_return is_longer_than_said ? over.problem(status::bad_request, inconsistent_length)
                                      : over.error(status::content_too_large);
    }
    if (!check.holds()) {  // Section 10.2: none of it.
        into.take_back();
        static_cast<void>(co_await leave(now, into));
        co_return now.problem(status::bad_request, check.problem());
    }
    co_return std::nullopt;
}

/// Compares the whole with its digests (section 10.1) and gives it its name.
task<response_plan> complete(const planning& now, const step& what, vfs::upload& whole,
                             content_check& of_whole) {
    auto& here = now.shared.here;
    auto told = now;
    told.upload.complete = true;
    told.upload.limit.clear();
    told.upload.location.clear();
    const auto size_bytes = whole.size_bytes();
    if (of_whole.is_any() && what.offset != 0) {
        const auto read = co_await read_back(here, whole, of_whole);
        if (!read) {  // The server ends, or the disk: all of it has come, and may be completed
                      // later.
            static_cast<void>(co_await leave(now, whole));
            co_return plan_failed(now, read.error());
        }
    }
    if (!of_whole.holds()) {
        co_await whole.discard(here);
        co_return told.problem(status::bad_request, of_whole.problem());
    }
    auto made = co_await commit(told, whole,
                                {.seen = what.seen,
                                 .is_conditional = !what.which.expected.empty(),
                                 .repr_digest = of_whole.wanted_value()});
    if (!is_error(made.what)) {
        now.shared.uploads->keep(
            owner_of(now, what.which),
            {.length = what.length, .is_complete = true, .size_bytes = size_bytes}, here.now());
    }
    co_return made;
}

/// Takes the content into an upload that has begun.
task<response_plan> take_in(const step& what, vfs::upload& into, said_digests said) {
    const auto& plan = what.plan;
    auto& here = plan.shared.here;
    content_check check;
    check.expect(said.content, field::content_digest);
    content_check of_whole;
    if (what.completes) {
        of_whole.expect(what.which.digests, field::repr_digest);
        of_whole.expect(said.representation, field::repr_digest);
        if (const auto wanted = wanted_digest(plan.asked.fields, field::want_repr_digest)) {
            of_whole.want(*wanted);
        }
    }
    const auto got = co_await receive(here, {.content = what.content,
                                             .into = into,
                                             .check = check,
                                             .also = what.offset == 0 ? &of_whole : nullptr,
                                             .bytes_max = size_max(what)})
                         .in_scope(what.turn.scope());
    const auto now = after_content(plan, what.content);
    auto refused = co_await why_not_taken(now, what, got, into, check);
    if (refused) {
        co_return std::move(*refused);
    }
    const auto offset = into.size_bytes();
    const bool is_short = what.completes && what.length.value_or(offset) != offset;
    if (!what.completes || is_short) {
        const bool is_kept = co_await leave(now, into);
        if (!is_kept) {
            auto over = now;
            over.upload.location.clear();
            co_return over.error(status::insufficient_storage, "What came could not be kept.");
        }
        co_return is_short ? now.problem(status::bad_request, inconsistent_length)
                           : plan_part_stored(now, what, offset);
    }
    auto made = co_await complete(now, what, into, of_whole);
    co_return made;
}

/// Whether the lengths that a request says belong together (section 4.1.3), and what the whole one
/// is, as far as that is known.
struct lengths {
    bool are_consistent = true;
    std::optional<std::uint64_t> whole;
};

/// Where the content of a request ends in the whole, as far as its head says; more than there is
/// room for in a number is the most there is.
std::uint64_t end_of(const request& asked, std::uint64_t offset) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    return asked.content_length > most - offset ? most : offset + asked.content_length;
}

lengths lengths_of(const request& asked, const upload_request& asks, std::uint64_t offset,
                   std::optional<std::uint64_t> known) noexcept {
    lengths found{.whole = known};
    const auto add = [&found](std::uint64_t said) {
        found.are_consistent &= found.whole.value_or(said) == said;
        found.whole = said;
    };
    if (asks.length) {
        add(*asks.length);
    }
    if (asked.framing != body_framing::chunked) {
        const auto end = end_of(asked, offset);
        if (asks.completes) {
            add(end);
        }
        found.are_consistent &= end <= found.whole.value_or(end);
    }
    found.are_consistent &= offset <= found.whole.value_or(offset);
    return found;
}

/// Refuses what is going to be larger than anything may be, or than the fields can say.
bool is_too_large(const planning& plan, const lengths& said, std::uint64_t offset) noexcept {
    return std::max(said.whole.value_or(0), end_of(plan.asked, offset)) > whole_bytes_max(plan);
}

/// Section 4.2.2: before the content is asked for, so that a client which loses the connection from
/// here on knows where to go on.
task<void> announce(const planning& plan, content_reader& content) {
    response_head head;
    head.what = status::upload_resumption_supported;
    head.location = plan.upload.location;
    head.upload_limit = plan.upload.limit;
    head.upload_draft_interop_version = upload_interop_version(plan.asked);
    std::string interim;
    append_head(interim, head);
    // A client that is gone is found out by its content.
    static_cast<void>(co_await content.tell(interim));
}

/// How long a part is kept that nobody goes on with.
std::int64_t seconds_kept(const planning& plan) {
    return std::chrono::floor<std::chrono::seconds>(plan.shared.uploads->memory()).count();
}

/// Upload-Limit (section 4.1.4) of what is kept for `seconds` from now on.
std::string limit_for(const planning& plan, std::int64_t seconds) {
    const auto most = plan.shared.settings.upload_bytes_max;
    auto made = fmt::format("max-age={}", seconds);
    if (most != 0) {
        made += fmt::format(", max-size={}", most);
    }
    return made;
}

}  // namespace

bool may_resume_uploads(const planning& plan) noexcept {
    return plan.shared.uploads != nullptr && may_write_anywhere(plan.shared);
}

std::string upload_limit(const planning& plan) {
    return limit_for(plan, seconds_kept(plan));
}

std::optional<upload_request> resumption_of(const planning& plan) noexcept {
    const auto completes = read_boolean(plan.asked.fields, field::upload_complete);
    if (!completes) {
        return std::nullopt;
    }
    return upload_request{.completes = *completes,
                          .length = read_count(plan.asked.fields, field::upload_length)};
}

std::string_view why_malformed(const request& asked) {
    const auto& fields = asked.fields;
    if (fields.has(field::upload_complete) && !read_boolean(fields, field::upload_complete)) {
        return "Malformed Upload-Complete: it is ?1 or ?0.";
    }
    if (fields.has(field::upload_length) && !read_count(fields, field::upload_length)) {
        return "Malformed Upload-Length: it is a number of octets.";
    }
    return {};
}

task<std::optional<response_plan>> plan_upload_creation(const planning& plan,
                                                        content_reader& content,
                                                        const subject& seen,
                                                        const upload_request& asks) {
    auto& here = plan.shared.here;
    if (plan.asked.fields.has(field::content_range)) {
        co_return plan.error(status::bad_request,
                             "Content-Range and Upload-Complete do not go together.");
    }
    if (plan.shared.uploads == nullptr) {
        co_return asks.completes ? std::nullopt
                                 : std::optional(plan.error(status::not_implemented, no_parts));
    }
    auto said = digests_of(plan);
    if (!said) {
        co_return std::move(said.error());
    }
    auto told = plan;
    told.upload.limit = upload_limit(plan);
    const auto said_lengths = lengths_of(plan.asked, asks, 0, {});
    if (!said_lengths.are_consistent) {
        co_return told.problem(status::bad_request, inconsistent_length);
    }
    if (is_too_large(plan, said_lengths, 0)) {
        co_return told.error(status::content_too_large);
    }
    auto which = make_upload_resource();
    which.length = said_lengths.whole;
    if (is_conditional(plan.asked)) {  // RFC 9110 section 13.
        which.expected = state_of(plan, seen);
    }
    which.digests = said->representation;
    said->representation = {};  // It is the resource's now.
    auto turn = co_await plan.shared.uploads->take(here, owner_of(plan, which), runtime::never);
    if (!turn) {
        co_return plan.error(status_for(turn.error().code));
    }
    told.upload.location = location_of(plan, seen.name, which);
    const bool hears = upload_interop_version(plan.asked) && plan.asked.version_minor != 0;
    const step what{.plan = told,
                    .content = content,
                    .seen = seen,
                    .which = which,
                    .turn = *turn,
                    .completes = asks.completes,
                    .offset = 0,
                    .length = which.length,
                    .creates = true,
                    .is_announced = hears};
    auto begun = co_await seen.at.files.begin_upload(here, seen.at.name, upload_options_of(what));
    if (!begun && begun.error() == errc::unsupported) {  // The mount keeps none, or a long name.
        co_return asks.completes ? std::nullopt
                                 : std::optional(plan.error(status::not_implemented, no_parts));
    }
    if (!begun && begun.error() == errc::exists) {
        co_return which.expected.empty()
            ? plan.error(status::conflict, name_is_taken)
            : plan.error(status::precondition_failed, changed_meanwhile);
    }
    if (!begun) {
        co_return plan_failed(plan, begun.error());
    }
    const auto again = co_await look_at(plan, seen.name);
    if (!again || !is_expected(plan, *again, which)) {
        co_await begun->discard(here);
        co_return again ? plan.error(status::precondition_failed, changed_meanwhile)
                        : plan_failed(plan, again.error());
    }
    if (hears) {
        co_await announce(told, content);
    }
    auto made = co_await take_in(what, *begun, std::move(*said));
    co_return made;
}

namespace {

/// What a resource is by now.
struct found_upload {
    std::optional<upload_turns::note> noted;
    std::optional<vfs::metadata> part;
};

task<result<found_upload>> find_upload(const planning& plan, const viewer::place& at,
                                       const std::string& owner) {
    found_upload found{.noted = plan.shared.uploads->find(owner, plan.shared.here.now()),
                       .part = {}};
    const auto part = co_await at.files.part_status(plan.shared.here, at.name, owner);
    if (!part && part.error() != errc::not_found) {
        co_return failure(part.error());
    }
    if (part) {
        found.part = *part;
    }
    co_return found;
}

/// How long it is kept from now on, if nobody goes on with it.
std::string limit_left(const planning& plan, const vfs::metadata& part) {
    const auto kept = seconds_kept(plan);
    const auto last = std::max(part.modified.seconds, part.changed.seconds);
    const auto age = std::clamp<std::int64_t>(plan.now.seconds - last, 0, kept);
    return limit_for(plan, kept - age);
}

/// Section 4.3.2.
response_plan plan_upload_state(const planning& plan, const upload_resource& which,
                                const found_upload& found) {
    auto told = plan;
    if (found.noted && found.noted->is_complete) {
        told.upload.complete = true;
        told.upload.offset = told.upload.length = found.noted->size_bytes;
        return plan_done(told, status::no_content);
    }
    if (!found.part) {
        return plan.error(status::not_found, no_upload);
    }
    told.upload.complete = false;
    told.upload.offset = found.part->size_bytes;
    told.upload.length = which.length;
    if (found.noted && found.noted->length) {
        told.upload.length = found.noted->length;
    }
    told.upload.limit = limit_left(plan, *found.part);
    return plan_done(told, status::no_content);
}

/// What a PATCH says of itself; an answer where that is not enough (section 4.4).
struct append_request {
    upload_request what;
    std::uint64_t offset = 0;
};

std::expected<append_request, response_plan> append_of(const planning& plan) {
    const auto& asked = plan.asked;
    if (!is_partial_upload(asked)) {
        auto told = plan;
        told.upload.accepts_parts = true;  // RFC 5789 section 2.2.
        return std::unexpected(told.error(status::unsupported_media_type,
                                          "The content of an upload's PATCH is of the type "
                                          "application/partial-upload."));
    }
    if (asked.fields.has(field::content_encoding)) {
        return std::unexpected(
            plan.error(status::unsupported_media_type, "Content codings are not taken."));
    }
    if (const auto why = why_malformed(asked); !why.empty()) {
        return std::unexpected(plan.error(status::bad_request, why));
    }
    const auto what = resumption_of(plan);
    const auto offset = read_count(asked.fields, field::upload_offset);
    if (!what || !offset) {
        return std::unexpected(plan.error(status::bad_request,
                                          "Upload-Complete or Upload-Offset is missing or "
                                          "malformed."));
    }
    return append_request{.what = *what, .offset = *offset};
}

// Who looks for leftovers may hold a part for some system calls.
constexpr auto part_pause = std::chrono::milliseconds(5);
constexpr int part_attempts_max = 200;

/// Takes a part that is there. errc::not_found: it is not any more; busy: somebody has it all the
/// time.
task<result<vfs::upload>> begin_append(const planning& plan, const subject& seen,
                                       const vfs::upload_options& how) {
    auto& here = plan.shared.here;
    for (int attempt = 0;; ++attempt) {
        auto begun = co_await seen.at.files.begin_upload(here, seen.at.name, how);
        if (begun || begun.error() != errc::busy || attempt == part_attempts_max) {
            co_return begun;
        }
        const auto part = co_await seen.at.files.part_status(here, seen.at.name, how.part_owner);
        if (!part || part->size_bytes != how.part_bytes) {
            co_return failure(errc::not_found);
        }
        const auto slept = co_await runtime::sleep_until(here, here.now() + part_pause);
        if (!slept) {
            co_return failure(slept.error());
        }
    }
}

/// Goes on with a part that is there.
task<response_plan> append(const planning& plan, content_reader& content, vfs::path name,
                           const upload_resource& which, upload_turns::turn& turn,
                           append_request asks, const found_upload& found) {
    auto& here = plan.shared.here;
    auto told = plan;
    told.upload.complete = false;
    told.upload.offset = found.part->size_bytes;
    if (asks.offset != found.part->size_bytes) {
        co_return told.problem(status::conflict,
                               mismatching_offset(found.part->size_bytes, asks.offset));
    }
    told.upload.offset.reset();
    auto said = digests_of(told);
    if (!said) {
        co_return std::move(said.error());
    }
    const auto known = found.noted && found.noted->length ? found.noted->length : which.length;
    const auto said_lengths = lengths_of(plan.asked, asks.what, asks.offset, known);
    if (!said_lengths.are_consistent) {
        co_return told.problem(status::bad_request, inconsistent_length);
    }
    if (is_too_large(plan, said_lengths, asks.offset)) {
        told.upload.limit = upload_limit(plan);
        co_return told.error(status::content_too_large);
    }
    if (!conditions_hold_here(plan.asked)) {
        co_return told.error(status::precondition_failed);
    }
    const auto seen = co_await look_at(plan, std::move(name));
    if (!seen) {
        co_return plan_failed(told, seen.error());
    }
    if (seen->is_directory()) {
        co_return told.error(status::conflict, is_a_directory);
    }
    if (!is_expected(plan, *seen, which)) {
        co_return told.error(status::precondition_failed, changed_meanwhile);
    }
    if (seen->status && !seen->allowed.has(auth::right::replace)) {
        co_return told.forbidden();
    }
    const step what{.plan = told,
                    .content = content,
                    .seen = *seen,
                    .which = which,
                    .turn = turn,
                    .completes = asks.what.completes,
                    .offset = asks.offset,
                    .length = said_lengths.whole};
    auto how = upload_options_of(what);
    how.reads_back = what.completes && what.offset != 0 &&
                     (!which.digests.empty() || !said->representation.empty() ||
                      plan.asked.fields.has(field::want_repr_digest));
    auto begun = co_await begin_append(plan, *seen, how);
    if (!begun && begun.error() == errc::exists) {
        co_return told.error(status::precondition_failed, changed_meanwhile);
    }
    if (!begun && begun.error() == errc::not_found) {  // It came of age in this moment.
        co_return told.error(status::not_found, no_upload);
    }
    if (!begun) {
        co_return plan_failed(told, begun.error());
    }
    const auto again = co_await look_at(plan, seen->name);
    if (!again || !is_expected(plan, *again, which)) {
        static_cast<void>(co_await leave(told, *begun));
        co_return again ? told.error(status::precondition_failed, changed_meanwhile)
                        : plan_failed(told, again.error());
    }
    if (said_lengths.whole != which.length) {  // No address tells of it.
        plan.shared.uploads->keep(how.part_owner, {.length = said_lengths.whole}, here.now());
    }
    auto made = co_await take_in(what, *begun, std::move(*said));
    co_return made;
}

/// Section 4.4.2.
task<response_plan> plan_append(const planning& plan, content_reader& content,
                                const upload_resource& which, upload_turns::turn& turn,
                                const found_upload& found) {
    auto asks = append_of(plan);
    if (!asks) {
        co_return std::move(asks.error());
    }
    if (found.noted && found.noted->is_complete) {
        auto told = plan;
        told.upload.complete = true;
        const bool is_empty =
            plan.asked.framing != body_framing::chunked && plan.asked.content_length == 0;
        co_return told.problem(status::bad_request,
                               is_empty ? completed_upload : inconsistent_length);
    }
    if (!found.part) {
        co_return plan.error(status::not_found, no_upload);
    }
    auto made = co_await append(plan, content, *plan.name, which, turn, *asks, found);
    co_return made;
}

/// Section 4.5.2.
task<response_plan> plan_cancel(const planning& plan, const viewer::place& at,
                                const std::string& owner, const found_upload& found) {
    const bool is_there = found.part || (found.noted && found.noted->is_complete);
    if (is_there && !conditions_hold_here(plan.asked)) {
        co_return plan.error(status::precondition_failed);
    }
    if (found.noted) {
        plan.shared.uploads->forget(owner);
    }
    if (found.part) {
        const auto removed = co_await at.files.remove_part(plan.shared.here, at.name, owner);
        if (!removed && removed.error() != errc::not_found) {
            co_return plan.error(status_for(removed.error().code));
        }
    } else if (!is_there) {
        co_return plan.error(status::not_found, no_upload);
    }
    co_return plan_done(plan, status::no_content);
}

}  // namespace

task<response_plan> plan_upload_resource(const planning& plan, content_reader& content) {
    const auto how = plan.asked.method;
    const bool is_read = how == method::get || how == method::head;
    if (!is_read && how != method::patch && how != method::delete_) {
        co_return plan.error(status::method_not_allowed);
    }
    if (!plan.name) {
        co_return plan.no_name(plan.name.error().code);
    }
    if (!plan.rights_at(*plan.name).has(auth::right::create)) {
        co_return plan.forbidden();
    }
    const auto which = parse_upload_query(plan.asked.query);
    if (!which || !may_resume_uploads(plan)) {
        co_return plan.error(status::not_found, no_upload);
    }
    const auto owner = owner_of(plan, *which);
    auto& here = plan.shared.here;
    auto turn = co_await plan.shared.uploads->take(here, owner, here.now() + turn_wait_max);
    if (!turn) {
        co_return plan.error(status::service_unavailable, "Another request is still at it.");
    }
    const auto at = plan.who.where(*plan.name);
    const auto found = co_await find_upload(plan, at, owner);
    if (!found) {
        co_return plan_failed(plan, found.error());
    }
    if (is_read) {
        co_return plan_upload_state(plan, *which, *found);
    }
    if (how == method::delete_) {
        auto made = co_await plan_cancel(plan, at, owner, *found);
        co_return made;
    }
    auto made = co_await plan_append(plan, content, *which, *turn, *found);
    co_return made;
}

}  // namespace ferry::http
