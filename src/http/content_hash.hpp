#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ferry::http {

/// A hash-source of a Content-Security-Policy, quotes included: `'sha256-` and 44 octets of Base64
/// (W3C CSP Level 3, section 2.3.1).
using content_hash = std::array<char, 53>;

namespace detail {

constexpr std::array<std::uint32_t, 64> sha256_constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using sha256_state = std::array<std::uint32_t, 8>;

/// One block of 64 octets (FIPS 180-4 section 6.2.2).
constexpr void add_sha256_block(sha256_state& state, const std::array<std::uint8_t, 64>& block) {
    std::array<std::uint32_t, 64> words{};
    for (std::size_t i = 0; i < 16; ++i) {
        words[i] = std::uint32_t{block[4 * i]} << 24U | std::uint32_t{block[4 * i + 1]} << 16U |
                   std::uint32_t{block[4 * i + 2]} << 8U | std::uint32_t{block[4 * i + 3]};
    }
    for (std::size_t i = 16; i < 64; ++i) {
        const auto a = words[i - 15];
        const auto b = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3U)) +
                   (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10U));
    }
    auto v = state;
    for (std::size_t i = 0; i < 64; ++i) {
        const auto first = v[7] + (std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25)) +
                           ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_constants[i] + words[i];
        const auto second = (std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22)) +
                            ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        v = {first + second, v[0], v[1], v[2], v[3] + first, v[4], v[5], v[6]};
    }
    for (std::size_t i = 0; i < state.size(); ++i) {
        state[i] += v[i];
    }
}

inline constexpr sha256_state sha256_begin{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

constexpr std::size_t sha256_block_count(std::string_view text) {
    return (text.size() + 8) / 64 + 1;
}

/// The blocks [first, end) of `text` and what is behind it (section 5.1.1).
constexpr void add_sha256_blocks(sha256_state& state, std::string_view text, std::size_t first,
                                 std::size_t end) {
    const std::uint64_t bits = std::uint64_t{text.size()} * 8;
    for (std::size_t at = first * 64; at < end * 64; at += 64) {
        std::array<std::uint8_t, 64> block{};
        for (std::size_t i = 0; i < 64 && at + i <= text.size(); ++i) {
            block[i] = at + i == text.size() ? 0x80 : static_cast<std::uint8_t>(text[at + i]);
        }
        if (at + 64 == sha256_block_count(text) * 64) {
            for (std::size_t i = 0; i < 8; ++i) {
                block[56 + i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
            }
        }
        add_sha256_block(state, block);
    }
}

// Compilers allow one evaluation about a million steps, which are some 60 blocks.
inline constexpr std::size_t sha256_blocks_at_once = 32;

/// The state behind the first `Blocks` blocks of `Text`; every 32 of them are an evaluation.
template <const std::string_view& Text, std::size_t Blocks>
inline constexpr sha256_state sha256_behind = [] {
    constexpr std::size_t before = (Blocks - 1) / sha256_blocks_at_once * sha256_blocks_at_once;
    auto state = sha256_behind<Text, before>;
    add_sha256_blocks(state, Text, before, Blocks);
    return state;
}();
template <const std::string_view& Text>
inline constexpr sha256_state sha256_behind<Text, 0> = sha256_begin;

consteval content_hash hash_source(const sha256_state& state) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<std::uint8_t, 33> octets{};  // 32, and one to fill up the last group of three.
    for (std::size_t i = 0; i < 32; ++i) {
        octets[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    content_hash made{};
    std::size_t at = 0;
    for (const char c : std::string_view("'sha256-")) {
        made[at++] = c;
    }
    for (std::size_t i = 0; i < octets.size(); i += 3) {
        const std::uint32_t group = std::uint32_t{octets[i]} << 16U |
                                    std::uint32_t{octets[i + 1]} << 8U |
                                    std::uint32_t{octets[i + 2]};
        for (std::uint32_t shift = 24; shift > 0;) {
            shift -= 6;
            made[at++] = alphabet[group >> shift & 63U];
        }
    }
    made[at - 1] = '=';
    made[at] = '\'';
    return made;
}

}  // namespace detail

/// The hash of the inline script or style `Text`, for the policy under which it may run and nothing
/// else may: made when ferry is compiled, so that it is always that of the text which is sent.
template <const std::string_view& Text>
[[nodiscard]] consteval content_hash hash_content() {
    return detail::hash_source(detail::sha256_behind<Text, detail::sha256_block_count(Text)>);
}

}  // namespace ferry::http
