#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/conditions.hpp"
#include "http/planning.hpp"
#include "http/range.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr std::string_view changed_meanwhile = "The file changed or could not be read.";

/// What of a file is sent, and under which status.
struct selection {
    status what = status::ok;
    byte_range part;
    std::vector<byte_range> parts = {};  ///< More than one: instead of `part`.
};

/// Conditions first, then the range (RFC 9110 section 13.2.2).
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
    auto asked_for = parse_range(*field_value, {.size_bytes = size_bytes});
    if (!asked_for) {
        return asked_for.error() == errc::not_found
                   ? selection{.what = status::range_not_satisfiable, .part = {}}
                   : whole;
    }
    auto ranges = merge_ranges(std::move(*asked_for));
    if (ranges.size() != 1) {
        return {.what = status::partial_content, .part = {}, .parts = std::move(ranges)};
    }
    return {.what = status::partial_content, .part = ranges.front()};
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

/// The parts of a multipart/byteranges (RFC 9110 section 14.6) with the text before each.
class byteranges {
  public:
    byteranges(runtime::core& here, const selection& of, std::string_view type,
               std::uint64_t whole_size_bytes)
        : delimiter_(fmt::format("--{:016x}{:016x}", here.rng().next(), here.rng().next())) {
        for (const byte_range& each : of.parts) {
            std::string before = parts_.empty() ? "" : "\r\n";
            before += delimiter_;
            before += "\r\nContent-Type: ";
            before += type;
            before += "\r\n";
            append_content_range(before, each, whole_size_bytes);
            before += "\r\n";
            size_bytes_ += before.size() + each.size_bytes;
            parts_.push_back({.before = std::move(before),
                              .octets = {.offset = each.offset, .size_bytes = each.size_bytes}});
        }
        end_ = fmt::format("\r\n{}--\r\n", delimiter_);
        size_bytes_ += end_.size();
    }

    [[nodiscard]] std::string content_type() const {
        return fmt::format("multipart/byteranges; boundary={}", delimiter_.substr(2));
    }
    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    [[nodiscard]] std::vector<response_plan::further_part>& parts() noexcept { return parts_; }
    [[nodiscard]] std::string& end() noexcept { return end_; }

  private:
    std::string delimiter_;
    std::vector<response_plan::further_part> parts_;
    std::string end_;
    std::uint64_t size_bytes_ = 0;
};

/// Puts the body of several parts behind the head in `made`, or what sends it.
task<response_plan> plan_parts(const planning& plan, response_plan made, byteranges several,
                               vfs::shared_file_ptr file) {
    made.body_bytes = several.size_bytes();
    if (several.size_bytes() > inline_body_bytes_max) {
        made.further_parts = std::move(several.parts());
        made.body_end = std::move(several.end());
        made.file = std::move(file);
        co_return made;
    }
    for (const auto& each : several.parts()) {
        made.message += each.before;
        const bool whole = co_await append_body(
            plan, made.message, *file,
            {.offset = each.octets.offset, .size_bytes = each.octets.size_bytes});
        if (!whole) {
            co_return plan.error(status::internal_server_error, changed_meanwhile);
        }
    }
    made.message += several.end();
    co_return made;
}

task<response_plan> plan_file(const planning& plan, const vfs::path& name,
                              vfs::shared_file_ptr file) {
    const vfs::metadata& status_of_file = file->file.status();
    const validators current(status_of_file, plan.now);
    const std::uint64_t size_bytes = status_of_file.size_bytes;
    auto selected = select(plan, current, size_bytes);
    const std::string_view type = plan.shared.types.of(name.name());
    std::optional<byteranges> several;
    if (!selected.parts.empty()) {
        several.emplace(plan.shared.here, selected, type, size_bytes);
        if (several->size_bytes() >= size_bytes) {  // The whole costs less (threats.md, H5).
            several.reset();
            selected = {.what = status::ok, .part = {.offset = 0, .size_bytes = size_bytes}};
        }
    }

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
        made.body_bytes = append_error_answer(made.message, head, !plan.is_head());
        co_return made;
    }
    head.no_sniff = true;
    if (several) {
        const std::string multipart = several->content_type();
        head.content_type = multipart;
        head.is_multipart = true;
        head.content_length = several->size_bytes();
        append_head(made.message, head);
        auto in_parts =
            co_await plan_parts(plan, std::move(made), std::move(*several), std::move(file));
        co_return in_parts;
    }
    head.content_type = type;
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
            co_return plan.error(status::internal_server_error, changed_meanwhile);
        }
        co_return made;
    }
    made.file_part = {.offset = selected.part.offset, .size_bytes = selected.part.size_bytes};
    made.file = std::move(file);
    co_return made;
}

}  // namespace ferry::http
