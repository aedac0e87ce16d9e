#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/file_span.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/replacements.hpp"
#include "ferry/vfs/tree_options.hpp"

namespace ferry::vfs {

struct directory_text;  // ferry/vfs/listing_cache.hpp

/// An open regular file or directory, with its status as of the open. Move-only; closes itself. A
/// directory that only holds mount points has no descriptor.
/// What it promised stays true for its holder: renamed over or removed, it is still the old file
/// (V7).
class node {
  public:
    /// `closing` as for `close_file`; may be null.
    node(unique_fd open, const metadata& status, runtime::offload_pool* closing = nullptr) noexcept
        : fd_(std::move(open)), status_(status), closing_(closing) {}
    node(node&&) noexcept = default;
    node& operator=(node&& other) noexcept;
    ~node();

    [[nodiscard]] const metadata& status() const noexcept { return status_; }
    [[nodiscard]] bool is_directory() const noexcept {
        return status_.kind == file_kind::directory;
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    /// Whether `status` is still what the file system says of it, by an inline fstat(2): for who
    /// has read it and wants to know of what. False also when it cannot be told.
    [[nodiscard]] bool is_as_opened() const noexcept;

    /// `size_bytes` octets from `offset` on, to be sent while this node lives. Regular files only.
    [[nodiscard]] runtime::file_span span(runtime::file_span part) const noexcept {
        part.fd = fd_.get();
        part.identity = identity_of(status_);
        return part;
    }

    /// Reads up to `into.size()` octets at `offset`, at most 1 MiB a call; 0 is the end of the
    /// file. What is in memory comes without suspending. Errors: errc::is_directory, errc::io and
    /// whatever the file system says.
    [[nodiscard]] runtime::task<result<std::size_t>> read(runtime::core& here,
                                                          std::span<std::byte> into,
                                                          std::uint64_t offset) const;

  private:
    unique_fd fd_;
    metadata status_;
    runtime::offload_pool* closing_;
};

/// How the names of a directory are delivered.
struct listing_options {
    /// A directory of at most this many entries comes sorted by name (octet order); a larger one
    /// comes in the file system's order, in bounded memory.
    std::size_t sorted_entries_max = 10'000;
    /// Shared with the other listings of the core; null: only the above bounds it. When too many
    /// large directories are held in memory already, a further one comes as a larger one does.
    listing_bounds* bounds = nullptr;
    /// Until when to wait for the turn to begin, with `bounds`.
    runtime::time_point turn_deadline = runtime::never;
    /// Entries that take the place of what the directory has under their names, in any spelling
    /// that is one with theirs by `overlay_rules`.
    std::vector<directory_entry> overlay = {};
    name_rules overlay_rules = {};
    /// Entries are names and nothing else, for who looks for one.
    bool names_only = false;
};

/// The entries of one directory as a stream of batches: without ".", ".." and ferry's own temporary
/// names. What vanished while being read is left out, and with a directory that was removed the
/// rest of its names; a link leading nowhere or out of the tree comes as `file_kind::symlink`.
/// Move-only. Must outlive neither the tree that made it nor the bounds it was begun with.
class listing {
  public:
    struct state;
    explicit listing(std::unique_ptr<state> made) noexcept;
    listing(listing&&) noexcept;
    listing& operator=(listing&&) noexcept;
    ~listing();

    /// The next entries, valid until the next call; empty at the end. All of a sorted directory at
    /// once, of a larger one some hundreds. Read on the offload pool, so no directory however large
    /// holds up a core.
    [[nodiscard]] runtime::task<result<std::span<const directory_entry>>> next(runtime::core& here);

    /// True when `next` has nothing more to read from the disk: what it returns next is all there
    /// is, sorted. Known after `list` returned: a small directory has been read whole by then.
    [[nodiscard]] bool is_complete() const noexcept;

    /// What `keep_form` was given for `key` by a listing of the same entries; null: nothing. Of a
    /// complete listing, before `next` has come to the end.
    [[nodiscard]] std::shared_ptr<const directory_text> kept_form(
        std::string_view key) const noexcept;
    /// Lets listings of the same entries have `made`, which has been made of all of them and
    /// depends on nothing else but what `key` says. Where entries are not kept, neither is that;
    /// what it gives is there in any case.
    [[nodiscard]] std::shared_ptr<const directory_text> keep_form(std::string key,
                                                                  directory_text made) const;

