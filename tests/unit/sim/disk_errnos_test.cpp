// Goal: the simulated disk refuses what Linux refuses, with its words. Method: a table of calls,
// each made on a simulated tree and on a real one.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "file_systems.hpp"

using namespace ferry;
using sim_test::file_system;

namespace {

open_how how(int flags, std::uint64_t resolve = 0, std::uint64_t mode = 0) {
    return {.flags = static_cast<unsigned>(flags), .mode = mode, .resolve = resolve};
}

// What is open in the tree that `furnish` makes.
enum slot : std::size_t {
    top,
    file,       // "f", read and write
    place,      // "f", O_PATH
    read_only,  // "f"
    write_only,
    appending,  // "f", read and write
    directory,  // "d"
    removed,    // A directory that is no more.
    unnamed,    // O_TMPFILE
    scratch,    // What a row opens.
};

void furnish(file_system& on) {
    constexpr std::uint64_t mode = 0644;
    REQUIRE(on.open({top, "f"}, how(O_RDWR | O_CREAT, 0, mode), file) == 0);
    REQUIRE(on.write(file, std::string(100, 'f'), 0) == 100);
    REQUIRE(on.open({top, "f"}, how(O_PATH), place) == 0);
    REQUIRE(on.open({top, "f"}, how(O_RDONLY), read_only) == 0);
    REQUIRE(on.open({top, "f"}, how(O_WRONLY), write_only) == 0);
    REQUIRE(on.open({top, "f"}, how(O_RDWR | O_APPEND), appending) == 0);
    REQUIRE(on.make_directory({top, "d"}, 0755) == 0);
    REQUIRE(on.open({top, "d"}, how(O_RDONLY | O_DIRECTORY), directory) == 0);
    REQUIRE(on.make_directory({top, "d/in"}, 0755) == 0);
    REQUIRE(on.open({top, "d/x"}, how(O_RDWR | O_CREAT, 0, mode), scratch) == 0);
    REQUIRE(on.make_directory({top, "empty"}, 0755) == 0);
    REQUIRE(on.make_directory({top, "gone"}, 0755) == 0);
    REQUIRE(on.open({top, "gone"}, how(O_RDONLY | O_DIRECTORY), removed) == 0);
    REQUIRE(on.unlink({top, "gone"}, AT_REMOVEDIR) == 0);
    REQUIRE(on.make_symlink({top, "to-f"}, "f") == 0);
    REQUIRE(on.make_symlink({top, "to-d"}, "d") == 0);
    REQUIRE(on.make_symlink({top, "to-nothing"}, "nothing") == 0);
    REQUIRE(on.make_symlink({top, "to-itself"}, "to-itself") == 0);
    REQUIRE(on.make_symlink({top, "to-above"}, "..") == 0);
    REQUIRE(on.make_symlink({top, "to-etc"}, "/etc") == 0);
    REQUIRE(on.make_fifo({top, "fifo"}, 0644) == 0);
    REQUIRE(on.open({top, "."}, how(O_RDWR | O_TMPFILE, 0, mode), unnamed) == 0);
    on.close(scratch);
}

struct row {
    const char* what;
    std::function<std::int64_t(file_system&)> call;
    std::int64_t expected;
};

row opening(const char* path, open_how with, std::int64_t expected, std::size_t base = top) {
    return {path,
            [path, with, base](file_system& on) { return on.open({base, path}, with, scratch); },
            expected};
}

std::string long_name(std::size_t size_bytes) {
    return std::string(size_bytes, 'n');
}

std::vector<row> errnos_of_open() {
    constexpr std::uint64_t mode = 0644;
    constexpr int creates = O_RDWR | O_CREAT;
    return {
        opening("", how(O_RDONLY), -ENOENT),
        opening("nothing", how(O_RDONLY), -ENOENT),
        opening("nothing/x", how(creates, 0, mode), -ENOENT),
        opening("f/x", how(O_RDONLY), -ENOTDIR),
        opening("f/", how(O_RDONLY), -ENOTDIR),
        opening("f/.", how(O_RDONLY), -ENOTDIR),
        opening("f", how(O_RDONLY | O_DIRECTORY), -ENOTDIR),
        opening("x", how(O_RDONLY), -ENOTDIR, file),
        opening("d", how(O_RDWR), -EISDIR),
        opening("d", how(O_RDONLY | O_TRUNC), -EISDIR),
        opening("d", how(O_RDONLY | O_CREAT, 0, mode), -EISDIR),
        opening("new/", how(creates, 0, mode), -EISDIR),
        opening("f/", how(creates, 0, mode), -EISDIR),
        opening("f", how(creates | O_EXCL, 0, mode), -EEXIST),
        opening("to-nothing", how(creates | O_EXCL, 0, mode), -EEXIST),
        opening("to-nothing", how(O_RDONLY), -ENOENT),
        opening("to-nothing", how(creates, 0, mode), 0),  // Makes what the link says.
        opening("to-f", how(O_RDONLY | O_NOFOLLOW), -ELOOP),
        opening("to-d", how(O_RDONLY | O_NOFOLLOW | O_DIRECTORY), -ENOTDIR),
        opening("to-d/", how(O_RDONLY | O_NOFOLLOW), 0),
        opening("to-f", how(O_PATH | O_NOFOLLOW), 0),
        opening("to-itself", how(O_RDONLY), -ELOOP),
        opening("to-itself/x", how(O_RDONLY), -ELOOP),
        opening("fifo", how(O_WRONLY | O_NONBLOCK), -ENXIO),
        opening("fifo", how(O_RDONLY | O_NONBLOCK), 0),
        opening("x", how(creates, 0, mode), -ENOENT, removed),
        opening(".", how(O_RDONLY), 0, removed),
        // What openat2(2) finds wrong with its arguments.
        opening("f", how(O_RDONLY, 0, mode), -EINVAL),
        opening("f", how(creates, 0, 010'000), -EINVAL),
        opening("f", how(O_PATH | O_TRUNC), -EINVAL),
        opening("d", how(O_RDONLY | O_CREAT | O_DIRECTORY, 0, mode), -EINVAL),
        opening("d", how(O_RDONLY | O_TMPFILE, 0, mode), -EINVAL),
        opening("f", how(O_RDWR | O_TMPFILE, 0, mode), -ENOTDIR),
        opening("f", how(O_RDONLY, std::uint64_t{1} << 40U), -EINVAL),
        opening("f", how(O_RDONLY, RESOLVE_BENEATH | RESOLVE_IN_ROOT), -EINVAL),
        // Nothing leads out (openat2(2), RESOLVE_BENEATH).
        opening("..", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV),
        opening("d/../..", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV),
        opening("../d", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV, directory),
        opening("/", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV),
        opening("to-above", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV),
        opening("to-above/x", how(creates, RESOLVE_BENEATH, mode), -EXDEV),
        opening("to-etc", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV),
        opening("to-etc/passwd", how(O_RDONLY, RESOLVE_BENEATH), -EXDEV),
        opening("to-etc", how(O_PATH | O_NOFOLLOW, RESOLVE_BENEATH), 0),
        opening("d/in/../../f", how(O_RDONLY, RESOLVE_BENEATH), 0),
        opening("to-etc", how(O_RDONLY, RESOLVE_IN_ROOT), -ENOENT),
        opening("../../f", how(O_RDONLY, RESOLVE_IN_ROOT), 0),
        opening("to-f", how(O_RDONLY, RESOLVE_NO_SYMLINKS), -ELOOP),
        opening("to-d/x", how(O_RDONLY, RESOLVE_NO_SYMLINKS), -ELOOP),
        {"a name of 255 octets",
         [](file_system& on) {
             return on.open({top, long_name(255)}, how(creates, 0, mode), scratch);
         },
         0},
        {"a name of 256 octets",
         [](file_system& on) { return on.open({top, long_name(256)}, how(O_RDONLY), scratch); },
         -ENAMETOOLONG},
        {"a path of 4,096 octets",
         [](file_system& on) {
             std::string path;
             while (path.size() < 4'096) {
                 path += "d/../";
             }
             path.resize(4'096, '/');
             return on.open({top, path}, how(O_RDONLY), scratch);
         },
         -ENAMETOOLONG},
        {"41 links",
         [](file_system& on) {
             std::string target = "f";
             for (unsigned count = 0; count < 41; ++count) {
                 const std::string name = "chain" + std::to_string(count);
                 REQUIRE(on.make_symlink({top, name}, target) == 0);
                 target = name;
             }
             REQUIRE(on.open({top, "chain39"}, how(O_RDONLY), scratch) == 0);
             return on.open({top, "chain40"}, how(O_RDONLY), scratch);
         },
         -ELOOP},
    };
}

std::vector<row> errnos_of_names() {
    const auto rename = [](const char* from, const char* to, std::int64_t expected,
                           unsigned flags = 0) {
        return row{from, [=](file_system& on) { return on.rename({top, from}, {top, to}, flags); },
                   expected};
    };
    const auto link = [](const char* from, const char* to, std::int64_t expected, int flags = 0) {
        return row{from, [=](file_system& on) { return on.link({top, from}, {top, to}, flags); },
                   expected};
    };
    const auto link_open = [](std::size_t from, const char* to, std::int64_t expected) {
        return row{to, [=](file_system& on) { return on.link_open(from, {top, to}); }, expected};
    };
    const auto unlink = [](const char* at, int flags, std::int64_t expected,
                           std::size_t base = top) {
        return row{at, [=](file_system& on) { return on.unlink({base, at}, flags); }, expected};
    };
    const auto mkdir = [](const char* at, std::int64_t expected, std::size_t base = top) {
        return row{at, [=](file_system& on) { return on.make_directory({base, at}, 0755); },
                   expected};
    };
    return {
        rename("nothing", "x", -ENOENT),
        rename("f", "nothing/x", -ENOENT),
        rename("f", "d", -EISDIR),
        rename("d", "f", -ENOTDIR),
        rename("f", "x/", -ENOTDIR),
        rename("f/", "x", -ENOTDIR),
        rename("f", "f/x", -ENOTDIR),
        rename("d", "d/in/below", -EINVAL),
        rename("d", "d", 0),
        rename("empty", "d", -ENOTEMPTY),
        rename("d/in", "d", -ENOTEMPTY),
        rename("d", "empty", 0),
        rename("d", "x/", 0),
        rename("d/.", "x", -EBUSY),
        rename("d", "empty/..", -EBUSY),
        rename("f", "d/x", -EEXIST, RENAME_NOREPLACE),
        rename("f", "x", 0, RENAME_NOREPLACE),
        rename("f", "f", -EEXIST, RENAME_NOREPLACE),
        rename("f", "empty/.", -EEXIST, RENAME_NOREPLACE),
        {"into a directory that is no more",
         [](file_system& on) { return on.rename({top, "f"}, {removed, "x"}, 0); }, -ENOENT},
        {"a name too long",
         [](file_system& on) { return on.rename({top, "f"}, {top, long_name(256)}, 0); },
         -ENAMETOOLONG},

        link("nothing", "x", -ENOENT),
        link("f", "d/x", -EEXIST),
        link("f", "to-nothing", -EEXIST),
        link("d", "x", -EPERM),
        link("f", "x/", -ENOENT),
        link("to-d", "x", 0),
        link("to-d", "x", -EPERM, AT_SYMLINK_FOLLOW),
        link("to-nothing", "x", -ENOENT, AT_SYMLINK_FOLLOW),
        link("f", "x", -EINVAL, AT_REMOVEDIR),
        link_open(unnamed, "x", 0),
        link_open(unnamed, "f", -EEXIST),
        link_open(unnamed, "nothing/x", -ENOENT),
        link_open(place, "x", 0),
        link_open(directory, "x", -EPERM),
        {"an unnamed file gets a first name once",
         [](file_system& on) {
             REQUIRE(on.link_open(unnamed, {top, "x"}) == 0);
             REQUIRE(on.link_open(unnamed, {top, "y"}) == 0);
             REQUIRE(on.unlink({top, "x"}, 0) == 0);
             REQUIRE(on.unlink({top, "y"}, 0) == 0);
             return on.link_open(unnamed, {top, "x"});
         },
         -ENOENT},
        {"an unnamed file that must never get one",
         [](file_system& on) {
             REQUIRE(on.open({top, "."}, how(O_RDWR | O_TMPFILE | O_EXCL, 0, 0600), scratch) == 0);
             return on.link_open(scratch, {top, "x"});
         },
         -ENOENT},
        {"a file whose last name is gone",
         [](file_system& on) {
             REQUIRE(on.unlink({top, "f"}, 0) == 0);
             return on.link_open(file, {top, "x"});
         },
         -ENOENT},

        unlink("nothing", 0, -ENOENT),
        unlink("d", 0, -EISDIR),
        unlink("f/", 0, -ENOTDIR),
        unlink("to-d/", 0, -ENOTDIR),
        unlink("to-d", 0, 0),
        unlink(".", 0, -EISDIR),
        unlink("f", AT_REMOVEDIR, -ENOTDIR),
        unlink("to-d", AT_REMOVEDIR, -ENOTDIR),
        unlink("d", AT_REMOVEDIR, -ENOTEMPTY),
        unlink("empty/.", AT_REMOVEDIR, -EINVAL),
        unlink("empty/..", AT_REMOVEDIR, -ENOTEMPTY),
        unlink("empty/", AT_REMOVEDIR, 0),
        unlink("f", AT_EMPTY_PATH, -EINVAL),
        unlink("x", 0, -ENOENT, removed),
        unlink("x", 0, -ENOTDIR, file),

        mkdir("d", -EEXIST),
        mkdir("f", -EEXIST),
        mkdir("to-nothing", -EEXIST),
        mkdir("to-nothing/", -EEXIST),
        mkdir(".", -EEXIST),
        mkdir("x/", 0),
        mkdir("x/y", -ENOENT),
        mkdir("f/x", -ENOTDIR),
        mkdir("x", -ENOENT, removed),
        {"a link that says nothing",
         [](file_system& on) { return on.make_symlink({top, "x"}, ""); }, -ENOENT},
        {"a link that says too much",
         [](file_system& on) { return on.make_symlink({top, "x"}, std::string(4'096, 't')); },
         -ENAMETOOLONG},
        {"a link with a name that ends in a slash",
         [](file_system& on) { return on.make_symlink({top, "x/"}, "f"); }, -ENOENT},
    };
}

std::vector<row> errnos_of_content() {
    const auto read = [](std::size_t from, std::uint64_t offset, std::int64_t expected) {
        return row{"read",
                   [=](file_system& on) {
                       std::string into(10, '\0');
                       return on.read(from, into, offset);
                   },
                   expected};
    };
    const auto write = [](std::size_t to, std::uint64_t offset, std::int64_t expected) {
        return row{"write", [=](file_system& on) { return on.write(to, "ten octets", offset); },
                   expected};
    };
    const auto truncate = [](std::size_t what, std::uint64_t size_bytes, std::int64_t expected) {
        return row{"truncate", [=](file_system& on) { return on.truncate(what, size_bytes); },
                   expected};
    };
    const auto lock = [](int first, int operation, std::int64_t expected) {
        return row{"lock",
                   [=](file_system& on) {
                       REQUIRE(on.lock(file, first) == 0);
                       return on.lock(read_only, operation);
                   },
                   expected};
    };
    constexpr std::uint64_t last = INT64_MAX;
    constexpr std::uint64_t negative = ~std::uint64_t{9};
    return {
        read(file, 0, 10),
        read(file, 95, 5),
        read(file, 100, 0),
        read(file, runtime::at_position, 10),
        read(place, 0, -EBADF),
        read(write_only, 0, -EBADF),
        read(unnamed, 0, 0),
        read(directory, 0, -EISDIR),
        read(scratch, 0, -EBADF),  // Nothing is open there.
        read(file, negative, -EINVAL),
        read(file, last - 5, -EINVAL),
        write(file, 0, 10),
        write(read_only, 0, -EBADF),
        write(place, 0, -EBADF),
        write(directory, 0, -EBADF),
        write(scratch, 0, -EBADF),
        write(file, negative, -EINVAL),
        write(file, last - 5, -EINVAL),
        {"an appended write goes to the end whatever its offset",
         [](file_system& on) {
             REQUIRE(on.write(appending, "tail", 0) == 4);
             std::string into(10, '\0');
             REQUIRE(on.read(file, into, 98) == 6);
             return into.starts_with("fftail") ? 0 : 1;
         },
         0},
        {"a write of nothing changes nothing",
         [](file_system& on) {
             REQUIRE(on.write(file, "", 5'000) == 0);
             std::string into(10, '\0');
             return on.read(file, into, 100);
         },
         0},
        {"what lies between the end and a write is zeros",
         [](file_system& on) {
             REQUIRE(on.write(file, "x", 9'000) == 1);
             std::string into(8'900, 'y');
             REQUIRE(on.read(file, into, 100) == 8'900);
             return into == std::string(8'900, '\0') ? 0 : 1;
         },
         0},
        {"O_TRUNC cuts what is opened to be read only",
         [](file_system& on) {
             REQUIRE(on.open({top, "f"}, how(O_RDONLY | O_TRUNC), scratch) == 0);
             std::string into(10, '\0');
             return on.read(file, into, 0);
         },
         0},
        truncate(file, 5, 0),
        truncate(read_only, 5, -EINVAL),
        truncate(place, 5, -EBADF),
        truncate(directory, 5, -EINVAL),
        truncate(file, negative, -EINVAL),
        {"copy of a directory", [](file_system& on) { return on.copy(directory, 0, file, 0, 10); },
         -EISDIR},
        {"copy to what is only read",
         [](file_system& on) { return on.copy(file, 0, read_only, 0, 10); }, -EBADF},
        {"copy to what only appends",
         [](file_system& on) { return on.copy(unnamed, 0, appending, 0, 10); }, -EBADF},
        {"copy onto itself", [](file_system& on) { return on.copy(file, 0, file, 5, 10); },
         -EINVAL},
        {"copy past the end", [](file_system& on) { return on.copy(file, 95, unnamed, 0, 10); }, 5},
        lock(LOCK_EX, LOCK_EX, -EWOULDBLOCK),
        lock(LOCK_EX, LOCK_SH, -EWOULDBLOCK),
        lock(LOCK_SH, LOCK_EX, -EWOULDBLOCK),
        lock(LOCK_SH, LOCK_SH, 0),
        lock(LOCK_EX, LOCK_UN, 0),
        lock(LOCK_EX, LOCK_SH | LOCK_EX, -EINVAL),
        {"lock of a mere place", [](file_system& on) { return on.lock(place, LOCK_EX); }, -EBADF},
        {"a lock ends with what holds it",
         [](file_system& on) {
             REQUIRE(on.lock(file, LOCK_EX) == 0);
             on.close(file);
             return on.lock(read_only, LOCK_EX);
         },
         0},
        {"a conversion that fails loses the lock",
         [](file_system& on) {
             REQUIRE(on.lock(file, LOCK_SH) == 0);
             REQUIRE(on.lock(read_only, LOCK_SH) == 0);
             REQUIRE(on.lock(file, LOCK_EX) == -EWOULDBLOCK);
             return on.lock(read_only, LOCK_EX);
         },
         0},
        {"mode of a mere place", [](file_system& on) { return on.change_mode(place, 0600); },
         -EBADF},
        {"sync of a mere place", [](file_system& on) { return on.sync(place, false); }, -EBADF},
    };
}

/// Each row on a tree of its own, simulated and real.
void check(const std::vector<row>& rows) {
    const mode_t before = ::umask(0022);
    for (std::size_t index = 0; index < rows.size(); ++index) {
        const row& each = rows[index];
        CAPTURE(index);
        CAPTURE(each.what);
        sim_test::simulated ours(index);
        furnish(ours);
        CHECK(each.call(ours) == each.expected);
        const auto theirs = sim_test::make_real();
        furnish(*theirs);
        CHECK(each.call(*theirs) == each.expected);
        CHECK((ours.everything() == theirs->everything()));
    }
    ::umask(before);
}

}  // namespace

TEST_CASE("disk: errnos of opening are Linux's") {
    check(errnos_of_open());
}

TEST_CASE("disk: errnos of changes of names are Linux's") {
    check(errnos_of_names());
}

TEST_CASE("disk: errnos of reading, writing and locking are Linux's") {
    check(errnos_of_content());
}
