#include "http/changes.hpp"

#include <algorithm>
#include <utility>

namespace ferry::http {

using runtime::task;

task<result<subject>> look_at(const planning& plan, vfs::path name) {
    auto at = plan.who.where(name);
    const auto allowed = plan.rights_at(name);
    const auto found = co_await at.files.status(plan.shared.here, at.name);
    if (!found && found.error() != errc::not_found) {
        co_return failure(found.error());
    }
    subject seen{.name = std::move(name), .at = std::move(at), .allowed = allowed, .status = {}};
    if (found) {
        seen.status = *found;
    }
    co_return seen;
}

bool is_conditional(const request& asked) noexcept {
    return asked.fields.has(field::if_match) || asked.fields.has(field::if_none_match) ||
           asked.fields.has(field::if_unmodified_since);
}

validators settled_validators(const vfs::metadata& status, wall_time now) noexcept {
    now.seconds = std::max(now.seconds, status.modified.seconds) + vfs::settled_after_seconds + 1;
    return {status, now};
}

bool conditions_hold(const planning& plan, const std::optional<vfs::metadata>& status) {
    std::optional<validators> current;
    if (status) {
        current = settled_validators(*status, plan.now);
    }
    return evaluate_conditions(plan.asked, current, plan.now) == verdict::proceed;
}

response_plan plan_done(const planning& plan, status what, const made_file& file) {
    response_plan done;
    done.what = what;
    done.then = plan.then;
    auto head = plan.head(what);
    if (what != status::no_content) {
        head.content_length = 0;
    }
    if (file.made) {
        head.etag = file.made->etag().text();
    }
    head.repr_digest = file.repr_digest;
    append_head(done.message, head);
    return done;
}

planning after_content(const planning& plan, const content_reader& content) {
    planning now = plan;
    now.then = content.lets_go_on() ? plan.wished : after::close;
    now.now = read_wall_clock();  // It may have taken hours; Date is about the answer.
    return now;
}

namespace {

constexpr std::string_view refused_by_the_system =
    "The server itself may not do that there (file permissions, or a link that leads elsewhere).";

/// Whether it is the system that refuses, or ferry.
std::string_view reason_of_denial(int os_errno) noexcept {
    return os_errno == 0 ? "That name is not for that: a mount point, the home of an account, or "
                           "one of those that are hidden here."
                         : refused_by_the_system;
}

}  // namespace

std::string_view reason_of(const error& why) noexcept {
    switch (why.code) {
        case errc::read_only:
            return "That part of the tree is read-only.";
        case errc::invalid:
            return "No file can have that name here.";
        case errc::denied:
            return reason_of_denial(why.os_errno);
        case errc::outside_tree:
            return refused_by_the_system;  // That a link leads there is nobody's business.
        case errc::no_space:
            return "The disk is full.";
        case errc::over_quota:
            return "What may be stored here is used up (quota).";
        default:
            return {};
    }
}

response_plan plan_failed(const planning& plan, const error& why) {
    if (why == errc::not_found || why == errc::not_directory) {
        return plan.error(status::conflict, no_parent);
    }
    if (why == errc::is_directory) {
        return plan.error(status::conflict, is_a_directory);
    }
    if (why == errc::unsupported) {
        return plan.error(status::not_implemented,
                          "That lies on another file system: copy and delete instead.");
    }
    return plan.error(status_for(why.code), reason_of(why));
}

}  // namespace ferry::http
