#include <optional>
#include <string>
#include <utility>

#include "http/index_page.hpp"
#include "http/planning.hpp"
#include "http/target.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr std::string_view index_name = "index.html";

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

}  // namespace

task<response_plan> plan_directory(const planning& plan, const vfs::path& name) {
    if (!name.wants_directory()) {
        co_return plan_redirect(plan, name);
    }
    const auto index = name.resolve(index_name);
    if (index) {
        auto page = co_await plan.shared.open_files.open(*index);
        if (page && !(*page)->file.is_directory()) {
            if (!plan.rights_at(*index).has(auth::right::read)) {
                co_return plan.error(status::forbidden);
            }
            auto made = co_await plan_file(plan, *index, std::move(*page));
            co_return made;
        }
        if (!page && page.error() != errc::not_found) {
            co_return plan.error(status_for(page.error().code));
        }
    }
    if (!plan.rights_at(name).has(auth::right::list)) {
        co_return plan.error(status::forbidden);
    }
    auto made = co_await plan_listing(plan, name);
    co_return made;
}

}  // namespace ferry::http
