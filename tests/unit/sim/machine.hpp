#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"
#include "sim/disk.hpp"

namespace ferry::sim_test {

/// A disk with its clock and chances, and short ways to use it. All paths are absolute.
struct machine {
    explicit machine(std::uint64_t seed = 1) : rng(seed), files([this] { return clock; }, rng) {}

    sim::open_file_ptr open(const std::string& path, int flags) {
        sim::open_file_ptr opened;
        const bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
        REQUIRE(
            files.open(
                nullptr, path.c_str(),
                {.flags = static_cast<unsigned>(flags), .mode = makes ? 0644U : 0U, .resolve = 0},
                opened) == 0);
        return opened;
    }
    sim::open_file_ptr make(const std::string& path) {
        return open(path, O_RDWR | O_CREAT | O_EXCL);
    }
    std::int64_t write(const sim::open_file_ptr& file, std::string_view octets,
                       std::uint64_t offset = runtime::at_position) {
        return files.write(file, std::as_bytes(std::span(octets)), offset);
    }
    void sync(const std::string& path) { REQUIRE(files.sync(open(path, O_RDONLY), false) == 0); }
    int rename(const char* from, const char* to) {
        return files.rename(nullptr, from, nullptr, to, 0);
    }
    int unlink(const char* path, int flags = 0) { return files.unlink(nullptr, path, flags); }
    int make_directory(const char* path) { return files.make_directory(nullptr, path, 0755); }

    /// What a file holds; "none" if there is no such file.
    [[nodiscard]] std::string read(const std::string& path, bool durable = false) const {
        std::string content;
        return files.content(path, content, durable) ? content : "none";
    }
    [[nodiscard]] struct stat status(const sim::open_file_ptr& of) const {
        struct stat status{};
        REQUIRE(files.status(of, status) == 0);
        return status;
    }

    timespec clock{.tv_sec = 1'700'000'000, .tv_nsec = 0};
    ferry::random rng;
    sim::disk files;
};

[[nodiscard]] inline std::string random_octets(ferry::random& rng, std::size_t size_bytes) {
    std::string octets(size_bytes, '\0');
    for (char& each : octets) {
        each = static_cast<char>('a' + rng.below(26));
    }
    return octets;
}

}  // namespace ferry::sim_test
