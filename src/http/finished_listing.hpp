#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ferry/http/content_coding.hpp"
#include "ferry/vfs/listing_cache.hpp"
#include "http/etag.hpp"

namespace ferry::http {

/// What is sent of `page`, all of a directory as a page or as JSON: its octets in `how`, or as they
/// are where packing gains nothing; `about` tells which, and the `digest` of a `listing_digest`.
/// Cost: of `compress`: for the pool, unless `how` is identity.
[[nodiscard]] vfs::directory_text finish_listing(std::string page, content_coding how,
                                                 std::string digest);

/// Its octets alone, which hold all of it.
[[nodiscard]] std::shared_ptr<const std::string> shared_octets(
    vfs::directory_text_ptr body) noexcept;

/// What the octets of `body`, as `finish_listing` makes it, are packed in.
[[nodiscard]] content_coding coding_of(const vfs::directory_text& body) noexcept;

/// What `finish_listing` was given of it.
[[nodiscard]] std::string digest_of(const vfs::directory_text& body);

/// The tag of `body`, by its content: whatever is done to a directory and undone, the tag is what
/// it was, on each core; of JSON for whoever asks. Nothing: this OpenSSL has no SHA-256.
[[nodiscard]] std::optional<etag_text> tag_of(const vfs::directory_text& body) noexcept;

}  // namespace ferry::http
