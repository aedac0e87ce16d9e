#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ferry::ftp_load {

/// What a connection does again and again.
enum class operation : std::uint8_t {
    login,  ///< A whole session: connect, USER, PASS, QUIT.
    retr,   ///< Downloads a file.
    stor,   ///< Uploads one.
    list,   ///< LIST of a directory.
    nlst,   ///< NLST.
    mlsd,   ///< MLSD (RFC 3659 section 7).
};

inline constexpr auto operation_names =
    std::to_array<std::string_view>({"login", "retr", "stor", "list", "nlst", "mlsd"});
inline constexpr std::size_t operation_count = operation_names.size();

[[nodiscard]] constexpr std::string_view name_of(operation what) noexcept {
    return operation_names[static_cast<std::size_t>(what)];
}

[[nodiscard]] constexpr std::optional<operation> operation_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < operation_count; ++i) {
        if (operation_names[i] == name) {
            return static_cast<operation>(i);
        }
    }
    return std::nullopt;
}

}  // namespace ferry::ftp_load
