#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/text_hash.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/intrusive_list.hpp"

namespace ferry::vfs {

class change_watch;

/// What somebody's knowledge of a file rests on: names in directories, and the file itself. Broken
/// by the first change of any of them, for good. Must not outlive its watch.
class trail {
  public:
    trail() = default;
    trail(const trail&) = delete;
    trail& operator=(const trail&) = delete;
    virtual ~trail();

    [[nodiscard]] bool is_broken() const noexcept { return is_broken_; }

  protected:
    /// Called once, while the watch reads its queue. May neither destroy a trail nor add to one.
    virtual void on_broken() noexcept {}
    /// Of `change_watch::watch_content`: something has happened to the entry `name`. Under the same
    /// rules as `on_broken`. False: then it is broken.
    virtual bool on_entry([[maybe_unused]] std::string_view name) noexcept { return false; }

  private:
    friend change_watch;
    struct mark : runtime::list_node {
        trail* owner = nullptr;
        int watch = -1;
        std::string name;  ///< Empty: what is watched itself.
    };

    void break_off() noexcept;

    change_watch* watch_ = nullptr;
    std::vector<std::unique_ptr<mark>> marks_;
    bool is_broken_ = false;
};

/// Something open, and which inode it is.
struct opened_inode {
    int fd = -1;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};

/// One inotify instance and who wants to know of which change. Used by one thread.
class change_watch {
  public:
    /// errc::exhausted, unsupported: there is nothing to watch with.
    [[nodiscard]] static result<std::unique_ptr<change_watch>> open();
    /// Of an inotify descriptor.
    explicit change_watch(unique_fd events) noexcept : events_(std::move(events)) {}
    change_watch(const change_watch&) = delete;
    change_watch& operator=(const change_watch&) = delete;
    ~change_watch();

    /// From here on `what` is broken when the entry `name` of the open directory is made, removed,
    /// replaced, renamed, or gets another owner or mode; also when that happens to the directory
    /// itself. Errors: of inotify_add_watch(2): errc::no_space (too many watches), denied (it may
    /// not be read), not_found (no /proc). Throws std::bad_alloc.
    /// Cost: 3 us and a watch of the kernel's for a directory that is not watched yet, else a
    /// `look`.
    [[nodiscard]] result<void> watch_entry(trail& what, opened_inode directory,
                                           std::string_view name);

    /// The same for what is written to an open file, and its times, owner and mode.
    [[nodiscard]] result<void> watch_file(trail& what, opened_inode file);

    /// From here on `what` is told (`on_entry`) when anything happens to an entry of the open
    /// directory, what is written to it by its name there included, and broken when it happens to
    /// the directory itself. What happens to a file by another name, in a directory beneath, and by
    /// mmap(2), is not told. Of a watch that is for nothing else: the kernel keeps one mask a
    /// directory. Errors and cost as `watch_entry`.
    [[nodiscard]] result<void> watch_content(trail& what, opened_inode directory);

    /// Breaks every trail that something has happened to by now. Cost: one read(2) when nothing
    /// has.
    void look() noexcept;

    /// Breaks all trails.
    void break_all() noexcept;

    [[nodiscard]] std::size_t watched() const noexcept { return inodes_.size(); }

  private:
    friend trail;
    using marks = runtime::intrusive_list<trail::mark>;
    struct inode_key {
        std::uint64_t device;
        std::uint64_t inode;
        friend bool operator==(const inode_key&, const inode_key&) noexcept = default;
    };
    struct inode_hash {
        std::size_t operator()(const inode_key& key) const noexcept {
            return std::hash<std::uint64_t>{}(key.inode * 31 + key.device);
        }
    };
    struct watched_inode {
        inode_key key;
        marks itself;
        marks content;  ///< Itself and whatever is in it.
        std::unordered_map<std::string, marks, text_hash, std::equal_to<>> entries;
    };

    using inode_table = std::unordered_map<int, watched_inode>;

    [[nodiscard]] result<void> watch(trail& what, opened_inode which, std::string_view name,
                                     std::uint32_t mask);
    [[nodiscard]] result<int> find_or_add(opened_inode which, std::uint32_t mask);
    void forget(inode_table::iterator which) noexcept;
    void release(trail::mark& mark) noexcept;
    void take(int watch, std::uint32_t mask, std::string_view name) noexcept;
    static void break_marks(marks& some) noexcept;
    static void tell(marks& some, std::string_view name) noexcept;

    unique_fd events_;
    inode_table inodes_;  ///< By watch descriptor.
    std::unordered_map<inode_key, int, inode_hash> watch_of_;
};

}  // namespace ferry::vfs
