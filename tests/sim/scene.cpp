#include "scene.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry_host.hpp"
#include "ftp_client.hpp"
#include "http_client.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

constexpr std::size_t clients_each_max = 4;
constexpr std::size_t lasting_steps = 1'000;
constexpr auto fresh_retry_pause = std::chrono::milliseconds(100);
constexpr const char* asked_by_fresh = "/static/sub/deep.bin";

/// `path` of the served tree as the server's disk has it.
std::string on_disk(std::string_view path) {
    return std::string(served_directory) + std::string(path);
}

open_file_ptr open_on(disk& files, const std::string& path, int flags) {
    open_file_ptr opened;
    const open_how how{.flags = static_cast<unsigned>(flags),
                       .mode = (flags & O_CREAT) != 0 ? 0644U : 0U,
                       .resolve = 0};
    const int refused = files.open(files.root(), path.c_str(), how, opened);
    return refused == 0 ? opened : nullptr;
}

void sync_directory(disk& files, const std::string& path) {
    const auto directory = open_on(files, path, O_RDONLY | O_DIRECTORY);
    FERRY_ASSERT(directory != nullptr);
    FERRY_ASSERT(files.sync(directory, false) == 0);
}

/// Makes a file whole and durable, but for its name.
void store(disk& files, const std::string& path, const content& what) {
    const auto file = open_on(files, path, O_WRONLY | O_CREAT | O_TRUNC);
    FERRY_ASSERT(file != nullptr);
    const std::string octets = what.octets();
    FERRY_ASSERT(files.write(file, std::as_bytes(std::span(octets)), 0) ==
                 static_cast<std::int64_t>(octets.size()));
    FERRY_ASSERT(files.sync(file, false) == 0);
}

}  // namespace

scene::scene(world& in, host& server, runtime::core& clients, scene_settings settings,
             report& findings)
    : world_(in),
      server_(server),
      here_(clients),
      settings_(std::move(settings)),
      findings_(findings),
      model_([&in] { return in.now(); }) {
    model_.set_keeps_parts(settings_.keeps_parts);
    plant_seed_tree(model_, in.rng(), clients_each_max, settings_.crowd);
    if (settings_.packing.uses_files_beside) {
        plant_packed_files(model_);
    }
    plant();
}

void scene::plant() {
    disk& files = server_.files();
    FERRY_ASSERT(files.make_directory(files.root(), served_directory, 0755) == 0);
    std::vector<std::string> directories{"/", served_directory};
    model_.for_each_placed([&](const std::string& path, const node_state& what) {
        if (path == "/") {
            return;
        }
        const std::string name = on_disk(path);
        if (what.kind == node_kind::directory) {
            FERRY_ASSERT(files.make_directory(files.root(), name.c_str(), 0755) == 0);
            directories.push_back(name);
            return;
        }
        store(files, name, what.octets);
        const auto file = open_on(files, name, O_PATH);
        const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                                   {.tv_sec = what.modified.value_or(0), .tv_nsec = 0}};
        FERRY_ASSERT(files.set_times(file, times) == 0);
        FERRY_ASSERT(files.sync(open_on(files, name, O_WRONLY), false) == 0);
    });
    for (const auto& each : directories) {
        sync_directory(files, each);
    }
}

client_context scene::context(std::string name, std::size_t number) {
    return {.here = here_,
            .model = model_,
            .findings = findings_,
            .rng = ferry::random(world_.rng().next()),
            .name = std::move(name),
            .http = settings_.http,
            .ftp = settings_.ftp,
            .tls = settings_.tls,
            .server = settings_.numbers,
            .packing = settings_.packing,
            .sites = settings_.sites,
            .resumes_uploads = settings_.resumes_uploads,
            .excused = settings_.excused,
            .network = settings_.network,
            .accounts = usual_accounts(settings_.says_all),
            .durability = settings_.durability,
            .large_bytes_max = 2'000'000,
            .own_directory = own_directory(number),
            .copies_files = settings_.copies_files,
            .says_all = settings_.says_all,
            .is_punctual = !settings_.excused.any()};
}

