#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "content.hpp"
#include "ferry/runtime/time.hpp"
#include "path_history.hpp"
#include "report.hpp"

namespace ferry::sim::test {

/// What an upload was promised to outlive: `vfs::durability`, which the model must not include.
enum class promised : std::uint8_t { nothing, old_or_new, the_new };

/// The right answers: for each name of the served tree what it may stand for at this moment, and at
/// any earlier one. Fed by who changes the tree (clients, "another program"), asked by who reads
/// it.
///
/// Names are absolute, without a trailing '/': "/shared/a.bin"; "/" is the root. A name nobody has
/// spoken of stands for nothing.
class model_tree {
  public:
    /// `clock` tells when a change whose outcome is not known cannot happen any more; null: never.
    explicit model_tree(std::function<runtime::time_point()> clock = {});

    // What there is.

    /// A content that nobody else has, of a pattern of its own.
    [[nodiscard]] content fresh(pattern_kind kind, std::uint64_t size_bytes);
    /// Puts `what` at `path` before anything runs: for what the scenario puts on the disk.
    void place(const std::string& path, node_state what);
    /// Calls `visit(path, state)` for all that was placed, parents first.
    void for_each_placed(
        const std::function<void(const std::string&, const node_state&)>& visit) const;

    // Changes: `begin`, then one of the four ends.

    /// One change under way. Copyable: a number.
    struct token {
        std::uint64_t number = 0;
    };
    [[nodiscard]] token begin(const std::string& path, change what);
    /// A rename, of a directory with everything known to be in it. Without `replaces` nothing gives
    /// way to it.
    [[nodiscard]] token begin_rename(const std::string& from, const std::string& to,
                                     bool replaces = true);
    /// A copy of a file.
    [[nodiscard]] token begin_copy(const std::string& from, const std::string& to, bool replaces);

    /// The network has ended an upload under way in order before its client did, so that the server
    /// must take what came for the whole: if it is stored, then with `octets`, and it has not been
    /// yet. False: that cannot be, which is a violation.
    [[nodiscard]] bool cut(token which, const content& octets);
    /// The server said that it is done. False: no order of all that was said explains it, which is
    /// a violation.
    [[nodiscard]] bool acknowledged(token which);
    /// The server said that it is not done. False as above.
    [[nodiscard]] bool refused(token which);
    /// It may be done; it will not happen any more.
    void either(token which);
    /// Nothing is known, and it may still happen until `settle_time` from now.
    void unknown(token which);
    void set_settle_time(runtime::duration settle_time) noexcept { settle_time_ = settle_time; }
    /// Every change of unknown outcome has happened or will not: the server is quiet, or dead.
    void settle_all();

    /// The server keeps parts of uploads that were cut off.
    void set_keeps_parts(bool keeps) noexcept { keeps_parts_ = keeps; }
    /// From here on `what` may be cut off, an upload of `owner`'s to `path`. Parts go with the
    /// directory they are in, so only the last component of `path` counts.
    void may_be_cut(const std::string& owner, const std::string& path, const change& what);
    /// What there may be a part of, if nobody has the name.
    [[nodiscard]] cut_uploads parts_of(const std::string& owner, const std::string& path) const;

    /// From here on an upload of `account`'s that is to replace the file at `path` may be under way
    /// or be cut off: the server may refuse to go on with that file, and to tell its size.
    void may_replace(const std::string& account, const std::string& path);
    [[nodiscard]] bool may_be_cut_off(const std::string& account, const std::string& path) const;
    /// It was cut off, and the server has said so: from now on it must refuse, as long as nobody
    /// does anything to the name.
    void was_cut_off(const std::string& account, const std::string& path);
    [[nodiscard]] bool is_cut_off(const std::string& account, const std::string& path);

    /// An upload under a name of the server's choice whose name nobody heard: `upload-*` in
    /// `directory` may hold a beginning of `what` from here on.
    void may_have_stored(const std::string& directory, content what);

    /// Another program changes the file at `path` in place: who reads it meanwhile may see a
    /// mixture (a shorter end, zeros). Call before its change begins.
    void disturb(const std::string& path);
    [[nodiscard]] bool is_disturbed(const content& what, moment since) const;

    // Answers.

    [[nodiscard]] moment now() const noexcept { return now_; }
    [[nodiscard]] std::vector<node_state> possible(const std::string& path);
    [[nodiscard]] std::vector<node_state> possible_since(const std::string& path, moment since);
    /// Grows with each change of the name that begins: unchanged means untouched.
    [[nodiscard]] std::uint64_t changes(const std::string& path);
    /// No change of it is under way, and it can stand for one thing only.
    [[nodiscard]] bool is_settled(const std::string& path);
    /// What is or may be in a directory: the last components, sorted.
    [[nodiscard]] std::vector<std::string> children(const std::string& directory);
    /// All names ever spoken of, sorted; of a crowd the first and the last only.
    [[nodiscard]] std::vector<std::string> paths() const;
    /// `directory` holds so many names that whoever draws one of `paths` would draw nothing else.
    void set_crowd(std::string directory) { crowd_ = std::move(directory); }
    [[nodiscard]] bool may_be_unnamed_upload(const std::string& path) const;

