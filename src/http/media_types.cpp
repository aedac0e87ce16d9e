#include "ferry/http/media_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/log.hpp"
#include "ferry/base/units.hpp"

namespace ferry::http {
namespace {

constexpr std::size_t file_bytes_max = 16_MiB;
constexpr std::size_t extension_bytes_max = 32;
constexpr std::string_view unknown_type = "application/octet-stream";

/// In the notation of mime.types. The types are those of IANA's registry.
constexpr std::string_view built_in_rows = R"(
text/html                  html htm
text/css                   css
text/javascript            js mjs
text/plain                 txt text log
text/markdown              md markdown
text/csv                   csv
text/calendar              ics
text/vtt                   vtt
application/json           json map
application/manifest+json  webmanifest
application/xml            xml xsd xsl
application/atom+xml       atom
application/rss+xml        rss
application/xhtml+xml      xhtml xht
application/pdf            pdf
application/wasm           wasm
application/yaml           yaml yml
application/toml           toml
application/zip            zip
application/gzip           gz
application/zstd           zst
application/x-tar          tar
application/x-xz           xz
application/x-bzip2        bz2
application/x-7z-compressed 7z
application/vnd.debian.binary-package deb
application/epub+zip       epub
image/avif                 avif
image/gif                  gif
image/jpeg                 jpg jpeg
image/png                  png
image/svg+xml              svg
image/webp                 webp
image/vnd.microsoft.icon   ico
audio/aac                  aac
audio/flac                 flac
audio/mpeg                 mp3
audio/ogg                  ogg oga opus
audio/x-wav                wav
video/mp4                  mp4 m4v
video/webm                 webm
video/ogg                  ogv
video/quicktime            mov
font/woff                  woff
font/woff2                 woff2
font/ttf                   ttf
font/otf                   otf
)";

/// Takes the next word from the front of `line`; empty at its end.
std::string_view take_word(std::string_view& line) {
    line = ascii::trim(line);
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    const auto word = line.substr(0, end);
    line.remove_prefix(end);
    return word;
}

/// True for `type "/" subtype` of tokens (RFC 9110 section 8.3.1): what may stand in a header.
bool is_media_type(std::string_view text) {
    const auto slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() &&
           std::ranges::all_of(text.substr(0, slash), ascii::is_token_char) &&
           std::ranges::all_of(text.substr(slash + 1), ascii::is_token_char);
}

}  // namespace

media_types media_types::built_in() {
    media_types made;
    made.add_lines(built_in_rows);
    return made;
}

media_types media_types::parse(std::string_view text) {
    media_types made;
    made.add_lines(text);
    made.add_lines(built_in_rows);
    return made;
}

result<media_types> media_types::read(const char* file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return failure(errc::not_found);
    }
    std::string text;
    std::array<char, 16'384> piece{};
    while (text.size() <= file_bytes_max) {
        in.read(piece.data(), piece.size());
        text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
        if (in.eof()) {
            return parse(text);
        }
        if (!in) {
            return failure(errc::io);
        }
    }
    return failure(errc::too_large);
}

std::unique_ptr<const media_types> media_types::load(const char* file) {
    auto types = read(file);
    if (!types) {
        log::warning(
            fmt::format("{}: {}; content types come from the built-in table (Debian package "
                        "media-types has the file)",
                        file, describe(types.error().code)));
    }
    return std::make_unique<const media_types>(types ? std::move(*types) : built_in());
}

void media_types::add_lines(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        line = line.substr(0, line.find('#'));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        const auto type = take_word(line);
        if (!is_media_type(type)) {
            continue;
        }
        for (auto extension = take_word(line); !extension.empty(); extension = take_word(line)) {
            add(extension, type);
        }
    }
}

void media_types::add(std::string_view extension, std::string_view type) {
    if (extension.size() > extension_bytes_max) {
        return;  // `of` would not look for it.
    }
    std::string key(extension);
    std::ranges::transform(key, key.begin(), ascii::to_lower);
    std::string value(type);
    if (type.starts_with("text/")) {
        value += "; charset=utf-8";
    }
    by_extension_.try_emplace(std::move(key), std::move(value));
}

std::string_view media_types::of(std::string_view name) const noexcept {
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) {
        return unknown_type;
    }
    const auto extension = name.substr(dot + 1);
    if (extension.empty() || extension.size() > extension_bytes_max) {
        return unknown_type;
    }
    std::array<char, extension_bytes_max> lower{};
    std::ranges::transform(extension, lower.begin(), ascii::to_lower);
    const auto found = by_extension_.find(std::string_view(lower.data(), extension.size()));
    return found == by_extension_.end() ? unknown_type : std::string_view(found->second);
}

}  // namespace ferry::http
