// Goal: no octets a client sends make a name that leads out of the tree or that reads differently
// the second time. Method: the input is cut at its first line end into a working directory and what
// is typed there; both doors are taken and the promises of ferry/vfs/path.hpp are checked on what
// comes out.

#include "ferry/vfs/path.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ferry/base/assert.hpp"

namespace {

using ferry::vfs::path;

void check_promises(const path& made) {
    const std::string_view text = made.text();
    FERRY_ASSERT(text.starts_with('/'));
    FERRY_ASSERT(text.size() <= ferry::vfs::path_bytes_max);
    FERRY_ASSERT(made.is_root() || !text.ends_with('/'));
    FERRY_ASSERT(text.find('\0') == std::string_view::npos);
    FERRY_ASSERT(made.is_within(path{}));
    FERRY_ASSERT(made.is_within(made));
    FERRY_ASSERT(made.parent() == path{} || made.is_within(made.parent()));

    std::size_t begin = 1;
    while (begin < text.size()) {
        const auto end = std::min(text.find('/', begin), text.size());
        const auto component = text.substr(begin, end - begin);
        FERRY_ASSERT(!component.empty());
        FERRY_ASSERT(component != "." && component != "..");
        FERRY_ASSERT(component.size() <= ferry::vfs::name_bytes_max);
        FERRY_ASSERT(!ferry::vfs::is_reserved_name(component));
        begin = end + 1;
    }

    // Normal form: reading it once more changes nothing.
    const auto again = path::parse(text);
    FERRY_ASSERT(again.has_value());
    FERRY_ASSERT(*again == made);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    // Octets as characters; char may alias anything.
    const std::string_view input(reinterpret_cast<const char*>(data), size_bytes);
    const auto line_end = std::min(input.find('\n'), input.size());
    const auto where = path::parse(input.substr(0, line_end));
    if (!where) {
        return 0;
    }
    check_promises(*where);
    if (line_end < input.size()) {
        const auto typed = where->resolve(input.substr(line_end + 1));
        if (typed) {
            check_promises(*typed);
        }
    }
    return 0;
}
