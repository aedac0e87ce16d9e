#include "http/compress.hpp"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <cstddef>
#include <cstdint>

#include "ferry/base/assert.hpp"

namespace ferry::http {
namespace {

constexpr int gzip_level = 6;
constexpr int brotli_quality = 5;
constexpr int zstd_level = 6;

// The libraries take unsigned octets.
const std::uint8_t* unsigned_octets(const std::string& text) noexcept {
    return static_cast<const std::uint8_t*>(static_cast<const void*>(text.data()));
}
std::uint8_t* unsigned_octets(std::string& text) noexcept {
    return static_cast<std::uint8_t*>(static_cast<void*>(text.data()));
}

// Into `made`, which is as large as a result may be. False: it was not enough, or there is no
// memory.

bool pack_gzip(const std::string& content, std::string& made) {
    constexpr int with_gzip_header = 16;
    constexpr int memory_level = 8;
    z_stream stream{};
    if (deflateInit2(&stream, gzip_level, Z_DEFLATED, MAX_WBITS + with_gzip_header, memory_level,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    stream.next_in = const_cast<std::uint8_t*>(unsigned_octets(content));  // zlib only reads it.
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = unsigned_octets(made);
    stream.avail_out = static_cast<uInt>(made.size());
    const int ended = deflate(&stream, Z_FINISH);
    made.resize(stream.total_out);
    deflateEnd(&stream);
    return ended == Z_STREAM_END;
}

bool pack_brotli(const std::string& content, std::string& made) {
    std::size_t size_bytes = made.size();
    const auto done = BrotliEncoderCompress(brotli_quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT,
                                            content.size(), unsigned_octets(content), &size_bytes,
                                            unsigned_octets(made));
    made.resize(done == BROTLI_TRUE ? size_bytes : 0);
    return done == BROTLI_TRUE;
}

bool pack_zstd(const std::string& content, std::string& made) {
    const std::size_t size_bytes =
        ZSTD_compress(made.data(), made.size(), content.data(), content.size(), zstd_level);
    const bool is_done = ZSTD_isError(size_bytes) == 0;
    made.resize(is_done ? size_bytes : 0);
    return is_done;
}

}  // namespace

std::optional<std::string> compress(const std::string& content, content_coding how) {
    std::string made(content.size() - content.size() / 8, '\0');
    bool is_done = false;
    switch (how) {
        case content_coding::identity:
            FERRY_ASSERT(false);
            break;
        case content_coding::gzip:
            is_done = pack_gzip(content, made);
            break;
        case content_coding::brotli:
            is_done = pack_brotli(content, made);
            break;
        case content_coding::zstd:
            is_done = pack_zstd(content, made);
            break;
    }
    if (!is_done) {
        return std::nullopt;
    }
    made.shrink_to_fit();
    return made;
}

}  // namespace ferry::http
