#include "http/content_hash.hpp"

#include <span>

#include "ferry/base/base64.hpp"
#include "ferry/vfs/hasher.hpp"

namespace ferry::http {

std::string content_hash(std::string_view text) {
    const auto by = vfs::make_hasher(vfs::digest_algorithm::sha256);
    if (by) {
        by->add(std::as_bytes(std::span(text)));
    }
    const auto made = by ? by->finish() : std::nullopt;
    if (!made) {
        return "'none'";
    }
    std::string source = "'sha256-";
    append_base64(source, made->octets());
    source += '\'';
    return source;
}

}  // namespace ferry::http
