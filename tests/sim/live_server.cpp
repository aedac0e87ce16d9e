#include "live_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "ferry/base/assert.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/runtime/uring.hpp"
#include "server_accounts.hpp"

namespace ferry::sim::test {
namespace {

net::endpoint loopback() {
    return {.family = net::address_family::v4, .octets = {127, 0, 0, 1}, .port = 0};
}

std::filesystem::path make_directory() {
    std::string name = "/tmp/ferry-clients-XXXXXX";
    FERRY_ASSERT(::mkdtemp(name.data()) != nullptr);
    return name;
}

server::door open_door(server::protocol speaks, net::endpoint& at) {
    auto opened = net::open_listener({.at = loopback()});
    FERRY_ASSERT(opened.has_value());
    at = net::local_endpoint(opened->get()).value_or(net::endpoint{});
    return {.speaks = speaks, .socket = std::move(*opened)};
}

http::options http_numbers(const server_numbers& numbers) {
    http::options made;
    made.head_bytes_max = numbers.head_bytes_max;
    made.target_bytes_max = numbers.target_bytes_max;
    made.fields_max = numbers.fields_max;
    made.header_timeout = numbers.header_timeout;
    made.idle_timeout = numbers.idle_timeout;
    made.send_timeout = numbers.send_timeout;
    made.body_drain_bytes_max = numbers.body_drain_bytes_max;
    made.body_timeout = numbers.body_timeout;
    made.durability = vfs::durability::none;
    return made;
}

ftp::options ftp_numbers(const server_numbers& numbers) {
    ftp::options made;
    made.line_bytes_max = numbers.ftp_line_bytes_max;
    made.login_tries_max = numbers.login_tries_max;
    made.idle_timeout = numbers.ftp_idle_timeout;
    made.transfer_stall_timeout = numbers.stall_timeout;
    made.data_connect_timeout = numbers.data_connect_timeout;
    made.durability = vfs::durability::none;
    return made;
}

}  // namespace

live_server::live_server(const model_tree& model, const server_numbers& numbers)
    : directory_(make_directory()),
      users_(std::make_shared<const auth::accounts>(server_accounts(), auth::rights::read_only())) {
    plant(model);
    auto opened = vfs::open_local_tree(directory_.c_str());
    FERRY_ASSERT(opened.has_value());
    files_ = std::move(*opened);
    files_->close_on(offload_);
    files_->count_for(homes_, {});
    files_->note_replacements(replacements_);
    parts_ = std::make_unique<server::shared_parts>(server::shared_parts{
        .files = *files_,
        .users = users_,
        .sessions = sessions_,
        .logged_in = logged_in_,
        .usages = usages_,
        .failures = failures_,
        .digests = known_digests_,
        .homes = homes_,
        .types = types_,
        .http = http_numbers(numbers),
        .ftp = ftp_numbers(numbers),
        .make_reactor = [this](unsigned) { return runtime::make_uring_reactor({}, offload_); },
        .drain_timeout = std::chrono::seconds(2),
        .counts = counts_});
    std::vector<server::door> doors;
    doors.push_back(open_door(server::protocol::http, http_at_));
    doors.push_back(open_door(server::protocol::ftp, ftp_at_));
    core_ = std::make_unique<server::core_server>(0, *parts_, std::move(doors));
    thread_ = std::thread([this] { serve(); });
    is_ready_.wait(false);
}

live_server::~live_server() {
    end();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void live_server::drain() {
    is_draining_ = true;
    core_->drain();
}

void live_server::end() {
    if (!thread_.joinable()) {
        return;
    }
    if (!is_draining_) {
        drain();
    }
    thread_.join();
}

void live_server::serve() {
    const auto opened = core_->open();
    FERRY_ASSERT(opened.has_value());
    is_ready_ = true;
    is_ready_.notify_one();
    core_->run();
}

void live_server::plant(const model_tree& model) const {
    model.for_each_placed([this](const std::string& path, const node_state& what) {
        const auto name = directory_.string() + path;
        if (what.kind == node_kind::directory) {
            std::filesystem::create_directories(name);
            return;
        }
        std::ofstream(name, std::ios::binary) << what.octets.octets();
        const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                                   {.tv_sec = what.modified.value_or(0), .tv_nsec = 0}};
        FERRY_ASSERT(::utimensat(AT_FDCWD, name.c_str(), times, 0) == 0);
    });
}

std::vector<std::string> live_server::names() const {
    std::vector<std::string> made;
    for (const auto& each : std::filesystem::recursive_directory_iterator(directory_)) {
        auto name = each.path().string().substr(directory_.string().size());
        made.push_back(each.is_directory() ? name + "/" : name);
    }
    std::ranges::sort(made);
    return made;
}

bool live_server::content(std::string_view path, std::string& into) const {
    std::ifstream in(directory_.string().append(path), std::ios::binary);
    if (!in) {
        return false;
    }
    into.assign(std::istreambuf_iterator<char>(in), {});
    return true;
}

client_machine::client_machine() {
    auto made = runtime::make_uring_reactor({}, offload_);
    FERRY_ASSERT(made.has_value());
    io_ = std::move(*made);
    here_ = std::make_unique<runtime::core>(1, *io_, ferry::random(1));
}

}  // namespace ferry::sim::test
