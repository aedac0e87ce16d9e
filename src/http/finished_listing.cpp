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

// Of `about`: the coding, then what the tag is made of.
constexpr std::size_t coding_bytes = 1;

std::string digest_of(std::string_view page) {
    const auto by = vfs::make_hasher(vfs::digest_algorithm::sha256);
    if (!by) {
        return {};
    }
    by->add(std::as_bytes(std::span(page)));
    const auto made = by->finish();
    if (!made) {
        return {};
    }
    const auto octets = made->octets().first(content_digest::extent);
    return {static_cast<const char*>(static_cast<const void*>(octets.data())), octets.size()};
}

}  // namespace

vfs::directory_text finish_listing(std::string page, content_coding how) {
    const auto digest = digest_of(page);
    if (how != content_coding::identity) {
        if (auto packed = compress(page, how)) {
            page = std::move(*packed);
        } else {
            how = content_coding::identity;
        }
    }
    return {.octets = std::move(page), .about = static_cast<char>(how) + digest};
}

std::shared_ptr<const std::string> shared_octets(vfs::directory_text_ptr body) noexcept {
    const auto* const octets = &body->octets;
    return {std::move(body), octets};
}

content_coding coding_of(const vfs::directory_text& body) noexcept {
    return static_cast<content_coding>(body.about.front());
}

std::optional<etag_text> tag_of(const vfs::directory_text& body) noexcept {
    const auto digest = std::span(body.about).subspan(coding_bytes);
    if (digest.size() != content_digest::extent) {
        return std::nullopt;
    }
    return make_etag(digest.first<content_digest::extent>(), coding_of(body));
}

}  // namespace ferry::http
