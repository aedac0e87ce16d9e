#include "model_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ferry::sim::test {

model_tree::model_tree(std::function<runtime::time_point()> clock) : clock_(std::move(clock)) {
    names_.emplace("/", path_history(directory_state(), now_));
}

content model_tree::fresh(pattern_kind kind, std::uint64_t size_bytes) {
    return {pattern{.id = next_pattern_++, .kind = kind}, size_bytes};
}

void model_tree::place(const std::string& path, node_state what) {
    placed_.insert_or_assign(path, what);
    names_.insert_or_assign(path, path_history(std::move(what), ++now_));
}

void model_tree::for_each_placed(
    const std::function<void(const std::string&, const node_state&)>& visit) const {
    for (const auto& [path, what] : placed_) {
        visit(path, what);
    }
}

path_history& model_tree::at(const std::string& path) {
    const auto found = names_.find(path);
    if (found != names_.end()) {
        return found->second;
    }
    // Since the beginning: nobody has made it.
    return names_.emplace(path, path_history(absent_state(), 0)).first->second;
}

void model_tree::begin_part(operation& made, const std::string& path, change what) {
    auto& history = at(path);
    if (const auto number = history.begin(std::move(what), now_)) {
        made.parts.push_back({.path = path, .number = *number});
    }
}

model_tree::token model_tree::begin(const std::string& path, change what) {
    expire();
    ++now_;
    operation made;
    made.is_upload = what.kind == change_kind::replace || what.kind == change_kind::replace_file ||
                     what.kind == change_kind::create || what.kind == change_kind::append ||
                     what.kind == change_kind::restart;
    const auto moves = made.is_upload ? moves_of(path) : std::vector<rename_watch>();
    for (const auto& each : moves) {
        join_rename(each);
    }
    begin_part(made, path, std::move(what));
    pass_on(path);
    const auto number = next_operation_++;
    made.original = number;
    const auto begun = made.parts;
    operations_.emplace(number, std::move(made));
    for (const auto& each : begun) {
        follow_renames(each, number, moves);
    }
    return {.number = number};
}

void model_tree::may_be_cut(const std::string& owner, const std::string& path, const change& what) {
    constexpr std::size_t wholes_max = 12;
    if (!keeps_parts_ || owner.empty()) {
        return;
    }
    auto& cut = cut_[{owner, name_of(path)}];
    if (what.kind == change_kind::restart) {
        if (what.offset == 0) {
            cut.wholes.push_back(what.octets);
        }
        for (const auto& each : continued(what)) {
            cut.is_unknown = cut.is_unknown || each.kind == node_kind::anything;
            if (each.kind == node_kind::file) {
                cut.wholes.push_back(each.octets);
            }
        }
    } else {
        cut.is_unknown =
            cut.is_unknown || (what.kind == change_kind::append && what.parts.may_be_any());
        cut.wholes.push_back(what.octets);
    }
    if (cut.wholes.size() > wholes_max) {
        cut = {.wholes = {}, .is_unknown = true};
    }
}

cut_uploads model_tree::parts_of(const std::string& owner, const std::string& path) const {
    const auto found = owner.empty() ? cut_.end() : cut_.find({owner, name_of(path)});
    return found == cut_.end() ? cut_uploads{} : found->second;
}

void model_tree::may_replace(const std::string& account, const std::string& path) {
    replacing_.emplace(account, name_of(path));
}

bool model_tree::may_be_cut_off(const std::string& account, const std::string& path) const {
    return replacing_.contains({account, name_of(path)});
}

void model_tree::was_cut_off(const std::string& account, const std::string& path) {
    cut_off_.insert_or_assign({account, path}, changes(path));
}

bool model_tree::is_cut_off(const std::string& account, const std::string& path) {
    const auto found = cut_off_.find({account, path});
    return found != cut_off_.end() && found->second == changes(path);
}

