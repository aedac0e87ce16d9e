#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "small_scene.hpp"
#include "small_scene_clients.hpp"

namespace ferry::sim::test {
namespace {

using runtime::task;

constexpr auto link_names = std::to_array<std::string_view>({"a", "b", "c", "d", "e"});
constexpr unsigned link_commands = 300;

/// What stands under a name: a file of so many octets, no two of them alike, or a link.
struct modelled_entry {
    std::size_t octets = 0;
    std::string leads_to;  ///< Empty: a file.
};
using modelled_names = std::map<std::string, modelled_entry, std::less<>>;

/// The file that a name leads to, over whatever links; null: none.
const modelled_entry* resolve(const modelled_names& in, std::string_view name) {
    for (std::size_t links = 0; links <= link_names.size(); ++links) {
        const auto found = in.find(name);
        if (found == in.end() || found->second.leads_to.empty()) {
            return found == in.end() ? nullptr : &found->second;
        }
        name = found->second.leads_to;
    }
    return nullptr;
}

struct linked_names : small_scene {
    explicit linked_names(std::uint64_t seed) : small_scene(seed, settings_for_all()) {
        server().note_others();
    }

    /// Another program makes a file.
    void make_file(const std::string& name) {
        ++files_made;
        store(fmt::format("{}/{}", served_directory, name).c_str(), std::string(files_made, 'x'));
        known[name] = {.octets = files_made, .leads_to = {}};
    }

    static ferry_settings settings_for_all() {
        ferry_settings settings;
        settings.anonymous = auth::rights::all();
        return settings;
    }

    modelled_names known;
    std::size_t files_made = 0;
    std::uint64_t links = 0;
    std::uint64_t followed = 0;
    std::uint64_t dangling = 0;
};

/// One thing done to the names, and its answer by what is known of them.
task<> do_something(linked_names& on, ftp_user& user) {
    const std::string name(link_names[on.in().rng().below(link_names.size())]);
    const std::string other(link_names[on.in().rng().below(link_names.size())]);
    const bool is_there = on.known.contains(name);
    const modelled_entry* const file = resolve(on.known, name);
    switch (on.in().rng().below(5)) {
        case 0: {
            co_await user.say(fmt::format("SITE SYMLINK {} {}", name, other));
            const bool is_made = file != nullptr && !on.known.contains(other);
            CHECK_MESSAGE((user.last_code == 200) == is_made, user.last_line);
            if (is_made) {
                on.known[other] = {.octets = 0, .leads_to = name};
                ++on.links;
            }
            break;
        }
        case 1: {
            co_await user.say("DELE " + name);
            CHECK_MESSAGE((user.last_code == 250) == is_there, user.last_line);
            on.known.erase(name);
            break;
        }
        case 2: {
            if (on.known.contains(other) || file == nullptr) {
                break;
            }
            co_await user.expect("RNFR " + name, 350);
            co_await user.expect("RNTO " + other, 250);
            on.known[other] = on.known[name];
            on.known.erase(name);
            break;
        }
        case 3:
            if (!is_there) {
                on.make_file(name);
            }
            break;
        default: {
            co_await user.say("SIZE " + name);
            CHECK_MESSAGE((user.last_code == 213) == (file != nullptr), user.last_line);
            if (file != nullptr) {
                CHECK(user.last_line == fmt::format("213 {}", file->octets));
            }
            on.followed += file != nullptr && !on.known[name].leads_to.empty();
            on.dangling += file == nullptr && is_there;
            break;
        }
    }
}

/// Logs in and works on the names.
task<> work_on_links(runtime::nursery&, small_scene& scene) {
    auto& on = static_cast<linked_names&>(scene);
    ftp_user user(on);
    co_await user.log_in();
    for (unsigned i = 0; i < link_commands; ++i) {
        co_await do_something(on, user);
    }
    co_await user.expect("QUIT", 221);
}

}  // namespace

// Goal: a link that SITE SYMLINK makes leads where it was told, however names come and go; what is
// removed or renamed is the link itself, never what it leads to. Method: a client draws commands,
// and a model of five names says what each answer has to be.
TEST_CASE("links: made, followed, renamed and removed as a model has them") {
    std::uint64_t links = 0;
    std::uint64_t followed = 0;
    std::uint64_t dangling = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        linked_names on(seed);
        on.serve(work_on_links);
        links += on.links;
        followed += on.followed;
        dangling += on.dangling;
    }
    CHECK(links > 50);  // Else nothing was shown.
    CHECK(followed > 50);
    CHECK(dangling > 10);
}

}  // namespace ferry::sim::test
