#include "http/plan.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/base/wall_clock.hpp"
#include "http/conditions.hpp"
#include "http/fields.hpp"
#include "http/index_page.hpp"
#include "http/range.hpp"
#include "http/target.hpp"

namespace ferry::http {

using runtime::task;

namespace {

// Seconds after which what was too much at once may be asked for again (RFC 9110 section 10.2.3).
constexpr std::string_view retry_after = "5";
constexpr std::string_view allowed_methods = "GET, HEAD, OPTIONS";
constexpr std::string_view product = "ferry";
constexpr std::string_view index_name = "index.html";

/// What every answer to one request shares.
struct planning {
    service::state& shared;
    const request& asked;
    after then;
    wall_time now;

    [[nodiscard]] bool is_head() const noexcept { return asked.method == method::head; }

    [[nodiscard]] response_head head(status what) const {
        response_head made;
        made.what = what;
        made.date = shared.dates.text(now.seconds);
        made.server = product;
        made.connection = connection_of();
        return made;
    }

    [[nodiscard]] connection_option connection_of() const noexcept {
        if (then == after::close) {
            return connection_option::close;
        }
        return asked.version_minor == 0 ? connection_option::keep_alive : connection_option::none;
    }

    [[nodiscard]] response_plan error(status what, std::string_view explanation = {}) const {
        response_plan plan;
        plan.what = what;
        plan.then = then;
        auto made = head(what);
        if (what == status::method_not_allowed) {
            made.allow = allowed_methods;
        }
        if (what == status::service_unavailable) {
            made.retry_after = retry_after;
        }
        append_error_answer(plan.message, made, !is_head(), explanation);
        return plan;
    }
};

response_plan plan_options(const planning& plan) {
    response_plan made;
    made.what = status::no_content;
    made.then = plan.then;
    auto head = plan.head(status::no_content);
    head.allow = allowed_methods;
    append_head(made.message, head);
    return made;
}

response_plan plan_redirect(const planning& plan, const vfs::path& directory) {
    const auto location = directory_location(
        directory, plan.asked.has_query ? std::optional(plan.asked.query) : std::nullopt);
    response_plan made;
    made.what = status::moved_permanently;
    made.then = plan.then;
    auto head = plan.head(status::moved_permanently);
    head.location = location;
    head.content_length = 0;
    append_head(made.message, head);
    return made;
}

/// What of a file is sent, and under which status.
struct selection {
    status what = status::ok;
    byte_range part;
};

/// Conditions first, then the range (RFC 9110 section 13.2.2). Several ranges are answered with the
/// whole, which section 14.2 leaves to the server.
selection select(const planning& plan, const validators& current, std::uint64_t size_bytes) {
    const selection whole{.what = status::ok, .part = {.offset = 0, .size_bytes = size_bytes}};
    switch (evaluate_conditions(plan.asked, current, plan.now)) {
        case verdict::not_modified:
            return {.what = status::not_modified, .part = {}};
        case verdict::precondition_failed:
            return {.what = status::precondition_failed, .part = {}};
        case verdict::proceed:
            break;
    }
    if (!range_applies(plan.asked, current, plan.now)) {
        return whole;
    }
    const auto field_value = plan.asked.fields.only(field::range);
    if (!field_value) {
        return whole;
    }
    const auto ranges = parse_range(*field_value, {.size_bytes = size_bytes});
    if (!ranges) {
        return ranges.error() == errc::not_found
                   ? selection{.what = status::range_not_satisfiable, .part = {}}
                   : whole;
    }
    if (ranges->size() != 1) {
        return whole;
    }
    return {.what = status::partial_content, .part = ranges->front()};
}

/// Puts a small body behind the head in `message`. False: the file has become shorter or cannot be
/// read; nothing has been sent yet, so it can still be an error.
task<bool> append_body(const planning& plan, std::string& message, const vfs::shared_file& shared,
                       byte_range part) {
    if (shared.body) {
        message += std::string_view(*shared.body)
                       .substr(static_cast<std::size_t>(part.offset),
                               static_cast<std::size_t>(part.size_bytes));
        co_return true;
    }
    const std::size_t head_bytes = message.size();
    message.resize(head_bytes + static_cast<std::size_t>(part.size_bytes));
    std::size_t done = 0;
    while (done < part.size_bytes) {
        const auto into = std::as_writable_bytes(std::span(message)).subspan(head_bytes + done);
        const auto got = co_await shared.file.read(plan.shared.here, into, part.offset + done);
        if (!got || *got == 0) {
            co_return false;
        }
        done += *got;
    }
    co_return true;
}

task<response_plan> plan_file(const planning& plan, const vfs::path& name,
                              vfs::shared_file_ptr file) {
    const vfs::metadata& status_of_file = file->file.status();
    const validators current(status_of_file, plan.now);
    const std::uint64_t size_bytes = status_of_file.size_bytes;
    const auto selected = select(plan, current, size_bytes);

    response_plan made;
    made.what = selected.what;
    made.then = plan.then;
    const auto modified = format_date(current.last_modified());
    auto head = plan.head(selected.what);
    head.etag = current.etag().text();
    head.last_modified = modified.view();
    head.accepts_ranges = true;
    head.whole_size_bytes = size_bytes;
    if (is_error(selected.what)) {  // 412 and 416: a page; `append_head` leaves the validators out.
        append_error_answer(made.message, head, !plan.is_head());
        co_return made;
    }
    head.content_type = plan.shared.types.of(name.name());
    head.no_sniff = true;
    if (selected.what != status::not_modified) {
        head.content_length = selected.part.size_bytes;
    }
    if (selected.what == status::partial_content) {
        head.part = selected.part;
    }
    made.message.reserve(512 + (selected.part.size_bytes <= inline_body_bytes_max
                                    ? static_cast<std::size_t>(selected.part.size_bytes)
                                    : 0));
    append_head(made.message, head);
    if (plan.is_head() || selected.part.size_bytes == 0) {
        co_return made;
    }
    made.body_bytes = selected.part.size_bytes;
    if (selected.part.size_bytes <= inline_body_bytes_max) {
        const bool whole = co_await append_body(plan, made.message, *file, selected.part);
        if (!whole) {
            co_return plan.error(status::internal_server_error,
                                 "The file changed or could not be read.");
        }
        co_return made;
    }
    made.file_part = {.offset = selected.part.offset, .size_bytes = selected.part.size_bytes};
    made.file = std::move(file);
    co_return made;
}

auth::rights visitor_rights(const planning& plan, const vfs::path& name) noexcept {
    return plan.shared.settings.visitors.at(name.text());
}

/// The page that lists a directory: whole where it fits into memory, else made while it is sent.
task<response_plan> plan_listing(const planning& plan, const vfs::path& name) {
    service::state& shared = plan.shared;
    auto directory = co_await shared.files.open(shared.here, name);
    if (!directory) {
        co_return plan.error(status_for(directory.error().code));
    }
    auto entries = co_await shared.files.list(
        shared.here, std::move(*directory), name,
        {.sorted_entries_max = shared.settings.list_sorted_max,
         .bounds = &shared.listings,
         .turn_deadline = shared.here.now() + shared.settings.list_wait_timeout});
    if (!entries) {
        const errc why = entries.error().code;
        co_return plan.error(status_for(why),
                             why == errc::busy ? "Too many directories are asked for." : "");
    }
    response_plan made;
    made.then = plan.then;
    made.what = status::ok;
    auto head = plan.head(status::ok);
    head.content_type = page_content_type;
    head.content_security_policy = index_security_policy;
    head.no_sniff = true;
    head.cache_control = "no-cache";  // It has no validator: ask again each time.

    std::string page;
    append_index_begin(page, name);
    if (!entries->is_complete()) {
        made.chunked = plan.asked.version_minor >= 1;
        if (!made.chunked) {  // HTTP/1.0 knows the end by the close (RFC 9112 section 6.3).
            made.then = after::close;
            head.connection = connection_option::close;
        }
        head.chunked = made.chunked;
        append_head(made.message, head);
        if (!plan.is_head()) {
            made.page_begin = std::move(page);
            made.entries.emplace(std::move(*entries));
        }
        co_return made;
    }
    auto hold = entries->take_hold();  // The page is as large, and stays longer.
    for (;;) {
        const auto batch = co_await entries->next(plan.shared.here);
        if (!batch) {
            co_return plan.error(status_for(batch.error().code));
        }
        if (batch->empty()) {
            break;
        }
        for (const auto& each : *batch) {
            append_index_row(page, each);
        }
    }
    append_index_end(page);
    head.content_length = page.size();
    append_head(made.message, head);
    if (!plan.is_head()) {
        made.body_bytes = page.size();
        made.message += page;
        made.hold = std::move(hold);
    }
    co_return made;
}

task<response_plan> plan_directory(const planning& plan, const vfs::path& name) {
    if (!name.wants_directory()) {
        co_return plan_redirect(plan, name);
    }
    const auto index = name.resolve(index_name);
    if (index) {
        auto page = co_await plan.shared.open_files.open(*index);
        if (page && !(*page)->file.is_directory()) {
            if (!visitor_rights(plan, *index).has(auth::right::read)) {
                co_return plan.error(status::forbidden);
            }
            auto made = co_await plan_file(plan, *index, std::move(*page));
            co_return made;
        }
        if (!page && page.error() != errc::not_found) {
            co_return plan.error(status_for(page.error().code));
        }
    }
    if (!visitor_rights(plan, name).has(auth::right::list)) {
        co_return plan.error(status::forbidden);
    }
    auto made = co_await plan_listing(plan, name);
    co_return made;
}

task<response_plan> plan_get(const planning& plan) {
    const auto name = decode_target(plan.asked.path);
    if (!name) {
        co_return plan.error(status_for(name.error().code));
    }
    const auto allowed = visitor_rights(plan, *name);
    if (allowed == auth::rights{}) {  // Not even whether there is something.
        co_return plan.error(status::forbidden);
    }
    auto found = co_await plan.shared.open_files.open(*name);
    if (!found) {
        co_return plan.error(status_for(found.error().code));
    }
    if ((*found)->file.is_directory()) {
        auto made = co_await plan_directory(plan, *name);
        co_return made;
    }
    if (!allowed.has(auth::right::read)) {
        co_return plan.error(status::forbidden);
    }
    auto made = co_await plan_file(plan, *name, std::move(*found));
    co_return made;
}

}  // namespace

task<response_plan> plan_response(service::state& shared, const request& asked, after then) {
    const planning plan{.shared = shared, .asked = asked, .then = then, .now = read_wall_clock()};
    switch (asked.method) {
        case method::get:
        case method::head:
            break;
        case method::options:
            co_return plan_options(plan);
        case method::put:
        case method::delete_:
        case method::post:
        case method::patch:
        case method::trace:
        case method::connect:
            co_return plan.error(status::method_not_allowed);
        case method::other:
            co_return plan.error(status::not_implemented);
    }
    auto made = co_await plan_get(plan);
    co_return made;
}

response_plan plan_refusal(service::state& shared, const head_refusal& why) {
    response_plan made;
    made.what = why.what;
    made.then = after::close;
    response_head head;
    head.what = why.what;
    head.date = shared.dates.text(read_wall_clock().seconds);
    head.server = product;
    head.connection = connection_option::close;
    append_error_answer(made.message, head, true, why.reason);
    return made;
}

}  // namespace ferry::http
