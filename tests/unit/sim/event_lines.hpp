#pragma once

#include <doctest/doctest.h>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::sim_test {

/// Events of an inotify instance as lines of text, without what may differ between a real machine
/// and a simulated one: cookies are numbered as they are met, and files that have no name, "#123"
/// in Linux, are all "#".
class event_lines {
  public:
    /// All there is to read. `read(span)` is as read(2), but fails with -errno.
    template <class Read>
    std::vector<std::string> read_all(Read read) {
        std::vector<std::string> lines;
        std::array<std::byte, 4'096> octets{};
        for (;;) {
            const std::int64_t got = read(std::span(octets));
            if (got < 0) {
                CHECK(got == -EAGAIN);
                return lines;
            }
            add(std::span(octets).first(static_cast<std::size_t>(got)), lines);
        }
    }

    void add(std::span<const std::byte> octets, std::vector<std::string>& lines) {
        while (!octets.empty()) {
            inotify_event head{};
            REQUIRE(octets.size() >= sizeof head);
            std::memcpy(&head, octets.data(), sizeof head);
            octets = octets.subspan(sizeof head);
            REQUIRE(octets.size() >= head.len);
            std::string name(head.len, '\0');
            std::memcpy(name.data(), octets.data(), head.len);
            octets = octets.subspan(head.len);
            lines.push_back(line_of(head, name));
        }
    }

  private:
    std::string line_of(const inotify_event& head, const std::string& padded_name) {
        struct bit {
            std::uint32_t value;
            std::string_view name;
        };
        static constexpr auto bits = std::to_array<bit>({
            {IN_ACCESS, "ACCESS"},
            {IN_MODIFY, "MODIFY"},
            {IN_ATTRIB, "ATTRIB"},
            {IN_CLOSE_WRITE, "CLOSE_WRITE"},
            {IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"},
            {IN_OPEN, "OPEN"},
            {IN_MOVED_FROM, "MOVED_FROM"},
            {IN_MOVED_TO, "MOVED_TO"},
            {IN_CREATE, "CREATE"},
            {IN_DELETE, "DELETE"},
            {IN_DELETE_SELF, "DELETE_SELF"},
            {IN_MOVE_SELF, "MOVE_SELF"},
            {IN_Q_OVERFLOW, "Q_OVERFLOW"},
            {IN_IGNORED, "IGNORED"},
            {IN_ISDIR, "ISDIR"},
        });
        std::string line = std::to_string(head.wd);
        std::uint32_t rest = head.mask;
        for (const bit& each : bits) {
            if ((rest & each.value) != 0) {
                line += ' ';
                line += each.name;
                rest &= ~each.value;
            }
        }
        CHECK(rest == 0);
        if (head.cookie != 0) {
            const auto found = cookies_.try_emplace(head.cookie, cookies_.size()).first;
            line += " cookie " + std::to_string(found->second);
        }
        if (head.len > 0) {
            const std::string name = padded_name.c_str();
            CHECK(std::ranges::all_of(padded_name.substr(name.size()),
                                      [](char each) { return each == '\0'; }));
            // How far it is filled up is part of it, where the name is the same.
            line += name.starts_with('#') ? " #" : ' ' + name + ' ' + std::to_string(head.len);
        }
        return line;
    }

    std::map<std::uint32_t, std::size_t> cookies_;
};

}  // namespace ferry::sim_test
