#include "http_codings.hpp"

#include <brotli/decode.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace ferry::sim::test {
namespace {

constexpr unsigned weight_max = 1'000;

/// A weight in one of the ways to write it (RFC 9110 section 12.4.2).
std::string write_weight(ferry::random& rng, unsigned weight) {
    if (weight == weight_max) {
        return rng.below(2) == 0 ? "" : ";q=1.000";
    }
    const auto digits = weight % 100 == 0 && rng.below(2) == 0 ? fmt::format("{}", weight / 100)
                                                               : fmt::format("{:03}", weight);
    return fmt::format("{}{}=0.{}", rng.below(3) == 0 ? " ; " : ";", rng.below(4) == 0 ? 'Q' : 'q',
                       digits);
}

unsigned draw_weight(ferry::random& rng) {
    static constexpr std::array<unsigned, 7> weights{1'000, 1'000, 1'000, 0, 500, 800, 1};
    return weights[rng.below(weights.size())];
}

std::optional<std::string> unpack_gzip(std::string_view packed, std::string whole) {
    z_stream stream{};
    if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK) {
        return std::nullopt;
    }
    std::string input(packed);
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(whole.data());
    stream.avail_out = static_cast<uInt>(whole.size());
    const bool is_whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
    whole.resize(stream.total_out);
    inflateEnd(&stream);
    return is_whole ? std::optional(std::move(whole)) : std::nullopt;
}

std::optional<std::string> unpack_brotli(std::string_view packed, std::string whole) {
    auto size = whole.size();
    const auto done =
        BrotliDecoderDecompress(packed.size(), reinterpret_cast<const std::uint8_t*>(packed.data()),
                                &size, reinterpret_cast<std::uint8_t*>(whole.data()));
    whole.resize(size);
    return done == BROTLI_DECODER_RESULT_SUCCESS ? std::optional(std::move(whole)) : std::nullopt;
}

std::optional<std::string> unpack_zstd(std::string_view packed, std::string whole) {
    const auto size = ZSTD_decompress(whole.data(), whole.size(), packed.data(), packed.size());
    if (ZSTD_isError(size) != 0) {
        return std::nullopt;
    }
    whole.resize(size);
    return whole;
}

}  // namespace

std::string draw_accept_encoding(ferry::random& rng, accepted_weights& made) {
    static constexpr std::array<std::string_view, 12> members{
        "gzip", "br",     "zstd", "gzip",     "br",      "zstd",
        "GZIP", "x-gzip", "*",    "identity", "deflate", "compress"};
    static constexpr std::array<std::string_view, 4> nothing{"", "br;q=2", "gzip;level=9",
                                                             "zstd;q"};
    std::string value;
    const auto lines = rng.below(6) == 0 ? 2U : 1U;
    for (unsigned line = 0; line < lines; ++line) {
        value += "Accept-Encoding:";
        const auto count = rng.below(5);
        for (std::uint64_t i = 0; i < count; ++i) {
            value += i == 0 ? " " : ", ";
            if (rng.below(12) == 0) {
                value += nothing[rng.below(nothing.size())];
                continue;
            }
            const auto member = members[rng.below(members.size())];
            const auto weight = draw_weight(rng);
            value += member;
            value += write_weight(rng, weight);
            if (member == "*") {
                made.of_others = weight;
            } else {
                const bool is_gzip = member == "GZIP" || member == "x-gzip";
                made.of[is_gzip ? "gzip" : std::string(member)] = weight;
            }
        }
        value += "\r\n";
    }
    return value;
}

std::vector<std::string> acceptable(const accepted_weights& said,
                                    std::span<const std::string> offered) {
    const auto weight_of = [&said](const std::string& coding) {
        const auto found = said.of.find(coding);
        return found != said.of.end() ? found->second : said.of_others.value_or(0);
    };
    const auto identity = said.of.find("identity");
    const auto least = identity != said.of.end() ? std::max(1U, identity->second) : 1U;
    std::vector<std::string> made(offered.begin(), offered.end());
    std::erase_if(made, [&](const std::string& each) { return weight_of(each) < least; });
    const auto place_of = [&](const std::string& coding) {
        return std::pair(weight_max - weight_of(coding), std::ranges::find(offered, coding));
    };
    std::ranges::sort(made, std::ranges::less{}, place_of);
    return made;
}

std::span<const std::string> codings_beside() {
    static const std::array<std::string, 3> all{"br", "zstd", "gzip"};
    return all;
}

std::string beside(const std::string& path, std::string_view coding) {
    return path + (coding == "gzip" ? ".gz" : coding == "zstd" ? ".zst" : ".br");
}

std::optional<std::string> unpack(std::string_view packed, std::string_view coding,
                                  std::size_t octets_max) {
    // An octet more, so that too many are seen.
    std::string whole(octets_max + 1, '\0');
    if (coding == "gzip") {
        return unpack_gzip(packed, std::move(whole));
    }
    return coding == "zstd" ? unpack_zstd(packed, std::move(whole))
                            : unpack_brotli(packed, std::move(whole));
}

std::uint64_t changes_around(const client_context& context, const std::string& path) {
    auto sum = context.model.changes(path);
    if (context.packing.uses_files_beside) {
        for (const auto& each : codings_beside()) {
            sum += context.model.changes(beside(path, each));
        }
    }
    return sum;
}

bool is_settled_around(const client_context& context, const std::string& path) {
    return context.model.is_settled(path) &&
           (!context.packing.uses_files_beside ||
            std::ranges::all_of(codings_beside(), [&](const std::string& each) {
                return context.model.is_settled(beside(path, each));
            }));
}

}  // namespace ferry::sim::test
