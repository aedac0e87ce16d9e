#include "ftp/deflate_mode.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>

#include "ferry/base/assert.hpp"
#include "ferry/base/units.hpp"

namespace ferry::ftp {
namespace {

constexpr std::size_t packed_bytes = 16_KiB;
constexpr std::size_t unpacked_bytes_max = 256_KiB;
/// Unpacked at a time: what comes of it, at most some 1,030 times as much (zlib's own figure), is
/// out before the next.
constexpr std::size_t unpacking_bytes = 256;

// Of what is put in, how much must be gone for packing to go on, is looked at by windows.
constexpr std::size_t window_bytes_max = 64_KiB;
constexpr std::size_t gain_bytes_min = window_bytes_max / 32;
constexpr unsigned windows_plain_max = 64;

// The library takes unsigned octets, and does not write what it reads.
std::uint8_t* octets_of(std::string_view text) noexcept {
    return const_cast<std::uint8_t*>(
        static_cast<const std::uint8_t*>(static_cast<const void*>(text.data())));
}

/// Lets `run(stream)` write behind `out`; what the library said of it.
template <class Run>
int append(z_stream& stream, std::size_t room, std::string& out, Run run) {
    const auto before = out.size();
    out.resize(before + room);
    stream.next_out = octets_of(std::string_view(out).substr(before));
    stream.avail_out = static_cast<uInt>(room);
    const int said = run(&stream);
    out.resize(out.size() - stream.avail_out);
    return said;
}

}  // namespace

struct deflate_writer::state {
    z_stream stream{};
};

void deflate_writer::release::operator()(state* held) const noexcept {
    deflateEnd(&held->stream);
    std::default_delete<state>()(held);
}

result<void> deflate_writer::run(std::string_view octets, int flush, std::string& out) {
    if (!state_) {
        auto made = std::make_unique<state>();
        if (deflateInit(&made->stream, level_) != Z_OK) {
            return failure(errc::exhausted);
        }
        state_.reset(made.release());
    }
    auto& stream = state_->stream;
    stream.next_in = octets_of(octets);
    stream.avail_in = static_cast<uInt>(octets.size());
    do {
        append(stream, packed_bytes, out, [flush](z_stream* at) { return deflate(at, flush); });
    } while (stream.avail_out == 0);
    FERRY_ASSERT(stream.avail_in == 0);
    return {};
}

result<void> deflate_writer::add(std::string_view octets, std::string& out) {
    while (!octets.empty()) {
        const auto piece = octets.substr(0, window_bytes_max - window_bytes_);
        if (auto added = run(piece, Z_NO_FLUSH, out); !added) {
            return added;
        }
        octets.remove_prefix(piece.size());
        window_bytes_ += piece.size();
        if (window_bytes_ == window_bytes_max) {
            judge_window(out);
        }
    }
    return {};
}

/// A window is full: whether the next one is packed.
void deflate_writer::judge_window(std::string& out) {
    const std::uint64_t packed = state_->stream.total_out;
    const auto came_out = packed - packed_before_;
    window_bytes_ = 0;
    packed_before_ = packed;
    if (windows_plain_left_ > 0) {
        if (--windows_plain_left_ == 0) {
            windows_packed_ = 0;
            set_level(level_, out);
        }
        return;
    }
    // Of the first one a part is not out yet.
    if (windows_packed_++ == 0) {
        return;
    }
    if (came_out + gain_bytes_min <= window_bytes_max) {
        windows_plain_next_ = windows_plain_min;
        return;
    }
    windows_plain_left_ = windows_plain_next_;
    windows_plain_next_ = std::min(2 * windows_plain_next_, windows_plain_max);
    set_level(Z_NO_COMPRESSION, out);
}

/// For what follows; ends the block that has begun.
void deflate_writer::set_level(int level, std::string& out) {
    auto& stream = state_->stream;
    int said = Z_BUF_ERROR;  // While there is more to be written first.
    while (said == Z_BUF_ERROR) {
        said = append(stream, packed_bytes, out, [level](z_stream* at) {
            return deflateParams(at, level, Z_DEFAULT_STRATEGY);
        });
    }
    FERRY_ASSERT(said == Z_OK);
    packed_before_ = stream.total_out;
}

result<void> deflate_writer::finish(std::string& out) {
    return run({}, Z_FINISH, out);
}

struct inflate_reader::state {
    z_stream stream{};
};

void inflate_reader::release::operator()(state* held) const noexcept {
    inflateEnd(&held->stream);
    std::default_delete<state>()(held);
}

result<mode_event> inflate_reader::read(std::string_view& received, std::string& out) {
    const auto before = out.size();
    while (!received.empty() && out.size() - before < unpacked_bytes_max) {
        if (has_ended_) {
            return failure(errc::invalid);
        }
        if (!state_) {
            auto made = std::make_unique<state>();
            if (inflateInit(&made->stream) != Z_OK) {
                return failure(errc::exhausted);
            }
            state_.reset(made.release());
        }
        auto& stream = state_->stream;
        const auto piece = received.substr(0, unpacking_bytes);
        stream.next_in = octets_of(piece);
        stream.avail_in = static_cast<uInt>(piece.size());
        do {
            const int said = append(stream, packed_bytes, out,
                                    [](z_stream* at) { return inflate(at, Z_NO_FLUSH); });
            has_ended_ = said == Z_STREAM_END;
            // Z_BUF_ERROR: there was nothing more to do, which is what ends the loop, too.
            if (!has_ended_ && said != Z_OK && said != Z_BUF_ERROR) {
                return failure(said == Z_MEM_ERROR ? errc::exhausted : errc::invalid);
            }
        } while (!has_ended_ && stream.avail_out == 0);
        received.remove_prefix(piece.size() - stream.avail_in);
        if (has_ended_) {
            return mode_event::end_of_file;
        }
    }
    return mode_event::none;
}

result<void> inflate_reader::finish() const {
    return has_ended_ ? result<void>() : failure(errc::closed);
}

}  // namespace ferry::ftp