task<> scene::play(runtime::nursery&, scene& on, protocol speaks, std::size_t number, stay how) {
    const bool is_short = how == stay::brief;
    do {
        auto mine = on.context(
            fmt::format("{} {}", speaks == protocol::http ? "http" : "ftp", number), number);
        if (is_short) {
            mine.conversations = 1;
            mine.steps_max = 6;
            mine.is_patient = false;
            mine.upload_bytes_max = 20'000;
            mine.large_bytes_max = 0;
        }
        if (how == stay::lasting) {
            mine.conversations = 1;
            mine.steps_max = lasting_steps;
            mine.is_persistent = true;
        }
        if (speaks == protocol::http) {
            co_await run_http_client(std::move(mine)).in_scope(on.old_ones_);
        } else {
            co_await run_ftp_client(std::move(mine)).in_scope(on.old_ones_);
        }
        static_cast<void>(co_await runtime::sleep_until(
            on.here_, on.here_.now() + on.world_.between(std::chrono::milliseconds(1),
                                                         std::chrono::milliseconds(200))));
    } while (!is_short && !on.is_leaving_ && on.findings_.is_clean());
    --on.present_;
}

task<> scene::visit(runtime::nursery&, scene& on, protocol speaks) {
    auto mine =
        on.context(speaks == protocol::http ? "a fresh http client" : "a fresh ftp client", 0);
    mine.excused = {};
    // What was read before a clock jump or a crash is another matter than being served.
    mine.excused.clock_jumps = true;
    mine.excused.crowding = on.settings_.excused.crowding;
    mine.pause_max = std::chrono::milliseconds(1);
    mine.is_patient = false;  // A wrong password takes the server a second, as it should.
    bool is_served = false;
    do {
        if (speaks == protocol::http) {
            is_served = co_await check_http_answer(mine, asked_by_fresh);
        } else {
            is_served = co_await check_ftp_session(mine);
        }
        if (!is_served) {
            static_cast<void>(
                co_await runtime::sleep_until(on.here_, on.here_.now() + fresh_retry_pause));
        }
        // Where the server has few places, those who leave must be out of the door first; where
        // others at this address have guessed wrong, its answers wait their turn.
    } while (!is_served && (mine.excused.crowding || on.may_be_put_off_) &&
             on.findings_.is_clean());
    if (is_served) {
        (speaks == protocol::http ? on.is_http_fresh_ : on.is_ftp_fresh_) = false;
    }
}

void scene::enter(runtime::core_tasks& tasks, cast who) {
    const auto begin = [&](protocol speaks, std::size_t number, stay how) {
        ++present_;  // Already: a run must not think that nobody came.
        tasks.start(&scene::play, std::ref(*this), speaks, number, how);
    };
    switch (who) {
        case cast::http:
            begin(protocol::http, 0, stay::brief);
            return;
        case cast::ftp:
            begin(protocol::ftp, 0, stay::brief);
            return;
        case cast::mixed:
        case cast::persistent:
        case cast::ftp_all:
            break;
    }
    const stay how = who == cast::mixed ? stay::usual : stay::lasting;
    const std::size_t http = who == cast::ftp_all ? 0 : world_.rng().below(clients_each_max + 1);
    const std::size_t ftp = http == 0 ? 1 + world_.rng().below(clients_each_max)
                                      : world_.rng().below(clients_each_max + 1);
    for (std::size_t number = 0; number < http; ++number) {
        begin(protocol::http, number, how);
    }
    for (std::size_t number = 0; number < ftp; ++number) {
        begin(protocol::ftp, number, how);
    }
}

void scene::ask_to_leave() {
    is_leaving_ = true;
    old_ones_.request_stop();
}

