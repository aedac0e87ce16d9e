#pragma once

#include <cstdint>

#include "ferry/net/stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/session.hpp"
#include "ftp/text_size.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

/// Sends a file as it is stored, from `offset` to the end it had when it was opened (V7), by the
/// same send plan as HTTP.
class image_retrieval final : public transfer_work {
  public:
    image_retrieval(session& user, const vfs::node& file, std::uint64_t offset) noexcept
        : user_(user), file_(file), offset_(offset) {}

    [[nodiscard]] runtime::task<transfer_end> run(net::stream& data,
                                                  running_transfer& progress) override;

  private:
    session& user_;
    const vfs::node& file_;
    std::uint64_t offset_;
};

/// Sends a file with its line ends in network form (RFC 959 section 3.1.1.1), from `from` on.
class text_retrieval final : public transfer_work {
  public:
    text_retrieval(session& user, const vfs::node& file, const text_place& from) noexcept
        : user_(user), file_(file), from_(from) {}

    [[nodiscard]] runtime::task<transfer_end> run(net::stream& data,
                                                  running_transfer& progress) override;

  private:
    session& user_;
    const vfs::node& file_;
    text_place from_;
};

}  // namespace ferry::ftp
