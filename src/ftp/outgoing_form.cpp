#include "ftp/outgoing_form.hpp"

#include <algorithm>

#include "ferry/base/assert.hpp"

namespace ferry::ftp {
namespace {

constexpr char line_end_of(data_type type) noexcept {
    return type == data_type::ebcdic ? vfs::ebcdic::new_line : '\n';
}

}  // namespace

mode_framing framing_of(const representation& how) noexcept {
    mode_framing framing{.line_end = line_end_of(how.type)};
    if (how.structure == file_structure::record) {
        framing.rule = record_rule::records;
    } else if (how.structure == file_structure::file && how.type != data_type::image) {
        framing.rule = record_rule::lines;
    }
    return framing;
}

char filler_of(const representation& how) noexcept {
    switch (how.type) {
        case data_type::ascii:
            return ' ';
        case data_type::ebcdic:
            return '\x40';
        case data_type::image:
            break;
    }
    return '\0';
}

outgoing_form::outgoing_form(const representation& how, const form_details& details)
    : how_(how), details_(details), records_(line_end_of(how.type)) {
    FERRY_ASSERT(is_supported(how));
    switch (how.mode) {
        case transfer_mode::stream:
            break;
        case transfer_mode::block:
            mode_.emplace<block_writer>(framing_of(how));
            break;
        case transfer_mode::compressed:
            mode_.emplace<compressed_writer>(framing_of(how), filler_of(how));
            break;
        case transfer_mode::deflated:
            mode_.emplace<deflate_writer>(details.deflate_level);
            break;
    }
}

void outgoing_form::go_on_behind(char octet) {
    carriage_.go_on_behind(octet);
    std::string nothing;
    if (how_.format != text_format::carriage_control) {
        text_.convert({&octet, 1}, nothing);
    }
}

result<void> outgoing_form::add(std::string_view stored, std::string& out) {
    if (stored.empty()) {
        return {};
    }
    if (how_.type != data_type::image && how_.format == text_format::carriage_control) {
        controlled_.clear();
        carriage_.convert(stored, controlled_);
        stored = controlled_;
    }
    return structure(stored, out);
}

/// From text with LF, or an image, to what the mode frames.
result<void> outgoing_form::structure(std::string_view text, std::string& out) {
    if (is_plain_text(how_) && how_.mode == transfer_mode::stream && skipped_bytes_ == 0) {
        text_.convert(text, out);
        return {};
    }
    converted_.clear();
    if (how_.type == data_type::ebcdic) {
        vfs::ebcdic::to_network(details_.code_page, text, converted_);
        text = converted_;
    } else if (how_.type == data_type::ascii && how_.structure == file_structure::file) {
        text_.convert(text, converted_);
        text = converted_;
    }
    structured_.clear();
    if (how_.structure == file_structure::record && !marks_ends(how_.mode)) {
        records_.convert(text, structured_);
        text = structured_;
    } else if (how_.structure == file_structure::page) {
        if (auto paged = pages_.convert(text, structured_); !paged) {
            return paged;
        }
        text = structured_;
    }
    return frame(text, out);
}

result<void> outgoing_form::frame(std::string_view octets, std::string& out) {
    if (skipped_bytes_ > 0) {
        const auto skipped = std::min<std::uint64_t>(skipped_bytes_, octets.size());
        octets.remove_prefix(static_cast<std::size_t>(skipped));
        skipped_bytes_ -= skipped;
    }
    if (auto* const blocks = std::get_if<block_writer>(&mode_)) {
        blocks->add(octets, out);
    } else if (auto* const strings = std::get_if<compressed_writer>(&mode_)) {
        strings->add(octets, out);
    } else if (auto* const packed = std::get_if<deflate_writer>(&mode_)) {
        return packed->add(octets, out);
    } else {
        out += octets;
    }
    return {};
}

void outgoing_form::add_marker(std::string_view marker, std::string& out) {
    FERRY_ASSERT(marks_ends(how_.mode));
    if (auto* const blocks = std::get_if<block_writer>(&mode_)) {
        blocks->add_marker(marker, out);
    } else if (auto* const strings = std::get_if<compressed_writer>(&mode_)) {
        strings->add_marker(marker, out);
    }
}

result<void> outgoing_form::finish(std::string& out) {
    if (how_.type != data_type::image && how_.format == text_format::carriage_control) {
        controlled_.clear();
        carriage_.finish(controlled_);
        if (!controlled_.empty()) {
            if (auto last = structure(controlled_, out); !last) {
                return last;
            }
        }
    }
    structured_.clear();
    if (how_.structure == file_structure::record && !marks_ends(how_.mode)) {
        records_.finish(structured_);
    } else if (how_.structure == file_structure::page) {
        if (auto paged = pages_.finish(structured_); !paged) {
            return paged;
        }
    }
    if (auto framed = frame(structured_, out); !framed) {
        return framed;
    }
    if (auto* const blocks = std::get_if<block_writer>(&mode_)) {
        blocks->finish(out);
    } else if (auto* const strings = std::get_if<compressed_writer>(&mode_)) {
        strings->finish(out);
    } else if (auto* const packed = std::get_if<deflate_writer>(&mode_)) {
        return packed->finish(out);
    }
    return {};
}

}  // namespace ferry::ftp
