#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/vfs/ebcdic.hpp"

/// How octets of a file appear on the data connection: the session's TYPE, STRU and MODE (RFC 959
/// section 3). An enumerator is here when ferry can transfer that way; `arguments` refuses the
/// others with 504.
namespace ferry::ftp {

enum class data_type : std::uint8_t {
    ascii,   ///< TYPE A.
    ebcdic,  ///< TYPE E.
    image,   ///< TYPE I, and L 8, which is the same on a machine of octets (RFC 1123
             ///< section 4.1.2.1).
};

/// The second parameter of TYPE A and E (RFC 959 section 3.1.1.5).
enum class text_format : std::uint8_t {
    non_print,         ///< N.
    telnet,            ///< T, which is the same for files (RFC 1123 section 4.1.2.2).
    carriage_control,  ///< C: see vfs/carriage_control.hpp.
};

enum class file_structure : std::uint8_t {
    file,    ///< STRU F.
    record,  ///< STRU R: a line of the file is a record.
    page,    ///< STRU P: see vfs/pages.hpp. Of images only.
};

enum class transfer_mode : std::uint8_t {
    stream,      ///< MODE S: the end of the connection is the end of the file.
    block,       ///< MODE B: many files a connection, with restart markers.
    compressed,  ///< MODE C: the same.
    deflated,    ///< MODE Z: the octets of MODE S as a zlib stream.
};

/// The state a session begins with and REIN returns to (RFC 959 section 5.1).
struct representation {
    data_type type = data_type::ascii;
    text_format format = text_format::non_print;  ///< Of an image: no matter.
    file_structure structure = file_structure::file;
    transfer_mode mode = transfer_mode::stream;

    friend bool operator==(const representation&, const representation&) = default;
};

/// What the parameters leave open.
struct form_details {
    vfs::ebcdic::code_page code_page = vfs::ebcdic::code_page::cp037;
    int deflate_level = 6;  ///< 1 to 9.
};

/// True when the octets of the file are the octets of the transfer, so files can be sent from the
/// kernel.
[[nodiscard]] constexpr bool is_image_stream(const representation& how) noexcept {
    return how.type == data_type::image && how.structure == file_structure::file &&
           how.mode == transfer_mode::stream;
}

/// True when an octet of the transfer is an octet of the file, as long as there is no mode: offsets
/// are the same on both sides (RFC 3659 section 5.3).
[[nodiscard]] constexpr bool keeps_offsets(const representation& how) noexcept {
    const bool is_line =
        how.type == data_type::ascii || how.format == text_format::carriage_control;
    return how.structure == file_structure::file && (how.type == data_type::image || !is_line);
}

/// True for TYPE A N and T with STRU F: line ends change and nothing else does.
[[nodiscard]] constexpr bool is_plain_text(const representation& how) noexcept {
    return how.type == data_type::ascii && how.format != text_format::carriage_control &&
           how.structure == file_structure::file;
}

/// True when the end of a file is marked, so that the next may follow on the same connection, and a
/// transfer may be begun again at a restart marker (RFC 959 sections 3.4.2, 3.4.3 and 3.5).
[[nodiscard]] constexpr bool marks_ends(transfer_mode mode) noexcept {
    return mode == transfer_mode::block || mode == transfer_mode::compressed;
}

/// True for what can be transferred: pages are of images, since their headers are no text.
[[nodiscard]] constexpr bool is_supported(const representation& how) noexcept {
    return how.structure != file_structure::page || how.type == data_type::image;
}

/// How a listing goes in a session of `how`: it is text always (RFC 959 section 4.1.3, LIST), and
/// has no vertical format.
[[nodiscard]] constexpr representation listing_form(const representation& how) noexcept {
    return {.type = how.type == data_type::ebcdic ? data_type::ebcdic : data_type::ascii,
            .format = text_format::non_print,
            .structure = how.structure,
            .mode = how.mode};
}

/// Where SIZE takes its answer from. It is the number of octets RETR would send in MODE S, not what
/// the disk holds (RFC 3659 section 4), and a REST offset counts the same octets (section 5.3).
enum class size_source : std::uint8_t {
    stored,   ///< The metadata: answer at once.
    counted,  ///< The file, up to the session's limit, else 550.
};

[[nodiscard]] constexpr size_source size_source_of(const representation& how) noexcept {
    return keeps_offsets(how) ? size_source::stored : size_source::counted;
}

/// Names `how`'s type as STAT and the replies to TYPE show it: "ASCII", "EBCDIC Carriage Control".
[[nodiscard]] std::string describe_type(const representation& how);
[[nodiscard]] std::string_view describe(data_type type) noexcept;
[[nodiscard]] std::string_view describe(file_structure structure) noexcept;
[[nodiscard]] std::string_view describe(transfer_mode mode) noexcept;

}  // namespace ferry::ftp
