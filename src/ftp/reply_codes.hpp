#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace ferry::ftp {

/// Every code that ferry sends (RFC 959 section 4.2; those that other RFCs add are marked). A reply
/// with another is a mistake of ours, and each has a conversation that ends in it in
/// tests/e2e/test_ftp_reply_codes.py.
inline constexpr auto reply_codes = std::to_array<std::uint16_t>({
    110,  // A restart marker (section 3.5).
    125,  // The data connection is open already: MODE B, C.
    150,  // It is about to be.
    200,
    202,  // ACCT: not needed here.
    210,  // SITE ZONE, as Serv-U says it.
    211, 212, 213, 214, 215, 220, 221, 226, 227,
    228,  // LPSV (RFC 1639).
    229,  // EPSV (RFC 2428).
    230,
    232,  // Logged in by a certificate (RFC 2228 section 5.1).
    234,  // AUTH (RFC 2228).
    250, 257, 331, 350, 421, 425, 426, 450, 451, 452, 500, 501, 502, 503, 504,
    521,  // No data connection with that PROT (RFC 4217 section 10.9).
    522,  // EPSV, EPRT: another family (RFC 2428); no TLS session resumed (RFC 4217 section 10.9).
    530,
    533,  // CCC without TLS (RFC 2228).
    534,  // Not by policy: CCC, PROT C (RFC 2228).
    536,  // PROT S, E: not with TLS (RFC 2228).
    550, 551, 552, 553,
    554,  // REST, RANG: beyond the end (RFC 3659 section 5.3).
});
static_assert(std::ranges::is_sorted(reply_codes));

/// Cost: a look at a table.
[[nodiscard]] constexpr bool is_reply_code(int code) noexcept {
    return std::ranges::binary_search(reply_codes, code);
}

}  // namespace ferry::ftp
