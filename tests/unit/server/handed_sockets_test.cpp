#include "server/handed_sockets.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/net/listener.hpp"

using namespace ferry;
using namespace ferry::server;

namespace {

using names = std::vector<std::string>;

constexpr int first_fd = 3;

void set_variables(long process, std::size_t count, const char* of_names) {
    ::setenv("LISTEN_PID", std::to_string(process).c_str(), 1);
    ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", of_names, 1);
}

/// Puts `all` to descriptors 3 and so on for as long as `take` runs, with what is there out of the
/// way: what it does not close is closed. An empty one is a descriptor that is not there.
template <class Take>
auto with_descriptors(std::vector<unique_fd> all, Take take) {
    const auto count = static_cast<int>(all.size());
    std::vector<unique_fd> before;
    for (auto& each : all) {  // An empty one stays that.
        each.reset(::fcntl(each.get(), F_DUPFD_CLOEXEC, first_fd + 2 * count));
    }
    for (int i = 0; i < count; ++i) {
        before.emplace_back(::fcntl(first_fd + i, F_DUPFD_CLOEXEC, first_fd + 2 * count));
        const auto& each = all[static_cast<std::size_t>(i)];
        if (each) {
            ::dup2(each.get(), first_fd + i);
        } else {
            ::close(first_fd + i);
        }
    }
    all.clear();
    auto made = take();
    return std::pair(std::move(made), std::move(before));
}

/// Puts back what was where the sockets are, which end with it.
void put_back(const std::vector<unique_fd>& before) {
    for (std::size_t i = 0; i < before.size(); ++i) {
        const auto at = first_fd + static_cast<int>(i);
        if (before[i]) {
            ::dup2(before[i].get(), at);
        } else {
            ::close(at);
        }
    }
}

/// What `all` are by those names, for as long as `look` runs.
template <class Look>
void hand_over(std::vector<unique_fd> all, const char* of_names, Look look) {
    const auto count = all.size();
    auto [made, before] = with_descriptors(std::move(all), [&] {
        set_variables(::getpid(), count, of_names);
        return handed_sockets::from_environment();
    });
    look(made);
    made = std::unexpected(std::string());
    put_back(before);
}

/// Why they are refused.
std::string complaint(std::vector<unique_fd> all, const char* of_names) {
    std::string why;
    hand_over(std::move(all), of_names, [&why](auto& made) {
        REQUIRE_FALSE(made);
        why = made.error();
    });
    return why;
}

unique_fd listening() {
    return net::open_listener({.at = loopback(0), .share_port = true}).value();
}

net::endpoint where(const unique_fd& socket) {
    return net::local_endpoint(socket.get()).value();
}

template <class... Sockets>
std::vector<unique_fd> sockets(Sockets... each) {
    std::vector<unique_fd> all;
    (all.push_back(std::move(each)), ...);
    return all;
}

/// A socket of the file system that listens at `path`.
unique_fd listening_at(const std::string& path) {
    unique_fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(made.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                   sizeof address) == 0);
    REQUIRE(::listen(made.get(), 1) == 0);
    return made;
}

}  // namespace

TEST_CASE("handed_sockets: those of another process are left alone, the variables are not") {
    set_variables(::getpid() + 1, 1, "http");
    const auto made = handed_sockets::from_environment();
    REQUIRE(made);
    config settings;
    REQUIRE(made->put_into(settings));
    CHECK(settings == config{});
    CHECK(std::getenv("LISTEN_PID") == nullptr);
    CHECK(std::getenv("LISTEN_FDS") == nullptr);
    CHECK(std::getenv("LISTEN_FDNAMES") == nullptr);
}

TEST_CASE("handed_sockets: a manager's are served in place of the settings', a ferry's if named") {
    auto http = listening();
    auto ftp = listening();
    const auto http_at = where(http);
    const auto ftp_at = where(ftp);
    int channel[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) == 0);
    const unique_fd far(channel[0]);
    hand_over(sockets(std::move(http), unique_fd(channel[1]), std::move(ftp)),
              "http:predecessor:own-ftp", [&](auto& made) {
                  REQUIRE(made);
                  CHECK(made->predecessor.get() == first_fd + 1);
                  config settings;
                  REQUIRE(made->put_into(settings));
                  CHECK(settings.http == std::vector{http_at});
                  CHECK(settings.ftp == config{}.ftp);

                  const auto taken = made->take("http", http_at, settings.http);
                  REQUIRE(taken.size() == 1);
                  CHECK(taken.front().is_given);
                  CHECK(taken.front().at == http_at);
                  const auto flags = ::fcntl(taken.front().socket.get(), F_GETFL);
                  CHECK((flags & O_NONBLOCK) != 0);
                  CHECK(::fcntl(taken.front().socket.get(), F_GETFD) == FD_CLOEXEC);
                  CHECK(made->take("http", http_at, settings.http).empty());
                  CHECK(made->take("https", ftp_at, {ftp_at}).empty());
                  const auto own = made->take("ftp", ftp_at, {ftp_at});
                  REQUIRE(own.size() == 1);
                  CHECK_FALSE(own.front().is_given);
              });
}