    /// Hands over the permit to hold this much in memory, to whoever goes on holding what was made
    /// of the entries; nothing for a small directory. The listing itself gives it back as soon as
    /// what it has read ahead is delivered and replaced.
    [[nodiscard]] std::optional<runtime::permits::permit> take_hold() noexcept;

  private:
    std::unique_ptr<state> state_;
};

/// What a commit waits for before readers see the new file.
enum class durability : std::uint8_t {
    none,  ///< Nothing: after a crash of the machine the new file may be torn or gone.
    data,  ///< Its content is on stable storage first: after a crash old or new, never torn.
    full,  ///< And its name is too: once acknowledged it is new.
};

/// What an upload does with the file that has the name already.
enum class upload_mode : std::uint8_t {
    replace,  ///< The new content takes its place.
    append,   ///< The new content begins with all of the old one (APPE; a missing file is empty).
              ///< Costs a copy of it, shared blocks where the file system can.
    restart,  ///< The new content is the old one, overwritten from `restart_offset` on, its tail
              ///< kept. Costs as `append`.
    create,   ///< The name must be free: errc::exists otherwise, again checked at the commit.
};

struct upload_options {
    upload_mode mode = upload_mode::replace;
    std::uint64_t restart_offset = 0;  ///< For `restart`: at most the old size, else errc::invalid.
    /// Mode bits (0777) of a new file, less the umask. A replaced file's are kept instead, without
    /// set-id bits; its owner, group and extended attributes are not.
    std::uint32_t permissions = 0644;
    /// How large the whole file is going to be, where that is known; with `append` how much comes.
    /// If that is `reserved_bytes_min` or more, the room is set aside first, so that a disk too
    /// full says so before an octet is taken. It binds nobody: fewer or more may be written.
    std::optional<std::uint64_t> size_bytes = {};
    /// An account, for who may go on with what is cut off; empty: nobody. To a name that nobody has
    /// yet, `upload::keep` leaves a part for it, and `append` and `restart` go on with that part
    /// where there is one: its size is then what counts as the old size.
    std::string part_owner = {};
    /// With `append`: how large a part of `part_owner` was said to be (`tree::part_status`). What
    /// comes is the rest of that one, so unless it is gone on with the answer is errc::busy: it was
    /// taken, or changed, or somebody has the name. With a part of its own (`owner_apart`) and
    /// `replace` or `create`: goes on with that part, of that size; else with none, from nothing.
    std::optional<std::uint64_t> part_bytes = {};
    /// What is written is going to be read again, by `upload::read`.
    bool reads_back = false;
    /// Who uploads, for `tree::note_replacements`; empty: somebody who never goes on.
    std::string account = {};
    /// With `replace`: whatever has the name at the beginning must have it still at the commit, and
    /// be as it was; else errc::busy there. For who has compared it with what a client expects.
    bool only_if_unchanged = false;
};

/// The owner of a part that is apart from all others of `account` (may be empty): known by `id` (at
/// least 1 octet, no '/'), whether or not somebody has the name it is to get, and even if nothing
/// has come yet. With `upload_options::part_owner` such a part is what the upload is in the end,
/// and nothing of an old file: `append` and `restart` are not for it. errc::unsupported from
/// `tree::begin_upload`: none can be kept there, or under a name that long.
[[nodiscard]] std::string owner_apart(std::string_view id, std::string_view account);

/// Room for less is not asked for: so much has come before any answer has gone.
inline constexpr std::uint64_t reserved_bytes_min = 1_MiB;

/// A file being written that nobody sees yet: unnamed where the file system can (O_TMPFILE), else
/// under a hidden name of ferry's own. `commit` gives it its name in one step; readers, and a
/// crash, see the old content or the new, never a mixture (V12). Dying uncommitted it leaves
/// nothing behind; only a crash may leave a hidden name. Move-only. Must not move, die or be used
/// again while one of its tasks is under way.
///
/// A name that is a symbolic link is what gets replaced, as by rename(2): what it led to stays as
/// it was. A link that leads to a directory in the tree counts as that directory.
class upload {
  public:
    struct state;
    explicit upload(std::unique_ptr<state> made) noexcept;
    upload(upload&&) noexcept;
    upload& operator=(upload&&) noexcept;
    ~upload();

