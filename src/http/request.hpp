#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/field_name.hpp"

namespace ferry::http {

/// The methods with a meaning of their own here (RFC 9110 section 9, RFC 5789, RFC 4918 section 9).
/// `other` is a method the parser knows but ferry does not serve, such as PROPFIND: answer 501.
enum class method : std::uint8_t {
    get,
    head,
    options,
    put,
    delete_,
    post,
    patch,
    mkcol,
    move,
    copy,
    trace,
    connect,
    other
};

/// The four forms of a request target (RFC 9112 section 3.2).
enum class target_form : std::uint8_t { origin, absolute, authority, asterisk };

/// How long the body after the head is (RFC 9112 section 6.3).
enum class body_framing : std::uint8_t {
    none,     ///< No body: the next octet begins the next request.
    length,   ///< `request::content_length` octets, which may be 0.
    chunked,  ///< Chunked, and no other transfer coding.
};

/// One field line, in the caller's buffer. The value has no white space at its ends; it may be
/// empty.
struct field_line {
    std::string_view name;
    std::string_view value;
};

/// The field lines of one head, in the order they came, as views into the caller's buffer. The
/// first `inline_lines` cost no allocation; a head with more allocates once or a few times.
class field_lines {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] field_line line(std::size_t index) const noexcept {
        const record& at = record_at(index);
        return {.name = {text_ + at.name_offset, at.name_bytes},
                .value = {text_ + at.value_offset, at.value_bytes}};
    }
    [[nodiscard]] field which(std::size_t index) const noexcept { return record_at(index).which; }

    /// True when at least one line of `which` is there. Cost: one bit test.
    [[nodiscard]] bool has(field which) const noexcept {
        return (present_ >> static_cast<unsigned>(which) & 1U) != 0;
    }

    /// How many lines of `which` there are.
    [[nodiscard]] std::size_t count(field which) const noexcept;

    /// The value of the only line of `which`. Nothing when there is none, or several: a field that
    /// is not a list may come once (RFC 9110 section 5.3), so of several none can be trusted.
    [[nodiscard]] std::optional<std::string_view> only(field which) const noexcept;

    /// The value of the first line of that name, known or not; for logs and the like.
    [[nodiscard]] std::optional<std::string_view> first(std::string_view name) const noexcept;

    /// Calls `visit(value)` for each line of `which`, in order, until it returns false: for lists,
    /// whose members may be spread over lines (RFC 9110 section 5.3).
    template <class Visitor>
    void for_each(field which, Visitor&& visit) const {
        if (!has(which)) {
            return;
        }
        for (std::size_t i = 0; i < count_; ++i) {
            if (record_at(i).which == which && !visit(line(i).value)) {
                return;
            }
        }
    }

  private:
    friend class head_parser;

    /// Offsets, not views: between two calls of the parser the buffer may move.
    struct record {
        std::uint32_t name_offset = 0;
        std::uint32_t value_offset = 0;
        std::uint32_t value_bytes = 0;
        std::uint32_t name_bytes : 24 = 0;
        field which : 8 = field::other;
    };
    static constexpr std::size_t inline_lines = 24;

    [[nodiscard]] const record& record_at(std::size_t index) const noexcept {
        return index < inline_lines ? inline_[index] : spilled_[index - inline_lines];
    }
    [[nodiscard]] record& record_at(std::size_t index) noexcept {
        return index < inline_lines ? inline_[index] : spilled_[index - inline_lines];
    }
    record& append();
    void set_which(std::size_t index, field which) noexcept {
        record_at(index).which = which;
        present_ |= std::uint64_t{1} << static_cast<unsigned>(which);
    }
    void clear() noexcept;

    const char* text_ = nullptr;
    std::uint64_t present_ = 0;
    std::size_t count_ = 0;
    std::array<record, inline_lines> inline_{};
    std::vector<record> spilled_;
};

static_assert(known_fields < 64, "field_lines::has keeps one bit a field");

/// A whole request head that keeps every rule of RFC 9112 sections 2 to 6 that concerns a head. All
/// views point into the buffer given to the parser.
struct request {
    http::method method = http::method::get;
    std::string_view method_name;  ///< As the client wrote it, which is how it must be written.
    target_form form = target_form::origin;
    std::string_view target;  ///< The whole request target as it came, for logs.
    std::string_view
        path;  ///< Still percent-encoded, begins with '/'; empty for authority and '*'.
    std::string_view query;      ///< After the '?', still encoded; see `has_query`.
    bool has_query = false;      ///< Tells "/x?" from "/x".
    std::string_view authority;  ///< Host and port of the absolute and authority forms, else empty.
    std::uint8_t version_minor = 1;  ///< 0 or 1; the major version is 1.

    /// Who is asked, with the port: the target's authority if it has one, else Host (RFC 9112
    /// section 3.2.2). Valid per RFC 9110 section 7.2; empty only in HTTP/1.0.
    std::string_view host;

    /// The connection may serve another request after this one (RFC 9112 section 9.3). False for
    /// CONNECT.
    bool keep_alive = true;
    /// HTTP/1.0 and asked to stay: the answer must say `Connection: keep-alive` to grant it.
    bool says_keep_alive = false;
    /// The client waits for 100 (Continue) before it sends the body (RFC 9110 section 10.1.1).
    bool expect_continue = false;

    body_framing framing = body_framing::none;
    std::uint64_t content_length = 0;  ///< For `body_framing::length`.

    field_lines fields;
};

}  // namespace ferry::http
