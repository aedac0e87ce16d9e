#pragma once

#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>

#include "ferry/runtime/task.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/tree.hpp"
#include "http/changes.hpp"
#include "http/content_check.hpp"

namespace ferry::http {

// How the content of a request becomes octets of an upload, and an upload a file.

/// Takes the content into an upload. The error is the content's with `is_content`, else the disk's.
struct received {
    std::optional<error> failed = {};
    bool is_content = false;
    bool is_too_long =
        false;  ///< It would have more than `bytes_max`; what is beyond is not in it.
};

struct receiving {
    content_reader& content;
    vfs::upload& into;
    content_check& check;                                                 ///< Is given what comes,
    content_check* also = nullptr;                                        ///< and so is this one.
    std::uint64_t bytes_max = std::numeric_limits<std::uint64_t>::max();  ///< Of all of `into`.
};
[[nodiscard]] runtime::task<received> receive(runtime::core& here, receiving what);

/// Gives `check` all that is in `from`, which reads back. Errors: of `vfs::upload::read`.
[[nodiscard]] runtime::task<result<void>> read_back(runtime::core& here, const vfs::upload& from,
                                                    content_check& check);

/// What content that did not come whole is answered with.
[[nodiscard]] response_plan plan_broken_content(const planning& plan, const content_reader& content,
                                                const error& why);

/// Parts with an upload that was cut off: whether its account may go on with it.
[[nodiscard]] runtime::task<bool> leave(const planning& plan, vfs::upload& cut);

/// What the digests of a request say: 400 where that cannot be.
struct said_digests {
    expected_digests content;         ///< Content-Digest: of what this request carries.
    expected_digests representation;  ///< Repr-Digest: of the whole.
};
[[nodiscard]] std::expected<said_digests, response_plan> digests_of(const planning& plan);

/// Gives an upload its name, and the answer to that. `seen` is what had the name before; with
/// `is_conditional` that is what the client has named. `repr_digest` is told, if there is one.
struct committing {
    const subject& seen;
    bool is_conditional = false;
    std::string repr_digest = {};
};
[[nodiscard]] runtime::task<response_plan> commit(const planning& now, vfs::upload& whole,
                                                  committing what);

}  // namespace ferry::http