    /// Appends all of `octets` (at the restart offset first), in turns of 256 KiB so that others
    /// have theirs. Errors: errc::no_space, over_quota, too_large, io, cancelled: the upload is
    /// lost (every later call says the same); drop it. Over the quota of the tree is what would be
    /// more than the file it replaces had, and than there is room for beside all others.
    [[nodiscard]] runtime::task<result<void>> write(runtime::core& here,
                                                    std::span<const std::byte> octets);

    /// Writes what `from` holds, as much as that was when it was opened: blocks are shared where
    /// the file system can, else copied in the kernel or through memory. In pieces of 16 MiB at
    /// most on the offload pool, each behind what others have given it meanwhile. Nothing may have
    /// been written before. A file that is written in place meanwhile is taken over as it is read.
    /// Where blocks cannot be shared the room for `reserved_bytes_min` or more is set aside first.
    ///
    /// Errors: as `write`, and errc::busy: it was cut shorter meanwhile.
    [[nodiscard]] runtime::task<result<void>> write_all_of(runtime::core& here, const node& from);

    /// Reads up to `into.size()` octets of what there is so far, at `offset`; 0 is its end. With
    /// `upload_options::reads_back`. Errors: errc::io and whatever the file system says.
    [[nodiscard]] runtime::task<result<std::size_t>> read(runtime::core& here,
                                                          std::span<std::byte> into,
                                                          std::uint64_t offset) const;

    /// Takes back what was written, so that `keep` leaves what this upload began with: for content
    /// that turns out not to be what its sender meant. What was taken over of a file is not kept.
    void take_back() noexcept;

    /// How large the content is by now, what it went on with included.
    [[nodiscard]] std::uint64_t size_bytes() const noexcept;

    /// Octets of the writes that succeeded; what `append` and `restart` took over not counted.
    [[nodiscard]] std::uint64_t written_bytes() const noexcept;

    /// What the file system says of it by now: after the commit, of what was committed, whatever
    /// has the name since. By an inline fstat(2). Errors: errc::io.
    [[nodiscard]] result<metadata> status() const noexcept;

    /// Gives the content its name. Once it has returned success the file is there for every reader.
    /// Not cut short by a stop request, earlier or during: what was begun is finished. At most
    /// once.
    ///
    /// Errors: errc::exists (`create`), busy (`append`, `restart`, `only_if_unchanged`: somebody
    /// has replaced or written the file meanwhile, and that would be lost; begin anew),
    /// is_directory, not_found (the directory was removed), no_space, over_quota (what it was to
    /// replace has become smaller or gone), denied, io: the old file still stands. One exception:
    /// with `durability::full` a failure to sync the directory comes after the name was given; the
    /// new file is there, but a crash may undo it. `full` needs permission to read the directory,
    /// else denied.
    [[nodiscard]] runtime::task<result<void>> commit(runtime::core& here, durability level);

    /// Leaves what was written as a part under a hidden name, in the place of an older one of the
    /// same owner and name, so that a later upload can go on with it: see
    /// `upload_options::part_owner`. Waits for its octets to be on stable storage, where `level`
    /// is not `none`: a part that a crash has torn would make a torn file. Deaf to stop requests.
    ///
    /// Errors: errc::unsupported (nothing came, a write failed, the name is taken, or nobody may go
    /// on with it; a part apart stays in the first and the third case, too), or why it failed:
    /// `discard` it. After success nothing else may follow.
    [[nodiscard]] runtime::task<result<void>> keep(runtime::core& here, durability level);

    /// Drops what was written and waits until its space is free again, off the core: before the
    /// client is told that there was none. Deaf to stop requests. For an upload that failed; one
    /// that dies without it is dropped all the same, some time later. Nothing else may follow.
    [[nodiscard]] runtime::task<> discard(runtime::core& here);

