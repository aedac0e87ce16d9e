#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ferry/http/content_coding.hpp"
#include "ferry/http/server.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/file_cache.hpp"

namespace ferry::http {

/// The packed contents of one core's files: made once on the offload pool, found again by what the
/// file system says of the file, so that none is older than its file. The least recently used give
/// way; when answers that nobody takes hold as much again, nothing further is packed. One a core;
/// outlives its answers.
class coded_bodies {
  public:
    coded_bodies(runtime::core& here, const compression& numbers);
    coded_bodies(const coded_bodies&) = delete;
    coded_bodies& operator=(const coded_bodies&) = delete;
    ~coded_bodies();

    using body_ptr = std::shared_ptr<const std::string>;

    /// All of `file` in `how`. Null: send it as it is, because packing gains nothing, too many are
    /// being made, the file has changed since it was opened, or it cannot be read.
    ///
    /// `file` is a regular file of `compression::size_bytes_min` to `size_bytes_max` octets that
    /// has not changed within the resolution of its times (`validators::last_modified_is_strong`).
    /// Who comes while another makes the same waits for it. Cost: of one that is there, a look into
    /// a table.
    [[nodiscard]] runtime::task<body_ptr> get(vfs::shared_file_ptr file, content_coding how);

    /// All of `file` in `how` if that is kept, else null; counts as a use of it. Cost: a look into
    /// a table.
    [[nodiscard]] body_ptr find(const vfs::metadata& file, content_coding how) noexcept;

    /// False: it is known that packing `file` so gains nothing.
    [[nodiscard]] bool may_gain(const vfs::metadata& file, content_coding how) const noexcept;

    [[nodiscard]] std::size_t size_bytes() const noexcept;  ///< Of all that are kept.

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::http
