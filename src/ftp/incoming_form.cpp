#include "ftp/incoming_form.hpp"

#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/units.hpp"
#include "ftp/outgoing_form.hpp"

namespace ferry::ftp {
namespace {

/// Of compressed mode, where an octet may stand for 63.
constexpr std::size_t compressed_piece_bytes = 4_KiB;

/// What a file that is not whole inside of what frames it is to who reads it.
result<void> must_be_whole(const result<void>& finished) {
    return finished ? result<void>() : failure(errc::invalid);
}

}  // namespace

incoming_form::incoming_form(const representation& how, const form_details& details,
                             const upload_place& from)
    : how_(how),
      details_(details),
      carriage_(from.line),
      records_(how.type == data_type::ebcdic ? vfs::ebcdic::new_line : '\n') {
    FERRY_ASSERT(is_supported(how));
    if (from.pending_cr) {
        text_.convert("\r", unframed_);
    }
    switch (how.mode) {
        case transfer_mode::stream:
            break;
        case transfer_mode::block:
            mode_.emplace<block_reader>(framing_of(how));
            break;
        case transfer_mode::compressed:
            mode_.emplace<compressed_reader>(framing_of(how), filler_of(how));
            break;
        case transfer_mode::deflated:
            mode_.emplace<inflate_reader>();
            break;
    }
}

result<mode_event> incoming_form::read(std::string_view& received, std::string& out) {
    if (how_.mode == transfer_mode::stream) {
        const auto ended = take_structure(received, out);
        if (!ended) {
            return failure(ended.error());
        }
        received = {};
        if (*ended) {
            flush(out);
        }
        return *ended ? mode_event::end_of_file : mode_event::none;
    }
    unframed_.clear();
    const auto event = unframe(received, unframed_);
    if (!event) {
        return event;
    }
    if (const auto taken = take_structure(unframed_, out); !taken) {
        return failure(taken.error());
    }
    if (*event == mode_event::end_of_file) {
        if (auto whole = must_be_whole(end_structure()); !whole) {
            return failure(whole.error());
        }
        flush(out);
    }
    return event;
}

result<mode_event> incoming_form::unframe(std::string_view& received, std::string& out) {
    if (auto* const blocks = std::get_if<block_reader>(&mode_)) {
        return blocks->read(received, out);
    }
    if (auto* const packed = std::get_if<inflate_reader>(&mode_)) {
        return packed->read(received, out);
    }
    auto* const strings = std::get_if<compressed_reader>(&mode_);
    FERRY_ASSERT(strings != nullptr);
    auto piece = received.substr(0, compressed_piece_bytes);
    const auto given = piece.size();
    auto event = strings->read(piece, out);
    received.remove_prefix(given - piece.size());
    return event;
}

/// From what the mode framed to text or an image. True when the structure says that the file ends.
result<bool> incoming_form::take_structure(std::string_view text, std::string& out) {
    if (how_.structure == file_structure::page) {
        while (!text.empty()) {
            const auto page = pages_.next(text);
            if (!page) {
                return failure(page.error());
            }
            if (!page->data.empty()) {
                paged_.resize(static_cast<std::size_t>(pages_.size_bytes()));
                page->data.copy(&paged_[static_cast<std::size_t>(page->offset)], page->data.size());
            }
        }
        if (!pages_.finish() || has_pages_) {
            return false;
        }
        has_pages_ = true;
        paged_.resize(static_cast<std::size_t>(pages_.size_bytes()));
        out += std::exchange(paged_, {});
        return true;
    }
    if (how_.structure == file_structure::record && !marks_ends(how_.mode)) {
        structured_.clear();
        if (auto taken = records_.convert(text, structured_); !taken) {
            return failure(taken.error());
        }
        convert(structured_, out);
        return records_.has_ended();
    }
    convert(text, out);
    return false;
}

/// Says whether the structure is whole where what carries it has ended.
result<void> incoming_form::end_structure() const {
    if (how_.structure == file_structure::page) {
        return pages_.finish();
    }
    const bool is_record = how_.structure == file_structure::record && !marks_ends(how_.mode);
    return is_record ? records_.finish() : result<void>();
}

void incoming_form::convert(std::string_view text, std::string& out) {
    auto& converted = has_controls() ? converted_ : out;
    if (has_controls()) {
        converted_.clear();
    }
    if (how_.type == data_type::ebcdic) {
        vfs::ebcdic::from_network(details_.code_page, text, converted);
    } else if (how_.type == data_type::ascii && how_.structure == file_structure::file) {
        text_.convert(text, converted);
    } else {
        converted += text;
    }
    if (has_controls()) {
        carriage_.convert(converted_, out);
    }
}

void incoming_form::flush(std::string& out) {
    if (!has_controls()) {
        text_.finish(out);
        return;
    }
    converted_.clear();
    text_.finish(converted_);
    carriage_.convert(converted_, out);
    carriage_.finish(out);
}

result<void> incoming_form::finish(std::string& out) {
    if (how_.mode != transfer_mode::stream) {
        return failure(errc::closed);
    }
    if (auto whole = end_structure(); !whole) {
        return whole;
    }
    flush(out);
    return {};
}

const std::string& incoming_form::marker() const noexcept {
    if (const auto* const blocks = std::get_if<block_reader>(&mode_)) {
        return blocks->marker();
    }
    const auto* const strings = std::get_if<compressed_reader>(&mode_);
    FERRY_ASSERT(strings != nullptr);
    return strings->marker();
}

upload_place incoming_form::place_at(std::uint64_t offset) const noexcept {
    return {.offset = offset, .pending_cr = text_.has_pending_cr(), .line = carriage_.where()};
}

}  // namespace ferry::ftp
