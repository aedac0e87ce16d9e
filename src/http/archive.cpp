#include "http/archive.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "http/archive_entry.hpp"
#include "http/crc32.hpp"
#include "http/tar_format.hpp"
#include "http/zip_format.hpp"

namespace ferry::http {

using runtime::task;

namespace {

// As much is gathered of small entries before it is sent.
constexpr std::size_t archive_piece_bytes = 64_KiB;
// Files up to this size are copied into a piece: a call of their own costs more.
constexpr std::uint64_t tar_copied_bytes_max = 32_KiB;
constexpr std::uint64_t zip_read_bytes = 128_KiB;

constexpr std::uint32_t executable_bits = 0111;

archive_entry entry_of(std::string_view name, const vfs::metadata& status) noexcept {
    return {.name = name,
            .is_directory = status.kind == vfs::file_kind::directory,
            .is_executable = (status.mode & executable_bits) != 0,
            .modified_seconds = status.modified.seconds};
}

std::span<std::byte> tail_of(std::string& text, std::size_t from) noexcept {
    return std::as_writable_bytes(std::span(text)).subspan(from);
}

/// Appends `size_bytes` octets of `file` from `offset` on, fewer where it ends before. Gives how
/// many.
task<result<std::size_t>> append_content(runtime::core& here, const vfs::node& file,
                                         runtime::file_span part, std::string& out) {
    const std::size_t begin = out.size();
    out.resize(begin + static_cast<std::size_t>(part.size_bytes));
    std::size_t done = 0;
    while (done < part.size_bytes) {
        const auto got = co_await file.read(here, tail_of(out, begin + done), part.offset + done);
        if (!got) {
            co_return failure(got.error());
        }
        if (*got == 0) {
            break;
        }
        done += *got;
    }
    out.resize(begin + done);
    co_return done;
}

class tar_body final : public body_source {
  public:
    explicit tar_body(archive_content content) : content_(std::move(content)) {}

    task<result<void>> next(runtime::core& here, body_piece& piece) override {
        piece.octets.append(std::exchange(owed_zeros_, 0), '\0');
        while (piece.octets.size() < archive_piece_bytes) {
            auto found = co_await content_.walk.next();
            if (!found) {
                co_return failure(found.error());
            }
            if (!*found) {
                append_tar_end(piece.octets);
                piece.is_last = true;
                co_return result<void>{};
            }
            const auto name = content_.top + (*found)->name;
            const auto entry = entry_of(name, (*found)->status);
            if (!(*found)->file) {
                append_tar_header(piece.octets, entry, 0);
                continue;
            }
            const auto size_bytes = (*found)->status.size_bytes;
            if (size_bytes > tar_copied_bytes_max) {
                append_tar_header(piece.octets, entry, size_bytes);
                owed_zeros_ = tar_padding(size_bytes);
                sent_ = std::move((*found)->file);
                piece.file = sent_->span({.offset = 0, .size_bytes = size_bytes});
                co_return result<void>{};
            }
            copied_.clear();
            const auto copied = co_await append_content(
                here, *(*found)->file, {.offset = 0, .size_bytes = size_bytes}, copied_);
            if (!copied) {
                co_return failure(copied.error());
            }
            append_tar_header(piece.octets, entry, *copied);
            piece.octets += copied_;
            piece.octets.append(tar_padding(*copied), '\0');
        }
        co_return result<void>{};
    }

  private:
    archive_content content_;
    std::optional<vfs::node> sent_;  ///< The file of the last piece.
    std::size_t owed_zeros_ = 0;     ///< What fills up its last block.
    std::string copied_;
};

class zip_body final : public body_source {
  public:
    explicit zip_body(archive_content content) : content_(std::move(content)) {}

    task<result<void>> next(runtime::core& here, body_piece& piece) override {
        const auto made = co_await fill(here, piece);
        offset_ += piece.octets.size();
        co_return made;
    }

  private:
    /// A file whose content is being sent.
    struct open_file {
        vfs::node node;
        std::string name;
        std::uint64_t local_offset = 0;
        std::uint64_t done_bytes = 0;
        crc32 sum;
    };

