#include "http/archive.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service_on_tree.hpp"
#include "unpack.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::unpack_tar;
using ferry::http::test::unpack_zip;
using ferry::http::test::unpacked;
using runtime::task;

namespace {

/// What came of an archive until its end, or until it failed.
struct packed {
    std::string octets;
    std::optional<errc> failed;
    std::size_t pieces = 0;
    std::size_t from_files = 0;  ///< Octets that were not copied through memory.
};

std::string_view error_of(const packed& made) {
    return made.failed ? describe(*made.failed) : "none";
}

using between_pieces = std::function<void(std::size_t)>;

/// Appends what the span names, as a socket would get it.
task<result<void>> append_file(runtime::file_span part, std::string& out) {
    if (part.size_bytes == 0) {
        co_return result<void>{};
    }
    const auto begin = out.size();
    out.resize(begin + part.size_bytes);
    const auto got =
        ::pread(part.fd, out.data() + begin, part.size_bytes, static_cast<off_t>(part.offset));
    if (got != static_cast<ssize_t>(part.size_bytes)) {
        co_return failure(errc::closed);
    }
    co_return result<void>{};
}

task<packed> pack_on(runtime::core& here, service::state& shared, std::string root, bool is_zip,
                     between_pieces& meanwhile) {
    packed made;
    archive_walk walk(shared, viewer(shared.settings.visitors, shared.files),
                      vfs::path::parse(root).value());
    const auto begun = co_await walk.begin(runtime::never);
    if (!begun) {
        made.failed = begun.error().code;
        co_return made;
    }
    auto turn = co_await shared.archives->take(runtime::never);
    archive_content content{.walk = std::move(walk), .top = "top/", .turn = std::move(*turn)};
    const auto body =
        is_zip ? make_zip_body(std::move(content)) : make_tar_body(std::move(content));
    body_piece piece;
    while (!piece.is_last) {
        piece = {};
        const auto next = co_await body->next(here, piece);
        if (!next) {
            made.failed = next.error().code;
            co_return made;
        }
        made.octets += piece.octets;
        meanwhile(made.pieces++);
        made.from_files += piece.file.size_bytes;
        const auto added = co_await append_file(piece.file, made.octets);
        if (!added) {
            made.failed = added.error().code;
            co_return made;
        }
    }
    co_return made;
}

task<body_piece> first_piece_on(runtime::core& here, service::state& shared) {
    archive_walk walk(shared, viewer(shared.settings.visitors, shared.files), vfs::path());
    const auto begun = co_await walk.begin(runtime::never);
    REQUIRE(begun);
    auto turn = co_await shared.archives->take(runtime::never);
    const auto body =
        make_tar_body({.walk = std::move(walk), .top = "top/", .turn = std::move(*turn)});
    body_piece piece;
    const auto made = co_await body->next(here, piece);
    REQUIRE(made);
    co_return piece;
}

/// A tree of files and the service that packs it.
struct store : http::test::service_on_tree {
    store() : service_on_tree(options{}) {}

    packed pack(
        bool is_zip, std::string root = "/", between_pieces meanwhile = [](std::size_t) {}) {
        return machine.run(&pack_on, std::ref(shared.inside()), std::move(root), is_zip,
                           std::ref(meanwhile));
    }
    std::vector<unpacked> unpack(bool is_zip, std::string root = "/") {
        const auto made = pack(is_zip, std::move(root));
        CHECK(error_of(made) == "none");
        return is_zip ? unpack_zip(made.octets) : unpack_tar(made.octets);
    }
    std::string names(bool is_zip, std::string root = "/") {
        std::string all;
        for (const auto& each : unpack(is_zip, std::move(root))) {
            all += each.name + "\n";
        }
        return all;
    }
};

std::string archive_noise(std::size_t size_bytes) {
    std::string made(size_bytes, '\0');
    std::uint32_t weather = 1;
    for (char& c : made) {
        weather = weather * 1'664'525U + 1'013'904'223U;
        c = static_cast<char>(weather >> 24U);
    }
    return made;
}

}  // namespace

