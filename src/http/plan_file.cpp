#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "http/conditions.hpp"
#include "http/planning.hpp"
#include "http/range.hpp"

namespace ferry::http {

using runtime::task;

namespace {

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

}  // namespace

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

}  // namespace ferry::http
