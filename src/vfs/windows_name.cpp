#include "vfs/windows_name.hpp"

#include <algorithm>

#include "ferry/base/ascii.hpp"

namespace ferry::vfs {
namespace {

using namespace std::string_view_literals;

bool is_forbidden(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20U || R"(<>:"/\|?*)"sv.contains(c);
}

/// True for what numbers a port: a digit but 0, or one of the superscripts that ISO 8859-1 has,
/// which Windows takes for digits here.
bool is_port_number(std::string_view text) noexcept {
    return (text.size() == 1 && text.front() >= '1' && text.front() <= '9') || text == "\u00B9"sv ||
           text == "\u00B2"sv || text == "\u00B3"sv;
}

bool is_device(std::string_view stem) noexcept {
    static constexpr std::string_view whole[] = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"};
    static constexpr std::string_view numbered[] = {"COM", "LPT"};
    const auto is_stem = [&](std::string_view name) {
        return ascii::equal_ignoring_case(stem, name);
    };
    const auto is_port = [&](std::string_view name) {
        return ascii::equal_ignoring_case(stem.substr(0, name.size()), name) &&
               is_port_number(stem.substr(name.size()));
    };
    return std::ranges::any_of(whole, is_stem) || std::ranges::any_of(numbered, is_port);
}

}  // namespace

bool is_reserved_windows_name(std::string_view name) noexcept {
    if (name.ends_with('.') || name.ends_with(' ') || std::ranges::any_of(name, is_forbidden)) {
        return true;
    }
    // Windows opens the device for "NUL.txt" and for "NUL .txt".
    auto stem = name.substr(0, name.find('.'));
    stem = stem.substr(0, stem.find_last_not_of(' ') + 1);
    return is_device(stem);
}

}  // namespace ferry::vfs