model_tree::token model_tree::begin_rename(const std::string& from, const std::string& to,
                                           bool replaces) {
    expire();
    ++now_;
    const auto number = next_operation_++;
    operation made;
    if (from == to) {
        operations_.emplace(number, std::move(made));
        return {.number = number};
    }
    const auto below = from + "/";
    std::vector<std::string> inside;
    for (auto it = names_.lower_bound(below); it != names_.end() && it->first.starts_with(below);
         ++it) {
        inside.push_back(it->first);
    }
    begin_pair(made, number, {.from = from, .to = to, .is_root = true, .replaces = replaces});
    follow_uploads(below, to + "/");
    for (const auto& path : inside) {
        begin_pair(made, number, {.from = path, .to = to + path.substr(from.size())});
    }
    operations_.emplace(number, std::move(made));
    return {.number = number};
}

void model_tree::begin_pair(operation& made, std::uint64_t number, const moved_name& name) {
    auto arriving = at(name.from).possible();
    begin_part(made, name.from,
               {.kind = name.is_root ? change_kind::move_away : change_kind::vanish});
    const auto before = made.parts.size();
    begin_part(made, name.to,
               {.kind = name.is_root ? change_kind::arrive : change_kind::accompany,
                .arriving = std::move(arriving),
                .only_if_free = !name.replaces && name.is_root});
    if (made.parts.size() > before) {
        renames_.push_back({.operation = number,
                            .from = name.from,
                            .to = name.to,
                            .number = made.parts.back().number});
    }
}

model_tree::token model_tree::begin_copy(const std::string& from, const std::string& to,
                                         bool replaces) {
    expire();
    ++now_;
    const auto number = next_operation_++;
    operation made;
    made.is_upload = true;
    made.original = number;
    begin_part(
        made, to,
        {.kind = change_kind::copy, .arriving = at(from).possible(), .only_if_free = !replaces});
    if (!made.parts.empty()) {
        renames_.push_back({.operation = number,
                            .from = from,
                            .to = to,
                            .number = made.parts.back().number,
                            .is_copy = true});
    }
    pass_on(to);
    operations_.emplace(number, std::move(made));
    return {.number = number};
}

/// An upload under way in a directory goes with it when that is renamed: it holds the directory.
void model_tree::follow_uploads(const std::string& from, const std::string& to) {
    struct moved_upload {
        std::string path;
        change what;
        std::uint64_t original;
    };
    std::vector<moved_upload> moved;
    for (const auto& [number, each] : operations_) {
        for (const auto& one : each.parts) {
            if (each.is_upload && one.path.starts_with(from)) {
                moved.push_back({.path = to + one.path.substr(from.size()),
                                 .what = at(one.path).under_way(one.number),
                                 .original = each.original});
            }
        }
    }
    for (auto& each : moved) {
        begin_shadow(each.path, std::move(each.what), each.original);
    }
}

/// Where `path` goes by the renames under way of directories above it: one for each of them, and
/// in no operation twice.
std::vector<model_tree::rename_watch> model_tree::moves_of(const std::string& path) const {
    std::vector<rename_watch> made;
    for (const auto& each : renames_) {
        const bool is_known = std::ranges::any_of(
            made, [&each](const rename_watch& one) { return one.operation == each.operation; });
        if (!is_known && !each.is_copy && path.starts_with(each.from + '/')) {
            made.push_back({.operation = each.operation,
                            .from = path,
                            .to = each.to + path.substr(each.from.size()),
                            .number = 0});
        }
    }
    return made;
}

/// A name that was not known when its directory began to be renamed goes with it.
void model_tree::join_rename(const rename_watch& name) {
    auto& rename = operations_.at(name.operation);
    const bool is_in_it = std::ranges::any_of(
        rename.parts, [&name](const part& each) { return each.path == name.from; });
    if (!is_in_it) {
        begin_pair(rename, name.operation, {.from = name.from, .to = name.to});
    }
}

/// An upload that begins while its directory is being renamed may hold it already.
void model_tree::follow_renames(const part& upload, std::uint64_t original,
                                const std::vector<rename_watch>& moves) {
    for (const auto& each : moves) {
        begin_shadow(each.to, at(upload.path).under_way(upload.number), original);
    }
}

void model_tree::begin_shadow(const std::string& path, change what, std::uint64_t original) {
    operation shadow;
    shadow.is_upload = true;
    shadow.original = original;
    begin_part(shadow, path, std::move(what));
    const auto number = next_operation_++;
    operations_.emplace(number, std::move(shadow));
    unknown({.number = number});
}