void scene::enter_fresh(runtime::core_tasks& tasks, bool may_be_put_off) {
    may_be_put_off_ = may_be_put_off;
    is_http_fresh_ = is_ftp_fresh_ = true;
    for (const auto each : {protocol::http, protocol::ftp}) {
        tasks.start(&scene::visit, std::ref(*this), each);
    }
}

void scene::change_a_file() {
    disk& files = server_.files();
    std::vector<std::string> candidates;
    for (const auto& each : model_.children("/shared")) {
        const std::string path = joined("/shared", each);
        std::string octets;
        if (model_.is_settled(path) && files.content(on_disk(path), octets)) {
            candidates.push_back(path);
        }
    }
    if (candidates.empty()) {
        return;
    }
    const std::string path = candidates[world_.rng().below(candidates.size())];
    const std::string name = on_disk(path);
    std::string octets;
    FERRY_ASSERT(files.content(name, octets));
    switch (world_.rng().below(3)) {
        case 0: {
            world_.note("another program truncates");
            const std::uint64_t left = world_.rng().below(octets.size() + 1);
            model_.disturb(path);
            const auto change_made =
                model_.begin(path, {.kind = change_kind::truncate, .offset = left});
            const auto file = open_on(files, name, O_WRONLY);
            FERRY_ASSERT(files.truncate(file, left) == 0 && files.sync(file, false) == 0);
            FERRY_ASSERT(model_.acknowledged(change_made));
            return;
        }
        case 1: {
            world_.note("another program replaces");
            const std::uint64_t size_max = world_.chance(4) ? 2'000'000 : 50'000;
            const content fresh = model_.fresh(pattern_kind::binary, world_.rng().below(size_max));
            const auto change_made =
                model_.begin(path, {.kind = change_kind::replace, .octets = fresh});
            const std::string beside = "/beside";
            store(files, beside, fresh);
            FERRY_ASSERT(
                files.rename(files.root(), beside.c_str(), files.root(), name.c_str(), 0) == 0);
            sync_directory(files, on_disk("/shared"));
            FERRY_ASSERT(model_.acknowledged(change_made));
            return;
        }
        default: {
            world_.note("another program removes");
            const auto change_made = model_.begin(path, {.kind = change_kind::remove_file});
            FERRY_ASSERT(files.unlink(files.root(), name.c_str(), 0) == 0);
            sync_directory(files, on_disk("/shared"));
            FERRY_ASSERT(model_.acknowledged(change_made));
            return;
        }
    }
}

model_tree::disk_view scene::look() {
    names_seen_.clear();
    const std::string_view root = served_directory;
    for (const auto& each : server_.files().names()) {
        if (each.starts_with(root) && each.size() > root.size() + 1) {
            names_seen_.push_back(each.substr(root.size()));
        }
    }
    std::ranges::sort(names_seen_);
    return {.names = names_seen_,
            .content_of =
                [this](std::string_view path, std::string& into) {
                    return server_.files().content(on_disk(path), into);
                },
            .may_be_left = {}};
}

void scene::server_crashed() {
    model_.after_crash(settings_.durability);
    auto seen = look();
    seen.may_be_left = [](std::string_view) { return true; };
    model_.check_disk(seen, findings_);
    if (findings_.is_clean()) {
        model_.adopt(seen);
    }
}

void scene::check_disk() {
    model_.settle_all();
    const auto spared = server_.files().spared();
    auto seen = look();
    seen.may_be_left = [&spared](std::string_view path) {
        return std::ranges::binary_search(spared, on_disk(path));
    };
    model_.check_disk(seen, findings_);
}

void scene::check_recovered_disk() {
    model_.check_disk(look(), findings_);
}

bool scene::has_hidden_names() const {
    return std::ranges::any_of(names_seen_, [this](const std::string& path) {
        const auto name = name_of(path);
        return name.starts_with(".ferry-") &&
               !(settings_.keeps_parts && name.starts_with(".ferry-part-"));
    });
}

}  // namespace ferry::sim::test