TEST_CASE("handed_sockets: all sockets of an address are taken, each once") {
    auto first = listening();
    auto second = net::open_listener({.at = where(first), .share_port = true}).value();
    const auto at = where(first);
    unique_fd again(::dup(first.get()));
    hand_over(sockets(std::move(first), std::move(second), std::move(again)),
              "own-http:own-http:own-http", [&](auto& made) {
                  REQUIRE(made);
                  CHECK(made->take("http", at, {at}).size() == 2);
              });
}

TEST_CASE("handed_sockets: who asks for port 0 has the one that the kernel had chosen") {
    auto chosen = listening();
    auto named = listening();
    const auto chosen_at = where(chosen);
    const auto named_at = where(named);
    hand_over(sockets(std::move(named), std::move(chosen)), "own-http:own-http", [&](auto& made) {
        REQUIRE(made);
        const std::vector<net::endpoint> all{loopback(0), named_at};
        auto elsewhere = loopback(0);
        elsewhere.octets[3] = 2;
        CHECK(made->take("http", elsewhere, all).empty());
        const auto taken = made->take("http", loopback(0), all);
        REQUIRE(taken.size() == 1);
        CHECK(taken.front().at == chosen_at);
        CHECK(made->take("http", loopback(0), all).empty());
        CHECK(made->take("http", named_at, all).size() == 1);
    });
}

TEST_CASE("handed_sockets: what is of no use is told") {
    CHECK(complaint(sockets(listening()), "smtp") ==
          "descriptor 3 of LISTEN_FDS, \"smtp\": its name is not http, https, ftp or ftps "
          "(FileDescriptorName=)");
    CHECK(complaint(sockets(listening()), "") ==
          "descriptor 3 of LISTEN_FDS, \"\": its name is not http, https, ftp or ftps "
          "(FileDescriptorName=)");
    CHECK(complaint(sockets(listening()), "admin").contains("its name is not http"));
    CHECK(
        complaint(sockets(listening(), unique_fd(::socket(AF_INET, SOCK_STREAM, 0))), "http:ftp") ==
        "descriptor 4 of LISTEN_FDS, \"ftp\": it is no stream socket that listens "
        "(ListenStream=, Accept=no)");
    CHECK(complaint(sockets(unique_fd(::open("/dev/null", O_RDONLY))), "http")
              .contains("it is no stream socket that listens"));
    hand_over(sockets(listening(), unique_fd()), "http:http", [](auto& made) {
        REQUIRE_FALSE(made);
        CHECK(made.error() == "LISTEN_FDS is 2, and there is no descriptor 4");
    });
}

TEST_CASE("handed_sockets: TLS needs a certificate, whoever opens its socket") {
    hand_over(sockets(listening()), "https", [](auto& made) {
        REQUIRE(made);
        config settings;
        const auto put = made->put_into(settings);
        REQUIRE_FALSE(put);
        CHECK(put.error() ==
              "a socket of https was given (LISTEN_FDS), and there is no --tls-cert");
        settings.tls_self_signed = true;
        CHECK(made->put_into(settings).has_value());
        CHECK(settings.https.size() == 1);
    });
}

TEST_CASE("handed_sockets: names of the file system that nobody wants go, but for a manager's") {
    std::string folder = "/tmp/ferry-handed-XXXXXX";
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    const auto own = folder + "/own";
    const auto wanted = folder + "/wanted";
    const auto given = folder + "/given";
    const auto replaced = folder + "/replaced";
    auto all = sockets(listening_at(own), listening_at(wanted), listening_at(given),
                       listening_at(replaced));
    REQUIRE(::unlink(replaced.c_str()) == 0);
    REQUIRE(unique_fd(::open(replaced.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
    hand_over(std::move(all), "own-http:own-admin:http:own-http", [&](auto& made) {
        REQUIRE(made);
        CHECK(made->take("http", local_door{.path = wanted}).empty());
        const auto taken = made->take("admin", local_door{.path = wanted});
        REQUIRE(taken.size() == 1);
        CHECK(taken.front().path == wanted);
        config settings;
        REQUIRE(made->put_into(settings));
        CHECK(settings.http_local == std::vector{local_door{.path = given}});
        CHECK(settings.http.empty());
        CHECK(made->paths_left() == names{own, replaced});
        made->drop_rest();
        CHECK(made->paths_left().empty());
        CHECK_FALSE(std::filesystem::exists(own));
        CHECK(std::filesystem::exists(wanted));
        CHECK(std::filesystem::exists(given));
        CHECK(std::filesystem::exists(replaced));  // It is no socket.
    });
    std::filesystem::remove_all(folder);
}

TEST_CASE("handed_sockets: of the file system there are sockets of http and admin only") {
    std::string folder = "/tmp/ferry-handed-XXXXXX";
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    CHECK(complaint(sockets(listening_at(folder + "/ftp")), "ftp") ==
          "descriptor 3 of LISTEN_FDS, \"ftp\": of the file system there are sockets of http only, "
          "with a path");
    std::filesystem::remove_all(folder);
}

TEST_CASE("handed_sockets: names that a manager has given, and no ferry") {
    set_variables(::getpid(), 4, "http:own-ftp:predecessor:ftps");
    CHECK(handed_sockets::names_given() == names{"http", "ftps"});
    CHECK(std::getenv("LISTEN_FDNAMES") != nullptr);
    set_variables(::getpid() + 1, 2, "http:ftps");
    CHECK(handed_sockets::names_given().empty());
    for (const auto* each : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        ::unsetenv(each);
    }
    CHECK(handed_sockets::names_given().empty());
}
