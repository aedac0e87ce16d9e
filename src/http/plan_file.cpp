#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "http/accept_encoding.hpp"
#include "http/byteranges.hpp"
#include "http/conditions.hpp"
#include "http/content_disposition.hpp"
#include "http/digest_fields.hpp"
#include "http/planning.hpp"
#include "http/range.hpp"

namespace ferry::http {

using runtime::task;

namespace {

/// No script, and no site that it would speak for (Content Security Policy Level 3, "sandbox").
constexpr std::string_view inert_policy = "sandbox";

/// Types that browsers show with what script is in them.
bool may_hold_script(std::string_view type) noexcept {
    const auto essence = ascii::trim(type.substr(0, type.find(';')));
    return essence == "text/html" || essence == "text/xml" || essence == "application/xml" ||
           essence.ends_with("+xml");
}

constexpr std::string_view changed_while_read = "The file changed or could not be read.";

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

/// What is sent of a file: its octets, or those it is packed in.
struct representation {
    vfs::shared_file_ptr file;
    coded_bodies::body_ptr packed;  ///< Null: the octets of `file`, or nothing is sent of it.
    content_coding how = content_coding::identity;
    validators current;
    std::uint64_t size_bytes = 0;
    bool varies = false;  ///< Another Accept-Encoding might have got another.
    /// What else it was chosen by: files beside, and what stands for the absence of one.
    std::vector<vfs::shared_file_ptr> chosen_by = {};
    bool is_settled = true;  ///< By nothing besides `file` and those.

