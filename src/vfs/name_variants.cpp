#include "vfs/name_variants.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>

#include "vfs/unicode_name.hpp"

namespace ferry::vfs {
namespace {

/// How many directories are being read just now, of one tree and its subtrees.
struct searches {
    std::atomic<unsigned> under_way = 0;
};

/// One of `searches`, while it lives.
class search {
  public:
    static std::optional<search> begin(searches& of) noexcept {
        if (of.under_way.fetch_add(1, std::memory_order_relaxed) >= variant_searches_max) {
            of.under_way.fetch_sub(1, std::memory_order_relaxed);
            return std::nullopt;
        }
        return search(of);
    }
    search(search&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    search& operator=(search&&) = delete;
    ~search() {
        if (of_ != nullptr) {
            of_->under_way.fetch_sub(1, std::memory_order_relaxed);
        }
    }

  private:
    explicit search(searches& of) noexcept : of_(&of) {}

    searches* of_;
};

/// True when no other spelling of `name` need be looked for: to Unicode's canonical equivalence
/// US-ASCII is itself, but for a few signs that were encoded twice.
bool is_only_itself(std::string_view name, name_rules rules) noexcept {
    return !rules.folds_case &&
           std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

class variant_tree final : public tree {
  public:
    variant_tree(std::unique_ptr<tree> inner, name_rules rules, std::shared_ptr<searches> turns)
        : inner_(std::move(inner)), rules_(rules), turns_(std::move(turns)) {}

    void close_on(runtime::offload_pool& pool) noexcept override { inner_->close_on(pool); }

    void keep_parts(runtime::duration age_max) noexcept override { inner_->keep_parts(age_max); }

    void count_for(home_table& homes, const path& at) override { inner_->count_for(homes, at); }

    void note_replacements(replacement_table& table) noexcept override {
        inner_->note_replacements(table);
    }

    runtime::task<result<void>> hold_to(runtime::core& here, held_to limit) override {
        co_return co_await inner_->hold_to(here, std::move(limit));
    }

    runtime::task<measured> measure(runtime::core& here, listing_bounds& turns,
                                    std::span<const directory_id> apart) const override {
        co_return co_await inner_->measure(here, turns, apart);
    }

    runtime::task<result<std::uint64_t>> free_octets(runtime::core& here,
                                                     const path& name) const override {
        const auto stored = co_await as_stored(here, name);
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await inner_->free_octets(here, *stored);
    }

    runtime::task<result<metadata>> part_status(runtime::core& here, const path& name,
                                                std::string_view owner) const override {
        const auto stored = co_await as_stored(here, name);  // As an upload finds its name.
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await inner_->part_status(here, *stored, owner);
    }

    runtime::task<result<replacement>> replacement_of(runtime::core& here, const path& name,
                                                      std::string_view account) const override {
        const auto stored = co_await as_stored(here, name);
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await inner_->replacement_of(here, *stored, account);
    }

    runtime::task<result<void>> remove_part(runtime::core& here, const path& name,
                                            std::string_view owner) const override {
        const auto stored = co_await as_stored(here, name);
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await inner_->remove_part(here, *stored, owner);
    }

    runtime::task<result<node>> open(runtime::core& here, const path& name) const override {
        co_return co_await with_variant<node>(
            here, name, [&](const path& stored) { return inner_->open(here, stored); });
    }

    runtime::task<result<metadata>> status(runtime::core& here, const path& name) const override {
        co_return co_await with_variant<metadata>(
            here, name, [&](const path& stored) { return inner_->status(here, stored); });
    }

    std::optional<machine_place> place_of(const path& name) const override {
        return inner_->place_of(name);  // Of other spellings: of a name that is not there.
    }

    runtime::task<result<listing>> list(runtime::core& here, node directory, const path& name,
                                        listing_options options) const override {
        // Links in it are followed from where it lies.
        const auto stored = co_await as_stored(here, name);
        co_return co_await inner_->list(here, std::move(directory), stored ? *stored : name,
                                        std::move(options));
    }

    runtime::task<result<upload>> begin_upload(runtime::core& here, const path& name,
                                               upload_options options) const override {
        const auto stored = co_await as_stored(here, name);
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await inner_->begin_upload(here, *stored, options);
    }

    [[nodiscard]] allowed_changes allowed_in(const path& name) const override {
        return inner_->allowed_in(name);
    }

    runtime::task<result<void>> remove_file(runtime::core& here, const path& name,
                                            const metadata* expected) const override {
        co_return co_await with_variant<void>(here, name, [&](const path& stored) {
            return inner_->remove_file(here, stored, expected);
        });
    }

    runtime::task<result<void>> remove_directory(runtime::core& here,
                                                 const path& name) const override {
        co_return co_await with_variant<void>(
            here, name, [&](const path& stored) { return inner_->remove_directory(here, stored); });
    }

    runtime::task<result<void>> make_directory(runtime::core& here,
                                               const path& name) const override {
        const auto stored = co_await as_stored(here, name);
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await inner_->make_directory(here, *stored);
    }

    runtime::task<result<void>> make_link(runtime::core& here, link_names names) const override {
        const auto stored = co_await as_stored(here, names.name);
        if (!stored) {
            co_return failure(stored.error());
        }
        co_return co_await with_variant<void>(here, names.target, [&](const path& target) {
            return inner_->make_link(here, {.name = *stored, .target = target});
        });
    }

    runtime::task<result<void>> rename(runtime::core& here, rename_names names) const override {
        const auto from = co_await as_stored(here, names.from);
        if (!from) {
            co_return failure(from.error());
        }
        auto to = co_await as_stored(here, names.to);
        if (!to) {
            co_return failure(to.error());
        }
        if (*to == *from && !to->is_root()) {  // Its spelling is what is to change.
            to = to->parent().resolve(names.to.name());
            if (!to) {
                co_return failure(to.error());
            }
        }
        co_return co_await inner_->rename(
            here, {.from = *from, .to = *to, .replace = names.replace, .expected = names.expected});
    }

    runtime::task<result<std::unique_ptr<tree>>> subtree(runtime::core& here,
                                                         const path& name) const override {
        auto made = co_await with_variant<std::unique_ptr<tree>>(
            here, name, [&](const path& stored) { return inner_->subtree(here, stored); });
        if (!made) {
            co_return failure(made.error());
        }
        co_return std::make_unique<variant_tree>(std::move(*made), rules_, turns_);
    }

    runtime::task<result<void>> set_modified(runtime::core& here, const path& name,
                                             wall_time modified) const override {
        co_return co_await with_variant<void>(here, name, [&](const path& stored) {
            return inner_->set_modified(here, stored, modified);
        });
    }

    runtime::task<result<void>> set_permissions(runtime::core& here, const path& name,
                                                std::uint32_t permissions) const override {
        co_return co_await with_variant<void>(here, name, [&](const path& stored) {
            return inner_->set_permissions(here, stored, permissions);
        });
    }

    runtime::task<leftovers_found> remove_leftovers(runtime::core& here, listing_bounds& turns,
                                                    leftover_kinds what) const override {
        co_return co_await inner_->remove_leftovers(here, turns, what);
    }

  private:
    /// What `call` makes of the name, or, when there is none, of its other spelling.
    template <class Value, class Call>
    runtime::task<result<Value>> with_variant(runtime::core& here, const path& name,
                                              Call call) const {
        auto done = co_await call(name);
        if (done || done.error() != errc::not_found) {
            co_return done;
        }
        const auto stored = co_await as_stored(here, name);
        if (!stored) {
            co_return failure(stored.error());
        }
        if (*stored == name) {
            co_return done;
        }
        co_return co_await call(*stored);
    }

    /// `name` as it is stored; a last component that is not there stays as it is spelled. Errors:
    /// errc::not_found (a directory on the way), busy.
    runtime::task<result<path>> as_stored(runtime::core& here, const path& name) const {
        result<path> found;
        std::string_view left = std::string_view(name.text()).substr(1);
        while (!left.empty()) {
            const auto component = left.substr(0, left.find('/'));
            left.remove_prefix(std::min(component.size() + 1, left.size()));
            std::string spelled(component);
            auto next = found->resolve(spelled);
            if (!next) {
                co_return failure(next.error());
            }
            const auto there = co_await inner_->status(here, *next);
            if (!there && there.error() == errc::not_found) {
                auto other = co_await find_variant(here, *found, component);
                if (!other) {
                    co_return failure(other.error());
                }
                if (!*other && !left.empty()) {
                    co_return failure(errc::not_found, ENOENT);
                }
                spelled = std::move(*other).value_or(std::move(spelled));
            }
            if (left.empty() && name.wants_directory()) {
                spelled += '/';
            }
            found = found->resolve(spelled);
            if (!found) {
                co_return failure(found.error());
            }
        }
        co_return found;
    }

    /// The entry of `directory` that `name` means: the one of that name, or the only one with its
    /// key; none when there is none, or no telling. Errors: errc::busy, io.
    runtime::task<result<std::optional<std::string>>> find_variant(runtime::core& here,
                                                                   const path& directory,
                                                                   std::string_view name) const {
        if (is_only_itself(name, rules_)) {
            co_return std::nullopt;
        }
        const auto turn = search::begin(*turns_);
        if (!turn) {
            co_return failure(errc::busy);
        }
        auto opened = co_await inner_->open(here, directory);
        if (!opened && opened.error() == errc::denied) {
            co_return std::nullopt;
        }
        if (!opened) {
            co_return failure(opened.error());
        }
        auto entries = co_await inner_->list(here, std::move(*opened), directory,
                                             {.sorted_entries_max = 0, .names_only = true});
        if (!entries) {
            co_return failure(entries.error());
        }
        const std::string key = key_of(name, rules_);
        std::optional<std::string> found;
        bool is_ambiguous = false;
        for (std::size_t read = 0; read <= variant_names_max;) {
            const auto batch = co_await entries->next(here);
            if (!batch) {
                co_return failure(batch.error());
            }
            if (batch->empty()) {
                co_return is_ambiguous ? std::nullopt : found;
            }
            read += batch->size();
            for (const auto& each : *batch) {
                if (each.name == name) {
                    co_return each.name;
                }
                if (key_of(each.name, rules_) == key) {
                    is_ambiguous |= found.has_value();
                    found = each.name;
                }
            }
        }
        co_return std::nullopt;
    }

    std::unique_ptr<tree> inner_;
    name_rules rules_;
    std::shared_ptr<searches> turns_;
};

}  // namespace

std::string key_of(std::string_view name, name_rules rules) {
    if (rules.folds_case) {
        return fold_case(name);  // Canonical equivalence is part of it (Unicode 3.13, D145).
    }
    return rules.is_normalising ? to_nfc(name) : std::string(name);
}

std::unique_ptr<tree> find_variants(std::unique_ptr<tree> inner, name_rules rules) {
    return std::make_unique<variant_tree>(std::move(inner), rules, std::make_shared<searches>());
}

}  // namespace ferry::vfs
