// Goal: a client's spelling of a name stands for one name only and each name has one; what Unicode
// makes of a name stays what it is. Method: the first octet chooses the client's set; the rest is
// taken as a stored name and as what a client sent.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ferry/vfs/name_charset.hpp"
#include "vfs/unicode_name.hpp"
#include "vfs/windows_name.hpp"

namespace {

using namespace ferry;

const vfs::name_charset& charset(std::uint8_t choice) {
    static const auto latin1 = vfs::name_charset::open("ISO-8859-1");
    static const auto cp1252 = vfs::name_charset::open("CP1252");
    static const auto cp437 = vfs::name_charset::open("CP437");
    const std::array all = {&latin1, &cp1252, &cp437};
    const auto& chosen = *all[choice % all.size()];
    FERRY_ASSERT(chosen.has_value());
    return *chosen;
}

void check_charset(const vfs::name_charset& names, std::string_view text) {
    const auto back = names.to_stored(names.to_client(text));
    FERRY_ASSERT(back && *back == text);
    const auto stored = names.to_stored(text);
    FERRY_ASSERT(!stored || names.to_client(*stored) == text);
    // Neither side makes a separator, a NUL or a dot where there was none.
    for (const char special : {'/', '\0', '.'}) {
        FERRY_ASSERT(names.to_client(text).contains(special) == text.contains(special));
        FERRY_ASSERT(!stored || stored->contains(special) == text.contains(special));
    }
}

void check_unicode(std::string_view text) {
    const auto composed = vfs::to_nfc(text);
    FERRY_ASSERT(vfs::to_nfc(composed) == composed);
    FERRY_ASSERT(vfs::is_utf8(composed) == vfs::is_utf8(text));
    FERRY_ASSERT(composed.size() <= 3 * text.size());
    const auto key = vfs::fold_case(text);
    FERRY_ASSERT(vfs::fold_case(key) == key);
    FERRY_ASSERT(vfs::fold_case(composed) == key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    if (size_bytes < 1) {
        return 0;
    }
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(data + 1)),
                                size_bytes - 1);
    check_charset(charset(data[0]), text);
    check_unicode(text);
    if (vfs::is_reserved_windows_name(text)) {
        FERRY_ASSERT(!text.empty());
    }
    return 0;
}
