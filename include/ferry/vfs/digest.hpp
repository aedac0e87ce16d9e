#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <span>

#include "ferry/base/assert.hpp"
#include "ferry/base/result.hpp"
#include "ferry/base/units.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

enum class digest_algorithm : std::uint8_t {
    crc32,   ///< Of ISO 3309, as zlib and ZIP have it.
    crc32c,  ///< Castagnoli's, as iSCSI has it (RFC 3720 appendix B.4).
    md5,     ///< RFC 1321. Shows accidents only, as the CRCs and SHA-1 do.
    sha1,    ///< FIPS 180-4.
    sha256,
    sha512,
    blake2b,  ///< Of 512 bits (RFC 7693).
};

/// A digest of any algorithm: 4 to 64 octets, a CRC's most significant first.
class digest {
  public:
    digest() noexcept = default;
    explicit digest(std::span<const std::byte> octets) noexcept
        : size_bytes_(static_cast<std::uint8_t>(octets.size())) {
        FERRY_ASSERT(octets.size() <= octets_.size());
        std::ranges::copy(octets, octets_.begin());
    }
    [[nodiscard]] std::span<const std::byte> octets() const noexcept {
        return std::span(octets_).first(size_bytes_);
    }
    friend bool operator==(const digest&, const digest&) = default;

  private:
    std::array<std::byte, 64> octets_{};
    std::uint8_t size_bytes_ = 0;
};

/// Digests of whole files, found again by what fstat(2) says of the file: device, inode, size,
/// times of modification and change to the nanosecond. So a file that was written, replaced or
/// touched is another one, and what was kept of the old one is the first to make room. One for all
/// cores, because the same client comes to any of them and a digest costs a thousand times what the
/// look does. From any thread.
class digest_cache {
  public:
    /// 0: nothing is kept. An entry takes some 250 octets.
    explicit digest_cache(std::size_t entries_max = 4'096) noexcept : entries_max_(entries_max) {}

    [[nodiscard]] std::optional<digest> find(const metadata& file, digest_algorithm by);
    /// Keeps nothing when memory is out.
    void put(const metadata& file, digest_algorithm by, const digest& value) noexcept;
    [[nodiscard]] std::size_t size();

  private:
    struct key {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::uint64_t size_bytes = 0;
        wall_time modified;
        wall_time changed;
        digest_algorithm by = digest_algorithm::crc32;
        friend auto operator<=>(const key&, const key&) = default;
    };
    struct entry {
        key of;
        digest value;
    };
    struct table {
        std::list<entry> by_use;  ///< The last one used first.
        std::map<key, std::list<entry>::iterator> by_key;
    };
    static key key_of(const metadata& file, digest_algorithm by) noexcept;

    std::size_t entries_max_;
    runtime::rarely_shared<table> kept_;
};

struct digest_request {
    digest_algorithm by = digest_algorithm::sha256;
    std::uint64_t offset = 0;
    /// As much as there is, at most.
    std::uint64_t size_bytes = std::numeric_limits<std::uint64_t>::max();
    /// Only this machine changes the file's status and content (`tree::place_of`): where others
    /// may, the status need not tell, and nothing is kept.
    bool is_local = false;
};

struct digest_made {
    digest value;
    std::uint64_t size_bytes = 0;  ///< How many octets it is of.
};

/// Makes one core's digests. Outlives them; `known` outlives it.
class digests {
  public:
    /// So many at once: more would only wait in the pool's line, and an upload's sync behind all of
    /// them.
    static constexpr std::size_t at_once_max = 4;

    /// After so many octets of a file the next one has its turn: some sessions that ask for the
    /// digests of huge files, sparse ones of no size on the disk among them, would have all turns
    /// for hours.
    static constexpr std::uint64_t turn_bytes_max = 256_MiB;

    /// `a_turn`: octets of a turn.
    digests(runtime::core& here, digest_cache& known,
            std::uint64_t a_turn = turn_bytes_max) noexcept
        : here_(here), known_(known), turns_(here, at_once_max), turn_bytes_max_(a_turn) {}

    /// The digest of the octets that `file` holds as this returns, which is not the status of its
    /// open: a file that has grown since is hashed to its end. Reads and hashes on the offload
    /// pool, 4 MiB at a time, each piece in line behind what others have given the pool meanwhile
    /// (decision 0012), so neither a core nor a thread is gone for more than some milliseconds. A
    /// stop is heeded between two pieces. Beyond `at_once_max` it waits for its turn, and after
    /// each `turn_bytes_max` again, behind all that wait by then.
    ///
    /// A whole file's digest is kept, and found again, unless the file was changed in the last two
    /// seconds: then it may change again with the same times (threats.md, V8). As with them, a
    /// program that writes through a memory map may be seen late.
    ///
    /// Errors: errc::is_directory, invalid (the offset is beyond the end), busy (it was changed
    /// while it was read, twice: try again), unsupported (this OpenSSL has no such algorithm, as in
    /// FIPS mode), exhausted, io, cancelled.
    [[nodiscard]] runtime::task<result<digest_made>> of(const node& file, digest_request what);

  private:
    runtime::core& here_;
    digest_cache& known_;
    runtime::permits turns_;
    std::uint64_t turn_bytes_max_;
};

}  // namespace ferry::vfs
