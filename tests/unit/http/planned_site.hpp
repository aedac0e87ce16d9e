#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "answers.hpp"
#include "http/plan.hpp"
#include "service_on_tree.hpp"

namespace ferry::http::test {

/// A plan, with its head read.
struct planned {
    response_plan plan;
    answer head;
    std::string inline_body;
};

/// The content of a request.
struct content_given {
    std::string_view octets = {};
    errc end = errc::closed;  ///< What comes behind them: the end, or why there is none.
    std::function<void()> on_read = nullptr;  ///< Called whenever some of it is read.
    std::function<void(std::string_view)> on_told = nullptr;  ///< For interim answers.
};

/// The content of a request, a few octets at a time.
class given_content final : public content_reader {
  public:
    explicit given_content(const content_given& what) : what_(what) {}

    [[nodiscard]] runtime::task<result<std::span<const std::byte>>> next() override {
        is_read_ = true;
        if (done_ == what_.octets.size() && what_.end != errc::closed) {
            co_return failure(what_.end);
        }
        const auto piece = what_.octets.substr(done_, 3);
        done_ += piece.size();
        if (what_.on_read) {
            what_.on_read();
        }
        co_return std::as_bytes(std::span(piece));
    }
    [[nodiscard]] runtime::task<result<void>> tell(std::string_view interim) override {
        if (what_.on_told) {
            what_.on_told(interim);
        }
        co_return result<void>{};
    }
    [[nodiscard]] head_refusal refusal() const noexcept override {
        return {.what = status::bad_request, .reason = "broken"};
    }
    [[nodiscard]] bool lets_go_on() const noexcept override {
        return !is_read_ || (done_ == what_.octets.size() && what_.end == errc::closed);
    }

  private:
    const content_given& what_;
    std::size_t done_ = 0;
    bool is_read_ = false;
};

/// The line of a request that tells who asks (RFC 7617 section 2), with its LF.
[[nodiscard]] std::string log_in(std::string_view name, std::string_view password);

/// A tree of files and the service that plans answers from it.
struct planned_site : service_on_tree {
    explicit planned_site(options numbers) : service_on_tree(std::move(numbers)) {}
    planned_site(options numbers, troubled names) : service_on_tree(std::move(numbers), names) {}

    /// The answer to the head `request`, whose lines end in LF here, without an empty line at its
    /// end.
    planned ask(std::string_view request, after then = after::keep_alive);

    /// The same for a request with content; the head says its length, or that it is chunked.
    planned send(std::string_view request, const content_given& what,
                 after then = after::keep_alive);

    /// GET of `target`, with further lines.
    planned get(std::string_view target, std::string_view lines = "") {
        return ask("GET " + std::string(target) + " HTTP/1.1\nHost: a\n" + std::string(lines));
    }
    planned head(std::string_view target, std::string_view lines = "") {
        return ask("HEAD " + std::string(target) + " HTTP/1.1\nHost: a\n" + std::string(lines));
    }

    /// A file last changed a while ago, so that its tag is strong.
    void put(std::string_view name, std::string_view content,
             std::int64_t modified = 784'111'777) const;
};

}  // namespace ferry::http::test
