#pragma once

#include <string>
#include <string_view>

#include "ferry/net/stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/incoming_form.hpp"
#include "ftp/representation.hpp"
#include "ftp/restart_marker.hpp"
#include "ftp/session.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

/// Receives a file into `into` until the client ends the data connection in order, then commits it.
/// Whatever else ends it leaves the upload uncommitted, so nothing of it stays but a hidden part
/// that its owner can go on with (threats.md, V12).
class storage final : public transfer_work {
  public:
    /// `from`: where in the file and in the transfer it begins.
    storage(session& user, vfs::upload& into, const upload_place& from = {}) noexcept
        : user_(user), into_(into), from_(from) {}

    [[nodiscard]] runtime::task<transfer_end> run(net::stream& data,
                                                  running_transfer& progress) override;

    [[nodiscard]] file_use use() const noexcept override { return file_use::content; }

    /// Keeps what has come and is not committed, if somebody may go on with it, or drops it.
    /// Nothing when `run` has seen to that.
    [[nodiscard]] runtime::task<> leave();

  private:
    [[nodiscard]] runtime::task<transfer_end> receive_and_commit(net::stream& data,
                                                                 running_transfer& progress);
    [[nodiscard]] runtime::task<transfer_end> receive_image(net::stream& data,
                                                            running_transfer& progress);
    [[nodiscard]] runtime::task<transfer_end> receive_formed(net::stream& data,
                                                             running_transfer& progress);
    [[nodiscard]] runtime::task<transfer_end> take_piece(incoming_form& form,
                                                         std::string_view& left);
    [[nodiscard]] runtime::task<transfer_end> end_by_close(incoming_form& form);
    [[nodiscard]] runtime::task<transfer_end> confirm_marker(const incoming_form& form);

    session& user_;
    vfs::upload& into_;
    upload_place from_;
    std::string stored_;    ///< Octets of the file, a piece.
    bool has_end_ = false;  ///< The end of the file was in what came: the file is whole.
    bool is_over_ = false;
};

}  // namespace ferry::ftp
