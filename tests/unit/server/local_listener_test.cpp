#include "server/local_listener.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

using namespace ferry;
using namespace ferry::server;

namespace {

/// A folder of its own for each test.
class scratch_folder {
  public:
    scratch_folder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string operator/(std::string_view name) const {
        return path_ + "/" + std::string(name);
    }

  private:
    std::string path_ = "/tmp/ferry-local-listener-XXXXXX";
};

bool can_connect(const std::string& path) {
    const unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return ::connect(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                     sizeof address) == 0;
}

mode_t mode_of(const std::string& path) {
    struct stat status{};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("local_listener: how a door is written") {
    struct row {
        std::string_view text;
        std::string_view path;
        mode_t mode;
        std::string_view shown;
    };
    const row rows[] = {
        {"/run/ferry.sock", "/run/ferry.sock", 0660, "/run/ferry.sock"},
        {"x", "x", 0660, "x"},
        {"/run/a:b", "/run/a:b", 0660, "/run/a:b"},
        {"/run/x:mode=0666", "/run/x", 0666, "/run/x:mode=0666"},
        {"/run/x:mode=600", "/run/x", 0600, "/run/x:mode=0600"},
        {"/run/x:mode=0660", "/run/x", 0660, "/run/x"},
        {"/run/x:mode=1:mode=777", "/run/x:mode=1", 0777, "/run/x:mode=1:mode=0777"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        const auto door = parse_local_door(each.text);
        REQUIRE(door);
        CHECK(door->path == each.path);
        CHECK(door->mode == each.mode);
        CHECK(show(*door) == each.shown);
    }
    CHECK(parse_local_door(std::string(107, 'x')));
    for (const std::string& text :
         {std::string(), std::string(":mode=0660"), std::string(108, 'x'), std::string("a\0b", 3),
          std::string("x:mode="), std::string("x:mode=8"), std::string("x:mode=1777"),
          std::string("x:mode=00660"), std::string("x:mode=rw")}) {
        CAPTURE(text);
        CHECK_FALSE(parse_local_door(text));
    }
}

TEST_CASE("local_listener: has its mode whatever the umask, and goes at the end") {
    const scratch_folder folder;
    const auto path = folder / "socket";
    const auto before = ::umask(0077);
    {
        const auto made = listen_locally({.path = path, .mode = 0666}, 8);
        REQUIRE(made);
        CHECK(mode_of(path) == 0666);
        CHECK(can_connect(path));
    }
    CHECK(::umask(before) == 0077);
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("local_listener: a socket that a server has left is replaced, one in use is not") {
    const scratch_folder folder;
    const auto path = folder / "socket";
    const auto saved = folder / "saved";
    {
        const auto dead = listen_locally({.path = path}, 8);
        REQUIRE(dead);
        const auto second = listen_locally({.path = path}, 8);
        REQUIRE_FALSE(second);
        CHECK(second.error().ends_with("another server listens there"));
        std::filesystem::rename(path, saved);  // As a crash leaves it behind.
    }
    std::filesystem::rename(saved, path);
    CHECK_FALSE(can_connect(path));
    auto fresh = listen_locally({.path = path}, 8);
    REQUIRE(fresh);
    CHECK(can_connect(path));
    // A name that is another's by now is not removed.
    std::filesystem::remove(path);
    const auto other = listen_locally({.path = path}, 8);
    REQUIRE(other);
    { const auto gone = std::move(fresh->name); }
    CHECK(can_connect(path));
}

TEST_CASE("local_listener: a name that was taken over stays until it is kept") {
    const scratch_folder folder;
    const auto path = folder / "socket";
    auto old = listen_locally({.path = path}, 8);
    REQUIRE(old);
    { const auto failed = name_of_listening(path); }
    CHECK(can_connect(path));
    old->name.leave();
    {
        auto serves = name_of_listening(path);
        REQUIRE(serves);
        serves->keep();
    }
    CHECK_FALSE(std::filesystem::exists(path));
    std::ofstream(path) << "content";
    CHECK_FALSE(name_of_listening(path));
}

TEST_CASE("local_listener: an owner is given the socket, and nothing that has taken its place") {
    if (::geteuid() != 0) {
        MESSAGE("only root gives files away");
        return;
    }
    constexpr uid_t other = 65'534;
    const auto owner_of = [](const std::string& path) {
        struct stat status{};
        REQUIRE(::lstat(path.c_str(), &status) == 0);
        return status.st_uid;
    };
    const scratch_folder folder;
    const auto path = folder / "socket";
    auto made = listen_locally({.path = path}, 8);
    REQUIRE(made);
    const auto taken = name_of_listening(path);
    REQUIRE(taken);
    taken->give_to(other, other);
    CHECK(owner_of(path) == 0);
    made->name.give_to(other, other);
    CHECK(owner_of(path) == other);
    std::filesystem::rename(path, folder / "elsewhere");
    std::ofstream(folder / "precious") << "content";
    std::filesystem::create_symlink("precious", path);
    made->name.give_to(other, other);
    CHECK(owner_of(path) == 0);
    CHECK(owner_of(folder / "precious") == 0);
}

TEST_CASE("local_listener: what is no socket stays") {
    const scratch_folder folder;
    const auto path = folder / "file";
    std::ofstream(path) << "content";
    const auto refused = listen_locally({.path = path}, 8);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().ends_with("there is a file of that name that is no socket"));
    CHECK(std::filesystem::file_size(path) == 7);
    CHECK_FALSE(listen_locally({.path = folder / "no/such"}, 8));
}
