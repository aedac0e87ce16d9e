#include "http/byteranges.hpp"

#include <fmt/format.h>

#include <utility>

#include "http/fields.hpp"

namespace ferry::http {

byteranges::byteranges(std::string_view boundary, const content& of)
    : content_type_(fmt::format("multipart/byteranges; boundary={}", boundary)) {
    for (const byte_range& each : of.parts) {
        std::string before = parts_.empty() ? "--" : "\r\n--";
        before += boundary;
        before += "\r\nContent-Type: ";
        before += of.type;
        before += "\r\n";
        append_content_range(before, each, of.whole_size_bytes);
        before += "\r\n";
        size_bytes_ += before.size() + each.size_bytes;
        parts_.push_back({.before = std::move(before), .octets = each});
    }
    end_ = fmt::format("\r\n--{}--\r\n", boundary);
    size_bytes_ += end_.size();
}

}  // namespace ferry::http
