#pragma once

#include <cstdint>
#include <string_view>

/// How octets of a file appear on the data connection: the session's TYPE, STRU and MODE (RFC 959
/// section 3). An enumerator is here when ferry can transfer that way; `arguments` refuses the
/// others with 504.
namespace ferry::ftp {

enum class data_type : std::uint8_t {
    ascii,  ///< TYPE A N, and A T, which is the same for files (RFC 1123 section 4.1.2.2).
    image,  ///< TYPE I, and L 8, which is the same on a machine of octets (RFC 1123
            ///< section 4.1.2.1).
};

enum class file_structure : std::uint8_t {
    file,  ///< STRU F.
};

enum class transfer_mode : std::uint8_t {
    stream,  ///< MODE S: the end of the connection is the end of the file.
};

/// The state a session begins with and REIN returns to (RFC 959 section 5.1).
struct representation {
    data_type type = data_type::ascii;
    file_structure structure = file_structure::file;
    transfer_mode mode = transfer_mode::stream;

    friend bool operator==(const representation&, const representation&) = default;
};

/// True when line ends are converted on the way: send and store through `vfs::text`. False: the
/// octets of the file are the octets of the transfer, so files can be sent from the kernel.
[[nodiscard]] constexpr bool converts_lines(const representation& how) noexcept {
    return how.type == data_type::ascii;
}

/// Where SIZE takes its answer from. It is the number of octets RETR would send, not what the disk
/// holds (RFC 3659 section 4), and a REST offset counts the same octets (section 5.3).
enum class size_source : std::uint8_t {
    stored,   ///< The metadata: answer at once.
    counted,  ///< `vfs::text::network_size` over the file, up to the session's limit, else 550.
};

[[nodiscard]] constexpr size_source size_source_of(const representation& how) noexcept {
    return converts_lines(how) ? size_source::counted : size_source::stored;
}

/// Names `type` as STAT and the replies to TYPE show it, "ASCII" or "Image".
[[nodiscard]] std::string_view describe(data_type type) noexcept;
[[nodiscard]] std::string_view describe(file_structure structure) noexcept;
[[nodiscard]] std::string_view describe(transfer_mode mode) noexcept;

}  // namespace ferry::ftp
