#include "http_conversation.hpp"

#include <fmt/format.h>

#include <utility>

namespace ferry::sim::test {

using runtime::task;

task<result<bool>> more_input(conversation& talk, runtime::time_point deadline) {
    if (talk.slow_fills_left > 0) {
        --talk.slow_fills_left;
        co_await pause(talk.context);
        const auto some = co_await talk.peer.fill(deadline, 1 + talk.context.rng.below(2'000));
        co_return some;
    }
    const auto some = co_await talk.peer.fill(deadline);
    co_return some;
}

task<result<bool>> more_input(conversation& talk) {
    const auto some = co_await more_input(talk, talk.context.soon());
    co_return some;
}

outcome broken(conversation& talk, std::string rule, std::string details,
               const http_request& asked) {
    talk.context.complain(std::move(rule), std::move(details), asked.describe());
    return outcome::broken;
}

outcome cut_short(conversation& talk, const result<bool>& got, std::string_view where,
                  const http_request& asked) {
    if (!got) {
        const auto before = talk.context.findings.violations().size();
        judge_failure(talk.context, got.error(), where, asked.describe());
        return talk.context.findings.violations().size() == before ? outcome::over
                                                                   : outcome::broken;
    }
    if (talk.context.excused.any()) {
        talk.context.findings.count("answers cut short");
        return outcome::over;
    }
    return broken(talk, "the connection ended too early",
                  fmt::format("{}, after {}", where, talk.before), asked);
}

task<result<bool>> wait_for_head(conversation& talk, bool answers_head, head_reading& read,
                                 runtime::duration patience) {
    for (;;) {
        read = take_answer_head(talk.peer.input(), answers_head);
        if (read.progress != answer_progress::incomplete) {
            co_return true;
        }
        const auto got = co_await more_input(talk, talk.context.soon() + patience);
        if (!got || !*got) {
            co_return got;
        }
    }
}

task<outcome> read_page(conversation& talk, const http_request& asked, const answer_head& head) {
    auto& input = talk.peer.input();
    while (input.size() < head.content_length) {
        const auto got = co_await more_input(talk);
        if (!got || !*got) {
            co_return cut_short(talk, got, "reading a page", asked);
        }
    }
    const auto page = input.substr(0, static_cast<std::size_t>(head.content_length));
    input.erase(0, page.size());
    const auto beginning = head.only("content-type") == "application/problem+json"
                               ? std::string("{\"type\":\"https://iana.org/")  // RFC 9457.
                               : fmt::format("<h1>{} ", head.status);
    if (head.status >= 400 && !page.contains(beginning)) {
        co_return broken(talk, "an error's page is another's", page, asked);
    }
    co_return outcome::fine;
}

bool is_refused_at_the_door(const conversation& talk, const answer_head& head) {
    const bool is_refused = head.status == 503 && head.content_length == 0 && talk.before.empty() &&
                            talk.context.excused.crowding;
    if (is_refused) {
        talk.context.findings.count("http refused at the door");
    }
    return is_refused;
}

outcome take_as_refused(conversation& talk, model_tree::token change, const std::string& path,
                        const http_request& asked) {
    auto& context = talk.context;
    if (context.excused.faults && context.durability == promised::the_new) {
        context.model.either(change);  // The last sync may fail after the name was given.
        return outcome::fine;
    }
    return context.model.refused(change)
               ? outcome::fine
               : broken(talk, "a change was refused that must have happened", path, asked);
}

std::string encode_base64(std::string_view text) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string made;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        const auto some = text.substr(i, 3);
        std::uint32_t word = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            word = word << 8U | (j < some.size() ? static_cast<unsigned char>(some[j]) : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            made += j <= some.size() ? digits[word >> (18U - 6U * j) & 63U] : '=';
        }
    }
    return made;
}

task<outcome> expect_end(conversation& talk, const http_request& asked) {
    auto& context = talk.context;
    for (;;) {
        if (!talk.peer.input().empty()) {
            co_return broken(talk, "octets behind the last answer", talk.peer.input(), asked);
        }
        const auto got = co_await talk.peer.fill(context.soon());
        if (got && *got) {
            continue;
        }
        // A reset may follow where the server did not read all there was to read.
        if (got || got.error() == errc::reset) {
            co_return outcome::over;
        }
        co_return cut_short(talk, got, "waiting for the end of the connection", asked);
    }
}

}  // namespace ferry::sim::test