    /// A validator and what it stands for, across the run: one strong tag, one content (RFC 9110
    /// section 8.8.3). Gives those of `candidates` that `tag` may stand for, and remembers it;
    /// empty: a violation.
    [[nodiscard]] std::vector<content> narrow_by_tag(const std::string& tag,
                                                     const std::vector<content>& candidates);

    /// The same of representations: false when the strong `tag` stood for the file at `path` in
    /// another coding.
    [[nodiscard]] bool is_tag_of(const std::string& path, const std::string& tag,
                                 const std::string& coding);
    /// The octets that the file at `path` is packed in under `tag`. False: they were others.
    [[nodiscard]] bool keep_packed(const std::string& path, const std::string& tag,
                                   std::string octets);
    /// Null: nobody has seen them all.
    [[nodiscard]] const std::string* packed(const std::string& path, const std::string& tag) const;

    // The end, and crashes.

    /// The server's process is gone; nothing more will happen.
    void after_kill() { settle_all(); }
    /// The server's machine lost power (V12): an upload acknowledged under `the_new` is there;
    /// under `old_or_new` any earlier content may be, but whole; under `nothing` only what was
    /// never touched is sure.
    void after_crash(promised level);

    struct disk_view {
        /// Every name on the disk, sorted; those of directories end with '/'.
        std::span<const std::string> names;
        /// The content of a file.
        std::function<bool(std::string_view path, std::string& into)> content_of;
        /// Whether the hidden name of an upload (`.ferry-*`) may be left; null: none may.
        std::function<bool(std::string_view path)> may_be_left{};
    };
    /// Compares a disk with what may be on it, once everything is quiet. Violations go to `into`.
    void check_disk(const disk_view& disk, report& into);
    /// From now on exactly what the disk holds is possible. After `check_disk` was clean.
    void adopt(const disk_view& disk);

  private:
    struct part {
        std::string path;
        unsigned number = 0;
    };
    struct operation {
        std::vector<part> parts;
        bool is_upload = false;
        std::uint64_t original = 0;  ///< The upload it is, where its directory was renamed.
        runtime::time_point expires = runtime::never;
    };
    struct moved_name {
        std::string from;
        std::string to;
        bool is_root = false;  ///< It is what is renamed, not something in it.
        bool replaces = true;
    };
    struct rename_watch {
        std::uint64_t operation = 0;
        std::string from;
        std::string to;
        unsigned number = 0;
        bool is_copy = false;  ///< What is at `from` stays there.
    };
    struct disturbance {
        content what;
        moment when = 0;
    };
    struct unnamed_upload {
        std::string directory;
        content what;
    };

    path_history& at(const std::string& path);
    [[nodiscard]] const path_history& look_at(const std::string& path) const;
    void begin_part(operation& made, const std::string& path, change what);
    void follow_uploads(const std::string& from, const std::string& to);
    void begin_pair(operation& made, std::uint64_t number, const moved_name& name);
    [[nodiscard]] std::vector<rename_watch> moves_of(const std::string& path) const;
    void join_rename(const rename_watch& name);
    void follow_renames(const part& upload, std::uint64_t original,
                        const std::vector<rename_watch>& moves);
    void begin_shadow(const std::string& path, change what, std::uint64_t original);
    void pass_on(const std::string& path);
    void pass_on_all(const operation& what);
    void expire();
    void forget(std::uint64_t number);
    [[nodiscard]] bool matches_unnamed(const std::string& path, std::string_view octets) const;

    std::function<runtime::time_point()> clock_;
    runtime::duration settle_time_ = std::chrono::seconds(120);
    moment now_ = 1;
    std::uint32_t next_pattern_ = 1;
    std::map<std::string, path_history, std::less<>> names_;
    std::string crowd_;  ///< Empty: none.
    std::map<std::string, node_state> placed_;
    std::map<std::uint64_t, operation> operations_;
    std::uint64_t next_operation_ = 1;
    std::vector<rename_watch> renames_;
    std::vector<disturbance> disturbances_;
    std::vector<unnamed_upload> unnamed_;
    std::map<std::string, std::vector<content>, std::less<>> tags_;
    using path_and_tag = std::pair<std::string, std::string>;
    std::map<path_and_tag, std::string> codings_of_tags_;
    std::map<path_and_tag, std::string> packed_;
    bool keeps_parts_ = false;
    std::map<std::pair<std::string, std::string>, cut_uploads> cut_;  ///< By owner and name.
    std::set<std::pair<std::string, std::string>> replacing_;         ///< Accounts and names.
    /// Accounts and paths, with the path's `changes` then.
    std::map<std::pair<std::string, std::string>, std::uint64_t> cut_off_;
};

/// "/a/b" for "/a/b/c"; "/" for "/a".
[[nodiscard]] std::string parent_of(std::string_view path);
/// "c" for "/a/b/c".
[[nodiscard]] std::string name_of(std::string_view path);
/// "/a/b" for "/a" and "b", "/b" for "/" and "b".
[[nodiscard]] std::string joined(std::string_view directory, std::string_view name);
/// The file of `state` may hold exactly `octets`.
[[nodiscard]] bool may_hold(const node_state& state, std::string_view octets);

}  // namespace ferry::sim::test
