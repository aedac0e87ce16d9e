#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::http {

/// What is asked for. The views outlive the answer.
struct page_request {
    std::string_view path;    ///< Of the target, still encoded; begins with '/'.
    std::string_view host;    ///< Whom it is for (RFC 9110 section 7.2), with the port; or empty.
    std::string_view accept;  ///< What the first field of that name says (RFC 9110 section 12.5.1).
    net::endpoint reached;    ///< Where the client has connected to.
};

struct page {
    bool is_unavailable = false;  ///< 503 in place of 200 (RFC 9110 section 15.6.4).
    bool is_misdirected = false;  ///< 421: there is no such host (section 15.5.20), no content.
    std::string content_type;
    std::string content_security_policy = {};  ///< Empty: none.
    std::string content;
};

/// What a service answers with that has no tree of files: pages made for each request.
class page_source {
  public:
    virtual ~page_source() = default;

    /// The page of that path; nothing: there is none.
    [[nodiscard]] virtual runtime::task<std::optional<page>> make(page_request asked) = 0;
};

}  // namespace ferry::http
