// The reader of PROXY headers: what is complete has no octet too many or too few, whatever follows
// does not change it, and a header that is refused was never to become one.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ferry/base/assert.hpp"
#include "net/proxy_header.hpp"

using namespace ferry;
using namespace ferry::net;

namespace {

/// Reads the first `size` octets, in a buffer of exactly that size.
proxy_header read_first(std::string_view input, std::size_t size) {
    const std::vector<char> buffer(input.begin(),
                                   input.begin() + static_cast<std::ptrdiff_t>(size));
    return parse_proxy_header({buffer.data(), buffer.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(static_cast<const char*>(static_cast<const void*>(data)), size);
    const auto whole = read_first(input, size);
    switch (whole.progress) {
        case proxy_progress::complete: {
            FERRY_ASSERT(whole.size_bytes <= size && whole.size_bytes <= proxy_header_bytes_max);
            const auto alone = read_first(input, whole.size_bytes);
            FERRY_ASSERT(alone.progress == proxy_progress::complete);
            FERRY_ASSERT(alone.source == whole.source && alone.size_bytes == whole.size_bytes);
            FERRY_ASSERT(read_first(input, whole.size_bytes - 1).progress ==
                         proxy_progress::incomplete);
            break;
        }
        case proxy_progress::incomplete:
            FERRY_ASSERT(size < proxy_header_bytes_max);
            for (std::size_t less = 0; less < size; ++less) {
                FERRY_ASSERT(read_first(input, less).progress == proxy_progress::incomplete);
            }
            break;
        case proxy_progress::refused:
            FERRY_ASSERT(!whole.source && whole.size_bytes == 0);
            break;
    }
    return 0;
}
