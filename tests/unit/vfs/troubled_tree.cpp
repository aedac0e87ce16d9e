#include "troubled_tree.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ferry::vfs_test {
namespace {

using runtime::core;
using runtime::task;
using vfs::path;

std::optional<error> trouble_of(const path& name) {
    if (name.name().starts_with("broken")) {
        return error{.code = errc::io};
    }
    return name.name().starts_with("full") ? std::optional(error{.code = errc::no_space})
                                           : std::nullopt;
}

/// What `way` of the other tree gives for `name`, or its trouble.
template <class Value, class... Takes>
task<result<Value>> unless_troubled(const path& name,
                                    task<result<Value>> (vfs::tree::*way)(Takes...) const,
                                    const vfs::tree& files, std::type_identity_t<Takes>... given) {
    if (const auto trouble = trouble_of(name)) {
        co_return failure(*trouble);
    }
    auto made = co_await (files.*way)(given...);
    co_return made;
}

class troubled_tree final : public vfs::tree {
  public:
    explicit troubled_tree(std::unique_ptr<vfs::tree> files) noexcept : files_(std::move(files)) {}

    void close_on(runtime::offload_pool& pool) noexcept override { files_->close_on(pool); }
    void keep_parts(runtime::duration age_max) noexcept override { files_->keep_parts(age_max); }
    void count_for(vfs::home_table& homes, const path& at) override {
        files_->count_for(homes, at);
    }
    void note_replacements(vfs::replacement_table& table) noexcept override {
        files_->note_replacements(table);
    }
    task<result<void>> hold_to(core& here, vfs::held_to limit) override {
        return files_->hold_to(here, std::move(limit));
    }
    task<vfs::measured> measure(core& here, vfs::listing_bounds& turns,
                                std::span<const vfs::directory_id> apart) const override {
        return files_->measure(here, turns, apart);
    }
    task<result<vfs::node>> open(core& here, const path& name) const override {
        return unless_troubled(name, &vfs::tree::open, *files_, here, name);
    }
    task<result<vfs::metadata>> status(core& here, const path& name) const override {
        return files_->status(here, name);
    }
    task<result<vfs::listing>> list(core& here, vfs::node directory, const path& name,
                                    vfs::listing_options options) const override {
        return files_->list(here, std::move(directory), name, options);
    }
    task<result<vfs::upload>> begin_upload(core& here, const path& name,
                                           vfs::upload_options options) const override {
        return files_->begin_upload(here, name, options);
    }
    task<result<std::uint64_t>> free_octets(core& here, const path& name) const override {
        return files_->free_octets(here, name);
    }
    task<result<vfs::metadata>> part_status(core& here, const path& name,
                                            std::string_view owner) const override {
        return files_->part_status(here, name, owner);
    }
    task<result<void>> remove_part(core& here, const path& name,
                                   std::string_view owner) const override {
        return files_->remove_part(here, name, owner);
    }
    task<result<vfs::replacement>> replacement_of(core& here, const path& name,
                                                  std::string_view account) const override {
        return files_->replacement_of(here, name, account);
    }
    task<result<void>> remove_file(core& here, const path& name,
                                   const vfs::metadata* expected) const override {
        return unless_troubled(name, &vfs::tree::remove_file, *files_, here, name, expected);
    }
    task<result<void>> remove_directory(core& here, const path& name) const override {
        return unless_troubled(name, &vfs::tree::remove_directory, *files_, here, name);
    }
    task<result<void>> make_directory(core& here, const path& name) const override {
        return unless_troubled(name, &vfs::tree::make_directory, *files_, here, name);
    }
    task<result<void>> make_link(core& here, link_names names) const override {
        return unless_troubled(names.name, &vfs::tree::make_link, *files_, here, names);
    }
    task<result<void>> rename(core& here, rename_names names) const override {
        return unless_troubled(names.to, &vfs::tree::rename, *files_, here, names);
    }
    task<result<std::unique_ptr<vfs::tree>>> subtree(core& here, const path& name) const override {
        return files_->subtree(here, name);
    }
    task<result<void>> set_modified(core& here, const path& name,
                                    wall_time modified) const override {
        return unless_troubled(name, &vfs::tree::set_modified, *files_, here, name, modified);
    }
    task<result<void>> set_permissions(core& here, const path& name,
                                       std::uint32_t permissions) const override {
        return unless_troubled(name, &vfs::tree::set_permissions, *files_, here, name, permissions);
    }
    task<vfs::leftovers_found> remove_leftovers(core& here, vfs::listing_bounds& turns,
                                                vfs::leftover_kinds what) const override {
        return files_->remove_leftovers(here, turns, what);
    }

  private:
    std::unique_ptr<vfs::tree> files_;
};

}  // namespace

std::unique_ptr<vfs::tree> make_troubled(std::unique_ptr<vfs::tree> files) {
    return std::make_unique<troubled_tree>(std::move(files));
}

}  // namespace ferry::vfs_test