TEST_CASE("archive: a directory and all beneath it, directories before what is in them") {
    store on;
    on.files.write("a.txt", "hello");
    on.files.write("empty", "");
    on.files.make_directory("sub");
    on.files.make_directory("sub/deep");
    on.files.make_directory("void");
    on.files.write("sub/deep/b", archive_noise(70'000));
    on.files.write("sub/c", "c");
    REQUIRE(::chmod((on.files / "sub/c").c_str(), 0710) == 0);
    for (const bool is_zip : {false, true}) {
        CAPTURE(is_zip);
        const auto found = on.unpack(is_zip);
        CHECK(on.names(is_zip) ==
              "top/\ntop/a.txt\ntop/empty\ntop/sub/\ntop/sub/c\ntop/sub/deep/\n"
              "top/sub/deep/b\ntop/void/\n");
        CHECK(found[0].is_directory);
        CHECK(found[1].content == "hello");
        CHECK(found[1].mode == 0644);
        CHECK(found[4].mode == 0755);  // Somebody may run it; for whom is nobody's business.
        CHECK((found[6].content == archive_noise(70'000)));
        // Only the part that is asked for.
        CHECK(on.names(is_zip, "/sub") == "top/\ntop/c\ntop/deep/\ntop/deep/b\n");
        CHECK(on.pack(is_zip, "/none").failed == errc::not_found);
        CHECK(on.pack(is_zip, "/a.txt").failed == errc::not_directory);
    }
}

TEST_CASE("archive: contents of every size are whole") {
    store on;
    std::vector<std::size_t> sizes;
    for (const std::size_t edge : {std::size_t{512}, std::size_t{32} * 1024, std::size_t{64} * 1024,
                                   std::size_t{128} * 1024, std::size_t{256} * 1024}) {
        for (const std::size_t size : {edge - 1, edge, edge + 1}) {
            sizes.push_back(size);
        }
    }
    for (const auto size : sizes) {
        on.files.write("size-" + std::to_string(1'000'000 + size), archive_noise(size));
    }
    for (const bool is_zip : {false, true}) {
        CAPTURE(is_zip);
        const auto found = on.unpack(is_zip);
        REQUIRE(found.size() == sizes.size() + 1);
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            CAPTURE(sizes[i]);
            CHECK((found[i + 1].content == archive_noise(sizes[i])));
            CHECK(found[i + 1].has_descriptor == (is_zip && sizes[i] > zip_whole_bytes_max));
        }
    }
    // tar: all but the small ones go without a copy.
    CHECK(on.pack(false).from_files > 900'000);
    CHECK(on.pack(true).from_files == 0);
}

TEST_CASE("archive: what listings do not show is not in it, nor links to directories") {
    store on;
    on.files.write("a", "a");
    on.files.write(".hidden", "");
    on.files.make_directory(".git");
    on.files.write(".git/config", "");
    on.files.write("back\\slash", "");
    on.files.make_directory("d");
    on.files.write("d/x", "x");
    on.files.link({.at = "circle", .to = "."});
    on.files.link({.at = "d/up", .to = ".."});
    on.files.link({.at = "again", .to = "d"});
    on.files.link({.at = "same", .to = "a"});
    on.files.link({.at = "out", .to = "/etc/passwd"});
    on.files.link({.at = "lost", .to = "nothing"});
    REQUIRE(::mkfifo((on.files / "fifo").c_str(), 0600) == 0);
    for (const bool is_zip : {false, true}) {
        CHECK(on.names(is_zip) == "top/\ntop/a\ntop/same\ntop/d/\ntop/d/x\n");
        const auto found = on.unpack(is_zip);
        CHECK(found[2].content == "a");  // A link to a file is the file.
        CHECK_FALSE(found[2].is_directory);
    }
}

TEST_CASE("archive: names are any octets (threats.md, V11)") {
    store on;
    const std::vector<std::string> names{"a\nb",
                                         "\x1b[31m",
                                         "\xe2\x80\xaegpj.exe",
                                         "latin-\xe9",
                                         "sm\xc3\xb6rg",
                                         std::string(255, 'n'),
                                         std::string(255, '\xe9'),
                                         " ",
                                         "%41",
                                         "<b>\"'&"};
    for (const auto& name : names) {
        on.files.write(name, name);
    }
    for (const bool is_zip : {false, true}) {
        const auto found = on.unpack(is_zip);
        CHECK(found.size() == names.size() + 1);
        for (const auto& each : found) {
            CHECK((each.is_directory || each.name == "top/" + each.content));
        }
    }
}

TEST_CASE("archive: what visitors may not have is not in it") {
    store on;
    on.settings.visitors =
        auth::permissions::parse("read-only,/private=none,/names=list,/files=read,/d/secret=none")
            .value();
    for (const auto* directory : {"private", "names", "files", "d"}) {
        on.files.make_directory(directory);
        on.files.write(std::string(directory) + "/x", "x");
        on.files.write(std::string(directory) + "/secret", "x");
    }
    for (const bool is_zip : {false, true}) {
        CHECK(on.names(is_zip) == "top/\ntop/d/\ntop/d/x\ntop/names/\n");
    }
}

TEST_CASE("archive: a directory too large for memory is in it, too (threats.md, V9)") {
    store on;
    on.settings.list_sorted_max = 10;
    on.files.make_directory("many");
    std::vector<std::string> wanted{"top/", "top/many/"};
    for (int i = 0; i < 150; ++i) {  // More than are read at once.
        on.files.write("many/" + std::to_string(i), std::to_string(i));
        on.files.make_directory("many/d" + std::to_string(i));
        wanted.push_back("top/many/" + std::to_string(i));
        wanted.push_back("top/many/d" + std::to_string(i) + "/");
    }
    std::ranges::sort(wanted);
    for (const bool is_zip : {false, true}) {
        std::vector<std::string> names;
        for (const auto& each : on.unpack(is_zip)) {
            names.push_back(each.name);
        }
        std::ranges::sort(names);
        CHECK(names == wanted);
    }
}

TEST_CASE("archive: 8 GiB and more in a tar archive are not read to be packed (threats.md, V10)") {
    store on;
    on.files.write("large", "begin");
    REQUIRE(::truncate((on.files / "large").c_str(), 9LL << 30) == 0);
    const auto piece = on.machine.run(&first_piece_on, std::ref(on.shared.inside()));
    CHECK(piece.file.offset == 0);
    CHECK(piece.file.size_bytes == std::uint64_t{9} << 30U);
    const auto headers = unpack_tar(piece.octets);
    REQUIRE(headers.size() == 2);
    CHECK(headers.back().size_bytes == piece.file.size_bytes);
}

TEST_CASE("archive: a file that becomes shorter breaks it off, one that grows is cut") {
    for (const bool is_zip : {false, true}) {
        CAPTURE(is_zip);
        store on;
        on.files.write("big", archive_noise(1'000'000));
        const auto path = on.files / "big";
        const auto cut = on.pack(is_zip, "/", [&path](std::size_t piece) {
            if (piece == 0) {
                REQUIRE(::truncate(path.c_str(), 900'000) == 0);
            }
        });
        CHECK(cut.failed == errc::closed);
        on.files.write("big", archive_noise(1'000'000));
        const auto grown = on.pack(is_zip, "/", [&path](std::size_t piece) {
            if (piece == 0) {
                REQUIRE(::truncate(path.c_str(), 2'000'000) == 0);
            }
        });
        CHECK(error_of(grown) == "none");
        const auto found = is_zip ? unpack_zip(grown.octets) : unpack_tar(grown.octets);
        CHECK((found.back().content == archive_noise(1'000'000)));
    }
}

TEST_CASE("archive: what vanishes before its turn is left out, what cannot be read breaks it off") {
    for (const bool is_zip : {false, true}) {
        CAPTURE(is_zip);
        store on;
        on.files.make_directory("d");
        on.files.write("d/x", "x");
        on.files.write("a", archive_noise(200'000));
        on.files.write("b", "b");
        const auto made = on.pack(is_zip, "/", [&on](std::size_t piece) {
            if (piece == 0) {
                ::unlink((on.files / "b").c_str());
                ::unlink((on.files / "d/x").c_str());
                ::rmdir((on.files / "d").c_str());
            }
        });
        CHECK(error_of(made) == "none");
        std::string names;
        for (const auto& each : is_zip ? unpack_zip(made.octets) : unpack_tar(made.octets)) {
            names += each.name + " ";
        }
        CHECK(names == "top/ top/a ");

        // What ferry itself may not open is like what is not there; want of descriptors is not.
        const auto failure_of_opens = [&](int os_errno) {
            int opens = 0;  // The first is of the directory itself.
            on.machine.io.set_script(
                [&opens, os_errno](runtime::op& what) -> std::optional<std::int64_t> {
                    return what.code == runtime::opcode::open_at && ++opens > 1
                               ? std::optional(std::int64_t{-os_errno})
                               : std::nullopt;
                });
            return on.pack(is_zip).failed;
        };
        CHECK(failure_of_opens(EMFILE) == errc::exhausted);
        CHECK(failure_of_opens(EACCES) == std::nullopt);
    }
}

TEST_CASE("archive: a file that cannot be read is no archive that looks whole (threats.md, V15)") {
    for (const bool is_zip : {false, true}) {
        store on;
        on.files.write("a", "small");
        on.machine.io.set_script([](runtime::op& what) -> std::optional<std::int64_t> {
            return what.code == runtime::opcode::read ? std::optional(std::int64_t{-EIO})
                                                      : std::nullopt;
        });
        CHECK(on.pack(is_zip).failed == errc::io);
    }
}
