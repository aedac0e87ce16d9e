#include "http/compress.hpp"

#include <brotli/decode.h>
#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <string>

using namespace ferry;
using namespace ferry::http;

namespace {

std::string decompressed(const std::string& packed, content_coding how, std::size_t size_bytes) {
    std::string out(size_bytes + 1, '\0');
    switch (how) {
        case content_coding::gzip: {
            z_stream stream{};
            REQUIRE(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
            stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
            stream.avail_in = static_cast<uInt>(packed.size());
            stream.next_out = reinterpret_cast<Bytef*>(out.data());
            stream.avail_out = static_cast<uInt>(out.size());
            CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
            CHECK(stream.avail_in == 0);
            out.resize(stream.total_out);
            inflateEnd(&stream);
            break;
        }
        case content_coding::brotli: {
            std::size_t size = out.size();
            CHECK(BrotliDecoderDecompress(packed.size(),
                                          reinterpret_cast<const std::uint8_t*>(packed.data()),
                                          &size, reinterpret_cast<std::uint8_t*>(out.data())) ==
                  BROTLI_DECODER_RESULT_SUCCESS);
            out.resize(size);
            break;
        }
        case content_coding::zstd: {
            const auto size = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
            REQUIRE_FALSE(ZSTD_isError(size));
            out.resize(size);
            break;
        }
        case content_coding::identity:
            break;
    }
    return out;
}

std::string text(std::size_t size_bytes) {
    std::string made;
    for (std::size_t i = 0; made.size() < size_bytes; ++i) {
        made += "line " + std::to_string(i * i) + " of many\n";
    }
    made.resize(size_bytes);
    return made;
}

}  // namespace

TEST_CASE("compress: what is packed unpacks to the same (RFC 1952, RFC 7932, RFC 8878)") {
    for (const auto how : {content_coding::gzip, content_coding::brotli, content_coding::zstd}) {
        CAPTURE(name_of(how));
        for (const std::size_t size_bytes : {1'024U, 65'537U, 1U << 20U}) {
            CAPTURE(size_bytes);
            const auto content = text(size_bytes);
            const auto packed = compress(content, how);
            REQUIRE(packed);
            CHECK(packed->size() < content.size() / 2);
            CHECK((decompressed(*packed, how, content.size()) == content));
            CHECK((compress(content, how) == packed));  // A strong tag stands for it.
        }
    }
}

TEST_CASE("compress: what does not become an eighth smaller goes as it is") {
    std::string noise(10'000, '\0');
    std::uint32_t state = 1;
    for (char& c : noise) {
        state = state * 1'664'525U + 1'013'904'223U;
        c = static_cast<char>(state >> 24U);
    }
    for (const auto how : {content_coding::gzip, content_coding::brotli, content_coding::zstd}) {
        CAPTURE(name_of(how));
        CHECK_FALSE(compress(noise, how));
        CHECK_FALSE(compress("", how));
        CHECK_FALSE(compress("abc", how));
    }
}

TEST_CASE("compress: a window of zstd is no larger than browsers take (RFC 9659)") {
    const auto packed = compress(text((8U << 20U) + 1), content_coding::zstd);
    REQUIRE(packed);
    // RFC 8878 section 3.1.1.1: the descriptor says the window, or that it is the whole.
    const auto descriptor = static_cast<unsigned char>((*packed)[4]);
    REQUIRE((descriptor & 0x20U) == 0);
    const auto window = static_cast<unsigned char>((*packed)[5]);
    CHECK((window >> 3U) + 10U <= 23U);
}