  private:
    std::unique_ptr<state> state_;
};

/// What `tree::remove_leftovers` remembers of the directories that it has still to read, at most.
inline constexpr std::size_t leftovers_ahead_bytes_max = 1_MiB;

/// When it is worth while to look again for what was `undecided`: everything that the first look
/// found left behind has come of age by then.
inline constexpr runtime::duration leftovers_look_again = std::chrono::minutes(121);

/// What `tree::remove_leftovers` removes.
enum class leftover_kinds : std::uint8_t {
    all,
    parts,  ///< Those of `tree::keep_parts`, which are known by their age alone.
};

struct leftovers_found {
    std::size_t removed = 0;
    std::size_t parts_removed = 0;  ///< Of `tree::keep_parts`, too old.
    /// Files on file systems that other machines may share: in use, or changed a short while ago.
    std::size_t undecided = 0;
    /// Directories that it did not look into, nor into those beneath: more would have had to be
    /// remembered, or they lie too deep.
    std::size_t passed_over = 0;
};

/// Where a name of a tree lies among the files of this machine, for who watches it change.
struct machine_place {
    int root = -1;  ///< An open directory (O_PATH) that the tree keeps open.
    path name;      ///< Beneath it.
    /// Of stat(2), of the file system there. What is on another one is not known as local.
    std::uint64_t device = 0;
};

/// A tree of files behind every protocol. A value without per-core state: all cores share one. It
/// outlives every task, listing and upload it began.
///
/// Every operation resolves names beneath the root only; relative links inside the tree are
/// followed, links leading out are errc::outside_tree, and so is every absolute link, wherever it
/// leads: where `tree_options` do not say otherwise. Errors are those of `errc`; besides the ones
/// named below any of denied, io, exhausted, name_too_long, not_directory may come from the system.
class tree {
  public:
    virtual ~tree() = default;

    /// Lets `pool` close what is large and has no name any more: an abandoned upload, a replaced or
    /// removed file whose last reader leaves. Freeing its blocks takes 0.1 to 0.5 s a GiB, and
    /// without a pool the core that closes it stands still meanwhile. Call before the cores start;
    /// the pool must outlive every node and upload of this tree.
    virtual void close_on([[maybe_unused]] runtime::offload_pool& pool) noexcept {}

    /// Lets uploads that are cut off leave a part, and go on with it for `age_max` after its last
    /// octet; 0, as at first, for never. `remove_leftovers` removes parts a quarter older. Call
    /// before the cores start.
    virtual void keep_parts([[maybe_unused]] runtime::duration age_max) noexcept {}

    /// Counts what changes for the homes in `homes`, this tree being `at` a name of the whole one.
    /// What `subtree` makes counts too. Call before the cores start; `homes` must outlive them.
    virtual void count_for([[maybe_unused]] home_table& homes, [[maybe_unused]] const path& at) {}

    /// Notes in `table` the uploads of accounts (`upload_options::account`) in the place of a file:
    /// see `replacement_of`. Call before the cores start; `table` must outlive them.
    virtual void note_replacements([[maybe_unused]] replacement_table& table) noexcept {}

    /// Holds what is made through this tree to a quota: uploads, directories, and what a rename
    /// brings in are errc::over_quota where the home would have more than it may, and errc::busy as
    /// long as nobody knows what it has (`charge::wait_for_count`). For the tree of one session,
    /// which `subtree` has made for its home: call before it is used. Errors: as `subtree`.
    [[nodiscard]] virtual runtime::task<result<void>> hold_to(runtime::core& here,
                                                              held_to limit) = 0;

    /// Counts what lies beneath the root, which is not counted itself; no link is followed. Of the
    /// directories in `apart` only the name counts: what is in them is counted elsewhere. Reads on
    /// the offload pool, in its turn among the core's listings, and yields between any two. Stops
    /// when asked to, and has then counted less.
    [[nodiscard]] virtual runtime::task<measured> measure(
        runtime::core& here, listing_bounds& turns,
        std::span<const directory_id> apart = {}) const = 0;

