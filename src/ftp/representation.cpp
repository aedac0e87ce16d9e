#include "ftp/representation.hpp"

namespace ferry::ftp {

std::string_view describe(data_type type) noexcept {
    switch (type) {
        case data_type::ascii:
            return "ASCII";
        case data_type::image:
            return "Image";
    }
    return "unknown";
}

std::string_view describe(file_structure structure) noexcept {
    switch (structure) {
        case file_structure::file:
            return "File";
    }
    return "unknown";
}

std::string_view describe(transfer_mode mode) noexcept {
    switch (mode) {
        case transfer_mode::stream:
            return "Stream";
    }
    return "unknown";
}

}  // namespace ferry::ftp
