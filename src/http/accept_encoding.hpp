#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ferry/http/content_coding.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// Codings in the order in which they are to be tried; most preferred first.
struct coding_list {
    std::array<content_coding, content_codings> all{};
    std::size_t size = 0;

    void add(content_coding one) noexcept { all[size++] = one; }
    [[nodiscard]] std::span<const content_coding> view() const noexcept {
        return std::span(all).first(size);
    }
    friend bool operator==(const coding_list& a, const coding_list& b) noexcept;
};

/// Of `offered`, in the server's order, those that the request accepts (RFC 9110 section 12.5.3):
/// by their weight, among equals as offered. Identity need not be offered; the list ends where it
/// is preferred, because its weight is said and higher.
///
/// Without Accept-Encoding, and where its members are no codings with weights, the list is empty:
/// the octets go as they are. So they do for who refuses them too and takes nothing else: an answer
/// helps more than a 406, which section 15.5.7 leaves to the server. Of a coding that is named
/// twice the last counts. Cost: one pass.
[[nodiscard]] coding_list accepted_codings(const request& asked,
                                           std::span<const content_coding> offered);

}  // namespace ferry::http
