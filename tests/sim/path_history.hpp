#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "content.hpp"

namespace ferry::sim::test {

/// What a name may stand for.
enum class node_kind : std::uint8_t {
    absent,
    directory,
    file,
    anything,  ///< Nothing is known any more: after a crash without durability, for one.
};

/// What a name stands for, or may.
struct node_state {
    node_kind kind = node_kind::absent;
    content octets{};                        ///< Of a file.
    std::optional<std::int64_t> modified{};  ///< In seconds, if it was set; nothing: unknown.

    friend auto operator<=>(const node_state&, const node_state&) = default;

    [[nodiscard]] std::string describe() const;
};

[[nodiscard]] inline node_state absent_state() {
    return {};
}
[[nodiscard]] inline node_state directory_state() {
    return {.kind = node_kind::directory};
}
[[nodiscard]] inline node_state file_state(content octets) {
    return {.kind = node_kind::file, .octets = std::move(octets)};
}

/// What a change does with a name.
enum class change_kind : std::uint8_t {
    replace,       ///< STOR: a file or nothing becomes `octets`.
    replace_file,  ///< PUT with If-Match: a file becomes `octets`, of `only_of` where that is set.
    create,        ///< STOU: nothing becomes `octets`.
    append,        ///< APPE: `octets` behind what is there.
    restart,       ///< REST and STOR: `octets` at `offset`, the tail kept.
    truncate,      ///< By another program: the first `offset` octets stay.
    remove_file,
    remove,  ///< DELETE of HTTP: a file or a directory is gone.
    make_directory,
    remove_directory,
    set_modified,
    set_mode,   ///< Nobody sees it in the model; who goes on with the file may find it busy.
    move_away,  ///< The old name of a rename: whatever is there is gone.
    vanish,     ///< The same where nothing need have been there: what was in a renamed directory.
    arrive,     ///< The new name of a rename: one of `arriving`.
    accompany,  ///< The same for what is in a renamed directory.
    copy,       ///< COPY: the content of one of `arriving`.
};

/// What somebody's uploads to a name held, or would have, that may have been cut off: if there is a
/// part, it is a beginning of one of them.
struct cut_uploads {
    std::vector<content> wholes{};
    bool is_unknown = false;  ///< Or of something else.

    [[nodiscard]] bool may_be_any() const noexcept { return is_unknown || !wholes.empty(); }
};

struct change {
    change_kind kind = change_kind::replace;
    content octets{};
    std::uint64_t offset = 0;
    std::int64_t modified = 0;
    std::vector<node_state> arriving{};  ///< What the old name may have stood for.
    bool only_if_free = false;           ///< `arrive` and `copy`: nothing gives way.
    std::optional<content> only_of{};
    /// `append` and `restart` to a name that nobody has: what there may be a part of.
    cut_uploads parts{};
};

/// What `before` becomes by `what`; empty when that is no place for it.
[[nodiscard]] std::vector<node_state> apply(const change& what, const node_state& before);

/// What a `restart` that goes on with a part makes of a name that nobody has.
[[nodiscard]] std::vector<node_state> continued(const change& what);

/// When something was so, in steps of the model.
using moment = std::uint64_t;

/// One name: what it may stand for at present, given which changes have begun and how they ended,
/// and what it may have stood for earlier.
///
/// Keeps every order in which the changes under way can have happened (as a check of
/// linearizability does): a change happens at one moment between its beginning and its end.
class path_history {
  public:
    explicit path_history(node_state initial, moment now);

    /// Begins `what`; the number it goes by. Nothing when there are too many under way: then
    /// anything is possible.
    std::optional<unsigned> begin(change what, moment now);
    /// It has happened. False: in no order it can have; it is then taken to be the last.
    [[nodiscard]] bool acknowledge(unsigned number, moment now);
    /// It has not happened and never will. False: in no order can that be.
    [[nodiscard]] bool refuse(unsigned number, moment now);
    /// It has happened or not; it will not happen any more.
    void settle(unsigned number, moment now);
    /// It has not happened before now, and if it does then with `octets`. False: it must have
    /// happened.
    [[nodiscard]] bool amend(unsigned number, content octets, moment now);
    /// More that a rename may bring.
    void add_arriving(unsigned number, const std::vector<node_state>& more, moment now);

    /// What it may stand for at present.
    [[nodiscard]] std::vector<node_state> possible() const;
    /// What it may have stood for at some moment from `since` on.
    [[nodiscard]] std::vector<node_state> possible_since(moment since) const;
    [[nodiscard]] bool has_changes_under_way() const noexcept { return under_way_ != 0; }
    [[nodiscard]] const change& under_way(unsigned number) const {
        return changes_under_way_[number];
    }
    /// How many changes have begun, ever.
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }

    /// Nothing but `states` is possible from now on.
    void become(std::vector<node_state> states, moment now);

    /// Since when what was confirmed may be relied upon to outlive a crash; `reset_durable` says
    /// that from `now` on.
    [[nodiscard]] moment durable_since() const noexcept { return durable_since_; }
    void reset_durable(moment now) noexcept { durable_since_ = now; }
    /// Changes begun before the last `reset_touched` do not count any more.
    [[nodiscard]] bool is_touched() const noexcept { return changes_ > touched_base_; }
    void reset_touched(moment now) noexcept {
        touched_base_ = changes_;
        untouched_at_ = now;
    }
    [[nodiscard]] moment untouched_at() const noexcept { return untouched_at_; }

  private:
    static constexpr unsigned under_way_max = 16;
    static constexpr std::size_t worlds_max = 4'000;

    /// One way things can have gone: the value, and which of the changes under way are in it.
    struct possibility {
        node_state value{};
        std::uint32_t done = 0;
        friend auto operator<=>(const possibility&, const possibility&) = default;
    };
    struct stretch {
        node_state value;
        moment first = 0;
        moment last = 0;
    };
    static constexpr moment open_end = std::numeric_limits<moment>::max();

    void close_over();
    void note(moment now);
    void give_up();
    void end(unsigned number) noexcept;

    std::set<possibility> worlds_;
    std::vector<change> changes_under_way_ = std::vector<change>(under_way_max);
    std::uint32_t under_way_ = 0;
    std::vector<stretch> past_;
    std::uint64_t changes_ = 0;
    std::uint64_t touched_base_ = 0;
    moment untouched_at_ = 0;
    moment durable_since_ = 0;
};

}  // namespace ferry::sim::test
