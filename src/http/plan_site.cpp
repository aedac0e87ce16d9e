#include <cstddef>
#include <span>
#include <utility>

#include "http/accept.hpp"
#include "http/planning.hpp"
#include "http/target.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr std::string_view page_extension = ".html";

std::optional<std::string_view> query_of(const request& asked) noexcept {
    return asked.has_query ? std::optional(asked.query) : std::nullopt;
}

/// What asks for a page, not for one of the files that pages are made of.
bool has_extension(const vfs::path& name) noexcept {
    return name.name().contains('.');
}

/// A regular file that visitors may read; null where there is none. Fails where the server could
/// not find that out: what else would be answered may be wrong.
task<result<vfs::shared_file_ptr>> open_page(const planning& plan, const vfs::path& name) {
    if (!plan.rights_at(name).has(auth::right::read)) {
        co_return nullptr;
    }
    auto found = co_await plan.open(name);
    if (!found && is_server_error(status_for(found.error().code))) {
        co_return found;
    }
    if (!found || (*found)->file.is_directory()) {
        co_return nullptr;
    }
    co_return found;
}

/// All of a small file; nothing where it cannot be read or has become shorter.
task<std::optional<std::string>> read_small(const planning& plan, const vfs::shared_file& from) {
    if (from.body) {
        co_return *from.body;
    }
    std::string octets(static_cast<std::size_t>(from.file.status().size_bytes), '\0');
    for (std::size_t done = 0; done < octets.size();) {
        const auto into = std::as_writable_bytes(std::span(octets)).subspan(done);
        const auto got = co_await from.file.read(plan.shared.here, into, done);
        if (!got || *got == 0) {
            co_return std::nullopt;
        }
        done += *got;
    }
    co_return octets;
}

}  // namespace

response_plan plan_redirect(const planning& plan, status what, std::string_view location) {
    response_plan made;
    made.what = what;
    made.then = plan.then;
    auto head = plan.head(what);
    head.location = location;
    head.content_length = 0;
    append_head(made.message, head);
    return made;
}

response_plan plan_over_tls(const planning& plan) {
    constexpr std::uint16_t usual_port = 443;
    auto host = plan.asked.host;
    // What stands behind the last ':' is a port but within an address of IPv6 (RFC 3986 section
    // 3.2.2).
    if (const auto colon = host.rfind(':');
        colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
        host = host.substr(0, colon);
    }
    if (host.empty()) {
        return plan.error(status::bad_request, "Ask over https, and name a host.");
    }
    std::string location = "https://";
    location += host;
    if (const auto port = plan.shared.settings.redirect_to_tls_port; port != usual_port) {
        location += ':';
        location += std::to_string(port);
    }
    append_encoded_query(location, plan.asked.path);  // As it came, so it is encoded already.
    if (const auto query = query_of(plan.asked)) {
        location += '?';
        append_encoded_query(location, *query);
    }
    return plan_redirect(plan, status::permanent_redirect, location);
}

std::optional<response_plan> plan_moved(const planning& plan) {
    if (plan.at.redirects.empty()) {
        return std::nullopt;
    }
    const auto found = plan.at.redirects.find(plan.rules.path);
    if (found.row == nullptr) {
        return std::nullopt;
    }
    if (found.row->what == status::gone) {
        return plan.error(status::gone);
    }
    return plan_redirect(plan, found.row->what,
                         location_of(*found.row, found.star, query_of(plan.asked)));
}

task<std::optional<response_plan>> plan_clean_page(const planning& plan) {
    const vfs::path& asked = *plan.name;
    if (asked.wants_directory() || has_extension(asked)) {
        co_return std::nullopt;
    }
    const auto name = vfs::path::parse(asked.text() + std::string(page_extension));
    if (!name) {
        co_return std::nullopt;
    }
    auto file = co_await open_page(plan, *name);
    if (!file) {
        co_return plan.error(status_for(file.error().code));
    }
    if (!*file) {
        co_return std::nullopt;
    }
    auto made = co_await plan_file(plan, *name, std::move(*file));
    co_return made;
}

std::optional<std::string> clean_location(const planning& plan, const vfs::path& file) {
    const std::string_view name = file.name();
    if (!plan.at.clean_urls || !name.ends_with(page_extension)) {
        return std::nullopt;
    }
    const auto stem = name.substr(0, name.size() - page_extension.size());
    if (stem.empty() || stem.contains('.')) {  // `/v1.2` would be a file of its own.
        return std::nullopt;
    }
    const bool is_index = !plan.at.index.empty() && plan.at.index.front() == name;
    auto text = plan.at.in_site(file).text();
    text.resize(text.size() - (is_index ? name.size() : page_extension.size()));
    std::string location;
    append_encoded_path(location, text);
    if (const auto query = query_of(plan.asked)) {
        location += '?';
        append_encoded_query(location, *query);
    }
    return location;
}

task<std::optional<response_plan>> plan_single_page(planning& plan, errc why) {
    const bool is_absent = why == errc::not_found || why == errc::not_directory;
    if (!is_absent || has_extension(*plan.name)) {
        co_return std::nullopt;
    }
    plan.rules.varies_by_accept = true;
    if (!accepts_media_type(plan.asked.fields, "text/html")) {
        co_return std::nullopt;
    }
    auto file = co_await open_page(plan, *plan.at.spa);
    if (!file) {
        co_return plan.error(status_for(file.error().code));
    }
    if (!*file) {
        co_return std::nullopt;
    }
    // What is said of the page, and how long it may be kept, is not said of the path.
    plan.rules.path = plan.at.in_site(*plan.at.spa).text();
    auto made = co_await plan_file(plan, *plan.at.spa, std::move(*file));
    co_return made;
}

task<response_plan> with_error_page(const planning& plan, response_plan made) {
    const auto* const name = plan.at.error_page(made.what, plan.rules.path);
    if (name == nullptr) {
        co_return made;
    }
    auto found = co_await open_page(plan, *name);
    if (!found || !*found) {
        co_return made;
    }
    auto file = std::move(*found);
    const auto size_bytes = file->file.status().size_bytes;
    const bool is_small = size_bytes <= inline_body_bytes_max;
    std::optional<std::string> content;
    if (is_small) {
        content = co_await read_small(plan, *file);
        if (!content) {
            co_return made;
        }
    }
    if (!replace_page(made.message, plan.shared.types.of(name->name()), size_bytes)) {
        co_return made;
    }
    made.body_bytes = 0;
    if (plan.is_head()) {
        co_return made;
    }
    made.body_bytes = size_bytes;
    if (is_small) {
        made.message += *content;
    } else {
        made.part = {.offset = 0, .size_bytes = size_bytes};
        made.file = std::move(file);
    }
    co_return made;
}

}  // namespace ferry::http