/// What `path` may stand for at present may also arrive where it is being renamed to.
void model_tree::pass_on(const std::string& path) {
    for (std::size_t i = 0; i < renames_.size(); ++i) {
        const auto watch = renames_[i];
        if (watch.from == path) {
            auto states = at(path).possible();
            at(watch.to).add_arriving(watch.number, states, now_);
        }
    }
}

void model_tree::pass_on_all(const operation& what) {
    for (const auto& each : what.parts) {
        pass_on(each.path);
    }
}

void model_tree::forget(std::uint64_t number) {
    std::erase_if(renames_, [number](const auto& each) { return each.operation == number; });
    operations_.erase(number);
}

bool model_tree::cut(token which, const content& octets) {
    expire();
    ++now_;
    bool is_explained = true;
    for (const auto& [number, each] : operations_) {
        if (!each.is_upload || each.original != which.number) {
            continue;
        }
        for (const auto& one : each.parts) {
            is_explained = at(one.path).amend(one.number, octets, now_) && is_explained;
        }
        pass_on_all(each);
    }
    return is_explained;
}

bool model_tree::acknowledged(token which) {
    expire();
    ++now_;
    const auto found = operations_.find(which.number);
    if (found == operations_.end()) {
        return true;  // Expired: anything was allowed to happen.
    }
    bool is_explained = true;
    for (const auto& each : found->second.parts) {
        auto& history = at(each.path);
        is_explained = history.acknowledge(each.number, now_) && is_explained;
        if (found->second.is_upload) {
            history.reset_durable(now_);
        }
    }
    pass_on_all(found->second);
    forget(which.number);
    return is_explained;
}

bool model_tree::refused(token which) {
    expire();
    ++now_;
    const auto found = operations_.find(which.number);
    if (found == operations_.end()) {
        return true;
    }
    bool is_explained = true;
    for (const auto& each : found->second.parts) {
        is_explained = at(each.path).refuse(each.number, now_) && is_explained;
    }
    pass_on_all(found->second);
    forget(which.number);
    return is_explained;
}

void model_tree::either(token which) {
    ++now_;
    const auto found = operations_.find(which.number);
    if (found == operations_.end()) {
        return;
    }
    for (const auto& each : found->second.parts) {
        at(each.path).settle(each.number, now_);
    }
    pass_on_all(found->second);
    forget(which.number);
}

void model_tree::unknown(token which) {
    const auto found = operations_.find(which.number);
    if (found != operations_.end()) {
        found->second.expires = clock_ ? clock_() + settle_time_ : runtime::never;
    }
}

void model_tree::expire() {
    if (!clock_) {
        return;
    }
    const auto now = clock_();
    std::vector<std::uint64_t> over;
    for (const auto& [number, each] : operations_) {
        if (each.expires <= now) {
            over.push_back(number);
        }
    }
    for (const auto number : over) {
        either({.number = number});
    }
}

void model_tree::settle_all() {
    cut_off_.clear();  // A server that is started anew remembers nothing of it.
    while (!operations_.empty()) {
        either({.number = operations_.begin()->first});
    }
}

void model_tree::may_have_stored(const std::string& directory, content what) {
    unnamed_.push_back({.directory = directory, .what = std::move(what)});
}

void model_tree::disturb(const std::string& path) {
    ++now_;
    for (const auto& each : look_at(path).possible()) {
        if (each.kind == node_kind::file) {
            disturbances_.push_back({.what = each.octets, .when = now_});
        }
    }
}

bool model_tree::is_disturbed(const content& what, moment since) const {
    return std::ranges::any_of(disturbances_, [&](const disturbance& each) {
        return each.when >= since && each.what == what;
    });
}

/// For looking only: a name nobody has spoken of does not become known by it.
const path_history& model_tree::look_at(const std::string& path) const {
    static const path_history nothing(absent_state(), 0);
    const auto found = names_.find(path);
    return found == names_.end() ? nothing : found->second;
}

std::vector<node_state> model_tree::possible(const std::string& path) {
    expire();
    return look_at(path).possible();
}

std::vector<node_state> model_tree::possible_since(const std::string& path, moment since) {
    expire();
    return look_at(path).possible_since(since);
}

std::uint64_t model_tree::changes(const std::string& path) {
    return look_at(path).changes();
}

