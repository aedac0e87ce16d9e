#pragma once

#include <optional>
#include <string>

#include "ferry/http/content_coding.hpp"

namespace ferry::http {

/// Packs `content` whole, at the level that suits what is packed once and sent often: gzip 6,
/// brotli 5, zstd 6. The same octets each time, for one version of the library.
///
/// Nothing when it does not become at least an eighth smaller, or the library has no memory.
/// Blocks: some 10 ms a MiB (bench/http_compress_bench.cpp); for the pool. `how` is not identity.
[[nodiscard]] std::optional<std::string> compress(const std::string& content, content_coding how);

}  // namespace ferry::http
