#include "scratch.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "ferry/base/assert.hpp"

namespace ferry::vfs_test {
namespace {

struct stat status_of(const std::string& path) {
    struct stat status{};
    FERRY_ASSERT(::lstat(path.c_str(), &status) == 0);
    return status;
}

}  // namespace

scratch::scratch() {
    std::string pattern = std::filesystem::temp_directory_path() / "ferry-unit-vfs-XXXXXX";
    FERRY_ASSERT(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
}

scratch::~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
}

std::string scratch::operator/(std::string_view name) const {
    return root_ + "/" + std::string(name);
}

void scratch::write(std::string_view name, std::string_view content) const {
    std::ofstream file(*this / name, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    FERRY_ASSERT(file.flush().good());
}

void scratch::make_directory(std::string_view name) const {
    FERRY_ASSERT(::mkdir((*this / name).c_str(), 0755) == 0);
}

void scratch::link(link_names names) const {
    FERRY_ASSERT(::symlink(std::string(names.to).c_str(), (*this / names.at).c_str()) == 0);
}

std::string scratch::read(std::string_view name) const {
    const std::ifstream file(*this / name, std::ios::binary);
    FERRY_ASSERT(file.good());
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

bool scratch::exists(std::string_view name) const {
    struct stat status{};
    return ::lstat((*this / name).c_str(), &status) == 0;
}

unsigned scratch::mode(std::string_view name) const {
    return status_of(*this / name).st_mode & 07777U;
}

unsigned long scratch::inode(std::string_view name) const {
    return status_of(*this / name).st_ino;
}

std::vector<std::string> scratch::names(std::string_view directory) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(*this / directory)) {
        found.push_back(entry.path().filename());
    }
    std::ranges::sort(found);
    return found;
}

vfs::path at(std::string_view text) {
    return vfs::path::parse(text).value();
}

std::span<const std::byte> octets(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace ferry::vfs_test
