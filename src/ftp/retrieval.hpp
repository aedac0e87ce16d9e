#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/units.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/outgoing_form.hpp"
#include "ftp/session.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

/// Sends a file as it is stored, from `offset` to the end it had when it was opened (V7), by the
/// same send plan as HTTP; what of it is in memory, at once if the network takes it.
class image_retrieval final : public transfer_work {
  public:
    image_retrieval(session& user, const vfs::shared_file& file, std::uint64_t offset) noexcept
        : user_(user), file_(file), offset_(offset) {}

    [[nodiscard]] bool is_done_at_once(net::stream& data, running_transfer& progress) override;
    [[nodiscard]] runtime::task<transfer_end> run(net::stream& data,
                                                  running_transfer& progress) override;

  private:
    session& user_;
    const vfs::shared_file& file_;
    std::uint64_t offset_;
};

/// Where a retrieval begins.
struct retrieval_start {
    std::uint64_t stored_offset = 0;
    std::optional<char> behind;       ///< The octet of the file before that.
    std::uint64_t skipped_bytes = 0;  ///< Of MODE S, from there on, that are not sent.
};

/// Sends a file in the form of the session's TYPE, STRU and MODE (RFC 959 section 3): read, brought
/// into that form and sent a piece at a time, a stream that is to be deflated on the pool. Where
/// the mode has restart markers, one goes behind every `marker_interval_bytes` of the file (RFC 959
/// section 3.5): the octets of the file before it.
class formed_retrieval final : public transfer_work {
  public:
    static constexpr std::uint64_t marker_interval_bytes = 1_MiB;

    formed_retrieval(session& user, const vfs::node& file, const retrieval_start& from) noexcept
        : user_(user), file_(file), from_(from) {}

    [[nodiscard]] runtime::task<transfer_end> run(net::stream& data,
                                                  running_transfer& progress) override;

  private:
    [[nodiscard]] runtime::task<result<std::size_t>> read(std::span<std::byte> into,
                                                          std::uint64_t offset);

    session& user_;
    const vfs::node& file_;
    retrieval_start from_;
};

/// `form.add(stored, out)`, on the pool where the mode deflates: all of them must outlive the wait.
/// Errors: as `outgoing_form::add`, and errc::cancelled.
[[nodiscard]] runtime::task<result<void>> add_piece(runtime::core& here, const representation& how,
                                                    outgoing_form& form, std::string_view stored,
                                                    std::string& out);

/// `form.finish(out)`, the same.
[[nodiscard]] runtime::task<result<void>> finish_pieces(runtime::core& here,
                                                        const representation& how,
                                                        outgoing_form& form, std::string& out);

}  // namespace ferry::ftp