    /// Opens a regular file or a directory for reading. Never waits for a FIFO or device: those are
    /// errc::not_regular at once (V4). Also errc::not_found, outside_tree; errc::busy when renames
    /// kept racing with the resolution (V3). A name that `wants_directory` and is a file:
    /// not_directory.
    [[nodiscard]] virtual runtime::task<result<node>> open(runtime::core& here,
                                                           const path& name) const = 0;

    /// What `open` would find under `name`, without permission to read it. A name that
    /// `wants_directory` takes permission to search that directory, as chdir(2) does: one may enter
    /// what one may not list. Errors as `open`.
    [[nodiscard]] virtual runtime::task<result<metadata>> status(runtime::core& here,
                                                                 const path& name) const = 0;

    /// Where `name` lies, if nobody but this machine can change what is there; nothing where others
    /// may (NFS, SMB, FUSE), and in trees without a place. Valid as long as this tree.
    [[nodiscard]] virtual std::optional<machine_place> place_of(
        [[maybe_unused]] const path& name) const {
        return std::nullopt;
    }

    /// What the tree itself refuses in the directory `name`, whoever asks: for who offers changes.
    struct allowed_changes {
        bool names = true;                  ///< Nothing at all, where false.
        bool uploads = true;                ///< Files may be stored,
        bool replacing = true;              ///< also in the place of others.
        std::vector<std::string> points{};  ///< Mount points in it: no change takes these away.
    };
    [[nodiscard]] virtual allowed_changes allowed_in([[maybe_unused]] const path& name) const {
        return {};
    }

    /// Begins listing an open directory. `name` is where it was opened, for following links in it.
    /// errc::not_directory, errc::denied (no permission to read it), errc::busy (its turn did not
    /// come in time: 503, 450).
    [[nodiscard]] virtual runtime::task<result<listing>> list(runtime::core& here, node directory,
                                                              const path& name,
                                                              listing_options options) const = 0;

    /// Begins an upload to `name`. errc::is_directory (also the root and a name that
    /// `wants_directory`), not_found (no such directory), not_regular (a FIFO or device has the
    /// name), exists (`create`), invalid (`restart` beyond the end). With a size known beforehand:
    /// no_space, over_quota, too_large (more than the file system lets a file have). Where the
    /// account's home is full already: over_quota. `append` and
    /// `restart` of a link that leads out: outside_tree.
    [[nodiscard]] virtual runtime::task<result<upload>> begin_upload(
        runtime::core& here, const path& name, upload_options options) const = 0;

    /// How many octets the file system of the directory `name` has room for, as it says (statfs(2),
    /// what is kept for root not counted); a quota of `hold_to` is not looked at. Asked on the
    /// offload pool: a file server may take its time. errc::not_found, not_directory; read_only or
    /// denied where nothing can be stored.
    [[nodiscard]] virtual runtime::task<result<std::uint64_t>> free_octets(
        runtime::core& here, const path& name) const = 0;

    /// What `owner` has left of an upload to `name` that was cut off, where nobody has the name;
    /// the part apart of `owner_apart` wherever it is. errc::not_found.
    [[nodiscard]] virtual runtime::task<result<metadata>> part_status(
        runtime::core& here, const path& name, std::string_view owner) const = 0;

    /// Removes that. Errors as `part_status`, and of the file system.
    [[nodiscard]] virtual runtime::task<result<void>> remove_part(runtime::core& here,
                                                                  const path& name,
                                                                  std::string_view owner) const = 0;

    /// What there is against going on with the file `name` from the size it has (`append`,
    /// `restart`), for `account`: whether an upload of its own that was to replace the file is
    /// under way or was cut off. Of `name`, not of what a link leads to. None where nobody has the
    /// name, and without `note_replacements`. Errors as `open`, of the directory that the name is
    /// in.
    [[nodiscard]] virtual runtime::task<result<replacement>> replacement_of(
        runtime::core& here, const path& name, std::string_view account) const = 0;

    /// Removes a file, or a link and not what it leads to. errc::is_directory for a directory,
    /// errc::denied for the root. `expected`, unless null: what `status` has said of the name; if
    /// it is another file by now, or has other octets, errc::busy, and nothing happens. Looked at
    /// while nobody of this process changes the name (threats.md, F13).
    [[nodiscard]] virtual runtime::task<result<void>> remove_file(
        runtime::core& here, const path& name, const metadata* expected = nullptr) const = 0;

