#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/list_format.hpp"
#include "ftp/session.hpp"

namespace ferry::ftp {

enum class listing_style : std::uint8_t {
    unix_lines,  ///< LIST and STAT.
    names,       ///< NLST.
    facts,       ///< MLSD.
};

/// What is listed and how.
struct listing_request {
    listing_style style = listing_style::unix_lines;
    list_request wanted;  ///< Its views must outlive the source.
};

/// The lines of a listing as a stream of pieces, whoever they are for: one entry, one directory,
/// the names in it that match a pattern, or a whole branch (-R). In memory there is one batch of
/// the directory, or all of a directory small enough to come sorted, within `service::listings`.
///
/// -t, -S and -r order a directory that comes sorted; a larger one stays as the file system has it.
/// -R lists every directory once, at most `directories_max` of them, and leaves out those found
/// while the names of the ones to come fill `directory_names_bytes_max`.
class listing_source {
  public:
    static constexpr std::size_t directories_max = 10'000;
    static constexpr std::size_t directory_names_bytes_max = 4_MiB;

    /// `user` must outlive it, and so must what the views in `request` point at.
    listing_source(const session& user, const listing_request& request) noexcept
        : user_(user), request_(request) {}

    /// Finds what is to be listed. Once. Errors: of the name (`reply_for`); errc::not_directory for
    /// MLSD of a file: 501 (RFC 3659 section 7.2.1); errc::busy: too many are listed at once, 450.
    [[nodiscard]] runtime::task<result<void>> open();

    /// Appends the next lines, each with CR LF, to `out` until it is some 64 KiB long. False when
    /// there are no more. Errors: what reading a directory fails with.
    [[nodiscard]] runtime::task<result<bool>> next(std::string& out);

    /// After `open`: it lists the content of a directory.
    [[nodiscard]] bool lists_directory() const noexcept { return lists_directory_; }
    /// What was named.
    [[nodiscard]] const vfs::path& seen() const noexcept { return seen_; }
    /// Directories were left out of a listing with -R: there are too many.
    [[nodiscard]] bool is_cut() const noexcept { return is_cut_; }

  private:
    struct place {
        vfs::path where;    ///< As the user sees it.
        std::string shown;  ///< As it stands in the listing.

        [[nodiscard]] std::size_t octets() const noexcept {
            return where.text().size() + shown.size();
        }
    };

    [[nodiscard]] runtime::task<result<void>> begin(place directory, vfs::node opened,
                                                    runtime::time_point turn_deadline);
    [[nodiscard]] runtime::task<> begin_next_below();
    [[nodiscard]] runtime::task<> append_dots(const vfs::metadata& itself);
    [[nodiscard]] runtime::task<> take(std::span<const vfs::directory_entry> batch, bool is_whole);
    /// What a line of facts says besides the entry's own.
    struct line_about {
        entry_role role = entry_role::child;
        auth::rights allowed;  ///< To the user, there.
    };
    void append_line(std::string& out, const vfs::directory_entry& entry, line_about about) const;
    void remember_below(const vfs::directory_entry& entry);

    const session& user_;
    listing_request request_;
    vfs::path seen_;
    std::string pattern_;
    std::string waiting_;  ///< Lines that are ready: of a single entry, headings, "." and "..".
    place directory_;      ///< The one being listed.
    std::string directory_in_tree_;
    std::optional<vfs::listing> entries_;
    std::vector<const vfs::directory_entry*> batch_;
    std::size_t batch_done_ = 0;
    std::vector<place> found_;      ///< Directories in the one being listed, for -R.
    std::vector<place> below_;      ///< Directories to come, the next one last.
    std::size_t below_octets_ = 0;  ///< Of the names in `found_` and `below_`.
    std::set<std::pair<std::uint64_t, std::uint64_t>> listed_;  ///< Device and inode, for -R.
    std::int64_t now_seconds_ = 0;
    bool lists_directory_ = false;
    bool is_cut_ = false;
};

}  // namespace ferry::ftp
