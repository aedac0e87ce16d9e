#include "ftp/block_mode.hpp"

#include "ferry/base/assert.hpp"

namespace ferry::ftp {
namespace {

void append_block(std::string& out, std::uint8_t codes, std::string_view data) {
    FERRY_ASSERT(data.size() <= 0xFFFF);
    out += static_cast<char>(codes);
    out += static_cast<char>(data.size() >> 8U);
    out += static_cast<char>(data.size() & 0xFFU);
    out += data;
}

}  // namespace

void block_writer::add(std::string_view stored, std::string& out) {
    if (framing_.rule != record_rule::records) {
        add_data(stored, out);
        return;
    }
    while (!stored.empty()) {
        const auto line_end = stored.find(framing_.line_end);
        add_data(stored.substr(0, line_end), out);
        if (line_end == std::string_view::npos) {
            return;
        }
        if (ends_record_) {
            send(descriptor::end_of_record, out);  // The record before; this one is empty.
        }
        ends_record_ = true;
        stored.remove_prefix(line_end + 1);
    }
}

void block_writer::add_data(std::string_view data, std::string& out) {
    if (data.empty()) {
        return;
    }
    if (ends_record_) {
        send(descriptor::end_of_record, out);
    }
    while (block_.size() + data.size() > block_bytes) {
        const auto part = data.substr(0, block_bytes - block_.size());
        data.remove_prefix(part.size());
        if (block_.empty()) {
            append_block(out, 0, part);
        } else {
            block_ += part;
            send(0, out);
        }
    }
    block_ += data;
}

void block_writer::add_marker(std::string_view marker, std::string& out) {
    FERRY_ASSERT(is_marker(marker));
    if (ends_record_ || !block_.empty()) {
        send(ends_record_ ? descriptor::end_of_record : std::uint8_t{0}, out);
    }
    append_block(out, descriptor::restart_marker, marker);
}

void block_writer::finish(std::string& out) {
    const auto record = ends_record_ ? descriptor::end_of_record : std::uint8_t{0};
    send(static_cast<std::uint8_t>(descriptor::end_of_file | record), out);
}

void block_writer::send(std::uint8_t codes, std::string& out) {
    append_block(out, codes, block_);
    block_.clear();
    ends_record_ = false;
}

result<mode_event> block_reader::read(std::string_view& received, std::string& out) {
    while (!received.empty()) {
        if (header_bytes_ < header_.size()) {
            header_[header_bytes_++] = static_cast<std::uint8_t>(received.front());
            received.remove_prefix(1);
            if (header_bytes_ < header_.size()) {
                continue;
            }
            data_bytes_ = std::size_t{header_[1]} << 8U | header_[2];
            if (auto begun = strings_.begin(header_[0]); !begun) {
                return failure(begun.error());
            }
        }
        const auto data = received.substr(0, data_bytes_);
        if (auto added = strings_.add(data, out); !added) {
            return failure(added.error());
        }
        received.remove_prefix(data.size());
        data_bytes_ -= data.size();
        if (data_bytes_ > 0) {
            continue;
        }
        header_bytes_ = 0;
        const auto ended = strings_.end(out);
        if (!ended || *ended != mode_event::none) {
            return ended;
        }
    }
    return mode_event::none;
}

result<void> block_reader::finish() const {
    return strings_.has_ended() ? result<void>() : failure(errc::closed);
}

}  // namespace ferry::ftp
