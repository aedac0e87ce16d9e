#include "small_scene.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <optional>
#include <span>
#include <utility>

#include "ferry/base/log.hpp"

namespace ferry::sim::test {

using namespace std::chrono_literals;

small_scene::small_scene(std::uint64_t seed, ferry_settings settings)
    : in_(seed),
      server_(in_, std::move(settings)),
      core_(0, clients_, ferry::random(in_.rng().next())) {
    log::set_level(log::level::off);
    REQUIRE(files().make_directory(files().root(), served_directory, 0755) == 0);
}

small_scene::~small_scene() {
    log::set_level(log::level::info);
}

open_file_ptr small_scene::open(const char* path, unsigned flags) {
    open_file_ptr opened;
    const open_how how{.flags = flags, .mode = (flags & O_CREAT) != 0 ? 0644U : 0U, .resolve = 0};
    REQUIRE(files().open(files().root(), path, how, opened) == 0);
    return opened;
}

void small_scene::store(const char* path, std::string_view octets) {
    REQUIRE(files().write(open(path, O_WRONLY | O_CREAT), std::as_bytes(std::span(octets)), 0) ==
            static_cast<std::int64_t>(octets.size()));
}

void small_scene::let_pass(runtime::duration time) {
    const auto until = in_.now() + time;
    while (in_.events().step(until)) {}
}

void small_scene::serve(client& one) {
    server_.start();
    clients_.begin();
    runtime::stop_scope stop;
    std::optional<runtime::core_tasks> tasks;
    {
        const host::in_use here(clients_host_);
        tasks.emplace(core_, stop);
        tasks->start(&one, std::ref(*this));
    }
    const auto until = in_.now() + 60s;
    while (!tasks->have_ended() && in_.events().step(until)) {}
    REQUIRE(tasks->have_ended());
    end();
}

void small_scene::end() {
    {
        const host::in_use here(server_.machine());
        server_.drain();
    }
    let_pass(15s);
    REQUIRE(server_.has_ended());
    for (const auto& each : server_.leftovers()) {
        FAIL_CHECK(each);
    }
}

}  // namespace ferry::sim::test