    /// `which` has played a part in choosing; null: something has that nobody watches.
    void note(vfs::shared_file_ptr which) {
        is_settled = is_settled && which != nullptr;
        chosen_by.push_back(std::move(which));
    }
};

representation as_it_is(const planning& plan, vfs::shared_file_ptr file) {
    const vfs::metadata& status = file->file.status();
    return {.file = std::move(file),
            .packed = {},
            .current = validators(status, plan.now),
            .size_bytes = status.size_bytes};
}

/// What a file beside is called whose octets are those of `name` in `how`.
std::string_view suffix_of(content_coding how) noexcept {
    switch (how) {
        case content_coding::gzip:
            return ".gz";
        case content_coding::brotli:
            return ".br";
        case content_coding::zstd:
            return ".zst";
        case content_coding::identity:
            break;
    }
    return {};
}

/// The file that was packed beforehand. Nothing when there is none, or none that may be used: it is
/// older than what it was made of; `original` knows then why.
task<std::optional<representation>> find_beside(const planning& plan, const vfs::path& name,
                                                representation& original, content_coding how) {
    const auto beside = vfs::path::parse(name.text() + std::string(suffix_of(how)));
    if (!beside || !plan.rights_at(*beside).has(auth::right::read)) {
        co_return std::nullopt;
    }
    auto found = co_await plan.open(*beside);
    if (!found) {
        original.note(found.error() == errc::not_found ? plan.shared.open_files.absence_of(*beside)
                                                       : nullptr);
        co_return std::nullopt;
    }
    if ((*found)->file.is_directory() ||
        (*found)->file.status().modified < original.file->file.status().modified) {
        original.note(std::move(*found));
        co_return std::nullopt;
    }
    auto made = as_it_is(plan, std::move(*found));
    made.how = how;
    made.varies = true;
    made.chosen_by = std::move(original.chosen_by);
    made.is_settled = original.is_settled;
    made.note(original.file);
    co_return made;
}

/// Text, and what else is not packed by its own format.
bool is_worth_packing(std::string_view type) noexcept {
    const auto essence = ascii::trim(type.substr(0, type.find(';')));
    static constexpr std::array others = {
        std::string_view("application/javascript"),
        std::string_view("application/json"),
        std::string_view("application/ld+json"),
        std::string_view("application/wasm"),
        std::string_view("application/xml"),
        std::string_view("application/yaml"),
        std::string_view("application/toml"),
        std::string_view("application/rtf"),
        std::string_view("application/x-sh"),
        std::string_view("application/x-perl"),
        std::string_view("application/postscript"),
        std::string_view("font/otf"),
        std::string_view("font/ttf"),
        std::string_view("image/bmp"),
        std::string_view("image/vnd.microsoft.icon"),
    };
    return essence.starts_with("text/") || essence.ends_with("+xml") ||
           essence.ends_with("+json") || std::ranges::find(others, essence) != others.end();
}

/// Whether the core itself packs files of this type and size.
bool is_packed_here(const compression& packing, std::string_view type,
                    std::uint64_t size_bytes) noexcept {
    return !packing.codings.empty() && size_bytes >= packing.size_bytes_min &&
           size_bytes <= packing.size_bytes_max && is_worth_packing(type);
}

/// Chooses by Accept-Encoding (RFC 9110 section 12.5.3): what lies packed beside the file, else
/// what the core packs, else `plain`, the file as it is.
task<representation> choose(const planning& plan, const vfs::path& name, std::string_view type,
                            representation plain) {
    static constexpr std::array offered = {content_coding::brotli, content_coding::zstd,
                                           content_coding::gzip};
    const compression& packing = plan.shared.settings.packing;
    const vfs::metadata& status = plain.file->file.status();
    if (packing.uses_files_beside) {
        const auto wanted = accepted_codings(plan.asked, offered);
        for (const content_coding each : wanted.view()) {
            auto beside = co_await find_beside(plan, name, plain, each);
            if (beside) {
                co_return std::move(*beside);
            }
        }
    }
    const auto wanted = accepted_codings(plan.asked, packing.codings);
    // While its times may hide a change, nobody could tell of what the packed octets are.
    if (wanted.size == 0 || !is_packed_here(packing, type, status.size_bytes) ||
        !plain.current.last_modified_is_strong() ||
        !plan.shared.packed->may_gain(status, wanted.all[0])) {
        co_return plain;
    }
    representation packed = plain;
    packed.how = wanted.all[0];
    packed.current = validators(status, plan.now, packed.how);
    if (evaluate_conditions(plan.asked, packed.current, plan.now) != verdict::proceed) {
        co_return packed;  // 304 and 412 have no content.
    }
    packed.packed = co_await plan.shared.packed->get(plain.file, packed.how);
    if (!packed.packed) {
        // Where it would gain something, too many are being packed: the next answer may be.
        plain.is_settled = plain.is_settled && !plan.shared.packed->may_gain(status, wanted.all[0]);
        co_return plain;
    }
    packed.size_bytes = packed.packed->size();
    co_return packed;
}

/// Puts a small body behind the head in `message`. False: the file has become shorter or cannot be
/// read; nothing has been sent yet, so it can still be an error.
task<bool> append_body(const planning& plan, std::string& message, const representation& from,
                       byte_range part) {
    const vfs::shared_file& shared = *from.file;
    if (from.packed || shared.body) {
        message += std::string_view(from.packed ? *from.packed : *shared.body)
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

/// Puts the body of several parts behind the head in `made`, or what sends it.
task<response_plan> plan_parts(const planning& plan, response_plan made, byteranges several,
                               const representation& from) {
    made.body_bytes = several.size_bytes();
    if (several.size_bytes() > inline_body_bytes_max) {
        made.further_parts = std::move(several.parts());
        made.body_end = std::move(several.end());
        made.file = from.file;
        made.packed = from.packed;
        co_return made;
    }
    for (const auto& each : several.parts()) {
        made.message += each.before;
        const bool whole = co_await append_body(plan, made.message, from, each.octets);
        if (!whole) {
            co_return plan.error(status::internal_server_error, changed_while_read);
        }
    }
    made.message += several.end();
    co_return made;
}

/// `?download`, also among others: the file is to be saved, not shown.
bool is_download(const request& asked) noexcept {
    for (auto rest = asked.query; !rest.empty();) {
        const auto end = std::min(rest.find('&'), rest.size());
        const auto parameter = rest.substr(0, end);
        if (parameter == "download" || parameter.starts_with("download=")) {
            return !parameter.ends_with("=0");
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

/// Whether the answer is to tell a digest (RFC 9530): then the octets go as they are in the file,
/// of which digests are kept.
bool wants_digest(const request& asked) noexcept {
    return asked.fields.has(field::want_repr_digest) ||
           asked.fields.has(field::want_content_digest);
}

/// The value of the field that `which` asks for: the digest of `part` of the file that is sent.
/// Empty where it asks for none, or for one that takes too long, or the file is changing.
task<std::string> make_digest(const planning& plan, field which, const vfs::path& name,
                              const representation& sent, byte_range part) {
    const auto by = wanted_digest(plan.asked.fields, which);
    if (!by || part.size_bytes > plan.shared.settings.digest_bytes_max) {
        co_return std::string();
    }
    const vfs::node& file = sent.file->file;
    const bool is_whole = part.offset == 0 && part.size_bytes == file.status().size_bytes;
    const vfs::digest_request what{
        .by = *by,
        .offset = part.offset,
        .size_bytes = is_whole ? vfs::digest_request{}.size_bytes : part.size_bytes,
        .is_local = plan.shared.files.place_of(name).has_value()};
    const auto made = co_await plan.shared.digests.of(file, what);
    if (!made || made->size_bytes != part.size_bytes || !file.is_as_opened()) {
        co_return std::string();
    }
    co_return digest_value(*by, made->value);
}

/// Whether the answer depends on nothing but the octets of the request, the file as it is, which no
/// time will change, and what it was chosen by.
bool is_of_files_alone(const planning& plan, const representation& sent) noexcept {
    return sent.is_settled && plan.who.is_visitor() && !wants_digest(plan.asked) &&
           sent.current.last_modified_is_strong() &&
           sent.file->file.status().modified.seconds <= plan.now.seconds;
}

}  // namespace

task<response_plan> plan_file(const planning& plan, const vfs::path& name,
                              vfs::shared_file_ptr file) {
    const std::string_view type = plan.shared.types.of(name.name());
    const compression& packing = plan.shared.settings.packing;
    auto sent = as_it_is(plan, std::move(file));
    sent.varies = packing.uses_files_beside || is_packed_here(packing, type, sent.size_bytes);
    const bool has_choice = sent.varies && plan.asked.fields.has(field::accept_encoding);
    if (has_choice && !wants_digest(plan.asked)) {
        sent = co_await choose(plan, name, type, std::move(sent));
    }
    auto selected = select(plan, sent.current, sent.size_bytes);
    std::optional<byteranges> several;
    if (!selected.parts.empty()) {
        auto& rng = plan.shared.here.rng();
        several.emplace(
            fmt::format("{:016x}{:016x}", rng.next(), rng.next()),
            byteranges::content{
                .parts = selected.parts, .type = type, .whole_size_bytes = sent.size_bytes});
        if (several->size_bytes() >= sent.size_bytes) {  // The whole costs less (threats.md, H5).
            several.reset();
            selected = {.what = status::ok, .part = {.offset = 0, .size_bytes = sent.size_bytes}};
        }
    }

    response_plan made;
    made.what = selected.what;
    made.then = plan.then;
    const auto modified = format_date(sent.current.last_modified());
    auto head = plan.head(selected.what);
    head.etag = sent.current.etag().text();
    head.last_modified = modified.view();
    head.accepts_ranges = true;
    head.whole_size_bytes = sent.size_bytes;
    if (sent.varies) {
        head.vary = name_of(field::accept_encoding);
    }
    if (is_error(selected.what)) {  // 412 and 416: a page; `append_head` leaves the validators out.
        made.body_bytes = append_error_answer(made.message, head, !plan.is_head());
        co_return made;
    }
    head.no_sniff = true;
    if (may_hold_script(type) && plan.is_visitors_to_write(name)) {
        head.content_security_policy = inert_policy;
    }
    std::string disposition;
    if (plan.asked.has_query && is_download(plan.asked)) {
        disposition = attachment_named(name.name());
        head.content_disposition = disposition;
    }
    std::string repr_digest;
    std::string content_digest;
    if (wants_digest(plan.asked) && selected.what != status::not_modified) {
        repr_digest = co_await make_digest(plan, field::want_repr_digest, name, sent,
                                           {.offset = 0, .size_bytes = sent.size_bytes});
        if (!several && !plan.is_head()) {
            content_digest =
                co_await make_digest(plan, field::want_content_digest, name, sent, selected.part);
        }
        head.repr_digest = repr_digest;
        head.content_digest = content_digest;
    }
    if (sent.how != content_coding::identity) {
        head.content_encoding = name_of(sent.how);
    }
    if (several) {
        const std::string multipart = several->content_type();
        head.content_type = multipart;
        head.is_multipart = true;
        head.content_length = several->size_bytes();
        append_head(made.message, head);
        auto in_parts = co_await plan_parts(plan, std::move(made), std::move(*several), sent);
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
    if (is_of_files_alone(plan, sent)) {
        made.made_of = sent.file;
        made.made_of_too = std::move(sent.chosen_by);
        made.packed_as = sent.packed ? sent.how : content_coding::identity;
        made.all_packed = sent.packed;
    }
    if (plan.is_head() || selected.part.size_bytes == 0) {
        co_return made;
    }
    made.body_bytes = selected.part.size_bytes;
    made.part = selected.part;
    if (selected.part.size_bytes <= inline_body_bytes_max) {
        const bool whole = co_await append_body(plan, made.message, sent, selected.part);
        if (!whole) {
            co_return plan.error(status::internal_server_error, changed_while_read);
        }
        co_return made;
    }
    made.file = sent.file;
    made.packed = sent.packed;
    co_return made;
}

}  // namespace ferry::http
