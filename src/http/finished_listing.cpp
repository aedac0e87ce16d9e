#include "http/finished_listing.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "ferry/vfs/hasher.hpp"
#include "http/compress.hpp"

namespace ferry::http {
namespace {

// Of `about`: the coding, then the digest.
constexpr std::size_t coding_bytes = 1;

}  // namespace

vfs::directory_text finish_listing(std::string page, content_coding how, std::string digest) {
    if (how != content_coding::identity) {
        if (auto packed = compress(page, how)) {
            page = std::move(*packed);
        } else {
            how = content_coding::identity;
        }
    }
    digest.insert(0, coding_bytes, static_cast<char>(how));
    return {.octets = std::move(page), .about = std::move(digest)};
}

std::shared_ptr<const std::string> shared_octets(vfs::directory_text_ptr body) noexcept {
    const auto* const octets = &body->octets;
    return {std::move(body), octets};
}

content_coding coding_of(const vfs::directory_text& body) noexcept {
    return static_cast<content_coding>(body.about.front());
}

std::string digest_of(const vfs::directory_text& body) {
    return body.about.substr(coding_bytes);
}

std::optional<etag_text> tag_of(const vfs::directory_text& body) noexcept {
    const auto digest = std::span(body.about).subspan(coding_bytes);
    if (digest.size() != content_digest::extent) {
        return std::nullopt;
    }
    return make_etag(digest.first<content_digest::extent>(), coding_of(body));
}

}  // namespace ferry::http