    task<result<void>> fill(runtime::core& here, body_piece& piece) {
        while (piece.octets.size() < archive_piece_bytes) {
            if (sent_) {
                const auto gone_on = co_await go_on(here, piece.octets);
                if (!gone_on) {
                    co_return failure(gone_on.error());
                }
                continue;
            }
            if (is_walked_) {
                append_directory(piece);
                co_return result<void>{};
            }
            auto found = co_await content_.walk.next();
            if (!found) {
                co_return failure(found.error());
            }
            if (!*found) {
                is_walked_ = true;
                directory_ = {.entries = entries_,
                              .offset = offset_ + piece.octets.size(),
                              .size_bytes = central_.size()};
                continue;
            }
            const auto begun = co_await begin(here, std::move(**found), piece.octets);
            if (!begun) {
                co_return failure(begun.error());
            }
        }
        co_return result<void>{};
    }

    /// Begins an entry, and ends it if it is small.
    task<result<void>> begin(runtime::core& here, archive_walk::found found, std::string& out) {
        const auto name = content_.top + found.name;
        const auto entry = entry_of(name, found.status);
        const auto local_offset = offset_ + out.size();
        zip_content content{.size_bytes = found.file ? found.status.size_bytes : 0};
        if (content.size_bytes > zip_whole_bytes_max) {
            content.has_descriptor = true;
            append_zip_local(out, entry, content);
            sent_.emplace(open_file{.node = std::move(*found.file),
                                    .name = name,
                                    .local_offset = local_offset,
                                    .done_bytes = 0,
                                    .sum = {}});
            co_return result<void>{};
        }
        std::string octets;
        if (found.file) {
            const auto read = co_await append_content(
                here, *found.file, {.offset = 0, .size_bytes = content.size_bytes}, octets);
            if (!read) {
                co_return failure(read.error());
            }
        }
        crc32 sum;
        sum.add(std::as_bytes(std::span(octets)));
        content.crc = sum.value();
        content.size_bytes = octets.size();
        append_zip_local(out, entry, content);
        out += octets;
        co_return add_central(entry, content, local_offset);
    }

    /// Sends some of the large file, and what ends it.
    task<result<void>> go_on(runtime::core& here, std::string& out) {
        const auto& status = sent_->node.status();
        const auto wanted = std::min(status.size_bytes - sent_->done_bytes, zip_read_bytes);
        const auto begin = out.size();
        const auto read = co_await append_content(
            here, sent_->node, {.offset = sent_->done_bytes, .size_bytes = wanted}, out);
        if (!read) {
            co_return failure(read.error());
        }
        if (*read < wanted) {
            co_return failure(errc::closed);  // It became shorter than it was said to be.
        }
        sent_->sum.add(tail_of(out, begin));
        sent_->done_bytes += wanted;
        if (sent_->done_bytes < status.size_bytes) {
            co_return result<void>{};
        }
        const auto file = std::exchange(sent_, std::nullopt);
        const zip_content content{
            .crc = file->sum.value(), .size_bytes = file->done_bytes, .has_descriptor = true};
        append_zip_descriptor(out, content);
        co_return add_central(entry_of(file->name, file->node.status()), content,
                              file->local_offset);
    }

    result<void> add_central(const archive_entry& entry, const zip_content& content,
                             std::uint64_t local_offset) {
        append_zip_central(central_, entry, content, local_offset);
        ++entries_;
        if (central_.size() > zip_directory_bytes_max) {
            return failure(errc::too_large);
        }
        return {};
    }

    /// Some of the central directory; what ends the file behind the last of it.
    void append_directory(body_piece& piece) {
        const auto part = std::string_view(central_).substr(central_sent_, archive_piece_bytes);
        piece.octets += part;
        central_sent_ += part.size();
        if (central_sent_ == central_.size()) {
            append_zip_end(piece.octets, directory_);
            piece.is_last = true;
        }
    }

    archive_content content_;
    std::optional<open_file> sent_;
    std::uint64_t offset_ = 0;  ///< Of what was given before the present piece.
    std::string central_;
    std::uint64_t entries_ = 0;
    std::size_t central_sent_ = 0;
    zip_directory directory_;
    bool is_walked_ = false;
};

}  // namespace

std::unique_ptr<body_source> make_tar_body(archive_content content) {
    return std::make_unique<tar_body>(std::move(content));
}

std::unique_ptr<body_source> make_zip_body(archive_content content) {
    return std::make_unique<zip_body>(std::move(content));
}

}  // namespace ferry::http
