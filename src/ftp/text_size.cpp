#include "ftp/text_size.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>

#include "ferry/base/units.hpp"
#include "ferry/vfs/text.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

constexpr std::size_t piece_bytes = 64_KiB;

/// Reads a file from its beginning to the end it had when it was opened, piece by piece.
class piece_reader {
  public:
    piece_reader(runtime::core& here, const vfs::node& file)
        : here_(here), file_(file), memory_(std::make_unique<std::byte[]>(piece_bytes)) {}

    /// The next octets, empty at the end. Valid until the next call.
    task<result<std::string_view>> next() {
        if (offset_ > 0) {
            co_await here_.yield();
        }
        const auto& scope = co_await runtime::current_scope();
        if (scope.stop_requested()) {  // What is in memory is read without a wait to heed it.
            co_return failure(errc::cancelled);
        }
        const auto left = file_.status().size_bytes - offset_;
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, left));
        if (wanted == 0) {
            co_return std::string_view();
        }
        const auto got = co_await file_.read(here_, std::span(memory_.get(), wanted), offset_);
        if (!got) {
            co_return failure(got.error());
        }
        offset_ += *got;
        co_return std::string_view(static_cast<const char*>(static_cast<void*>(memory_.get())),
                                   *got);
    }

  private:
    runtime::core& here_;
    const vfs::node& file_;
    std::unique_ptr<std::byte[]> memory_;
    std::uint64_t offset_ = 0;
};

}  // namespace

task<result<std::uint64_t>> count_network_size(runtime::core& here, const vfs::node& file) {
    if (file.status().size_bytes > counted_size_bytes_max) {
        co_return failure(errc::too_large);
    }
    piece_reader pieces(here, file);
    vfs::text::network_size size;
    for (;;) {
        const auto piece = co_await pieces.next();
        if (!piece) {
            co_return failure(piece.error());
        }
        if (piece->empty()) {
            co_return size.octets();
        }
        size.add(*piece);
    }
}

task<result<text_place>> find_network_offset(runtime::core& here, const vfs::node& file,
                                             std::uint64_t network_offset) {
    piece_reader pieces(here, file);
    vfs::text::network_size size;
    text_place place;
    while (size.octets() < network_offset) {
        const auto piece = co_await pieces.next();
        if (!piece) {
            co_return failure(piece.error());
        }
        if (piece->empty()) {
            co_return failure(errc::invalid);
        }
        auto ahead = size;
        ahead.add(*piece);
        if (ahead.octets() < network_offset) {
            size = ahead;
            place.stored_offset += piece->size();
            place.after_cr = piece->back() == '\r';
            continue;
        }
        for (std::size_t i = 0; size.octets() < network_offset; ++i) {
            size.add(piece->substr(i, 1));
            ++place.stored_offset;
            place.after_cr = (*piece)[i] == '\r';
        }
        if (size.octets() > network_offset) {  // Only a LF counts two.
            place.inside_line_end = true;
            --place.stored_offset;
            place.after_cr = false;
        }
    }
    co_return place;
}

}  // namespace ferry::ftp
