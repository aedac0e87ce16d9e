#include <string_view>
#include <utility>

#include "ferry/http/page_source.hpp"
#include "http/planning.hpp"

namespace ferry::http {

using runtime::task;

task<response_plan> plan_page(const planning& plan) {
    if (plan.asked.method != method::get && plan.asked.method != method::head) {
        co_return plan.error(status::method_not_allowed);
    }
    const auto made =
        co_await plan.shared.pages->make({.path = plan.asked.path,
                                          .host = plan.asked.host,
                                          .accept = plan.asked.fields.first("Accept").value_or(""),
                                          .reached = plan.reached});
    if (!made) {
        co_return plan.error(status::not_found);
    }
    if (made->is_misdirected) {
        co_return plan.error(status::misdirected_request);
    }
    response_plan answer;
    answer.what = made->is_unavailable ? status::service_unavailable : status::ok;
    answer.then = plan.then;
    auto head = plan.head(answer.what);
    head.content_length = made->content.size();
    head.content_type = made->content_type;
    head.content_security_policy = made->content_security_policy;
    head.cache_control = "no-store";
    head.no_sniff = true;
    append_head(answer.message, head);
    if (!plan.is_head()) {
        answer.message += made->content;
        answer.body_bytes = made->content.size();
    }
    co_return answer;
}

}  // namespace ferry::http
