#pragma once

#include <linux/openat2.h>
#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event_lines.hpp"
#include "ferry/base/random.hpp"
#include "sim/disk.hpp"
#include "sim/inotify.hpp"

namespace ferry::sim_test {

inline constexpr std::size_t slots_max = 10;  // What is open; the first is the root, for ever.

/// What both must say of a file.
struct facts {
    mode_t mode = 0;
    unsigned long links = 0;
    std::uint64_t size_bytes = 0;  ///< Not of a directory: that is the file system's own affair.

    friend bool operator==(const facts&, const facts&) = default;
};

std::string text_of(const facts& what);

struct at_path {
    std::size_t base;
    std::string path;
};

/// A file system by its system calls, with what is open in numbered slots.
class file_system {
  public:
    file_system() = default;
    file_system(const file_system&) = delete;
    file_system& operator=(const file_system&) = delete;
    virtual ~file_system() = default;

    virtual std::int64_t open(const at_path& at, const open_how& how, std::size_t into) = 0;
    virtual void close(std::size_t slot) = 0;
    /// `offset` may be `runtime::at_position`, here and in `write`.
    virtual std::int64_t read(std::size_t slot, std::string& into, std::uint64_t offset) = 0;
    virtual std::int64_t write(std::size_t slot, std::string_view octets, std::uint64_t offset) = 0;
    virtual std::int64_t truncate(std::size_t slot, std::uint64_t size_bytes) = 0;
    virtual std::int64_t sync(std::size_t slot, bool data_only) = 0;
    virtual std::int64_t change_mode(std::size_t slot, mode_t mode) = 0;
    virtual std::int64_t copy(std::size_t from, std::uint64_t from_offset, std::size_t to,
                              std::uint64_t to_offset, std::uint64_t size_bytes) = 0;
    virtual std::int64_t lock(std::size_t slot, int operation) = 0;
    virtual std::int64_t status(std::size_t slot, facts& into) = 0;
    /// What ferry's listings are made of: each name with the status of what it leads to beneath the
    /// root, if `path` is the directory's there, and what a link says. Sorted, one line each.
    virtual std::int64_t list(std::size_t slot, const std::string& path,
                              std::vector<std::string>& lines) = 0;
    virtual std::int64_t rename(const at_path& from, const at_path& to, unsigned flags) = 0;
    virtual std::int64_t link(const at_path& from, const at_path& to, int flags) = 0;
    virtual std::int64_t link_open(std::size_t slot, const at_path& to) = 0;
    virtual std::int64_t unlink(const at_path& at, int flags) = 0;
    virtual std::int64_t make_directory(const at_path& at, mode_t mode) = 0;
    virtual std::int64_t make_symlink(const at_path& at, const std::string& target) = 0;
    virtual std::int64_t make_fifo(const at_path& at, mode_t mode) = 0;

    /// inotify_add_watch(2) of what is open, inotify_rm_watch(2) and what there is to read, all by
    /// one instance.
    virtual std::int64_t watch(std::size_t slot, std::uint32_t mask) = 0;
    virtual std::int64_t end_watch(int number) = 0;
    virtual std::vector<std::string> events() = 0;

    /// Every name beneath the root with what it is, line by line.
    virtual std::map<std::string, std::string> everything() = 0;
};

/// A simulated disk.
class simulated final : public file_system {
  public:
    explicit simulated(std::uint64_t seed);

    std::int64_t open(const at_path& at, const open_how& how, std::size_t into) override;
    void close(std::size_t slot) override { open_[slot] = nullptr; }
    std::int64_t read(std::size_t slot, std::string& into, std::uint64_t offset) override;
    std::int64_t write(std::size_t slot, std::string_view octets, std::uint64_t offset) override;
    std::int64_t truncate(std::size_t slot, std::uint64_t size_bytes) override;
    std::int64_t sync(std::size_t slot, bool data_only) override;
    std::int64_t change_mode(std::size_t slot, mode_t mode) override;
    std::int64_t copy(std::size_t from, std::uint64_t from_offset, std::size_t to,
                      std::uint64_t to_offset, std::uint64_t size_bytes) override;
    std::int64_t lock(std::size_t slot, int operation) override;
    std::int64_t status(std::size_t slot, facts& into) override;
    std::int64_t list(std::size_t slot, const std::string& path,
                      std::vector<std::string>& lines) override;
    std::int64_t rename(const at_path& from, const at_path& to, unsigned flags) override;
    std::int64_t link(const at_path& from, const at_path& to, int flags) override;
    std::int64_t link_open(std::size_t slot, const at_path& to) override;
    std::int64_t unlink(const at_path& at, int flags) override;
    std::int64_t make_directory(const at_path& at, mode_t mode) override;
    std::int64_t make_symlink(const at_path& at, const std::string& target) override;
    std::int64_t make_fifo(const at_path& at, mode_t mode) override;
    std::int64_t watch(std::size_t slot, std::uint32_t mask) override;
    std::int64_t end_watch(int number) override;
    std::vector<std::string> events() override;

    std::map<std::string, std::string> everything() override;

    [[nodiscard]] bool is_open(std::size_t slot) const { return open_[slot] != nullptr; }
    /// A directory, or a regular file opened for `access` or for both.
    [[nodiscard]] bool suits(std::size_t slot, bool is_directory, mode_t access) const;

    /// True when `path` leads out of the root, by "..", a link or from where it begins: then it
    /// must not be tried on the real one.
    bool escapes(const at_path& at, bool follows_last);

  private:
    static constexpr std::string_view top = "/top/";

    bool is_inside(sim::open_file_ptr here);

    ferry::random rng_;
    sim::disk disk_;
    sim::inotify_instance watching_{std::make_shared<sim::inotify_user>()};
    event_lines lines_;
    std::array<sim::open_file_ptr, slots_max> open_;
};

/// A directory of this machine's, which ends with it.
[[nodiscard]] std::unique_ptr<file_system> make_real();

}  // namespace ferry::sim_test