bool model_tree::is_settled(const std::string& path) {
    expire();
    const auto& history = look_at(path);
    const auto states = history.possible();
    return !history.has_changes_under_way() && states.size() == 1 &&
           states.front().kind != node_kind::anything;
}

std::vector<std::string> model_tree::children(const std::string& directory) {
    const auto below = directory == "/" ? directory : directory + "/";
    std::vector<std::string> made;
    for (auto it = names_.lower_bound(below); it != names_.end() && it->first.starts_with(below);
         ++it) {
        if (it->first.size() > below.size() &&
            it->first.find('/', below.size()) == std::string::npos) {
            made.push_back(it->first.substr(below.size()));
        }
    }
    return made;
}

std::vector<std::string> model_tree::paths() const {
    std::vector<std::string> made;
    for (auto it = names_.begin(); it != names_.end(); ++it) {
        made.push_back(it->first);
        if (!crowd_.empty() && parent_of(it->first) == crowd_) {
            it = std::prev(names_.lower_bound(crowd_ + '0'));  // '0' comes behind '/'.
            made.push_back(it->first);
        }
    }
    return made;
}

bool model_tree::may_be_unnamed_upload(const std::string& path) const {
    const auto directory = parent_of(path);
    return name_of(path).starts_with("upload-") &&
           std::ranges::any_of(unnamed_, [&directory](const unnamed_upload& each) {
               return each.directory == directory;
           });
}

bool model_tree::matches_unnamed(const std::string& path, std::string_view octets) const {
    const auto directory = parent_of(path);
    return std::ranges::any_of(unnamed_, [&](const unnamed_upload& each) {
        return each.directory == directory && octets.size() <= each.what.size_bytes() &&
               !each.what.first_difference(0, octets);
    });
}

std::vector<content> model_tree::narrow_by_tag(const std::string& tag,
                                               const std::vector<content>& candidates) {
    if (tag.starts_with("W/")) {
        return candidates;  // A weak one may stand for two contents (section 8.8.1).
    }
    const auto [known, is_new] = tags_.try_emplace(tag, candidates);
    if (!is_new) {
        std::erase_if(known->second, [&candidates](const content& each) {
            return std::ranges::find(candidates, each) == candidates.end();
        });
    }
    return known->second;
}

bool model_tree::is_tag_of(const std::string& path, const std::string& tag,
                           const std::string& coding) {
    return tag.starts_with("W/") ||
           codings_of_tags_.try_emplace({path, tag}, coding).first->second == coding;
}

bool model_tree::keep_packed(const std::string& path, const std::string& tag, std::string octets) {
    const auto [known, is_new] = packed_.try_emplace({path, tag}, std::move(octets));
    return is_new || known->second == octets;
}

const std::string* model_tree::packed(const std::string& path, const std::string& tag) const {
    const auto found = packed_.find({path, tag});
    return found == packed_.end() ? nullptr : &found->second;
}

void model_tree::after_crash(promised level) {
    if (level == promised::nothing) {
        for (auto& [key, cut] : cut_) {
            cut.is_unknown = true;  // Torn, as everything that was not synced.
        }
    }
    settle_all();
    ++now_;
    for (auto& [path, history] : names_) {
        if (!history.is_touched()) {
            continue;
        }
        std::vector<node_state> states;
        if (level == promised::nothing) {
            states.push_back({.kind = node_kind::anything});
        } else {
            const auto since = level == promised::the_new
                                   ? std::max(history.durable_since(), history.untouched_at())
                                   : history.untouched_at();
            for (auto each : history.possible_since(since)) {
                each.modified.reset();
                states.push_back(std::move(each));
            }
        }
        history.become(std::move(states), now_);
    }
}

std::string parent_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == 0 || slash == std::string_view::npos ? "/" : std::string(path.substr(0, slash));
}

std::string name_of(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
}

std::string joined(std::string_view directory, std::string_view name) {
    std::string made(directory);
    if (!made.ends_with('/')) {
        made += '/';
    }
    return made.append(name);
}

bool may_hold(const node_state& state, std::string_view octets) {
    if (state.kind == node_kind::anything) {
        return true;
    }
    return state.kind == node_kind::file && octets.size() == state.octets.size_bytes() &&
           !state.octets.first_difference(0, octets);
}

}  // namespace ferry::sim::test
