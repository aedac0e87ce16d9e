#include "server/user_accounts.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/auth/users_file.hpp"
#include "ferry/vfs/path.hpp"
#include "server/users_file_io.hpp"

namespace ferry::server {
namespace {

/// The mount that `allowed` has rules beneath although it finds names by other spellings, or null:
/// rules are about names as typed, so there is no telling what another spelling may be for.
const mounted_directory* find_mount_with_rules(const config& settings,
                                               const auth::permissions& allowed) {
    const auto found = std::ranges::find_if(settings.mounts, [&](const mounted_directory& each) {
        return each.options.names.are_any() && allowed.has_rules_below(each.path);
    });
    return found == settings.mounts.end() ? nullptr : &*found;
}

std::string refuse_rules(std::string_view whose, const mounted_directory& where) {
    return fmt::format(
        "the permissions of {} have rules for paths in the mount {:?}, where {} lets other "
        "spellings find the same files",
        whose, where.path, where.options.names.folds_case ? "fold" : "nfc");
}

/// Says what the accounts name and is not there: the first few, and how many more.
class missing_names {
  public:
    missing_names(const config& settings, std::vector<std::string>& warnings) noexcept
        : settings_(settings), warnings_(warnings) {}

    /// `what`: "the home of ann", say.
    void look(std::string_view path, const std::string& what) {
        const auto place = place_on_host(settings_, path);
        struct stat status{};
        if (!place || ::stat(place->c_str(), &status) == 0 ||
            (errno != ENOENT && errno != ENOTDIR)) {
            return;
        }
        if (++count_ <= told_max) {
            warnings_.push_back(fmt::format("{}: {:?} is not there", what, path));
        }
    }
    void look_at_rules(const auth::permissions& allowed, const std::string& whose) {
        for (const auto path : allowed.paths()) {
            look(path, "a permission of " + whose);
        }
    }
    void finish() {
        if (count_ > told_max) {
            warnings_.push_back(fmt::format("{} more names in homes and permissions are not there",
                                            count_ - told_max));
        }
    }

  private:
    static constexpr std::size_t told_max = 10;
    const config& settings_;
    std::vector<std::string>& warnings_;
    std::size_t count_ = 0;
};

/// A path that is not there is a mistake in typing, or is yet to be made.
void warn_of_missing_names(const config& settings, const std::vector<auth::account>& named,
                           std::vector<std::string>& warnings) {
    missing_names missing(settings, warnings);
    for (const auto& each : named) {
        missing.look(each.root, fmt::format("the home of {:?}", each.name));
        missing.look_at_rules(each.allowed, fmt::format("{:?}", each.name));
    }
    if (settings.anonymous) {
        missing.look_at_rules(*settings.anonymous, "--anonymous");
    }
    if (settings.http_anonymous) {
        missing.look_at_rules(*settings.http_anonymous, "--http-anonymous");
    }
    missing.finish();
}

}  // namespace

std::expected<loaded_accounts, std::string> load_accounts(const config& settings) {
    std::vector<auth::account> named;
    for (const auto& each : settings.users) {
        named.push_back(
            {.name = each.name,
             .password = each.password,
             .hash = {},
             .root = each.directory,
             .allowed = settings.write ? auth::rights::all() : auth::rights::read_only(),
             .bounds = {}});
    }
    loaded_accounts loaded;
    if (!settings.users_file.empty()) {
        const auto file = read_users_file(settings.users_file);
        if (!file) {
            return std::unexpected(
                fmt::format("{}: {}", settings.users_file, std::strerror(file.error())));
        }
        if ((file->status.st_mode & S_IROTH) != 0) {
            loaded.warnings.push_back(fmt::format(
                "{}: everybody on this machine can read it; chmod 600 keeps the hashes from them",
                settings.users_file));
        }
        auto users = auth::parse_users(file->text);
        if (!users) {
            return std::unexpected(fmt::format("{}: {}", settings.users_file, users.error()));
        }
        for (auto& each : *users) {
            const auto root = vfs::path::parse(each.root);
            if (!root) {
                return std::unexpected(fmt::format("{}: the home {:?} of {:?} is no usable path",
                                                   settings.users_file, each.root, each.name));
            }
            each.root = root->text();
            if (std::ranges::find(named, each.name, &auth::account::name) != named.end()) {
                return std::unexpected(
                    fmt::format("{}: {:?} is given by --user too", settings.users_file, each.name));
            }
            if (const auto* const where = find_mount_with_rules(settings, each.allowed)) {
                return std::unexpected(
                    fmt::format("{}: {}", settings.users_file,
                                refuse_rules(fmt::format("{:?}", each.name), *where)));
            }
            named.push_back(std::move(each));
        }
    }
    if (settings.anonymous) {
        if (const auto* const where = find_mount_with_rules(settings, *settings.anonymous)) {
            return std::unexpected("--anonymous: " + refuse_rules("visitors", *where));
        }
    }
    if (settings.http_anonymous) {
        if (const auto* const where = find_mount_with_rules(settings, *settings.http_anonymous)) {
            return std::unexpected("--http-anonymous: " + refuse_rules("visitors", *where));
        }
    }
    warn_of_missing_names(settings, named, loaded.warnings);
    loaded.users = std::make_shared<const auth::accounts>(std::move(named), settings.anonymous,
                                                          settings.anonymous_limits);
    return loaded;
}

}  // namespace ferry::server