    /// Removes an empty directory. errc::not_empty, not_directory; errc::denied for the root.
    [[nodiscard]] virtual runtime::task<result<void>> remove_directory(runtime::core& here,
                                                                       const path& name) const = 0;

    /// Makes a directory with mode 0755, less the umask. errc::exists, not_found (no parent).
    [[nodiscard]] virtual runtime::task<result<void>> make_directory(runtime::core& here,
                                                                     const path& name) const = 0;

    struct link_names {
        const path& name;
        const path& target;
    };
    /// Makes `name` a symbolic link to what `target` names, which must be there. What the link says
    /// is the way from its own directory, so it leads to the same wherever the tree lies, and never
    /// out of it. errc::exists, not_found (no parent, no target), invalid (the link would lie in
    /// its own target), denied (the mount follows no links), outside_tree (the way to `name` leads
    /// by links: from there the same words could say something else), unsupported where the two lie
    /// in different mounts.
    [[nodiscard]] virtual runtime::task<result<void>> make_link(runtime::core& here,
                                                                link_names names) const = 0;

    struct rename_names {
        const path& from;
        const path& to;
        bool replace = true;                 ///< False: errc::exists when `to` is taken.
        const metadata* expected = nullptr;  ///< Of `from`, as for `remove_file`.
    };
    /// Renames within the tree, atomically; a link is renamed itself. Errors as rename(2):
    /// errc::invalid (a directory into itself), is_directory, not_directory, not_empty (what `to`
    /// is does not give way), denied (the root); unsupported when the two names lie on different
    /// file systems.
    [[nodiscard]] virtual runtime::task<result<void>> rename(runtime::core& here,
                                                             rename_names names) const = 0;

    /// The directory `name` as a tree of its own: every name and every link ends beneath it, those
    /// that would lead elsewhere in this tree are errc::outside_tree there. Stays that directory
    /// when it is renamed. Takes a descriptor; independent of this tree but for what `close_on`
    /// asks. errc::not_found, not_directory.
    [[nodiscard]] virtual runtime::task<result<std::unique_ptr<tree>>> subtree(
        runtime::core& here, const path& name) const = 0;

    /// Sets the modification time of a file or directory (MDTM, MFMT), the access time not. Takes
    /// no permission to read it. errc::not_regular, denied (not the owner's).
    [[nodiscard]] virtual runtime::task<result<void>> set_modified(runtime::core& here,
                                                                   const path& name,
                                                                   wall_time modified) const = 0;

    /// Sets the permission bits (0777) of a file or directory; a file loses its set-id and sticky
    /// bits (V14), a directory keeps what it has of them. Takes no permission to read it.
    /// errc::invalid (other bits: nothing is done), not_regular, denied (not the owner's).
    [[nodiscard]] virtual runtime::task<result<void>> set_permissions(
        runtime::core& here, const path& name, std::uint32_t permissions) const = 0;

    /// Removes what uploads that a crash cut short have left under hidden names, anywhere in the
    /// tree, and parts that are too old (`keep_parts`; all, where none are kept): regular files of
    /// this process's own user, with one other name at most. Those of
    /// uploads under way, of this process or of another that serves the same files, stay: each
    /// holds a lock. Where locks may not tell of other machines (NFS, SMB, FUSE; all but file
    /// systems known as local), a file must also have been left alone for two hours, by the file
    /// system's own clock: look again after `leftovers_look_again` at what is younger.
    ///
    /// Goes through all directories, so run it beside the service: reads on the offload pool, in
    /// its turn among the core's listings (`turns`), and yields between any two. Stops when asked
    /// to. What cannot be read or removed is passed over.
    [[nodiscard]] virtual runtime::task<leftovers_found> remove_leftovers(
        runtime::core& here, listing_bounds& turns, leftover_kinds what) const = 0;
};

/// Opens `directory` (a path of the host) as a tree. Never suspends; for start-up.
/// Errors: errc::not_found, not_directory, denied.
[[nodiscard]] result<std::unique_ptr<tree>> open_local_tree(const char* directory,
                                                            tree_options options = {});

}  // namespace ferry::vfs
