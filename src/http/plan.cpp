#include "http/plan.hpp"

#include <string>
#include <utility>

#include "http/fields.hpp"
#include "http/plan_upload.hpp"
#include "http/plan_write.hpp"
#include "http/planning.hpp"
#include "http/target.hpp"
#include "http/upload_resource.hpp"

namespace ferry::http {

using runtime::task;

namespace {

// Seconds after which what was too much at once may be asked for again (RFC 9110 section 10.2.3).
constexpr std::string_view retry_after = "5";
constexpr std::string_view product = "ferry";
// How to log in (RFC 7617 section 2; names and passwords are octets of UTF-8, section 2.1).
constexpr std::string_view challenge = "Basic realm=\"ferry\", charset=\"UTF-8\"";

connection_option connection_after(const request& asked, after then) noexcept {
    if (then == after::close) {
        return connection_option::close;
    }
    return asked.version_minor == 0 ? connection_option::keep_alive : connection_option::none;
}

}  // namespace

response_head planning::head(status what) const {
    response_head made;
    made.what = what;
    made.date = shared.dates.text(now.seconds);
    made.server = product;
    made.connection = connection_of();
    made.rules = rules.are_any() ? &rules : nullptr;
    if (is_secure) {
        made.strict_transport_security = shared.settings.strict_transport;
    }
    made.location = upload.location;
    made.upload_complete = upload.complete;
    made.upload_offset = upload.offset;
    made.upload_length = upload.length;
    made.upload_limit = upload.limit;
    if (upload.accepts_parts) {
        made.accept_patch = partial_upload_type;
    }
    if (upload.is_asked_itself) {  // Draft-ietf-httpbis-resumable-upload section 4.3.2.
        made.cache_control = "no-store";
    }
    return made;
}

connection_option planning::connection_of() const noexcept {
    return connection_after(asked, then);
}

std::string_view planning::allowed_methods() const noexcept {
    if (shared.pages != nullptr) {
        return "GET, HEAD";
    }
    if (upload.is_asked_itself) {
        return methods_of_uploads;
    }
    return may_write_anywhere(shared) ? methods_with_writing : methods_that_read;
}

response_plan planning::error(status what, std::string_view explanation) const {
    response_plan plan;
    plan.what = what;
    plan.then = then;
    auto made = head(what);
    if (what == status::method_not_allowed) {
        made.allow = allowed_methods();
    }
    if (what == status::service_unavailable || what == status::too_many_requests) {
        made.retry_after = retry_after;
    }
    if (what == status::unauthorized) {
        made.www_authenticate = challenge;
    }
    plan.body_bytes = append_error_answer(plan.message, made, !is_head(), explanation);
    return plan;
}

response_plan planning::problem(status what, std::string_view json) const {
    response_plan plan;
    plan.what = what;
    plan.then = then;
    plan.is_problem = true;
    plan.body_bytes = append_problem_answer(plan.message, head(what), !is_head(), json);
    return plan;
}

response_plan planning::forbidden() const {
    const bool may_log_in = who.is_visitor() && has_accounts();
    if (may_log_in && !may_say_password) {
        return not_in_clear();
    }
    return error(may_log_in ? status::unauthorized : status::forbidden);
}

response_plan planning::not_in_clear() const {
    return error(status::forbidden, "Logins are taken over TLS only: ask with https.");
}

response_plan planning::no_name(errc why) const {
    return error(status_for(why), why == errc::invalid
                                      ? "The path holds an encoded slash, a backslash, NUL, or a "
                                        "percent sign without two digits behind it."
                                      : "");
}

task<result<vfs::shared_file_ptr>> planning::open(const vfs::path& file) const {
    if (who.sees_whole_tree(file)) {
        // A digest is made of what is open.
        const bool has_digest = asked.fields.has(field::want_repr_digest) ||
                                asked.fields.has(field::want_content_digest);
        auto found = co_await shared.open_files.open(
            file, has_digest ? vfs::file_cache::need::descriptor : vfs::file_cache::need::content);
        co_return found;
    }
    const auto place = who.where(file);
    auto opened = co_await place.files.open(shared.here, place.name);
    if (!opened) {
        co_return failure(opened.error());
    }
    co_return std::make_shared<vfs::shared_file>(std::move(*opened));
}

namespace {

response_plan plan_options(const planning& plan) {
    response_plan made;
    made.what = status::no_content;
    made.then = plan.then;
    auto head = plan.head(status::no_content);
    head.allow = plan.allowed_methods();
    std::string limit;  // Draft-ietf-httpbis-resumable-upload section 4.1.4.
    if (may_resume_uploads(plan)) {
        limit = upload_limit(plan);
        head.accept_patch = partial_upload_type;
        head.upload_limit = limit;
    }
    append_head(made.message, head);
    return made;
}

task<response_plan> plan_get(planning& plan) {
    const auto& name = plan.name;
    if (!name) {
        co_return plan.no_name(name.error().code);
    }
    if (auto moved = plan_moved(plan)) {
        co_return std::move(*moved);
    }
    const auto allowed = plan.rights_at(*name);
    if (allowed == auth::rights{}) {  // Not even whether there is something.
        co_return plan.forbidden();
    }
    if (plan.at.clean_urls) {
        auto page = co_await plan_clean_page(plan);
        if (page) {
            co_return std::move(*page);
        }
    }
    auto found = co_await plan.open(*name);
    if (!found) {
        if (plan.at.spa) {
            auto page = co_await plan_single_page(plan, found.error().code);
            if (page) {
                co_return std::move(*page);
            }
        }
        auto made = plan.error(status_for(found.error().code));
        if (made.what == status::not_found && plan.who.is_visitor()) {
            made.made_of = plan.shared.open_files.absence_of(*name);
        }
        co_return made;
    }
    if ((*found)->file.is_directory()) {
        auto made = co_await plan_directory(plan, *name, std::move(*found));
        co_return made;
    }
    if (!allowed.has(auth::right::read)) {
        co_return plan.forbidden();
    }
    if (const auto location = clean_location(plan, *name)) {
        co_return plan_redirect(plan, status::permanent_redirect, *location);
    }
    auto made = co_await plan_file(plan, *name, std::move(*found));
    co_return made;
}

/// What is asked for, as the site and the patterns of its rules know it.
void find_name(planning& plan) {
    auto name = decode_target(plan.asked.path);
    if (name && plan.at.has_rules()) {
        plan.rules.path = name->text();
        if (name->wants_directory() && !name->is_root()) {
            plan.rules.path += '/';
        }
    }
    plan.name = name ? plan.at.in_tree(std::move(*name)) : std::move(name);
}

task<response_plan> plan_method(planning& plan, content_reader& content) {
    plan.upload.is_asked_itself = is_for_upload_resource(plan.asked);
    const bool has_own_plan =
        plan.asked.method != method::options && plan.asked.method != method::other;
    if (plan.upload.is_asked_itself && has_own_plan) {
        auto made = co_await plan_upload_resource(plan, content);
        co_return made;
    }
    switch (plan.asked.method) {
        case method::get:
        case method::head:
            break;
        case method::options:
            co_return plan_options(plan);
        case method::put:
        case method::delete_:
        case method::mkcol:
        case method::move:
        case method::copy: {
            auto made = co_await plan_write(plan, content);
            co_return made;
        }
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

/// The answer to a login that gives none.
response_plan plan_no_login(const planning& plan, logins::outcome why) {
    switch (why) {
        case logins::outcome::wrong:
            return plan.error(status::unauthorized, "Name or password is wrong.");
        case logins::outcome::turned_away:
            return plan.error(status::too_many_requests,
                              "Too many failed logins from your address.");
        case logins::outcome::no_home:
            return plan.error(status::forbidden,
                              "The home directory of this account is not usable.");
        case logins::outcome::in_clear:
            return plan.not_in_clear();
        case logins::outcome::known:
        case logins::outcome::unavailable:
            break;
    }
    return plan.error(status::service_unavailable, "Logins are not possible just now.");
}

}  // namespace

bool may_log_in(const service::state& shared, const request& asked) noexcept {
    return shared.accounts != nullptr && asked.fields.has(field::authorization);
}

bool must_ask_over_tls(const service::state& shared, const request& asked) noexcept {
    constexpr std::string_view acme = "/.well-known/acme-challenge/";
    return shared.settings.redirect_to_tls_port != 0 && !asked.path.starts_with(acme);
}

requester visitor_of(const service::state& shared) noexcept {
    return {.who = viewer(shared.settings.visitors, shared.files)};
}

task<requester> identify(service::state& shared, const request& asked, const net::endpoint& from) {
    auto by = visitor_of(shared);
    if (!may_log_in(shared, asked)) {
        co_return by;
    }
    auto given = credentials_of(asked);
    if (!given) {
        co_return by;
    }
    by.user = given->name;
    auto checked = co_await shared.accounts->check(std::move(*given), from);
    if (checked.what != logins::outcome::known) {
        by.refused = checked.what;
    } else {
        by.who = viewer(shared.settings.visitors, shared.files, std::move(checked.who));
    }
    co_return by;
}

task<requester> identify_certified(service::state& shared, const std::string& name) {
    auto by = visitor_of(shared);
    auto found = co_await shared.accounts->find_certified(name);
    if (found.what != logins::outcome::known) {
        by.user = name;
        by.refused = found.what;
    } else if (found.who) {
        by.user = name;
        by.who = viewer(shared.settings.visitors, shared.files, std::move(found.who));
    }
    co_return by;
}

task<response_plan> plan_response(service::state& shared, const request& asked,
                                  content_reader& content, const requester& by, after then) {
    const auto held = shared.rules;  // Others may come meanwhile.
    const site* const at = held->find(asked.host);
    planning plan{.shared = shared,
                  .asked = asked,
                  .wished = then,
                  .then = content.lets_go_on() ? then : after::close,
                  .now = read_wall_clock(),
                  .who = by.who,
                  .at = at == nullptr ? held->standard : *at,
                  .name = {},
                  .rules = {},
                  .is_secure = by.is_secure,
                  .may_say_password = by.may_say_password,
                  .reached = by.reached};
    if (at == nullptr) {
        co_return plan.error(status::misdirected_request);
    }
    if (!by.is_secure && must_ask_over_tls(shared, asked)) {
        co_return plan_over_tls(plan);
    }
    if (shared.pages != nullptr) {
        auto page = co_await plan_page(plan);
        co_return page;
    }
    find_name(plan);
    if (at->has_field_rules()) {
        plan.rules.of = at;
        plan.rules.is_for_one = !by.who.is_visitor();
        plan.rules.origin = asked.fields.only(field::origin).value_or("");
        plan.rules.is_preflight = asked.method == method::options &&
                                  asked.fields.first("Access-Control-Request-Method").has_value();
    }
    response_plan made;
    if (by.refused) {
        made = plan_no_login(plan, *by.refused);
    } else {
        made = co_await plan_method(plan, content);
    }
    if (at->clean_urls || at->spa || shared.rules != held) {
        made.made_of.reset();  // Whether there are other files played a part, or rules of the past.
    }
    if (is_error(made.what) && !made.is_problem && !at->errors.empty()) {
        auto with_page = co_await with_error_page(plan, std::move(made));
        with_page.made_of.reset();
        co_return with_page;
    }
    co_return made;
}

namespace {

std::string_view words_for(status turned_away_with) noexcept {
    switch (turned_away_with) {
        case status::too_many_requests:
            return "There are too many requests from your address.";
        case status::bad_request:
            return "Malformed Forwarded.";
        default:
            return "Your address is not allowed here.";
    }
}

}  // namespace

response_plan plan_turned_away(service::state& shared, const request& asked, const turned_away& why,
                               after then) {
    response_plan made;
    made.what = why.what;
    made.then = then;
    response_head head;
    head.what = why.what;
    head.date = shared.dates.text(read_wall_clock().seconds);
    head.server = product;
    head.connection = connection_after(asked, then);
    const auto seconds = std::to_string(why.retry_after_seconds);
    if (why.retry_after_seconds != 0) {
        head.retry_after = seconds;
    }
    made.body_bytes =
        append_error_answer(made.message, head, asked.method != method::head, words_for(why.what));
    return made;
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
    made.body_bytes = append_error_answer(made.message, head, true, why.reason);
    return made;
}

}  // namespace ferry::http
