#include "ftp/text_size.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/units.hpp"
#include "ferry/vfs/text.hpp"
#include "ftp/outgoing_form.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

constexpr std::size_t counted_piece_bytes = 64_KiB;

/// Reads a file from its beginning to the end it had when it was opened, piece by piece.
class piece_reader {
  public:
    piece_reader(runtime::core& here, const vfs::node& file)
        : here_(here), file_(file), memory_(std::make_unique<std::byte[]>(counted_piece_bytes)) {}

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
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(counted_piece_bytes, left));
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

/// Counts the octets of the transfer, to `enough` or to its end.
task<result<std::uint64_t>> count_formed(runtime::core& here, const vfs::node& file,
                                         representation how, std::uint64_t enough) {
    how.mode = transfer_mode::stream;
    piece_reader pieces(here, file);
    outgoing_form form(how, {});  // A code page is no matter of sizes.
    std::string out;
    std::uint64_t counted = 0;
    for (bool is_last = false; !is_last && counted < enough;) {
        const auto piece = co_await pieces.next();
        if (!piece) {
            co_return failure(piece.error());
        }
        out.clear();
        is_last = piece->empty();
        const auto formed = is_last ? form.finish(out) : form.add(*piece, out);
        if (!formed) {
            co_return failure(formed.error());
        }
        counted += out.size();
    }
    co_return counted;
}

}  // namespace

task<result<void>> check_formed_offset(runtime::core& here, const vfs::node& file,
                                       representation how, std::uint64_t network_offset) {
    const auto counted = co_await count_formed(here, file, how, network_offset);
    if (!counted) {
        co_return failure(counted.error());
    }
    if (*counted < network_offset) {
        co_return failure(errc::invalid);
    }
    co_return result<void>{};
}

task<result<std::uint64_t>> count_network_size(runtime::core& here, const vfs::node& file,
                                               representation how) {
    if (file.status().size_bytes > counted_size_bytes_max) {
        co_return failure(errc::too_large);
    }
    if (!is_plain_text(how)) {
        auto counted =
            co_await count_formed(here, file, how, std::numeric_limits<std::uint64_t>::max());
        co_return counted;
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
