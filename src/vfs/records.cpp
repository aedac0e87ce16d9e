#include "ferry/vfs/records.hpp"

namespace ferry::vfs::records {
namespace {

constexpr char escape = '\xFF';
constexpr char record_ends = '\x01';
constexpr char file_ends = '\x02';
constexpr char both_end = '\x03';

void append_doubled(std::string& out, std::string_view data) {
    while (!data.empty()) {
        const auto found = data.find(escape);
        if (found == std::string_view::npos) {
            out += data;
            return;
        }
        out += data.substr(0, found + 1);
        out += escape;
        data.remove_prefix(found + 1);
    }
}

}  // namespace

void to_network::convert(std::string_view stored, std::string& out) {
    while (!stored.empty()) {
        if (owes_record_end_) {
            out += escape;
            out += record_ends;
        }
        const auto line_end = stored.find(line_end_);
        append_doubled(out, stored.substr(0, line_end));
        owes_record_end_ = line_end != std::string_view::npos;
        stored.remove_prefix(owes_record_end_ ? line_end + 1 : stored.size());
    }
}

void to_network::finish(std::string& out) {
    out += escape;
    out += owes_record_end_ ? both_end : file_ends;
    owes_record_end_ = false;
}

result<void> from_network::convert(std::string_view received, std::string& out) {
    while (!received.empty()) {
        if (has_ended_) {
            return failure(errc::invalid);
        }
        if (in_escape_) {
            if (auto taken = take_escape(received.front(), out); !taken) {
                return taken;
            }
            received.remove_prefix(1);
            continue;
        }
        const auto found = received.find(escape);
        if (auto taken = take_data(received.substr(0, found), out); !taken) {
            return taken;
        }
        in_escape_ = found != std::string_view::npos;
        received.remove_prefix(in_escape_ ? found + 1 : received.size());
    }
    return {};
}

result<void> from_network::finish() const {
    if (in_escape_ || in_record_) {
        return failure(errc::closed);
    }
    return {};
}

result<void> from_network::take_escape(char code, std::string& out) {
    in_escape_ = false;
    switch (code) {
        case escape:
            return take_data({&code, 1}, out);
        case record_ends:
        case both_end:
            out += line_end_;
            break;
        case file_ends:
            break;
        default:
            return failure(errc::invalid);
    }
    in_record_ = false;
    has_ended_ = code != record_ends;
    return {};
}

result<void> from_network::take_data(std::string_view data, std::string& out) {
    if (data.contains(line_end_)) {
        return failure(errc::unsupported);
    }
    out += data;
    in_record_ = true;
    return {};
}

}  // namespace ferry::vfs::records
