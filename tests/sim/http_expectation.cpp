#include "http_expectation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <utility>

namespace ferry::sim::test {
namespace {

using body_kind = expected_answer::body_kind;

/// Whether what was seen of the file earlier holds for the file that is answered with in `coding`.
verdict is_unchanged(client_context& context, const http_request& asked,
                     const std::string& coding) {
    const bool holds = asked.seen.was_settled && is_settled_around(context, asked.path) &&
                       asked.seen.changes == changes_around(context, asked.path) &&
                       asked.seen.coding == coding && !context.excused.clock_jumps;
    return holds ? verdict::yes : verdict::maybe;
}

/// The same of its tag: that of another coding is another (RFC 9110 section 8.8.3.3), and that of a
/// listing is no file's.
verdict has_same_tag(client_context& context, const http_request& asked,
                     const std::string& coding) {
    if (asked.seen.page) {
        return verdict::no;
    }
    return asked.seen.coding == coding ? is_unchanged(context, asked, coding) : verdict::no;
}

bool is_weak(const std::string& tag) {
    return tag.starts_with("W/");
}

/// Whether the precondition lets the request through, `no`: 304 or 412 (RFC 9110 section 13.1).
verdict condition_passes(client_context& context, const http_request& asked,
                         const std::string& coding) {
    using enum compared_with;
    const auto same = is_unchanged(context, asked, coding);
    const auto same_tag = has_same_tag(context, asked, coding);
    switch (asked.condition) {
        case condition_field::none:
            return verdict::yes;
        case condition_field::if_match:
            if (asked.condition_value == anything) {
                return verdict::yes;
            }
            if (asked.condition_value == wrong_tag || is_weak(asked.seen.tag)) {
                return verdict::no;  // Strong comparison (section 8.8.3.2).
            }
            return same_tag;
        case condition_field::if_none_match:
            if (asked.condition_value == anything) {
                return verdict::no;
            }
            if (asked.condition_value == wrong_tag || same_tag == verdict::no) {
                return verdict::yes;
            }
            return same_tag == verdict::yes ? verdict::no : verdict::maybe;
        case condition_field::if_modified_since:
            if (asked.condition_value == garbage || asked.condition_value == old_date) {
                return verdict::yes;
            }
            return same == verdict::yes ? verdict::no : verdict::maybe;
        case condition_field::if_unmodified_since:
            if (asked.condition_value == garbage) {
                return verdict::yes;
            }
            return asked.condition_value == old_date ? verdict::no : same;
    }
    return verdict::maybe;
}

/// Whether the range is minded at all (sections 13.1.5 and 14.2).
verdict range_applies(client_context& context, const http_request& asked,
                      const std::string& coding) {
    using enum compared_with;
    if (asked.sort != request_sort::get || !asked.range ||
        asked.range->what == asked_range::form::ignored) {
        return verdict::no;
    }
    if (!asked.has_if_range) {
        return verdict::yes;
    }
    switch (asked.if_range_value) {
        case seen_tag:
            return is_weak(asked.seen.tag) ? verdict::no : has_same_tag(context, asked, coding);
        case seen_date:
            // A date is a strong validator where the tag is one.
            return is_weak(asked.seen.tag) ? verdict::maybe : is_unchanged(context, asked, coding);
        default:
            return verdict::no;
    }
}

/// The octets that are meant; nothing when none are there (416). A suffix of an empty file is no
/// range at all: `is_whole`.
struct resolved_range {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    bool is_unsatisfiable = false;
    bool is_whole = false;
};
resolved_range resolve(const asked_range& wanted, std::uint64_t size) {
    if (wanted.what == asked_range::form::suffix) {
        if (wanted.last == 0) {
            return {.is_unsatisfiable = true};
        }
        if (size == 0) {
            return {.is_whole = true};
        }
        const auto count = std::min(wanted.last, size);
        return {.offset = size - count, .size_bytes = count};
    }
    if (wanted.first >= size) {
        return {.is_unsatisfiable = true};
    }
    const auto last =
        wanted.what == asked_range::form::from ? size - 1 : std::min(wanted.last, size - 1);
    return {.offset = wanted.first, .size_bytes = last - wanted.first + 1};
}

std::string_view type_of(std::string_view path) {
    return path.ends_with(".txt")    ? "text/plain; charset=utf-8"
           : path.ends_with(".html") ? "text/html; charset=utf-8"
           : path.ends_with(".gz")   ? "application/gzip"
           : path.ends_with(".zst")  ? "application/zstd"
                                     : "";
}

/// The site that is asked; null: there is none for that name.
const site_settings* site_of(const client_context& context, const http_request& asked) {
    return context.sites.find(asked.host);
}

/// What the site knows the target as, and what its rows go by.
const std::string& named_by(const http_request& asked) {
    return asked.site_path.empty() ? asked.path : asked.site_path;
}
std::string rule_path(const http_request& asked) {
    const auto& name = named_by(asked);
    return asked.wants_directory && name != "/" ? name + "/" : name;
}

void add_page(std::vector<expected_answer>& out, const http_request& asked, int status) {
    out.push_back({.status = status,
                   .body = asked.sort == request_sort::head ? body_kind::none : body_kind::page,
                   .path = asked.path});
}

/// What `several_ranges` may get: parts less than 81 octets apart are joined, and what would be
/// more than the file is the file (threats.md, H5).
void add_several(std::vector<expected_answer>& out, const expected_answer& whole) {
    constexpr std::uint64_t beginning = 20;
    constexpr std::uint64_t end = 2;
    constexpr std::uint64_t gap_max = 80;
    constexpr std::uint64_t heads_bytes = 3'000;  // More than two take.
    if (whole.size_bytes == 0) {  // One of them is a suffix, and that is all there is.
        out.push_back(whole);
        return;
    }
    auto partial = whole;
    partial.status = 206;
    if (whole.size_bytes <= beginning + gap_max + end) {
        out.push_back(partial);
        return;
    }
    if (whole.size_bytes < heads_bytes) {
        out.push_back(whole);
    }
    partial.parts = {{.before = {}, .offset = 0, .size_bytes = beginning},
                     {.before = {}, .offset = whole.size_bytes - end, .size_bytes = end},
                     {.before = {}}};
    out.push_back(partial);
}

/// Writes down what stands between the parts, for the boundary that the answer has chosen. Empty,
/// or why the answer is wrong.
std::string settle_parts(expected_answer& what, const answer_head& head) {
    constexpr std::string_view multipart = "multipart/byteranges; boundary=";
    const auto type = head.only("content-type").value_or("");
    if (!type.starts_with(multipart) || head.has("content-range")) {
        return "not a multipart/byteranges: " + type;
    }
    const auto boundary = type.substr(multipart.size());
    std::uint64_t all = 0;
    for (auto& each : what.parts) {
        const bool is_end = &each == &what.parts.back();
        const auto kind = type_of(what.path);
        each.before = fmt::format("{}--{}", &each == &what.parts.front() ? "" : "\r\n", boundary);
        each.before += is_end ? std::string("--\r\n")
                              : fmt::format(
                                    "\r\nContent-Type: {}\r\nContent-Range: bytes {}-{}/{}"
                                    "\r\n\r\n",
                                    kind.empty() ? "application/octet-stream" : kind, each.offset,
                                    each.offset + each.size_bytes - 1, what.octets.size_bytes());
        all += each.before.size() + each.size_bytes;
    }
    if (all >= what.octets.size_bytes()) {
        return "parts that are more than the file";
    }
    return head.content_length == all ? ""
                                      : fmt::format("Content-Length is {}", head.content_length);
}

/// A range of what the server packs: how much that is, its answer tells.
void add_packed_part(std::vector<expected_answer>& out, const expected_answer& whole) {
    auto partial = whole;
    partial.status = 206;
    out.push_back(partial);
    partial.status = 416;
    partial.body = body_kind::page;
    out.push_back(partial);
}

/// What of a representation is answered with.
void add_representation(client_context& context, std::vector<expected_answer>& out,
                        const http_request& asked, expected_answer whole) {
    whole.size_bytes = whole.octets.size_bytes();
    const bool is_head = asked.sort == request_sort::head;
    const auto passes = condition_passes(context, asked, whole.coding);
    if (passes != verdict::yes) {
        const bool is_read = asked.condition == condition_field::if_none_match ||
                             asked.condition == condition_field::if_modified_since;
        auto refused = whole;
        refused.status = is_read ? 304 : 412;
        refused.body = is_read || is_head ? body_kind::none : body_kind::page;
        out.push_back(refused);
    }
    if (passes == verdict::no) {
        return;
    }
    const auto ranged = range_applies(context, asked, whole.coding);
    const bool is_several = asked.range && asked.range->what == asked_range::form::several;
    if (ranged != verdict::no && whole.is_packed_here) {
        add_packed_part(out, whole);
    } else if (ranged != verdict::no && is_several) {
        add_several(out, whole);
    } else if (ranged != verdict::no) {
        const auto part = resolve(*asked.range, whole.octets.size_bytes());
        auto partial = whole;
        partial.offset = part.offset;
        partial.size_bytes = part.size_bytes;
        if (part.is_unsatisfiable) {
            partial.status = 416;
            partial.body = body_kind::page;
            out.push_back(partial);
        } else if (part.is_whole) {
            out.push_back(whole);
        } else {
            partial.status = 206;
            out.push_back(partial);
        }
    }
    if (ranged != verdict::yes) {
        if (is_head) {
            whole.body = body_kind::none;
        }
        out.push_back(whole);
    }
}

/// Whether a file beside is minded: not when it is older than what it was made of.
verdict is_of(const node_state& beside_it, const node_state& file) {
    if (beside_it.kind != node_kind::file) {
        return beside_it.kind == node_kind::anything ? verdict::maybe : verdict::no;
    }
    if (!beside_it.modified || !file.modified) {
        return verdict::maybe;
    }
    return *beside_it.modified >= *file.modified ? verdict::yes : verdict::no;
}

/// What lies beside the file in a coding that is asked for. True: it is surely answered with.
bool add_beside(client_context& context, std::vector<expected_answer>& out,
                const http_request& asked, const expected_answer& plain, const node_state& file) {
    for (const auto& coding : acceptable(*asked.accepts, codings_beside())) {
        bool is_sure = context.is_strict();
        const auto name = beside(plain.path, coding);
        for (const auto& each : context.model.possible_since(name, asked.asked_at)) {
            const auto minded = is_of(each, file);
            is_sure = is_sure && minded == verdict::yes;
            if (minded == verdict::no) {
                continue;
            }
            if (each.kind == node_kind::anything) {
                out.push_back({.status = 0, .path = {}});
                continue;
            }
            auto packed = plain;
            packed.coding = coding;
            packed.held_by = name;
            packed.octets = each.octets;
            packed.is_loose = context.model.is_disturbed(each.octets, asked.asked_at);
            add_representation(context, out, asked, std::move(packed));
        }
        if (is_sure) {
            return true;
        }
    }
    return false;
}

/// Whether the server packs files of this name and size.
bool is_packed_by_server(const client_context& context, const std::string& path,
                         std::uint64_t size) {
    const auto& packing = context.packing;
    return !packing.codings.empty() && type_of(path).starts_with("text/") &&
           size >= packing.size_bytes_min && size <= packing.size_bytes_max;
}

/// What the server packs itself. True: it surely does.
bool add_packed(client_context& context, std::vector<expected_answer>& out,
                const http_request& asked, const expected_answer& plain, const node_state& file) {
    constexpr std::int64_t long_ago = 1'790'000'000;  // 2026-09-21; worlds begin in 2027.
    const auto wanted = acceptable(*asked.accepts, context.packing.codings);
    if (wanted.empty() || !is_packed_by_server(context, plain.path, file.octets.size_bytes())) {
        return false;
    }
    auto packed = plain;
    packed.coding = wanted.front();
    packed.is_packed_here = true;
    add_representation(context, out, asked, std::move(packed));
    return context.is_strict() && context.packing.has_room && file.octets.is_text() &&
           file.modified && *file.modified < long_ago;
}

void add_file(client_context& context, std::vector<expected_answer>& out, const http_request& asked,
              const std::string& path, const node_state& file) {
    const expected_answer plain{
        .status = 200,
        .body = body_kind::file,
        .path = path,
        .octets = file.octets,
        .is_loose = context.model.is_disturbed(file.octets, asked.asked_at)};
    if (asked.accepts) {
        if (context.packing.uses_files_beside && add_beside(context, out, asked, plain, file)) {
            return;
        }
        if (add_packed(context, out, asked, plain, file)) {
            return;
        }
    }
    add_representation(context, out, asked, plain);
}

/// A directory that has no index, or whose index is none.
void add_listing(const client_context& context, std::vector<expected_answer>& out,
                 const http_request& asked) {
    if (!site_of(context, asked)->listings) {
        add_page(out, asked, 403);
        return;
    }
    const bool is_head = asked.sort == request_sort::head;
    expected_answer listed{.status = 200,
                           .body = is_head ? body_kind::none : body_kind::listing,
                           .path = asked.path,
                           .lists = true,
                           .query = asked.query,
                           .shown_as = asked.site_path};
    if (listed.is_packed()) {
        listed.body = is_head ? body_kind::none : body_kind::archive;
        out.push_back(listed);
        add_page(out, asked, 503);  // Others that are slow have all turns.
        return;
    }
    if (asked.accepts) {
        const auto wanted = acceptable(*asked.accepts, context.packing.codings);
        listed.coding = wanted.empty() ? "" : wanted.front();
    }
    out.push_back(listed);
    // What is too large for memory has no tag, and knows no conditions: `judge_tag_of_listing`.
    if (asked.condition == condition_field::if_none_match) {
        listed.status = 304;
        listed.body = body_kind::none;
        out.push_back(listed);
    } else if (asked.condition == condition_field::if_match &&
               asked.condition_value != compared_with::anything) {
        add_page(out, asked, 412);
        out.back().is_of_listing = true;
    }
}

void add_directory(client_context& context, std::vector<expected_answer>& out,
                   const http_request& asked) {
    if (!asked.wants_directory) {
        out.push_back({.status = 301, .path = asked.path, .shown_as = named_by(asked) + "/"});
        return;
    }
    for (const auto& name : site_of(context, asked)->index) {
        const auto index = joined(asked.path, name);
        bool may_be_another = false;
        for (const auto& each : context.model.possible_since(index, asked.asked_at)) {
            if (each.kind == node_kind::file) {
                add_file(context, out, asked, index, each);
            } else {
                may_be_another = true;
            }
        }
        if (!may_be_another) {
            return;
        }
    }
    add_listing(context, out, asked);
}

bool has_extension(std::string_view path) {
    return name_of(path).contains('.');
}

/// Nothing is called that: the page of a site of one page, or 404.
void add_absent(client_context& context, std::vector<expected_answer>& out,
                const http_request& asked) {
    const auto& site = *site_of(context, asked);
    const bool may_be_page = !site.spa.empty() && !has_extension(asked.path);
    const auto before = out.size();
    bool is_there = false;
    if (may_be_page && asked.accepts_html) {
        const auto page = site.in_tree(site.spa);
        for (const auto& each : context.model.possible_since(page, asked.asked_at)) {
            is_there = each.kind == node_kind::file;
            if (is_there) {
                add_file(context, out, asked, page, each);
            }
        }
        for (auto i = before; i < out.size(); ++i) {
            out[i].rule_path = site.spa;
        }
    }
    if (!is_there || !context.is_strict()) {
        add_page(out, asked, 404);
    }
    for (auto i = before; i < out.size(); ++i) {
        out[i].varies_by_accept = may_be_page;
    }
}

/// The page that is asked for without its extension. True: there is surely one.
bool add_clean_page(client_context& context, std::vector<expected_answer>& out,
                    const http_request& asked) {
    if (!site_of(context, asked)->clean_urls || asked.wants_directory ||
        has_extension(asked.path)) {
        return false;
    }
    const auto page = asked.path + ".html";
    bool is_sure = context.is_strict();
    for (const auto& each : context.model.possible_since(page, asked.asked_at)) {
        if (each.kind == node_kind::file) {
            add_file(context, out, asked, page, each);
        } else {
            is_sure = false;
        }
    }
    return is_sure;
}

/// Where the page `asked` for has its address without its extension; nothing: here.
std::optional<std::string> clean_address(const client_context& context, const http_request& asked) {
    const auto& site = *site_of(context, asked);
    const auto& path = named_by(asked);
    const auto stem = name_of(path).substr(0, name_of(path).rfind('.'));
    if (!site.clean_urls || !path.ends_with(".html") || stem.empty() || stem.contains('.')) {
        return std::nullopt;
    }
    const bool is_index = !site.index.empty() && site.index.front() == name_of(path);
    return path.substr(0, path.rfind(is_index ? '/' : '.') + (is_index ? 1 : 0));
}

/// What the tree has under the name that is asked for.
void add_named(client_context& context, std::vector<expected_answer>& made,
               const http_request& asked) {
    for (const auto& each : context.model.possible_since(asked.path, asked.asked_at)) {
        switch (each.kind) {
            case node_kind::absent:
                add_absent(context, made, asked);
                break;
            case node_kind::file:
                if (asked.wants_directory) {
                    add_absent(context, made, asked);
                } else if (auto address = clean_address(context, asked)) {
                    made.push_back(
                        {.status = 308, .path = asked.path, .shown_as = std::move(*address)});
                } else {
                    add_file(context, made, asked, asked.path, each);
                }
                break;
            case node_kind::directory:
                add_directory(context, made, asked);
                break;
            case node_kind::anything:
                made.push_back({.status = 0, .path = {}});
                break;
        }
    }
}

/// What sites show of an error instead of the server's page.
void use_pages(client_context& context, std::vector<expected_answer>& all,
               const http_request& asked) {
    const auto& site = *site_of(context, asked);
    std::vector<expected_answer> made;
    for (auto& each : all) {
        const auto path = each.rule_path.empty() ? rule_path(asked) : each.rule_path;
        const auto* const row = each.status >= 400 ? site.error_page(each.status, path) : nullptr;
        if (row == nullptr) {
            made.push_back(std::move(each));
            continue;
        }
        const auto page = site.in_tree(row->page);
        bool is_sure = context.is_strict();
        for (const auto& state : context.model.possible_since(page, asked.asked_at)) {
            if (state.kind != node_kind::file) {
                is_sure = false;
                if (state.kind == node_kind::anything) {
                    made.push_back({.status = 0, .path = {}});
                }
                continue;
            }
            auto& shown = made.emplace_back(each);
            shown.page_octets = state.octets;
            shown.page_path = page;
            shown.body = each.body == body_kind::page ? body_kind::site_page : body_kind::none;
        }
        if (!is_sure) {
            made.push_back(std::move(each));
        }
    }
    all = std::move(made);
}

/// The fields an answer must have, and those it may have besides.
struct field_rule {
    std::vector<std::string_view> wanted;
    std::vector<std::string_view> allowed;
};

field_rule rule_for(const expected_answer& what) {
    field_rule rule{.wanted = {"date", "server"}, .allowed = {}};
    const auto add = [&rule](std::initializer_list<std::string_view> names) {
        rule.wanted.insert(rule.wanted.end(), names);
    };
    if (what.lists && what.status == 304) {
        add({"etag", "cache-control", "vary"});
        return rule;
    }
    if (what.lists) {
        add({"content-type", "cache-control", "x-content-type-options"});
        add({what.is_packed() ? "content-disposition" : "vary"});
        if (!what.lists_json() && !what.is_packed()) {
            add({"content-security-policy"});
        }
        rule.allowed = {"content-length", "transfer-encoding"};
        if (!what.is_packed()) {
            rule.allowed.insert(rule.allowed.end(), {"etag", "content-encoding"});
        }
        return rule;
    }
    switch (what.status) {
        case 206:
            if (what.parts.empty()) {
                add({"content-range"});
            }
            [[fallthrough]];
        case 200:
            add({"content-type", "etag", "last-modified", "accept-ranges", "content-length",
                 "x-content-type-options"});
            if (!what.coding.empty()) {
                add({"content-encoding"});
            }
            break;
        case 204:
            add({"allow"});
            rule.allowed.emplace_back("accept-patch");  // Where parts of uploads are kept.
            rule.allowed.emplace_back("upload-limit");
            break;
        case 304:
            add({"etag"});
            break;
        case 301:
        case 302:
        case 303:
        case 307:
        case 308:
            add({"location", "content-length"});
            break;
        case 401:
            add({"www-authenticate", "content-type", "content-length"});
            break;
        case 405:
            add({"allow", "content-type", "content-length"});
            break;
        case 416:
            add({"content-range", "content-type", "content-length"});
            break;
        case 503:
            add({"retry-after"});
            [[fallthrough]];
        default:
            add({"content-type", "content-length"});
            break;
    }
    return rule;
}

/// The media type that rows go by.
std::string type_for_rows(const expected_answer& what) {
    const auto essence = [](std::string_view type) {
        return std::string(type.substr(0, type.find(';')));
    };
    if (what.status >= 400) {
        return "text/html";
    }
    if (what.status == 204 || (what.status >= 301 && what.status != 304)) {
        return {};
    }
    if (what.lists) {
        return what.is_packed()    ? "application/x-tar"
               : what.lists_json() ? "application/json"
                                   : "text/html";
    }
    const auto type = type_of(what.path);
    return !what.parts.empty() ? "multipart/byteranges"
           : type.empty()      ? "application/octet-stream"
                               : essence(type);
}

/// What the rows of the site that was asked do to the answer.
site_fields fields_for(const client_context& context, const http_request& asked,
                       const expected_answer& what) {
    const auto* const site = site_of(context, asked);
    if (site == nullptr) {
        return {};
    }
    return fields_of(*site, {.path = what.rule_path.empty() ? rule_path(asked) : what.rule_path,
                             .type = type_for_rows(what),
                             .origin = asked.origin,
                             .status = what.status,
                             .has_cache_control = what.lists,
                             .is_preflight = asked.is_preflight});
}

std::string judge_fields(const expected_answer& what, const site_fields& by_site,
                         const answer_head& head) {
    auto rule = rule_for(what);
    for (const auto& [name, value] : by_site.there) {
        if (head.only(name) != value) {
            return fmt::format("{} is {}, not {}", name, head.only(name).value_or("not there"),
                               value);
        }
        rule.allowed.push_back(name);
    }
    if (!by_site.has_server) {
        std::erase(rule.wanted, "server");
    }
    for (const auto name : rule.wanted) {
        if (!head.has(name)) {
            return fmt::format("no field {}", name);
        }
    }
    for (const auto& [name, value] : head.fields) {
        if (name != "connection" && name != "vary" &&
            std::ranges::find(rule.wanted, name) == rule.wanted.end() &&
            std::ranges::find(rule.allowed, name) == rule.allowed.end()) {
            return fmt::format("a field {} that does not belong there", name);
        }
    }
    return {};
}

/// Whether the file would be packed for who accepts that (`http::compression`).
bool varies(const client_context& context, const expected_answer& what) {
    const bool is_of_a_file = what.body == body_kind::file || what.status == 304 ||
                              what.status == 412 || what.status == 416 ||
                              (what.status == 200 && !what.lists);
    return is_of_a_file && !what.is_of_listing &&
           (context.packing.uses_files_beside ||
            is_packed_by_server(context, what.path, what.octets.size_bytes()));
}

/// Whether another coding might have been answered with, of a listing.
bool listing_varies(const client_context& context, const answer_head& head) {
    const auto& packing = context.packing;
    if (packing.codings.empty()) {
        return false;
    }
    if (head.status == 304) {  // It does not tell how large it would be.
        return head.only("vary").value_or("").contains("Accept-Encoding");
    }
    return head.has("content-encoding") ||
           (head.has("content-length") && head.content_length >= packing.size_bytes_min &&
            head.content_length <= packing.size_bytes_max);
}

/// What the answer depends on besides its target, sorted.
std::vector<std::string> vary_of(const client_context& context, const expected_answer& what,
                                 const site_fields& by_site, const answer_head& head) {
    std::vector<std::string> made;
    if (what.lists && !what.is_packed()) {
        made.emplace_back("Accept");
        if (listing_varies(context, head)) {
            made.emplace_back("Accept-Encoding");
        }
    } else if (!what.lists && varies(context, what)) {
        made.emplace_back("Accept-Encoding");
    }
    if (by_site.varies_by_origin) {
        made.emplace_back("Origin");
    }
    if (what.varies_by_accept) {
        made.emplace_back("Accept");
    }
    std::ranges::sort(made);
    return made;
}

std::vector<std::string> split_vary(const answer_head& head) {
    std::vector<std::string> made;
    auto rest = head.only("vary").value_or("");
    while (!rest.empty()) {
        const auto comma = std::min(rest.find(", "), rest.size());
        made.push_back(rest.substr(0, comma));
        rest.erase(0, comma + 2);
    }
    std::ranges::sort(made);
    return made;
}

std::string judge_common(const client_context& context, const http_request& asked,
                         const answer_head& head) {
    constexpr std::string_view methods = "GET, HEAD, OPTIONS, PUT, DELETE, MKCOL, MOVE, COPY";
    if (const auto date = head.only("date"); date && !is_http_date(*date)) {
        return "a Date that is none";
    }
    const auto connection = head.only("connection");
    if (asked.is_last && connection != "close") {
        return "the last answer does not say Connection: close (RFC 9112 section 9.6)";
    }
    // To HTTP/1.0 what is made while it is sent ends with the connection (RFC 9112 section 6.3).
    const bool ends_with_it =
        asked.version_minor == 0 && head.status == 200 && !head.has("content-length");
    if (!asked.is_last && connection == "close" && !ends_with_it && !context.excused.server_ends) {
        return "Connection: close without a reason";
    }
    if (asked.says_keep_alive && !connection) {
        return "HTTP/1.0 asked to stay and was not told";
    }
    if (asked.version_minor == 0 && head.has("transfer-encoding")) {
        return "Transfer-Encoding to HTTP/1.0 (RFC 9112 section 6.1)";
    }
    if (const auto allow = head.only("allow"); allow && *allow != methods) {
        return "Allow is " + *allow;
    }
    const auto patches = head.only("accept-patch");
    const auto limit = head.only("upload-limit");
    if (patches.has_value() != limit.has_value() ||
        patches.value_or("application/partial-upload") != "application/partial-upload" ||
        limit.value_or("max-age=86400") != "max-age=86400") {
        return "OPTIONS says wrong things of uploads that go on";
    }
    return {};
}

std::string judge_location(const expected_answer& what, const http_request& asked,
                           const std::string& location) {
    if (!what.location.empty()) {
        return location == what.location ? "" : "Location leads to " + location;
    }
    auto path = location.substr(0, location.find('?'));
    const auto query = location.substr(path.size());
    const auto decoded = decode_path(path);
    if (!decoded || *decoded != what.shown_as || query != asked.query) {
        return "Location leads to " + location;
    }
    return {};
}

/// What of a packed file is meant, now that its answer tells its size, or how often it is there.
std::string settle_packed(client_context& context, expected_answer& what, const http_request& asked,
                          const answer_head& head, std::uint64_t& size) {
    if (what.status == 200) {
        size = what.size_bytes = head.content_length;
        if (size > what.octets.size_bytes() - what.octets.size_bytes() / 8) {
            return fmt::format("{} octets packed in {}", what.octets.size_bytes(), size);
        }
    } else {
        const auto told = head.only("content-range").value_or("");
        const auto slash = told.find('/');
        if (std::sscanf(told.c_str() + std::min(slash, told.size()), "/%lu", &size) != 1) {
            return "Content-Range is " + told;
        }
        const auto part = resolve(*asked.range, size);
        if (part.is_unsatisfiable != (what.status == 416)) {
            return "Content-Range is " + told;
        }
        what.offset = part.offset;
        what.size_bytes = part.size_bytes;
    }
    const auto* const known = context.model.packed(what.path, head.only("etag").value_or(""));
    return known == nullptr || known->size() == size
               ? ""
               : fmt::format("{} octets under the tag of {}", size, known->size());
}

/// Whether a listing has the tag and the coding that it may have, and the status that its tag and
/// the condition give.
std::string judge_tag_of_listing(expected_answer& what, const http_request& asked,
                                 const answer_head& head) {
    const auto tag = head.only("etag").value_or("");
    const auto coding = head.only("content-encoding").value_or("");
    if (!coding.empty() && (coding != what.coding || tag.empty())) {
        return "Content-Encoding is " + coding;
    }
    what.coding = coding;
    if (head.status == 200 && head.has("content-length") != !tag.empty()) {
        return "a listing with a length and no tag, or a tag and no length";
    }
    if (is_weak(tag)) {
        return "a listing with a weak tag";
    }
    if (tag.empty()) {
        return {};
    }
    const bool names_it =
        asked.condition_value == compared_with::anything ||
        (asked.condition_value == compared_with::seen_tag && tag == asked.seen.tag);
    const bool is_refused = (asked.condition == condition_field::if_none_match && names_it) ||
                            (asked.condition == condition_field::if_match && !names_it);
    return is_refused == (head.status != 200) ? "" : "the condition says another status of " + tag;
}

std::string judge_one(client_context& context, expected_answer& what, const http_request& asked,
                      const answer_head& head) {
    if (what.status != head.status) {
        return fmt::format("status {}", head.status);
    }
    const auto by_site = fields_for(context, asked, what);
    if (auto problem = judge_fields(what, by_site, head); !problem.empty()) {
        return problem;
    }
    if (split_vary(head) != vary_of(context, what, by_site, head)) {
        return "Vary is " + head.only("vary").value_or("not there");
    }
    if (what.page_octets && (head.content_length != what.page_octets->size_bytes() ||
                             head.only("content-type") != type_of(what.page_path))) {
        return "another page than " + what.page_path;
    }
    if (what.status > 300 && what.status < 309 && what.status != 304) {
        return judge_location(what, asked, head.only("location").value_or(""));
    }
    auto size = what.octets.size_bytes();
    if (!what.parts.empty()) {
        return settle_parts(what, head);
    }
    if (what.lists && !what.is_packed()) {
        if (auto problem = judge_tag_of_listing(what, asked, head); !problem.empty()) {
            return problem;
        }
        if (what.status == 304) {
            return {};
        }
    }
    const bool is_of_content = what.status == 200 || what.status == 206;
    if (is_of_content && !what.lists && head.only("content-encoding").value_or("") != what.coding) {
        return "Content-Encoding is " + head.only("content-encoding").value_or("not there");
    }
    if (what.is_packed_here && (is_of_content || what.status == 416)) {
        if (auto problem = settle_packed(context, what, asked, head, size); !problem.empty()) {
            return problem;
        }
    }
    if (what.status == 416 && head.only("content-range") != fmt::format("bytes */{}", size)) {
        return "Content-Range is " + head.only("content-range").value_or("");
    }
    if (what.lists) {
        const auto type = head.only("content-type").value_or("");
        return type == (what.is_packed()    ? "application/x-tar"
                        : what.lists_json() ? "application/json"
                                            : "text/html; charset=utf-8")
                   ? ""
                   : "Content-Type is " + type;
    }
    if (!is_of_content) {
        return {};
    }
    if (what.is_packed_here && head.only("etag").value_or("").starts_with("W/")) {
        return "packed while its tag is weak";  // Nobody could tell of what.
    }
    if (head.content_length != what.size_bytes) {
        return fmt::format("Content-Length is {}", head.content_length);
    }
    if (what.status == 206 &&
        head.only("content-range") !=
            fmt::format("bytes {}-{}/{}", what.offset, what.offset + what.size_bytes - 1, size)) {
        return "Content-Range is " + head.only("content-range").value_or("");
    }
    const auto type = type_of(what.path);
    if (!type.empty() && head.only("content-type") != type) {
        return "Content-Type is " + head.only("content-type").value_or("");
    }
    if (!is_http_date(head.only("last-modified").value_or(""))) {
        return "a Last-Modified that is no date";
    }
    return {};
}

}  // namespace

std::optional<std::size_t> expected_answer::first_difference(std::uint64_t done,
                                                             std::string_view seen) const {
    if (body == body_kind::site_page) {
        return page_octets->first_difference(done, seen);
    }
    if (parts.empty()) {
        return octets.first_difference(offset + done, seen);
    }
    std::size_t right = 0;
    std::uint64_t begin = 0;  // In the body, of what is compared next.
    const auto piece = [&](std::uint64_t size, auto&& compare) -> std::optional<std::size_t> {
        const auto at = done + right;
        if (at >= begin && at < begin + size && right < seen.size()) {
            const auto count = static_cast<std::size_t>(
                std::min<std::uint64_t>(seen.size() - right, begin + size - at));
            const auto wrong = compare(at - begin, seen.substr(right, count));
            if (wrong) {
                return right + *wrong;
            }
            right += count;
        }
        begin += size;
        return std::nullopt;
    };
    for (const auto& each : parts) {
        const auto in_text =
            piece(each.before.size(), [&](std::uint64_t from, std::string_view some) {
                const auto expected = std::string_view(each.before).substr(from, some.size());
                const auto differs = std::ranges::mismatch(expected, some);
                return some == expected
                           ? std::nullopt
                           : std::optional(static_cast<std::size_t>(differs.in2 - some.begin()));
            });
        const auto in_part =
            in_text ? in_text
                    : piece(each.size_bytes, [&](std::uint64_t from, std::string_view some) {
                          return octets.first_difference(each.offset + from, some);
                      });
        if (in_part) {
            return in_part;
        }
    }
    return right < seen.size() ? std::optional(right) : std::nullopt;
}

std::string expected_answer::describe() const {
    if (!parts.empty()) {
        return fmt::format("{} with {} parts of {} ({})", status, parts.size() - 1, path,
                           octets.describe());
    }
    switch (body) {
        case body_kind::file:
            return fmt::format("{} with {} from {} of {} ({}){}", status, size_bytes, offset,
                               held_by.empty() ? path : held_by, octets.describe(),
                               coding.empty() ? "" : " in " + coding);
        case body_kind::listing:
            return fmt::format("{} with the names in {}", status, path);
        case body_kind::archive:
            return fmt::format("{} with all that is in {}", status, path);
        case body_kind::site_page:
            return fmt::format("{} with {} instead of a page", status, page_path);
        case body_kind::page:
        case body_kind::none:
            break;
    }
    return fmt::format("{}{}{}", status, location.empty() ? "" : " to ", location);
}

std::string judge_packed(client_context& context, const expected_answer& what,
                         std::string_view octets) {
    if (what.status == 206) {
        const auto* const known = context.model.packed(what.path, what.tag);
        context.findings.count(known != nullptr ? "http packed, a part" : "http packed, unknown");
        const bool is_right = known == nullptr || std::string_view(*known).substr(
                                                      what.offset, what.size_bytes) == octets;
        return is_right ? "" : fmt::format("other octets than the whole {} has there", what.tag);
    }
    if (!what.is_loose) {
        const auto whole = what.octets.octets();
        const auto seen = unpack(octets, what.coding, whole.size());
        if (!seen) {
            return "not packed in " + what.coding;
        }
        if (*seen != whole) {
            return fmt::format("{} octets are packed that are not of {}, but of {}", seen->size(),
                               what.describe(), identify(*seen));
        }
    }
    context.findings.count("http packed " + what.coding);
    return context.model.keep_packed(what.path, what.tag, std::string(octets))
               ? ""
               : "other octets under one strong tag";
}

std::string judge_listing_body(client_context& context, const expected_answer& what,
                               std::string& page, moment since) {
    constexpr std::size_t octets_max = 1'024 * 1'024;
    if (!what.tag.empty() && !context.model.keep_packed(what.path + '/', what.tag, page)) {
        return "other octets of a listing under one strong tag";
    }
    if (!what.coding.empty()) {
        auto whole = unpack(page, what.coding, octets_max);
        if (!whole) {
            return "a listing that is not packed in " + what.coding;
        }
        page = std::move(*whole);
        context.findings.count("http listings packed " + what.coding);
    }
    return judge_listing(context, what, page, since);
}

std::vector<expected_answer> expected_answers(client_context& context, const http_request& asked) {
    std::vector<expected_answer> made;
    const auto* const site = site_of(context, asked);
    if (asked.sort == request_sort::fixed) {
        for (const int status : asked.statuses) {
            made.push_back({.status = status,
                            .body = status == 204 ? body_kind::none : body_kind::page,
                            .path = {}});
        }
        return made;
    }
    if (site == nullptr) {
        add_page(made, asked, 421);
        return made;
    }
    if (asked.sort == request_sort::options) {
        made.push_back({.status = 204, .path = asked.path});
        return made;
    }
    std::string location;
    if (const auto* const row = site->moved(rule_path(asked), asked.query, location)) {
        if (row->status == 410) {
            add_page(made, asked, 410);
        } else {
            made.push_back({.status = row->status, .path = asked.path, .location = location});
        }
    } else if (!add_clean_page(context, made, asked)) {
        add_named(context, made, asked);
    }
    use_pages(context, made, asked);
    return made;
}

bool is_excused(const client_context& context, int status) {
    static constexpr std::array<int, 4> statuses{403, 500, 503, 507};
    return (context.excused.faults && std::ranges::find(statuses, status) != statuses.end()) ||
           (context.excused.server_ends && status == 503);
}

std::vector<expected_answer> match_head(client_context& context, const http_request& asked,
                                        const answer_head& head,
                                        std::vector<expected_answer> expected,
                                        std::string& problem) {
    problem = judge_common(context, asked, head);
    if (!problem.empty()) {
        return {};
    }
    std::string all;
    std::vector<expected_answer> left;
    const auto tag = head.only("etag");
    for (auto& each : expected) {
        if (each.status == 0) {  // After a crash without durability: anything.
            left.push_back(each);
            continue;
        }
        each.tag = tag.value_or("");
        const auto why = judge_one(context, each, asked, head);
        if (why.empty()) {
            left.push_back(each);
        } else {
            all += fmt::format("{}not [{}]: {}", all.empty() ? "" : "; ", each.describe(), why);
        }
    }
    if (left.empty()) {
        problem = all.empty() ? "nothing was possible" : all;
        return left;
    }
    const bool is_exact = tag && std::ranges::none_of(left, [](const expected_answer& each) {
                              return each.status == 0 || each.is_loose || each.lists;
                          });
    if (is_exact) {
        std::vector<content> contents;
        for (const auto& each : left) {
            contents.push_back(each.octets);
        }
        const auto narrowed = context.model.narrow_by_tag(*tag, contents);
        std::erase_if(left, [&narrowed](const expected_answer& each) {
            return std::ranges::find(narrowed, each.octets) == narrowed.end();
        });
        problem = left.empty() ? "the strong tag " + *tag + " stood for another content" : "";
    }
    // And one strong tag, one representation (RFC 9110 section 8.8.3.3).
    const auto representation_of = [](const expected_answer& each) {
        return std::pair(each.held_by.empty() ? each.path : each.held_by,
                         each.is_packed_here ? each.coding : std::string());
    };
    const bool is_one =
        is_exact && !left.empty() && std::ranges::all_of(left, [&](const expected_answer& each) {
            return representation_of(each) == representation_of(left.front());
        });
    if (is_one) {
        const auto [path, coding] = representation_of(left.front());
        if (!context.model.is_tag_of(path, *tag, coding)) {
            problem = "the tag " + *tag + " stood for another coding";
            left.clear();
        }
    }
    return left;
}

bool is_http_date(std::string_view text) {
    constexpr std::string_view days = "Mon Tue Wed Thu Fri Sat Sun ";
    constexpr std::string_view months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    constexpr std::string_view shape = "aaa, 00 aaa 0000 00:00:00 GMT";
    if (text.size() != shape.size()) {
        return false;
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == '0' ? !is_digit : shape[i] != 'a' && shape[i] != text[i]) {
            return false;
        }
    }
    const auto is_one_of = [](std::string_view names, std::string_view name) {
        const auto at = names.find(std::string(name) + " ");
        return at != std::string_view::npos && at % 4 == 0;
    };
    return is_one_of(days, text.substr(0, 3)) && is_one_of(months, text.substr(8, 3));
}

}  // namespace ferry::sim::test
