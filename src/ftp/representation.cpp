#include "ftp/representation.hpp"

namespace ferry::ftp {

std::string describe_type(const representation& how) {
    std::string text(describe(how.type));
    if (how.type == data_type::image) {
        return text;
    }
    switch (how.format) {
        case text_format::non_print:
            break;
        case text_format::telnet:
            text += " Telnet";
            break;
        case text_format::carriage_control:
            text += " Carriage Control";
            break;
    }
    return text;
}

std::string_view describe(data_type type) noexcept {
    switch (type) {
        case data_type::ascii:
            return "ASCII";
        case data_type::ebcdic:
            return "EBCDIC";
        case data_type::image:
            return "Image";
    }
    return "unknown";
}

std::string_view describe(file_structure structure) noexcept {
    switch (structure) {
        case file_structure::file:
            return "File";
        case file_structure::record:
            return "Record";
        case file_structure::page:
            return "Page";
    }
    return "unknown";
}

std::string_view describe(transfer_mode mode) noexcept {
    switch (mode) {
        case transfer_mode::stream:
            return "Stream";
        case transfer_mode::block:
            return "Block";
        case transfer_mode::compressed:
            return "Compressed";
        case transfer_mode::deflated:
            return "Deflate";
    }
    return "unknown";
}

}  // namespace ferry::ftp
