#include "ftp/list_format.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"

using namespace ferry;
using namespace std::string_view_literals;
using ferry::auth::right;
using ftp::dot_names;
using ftp::entry_role;
using ftp::fact;
using ftp::fact_set;
using vfs::file_kind;

namespace {

constexpr std::int64_t now = 1'795'421'700;  // 2026-11-23T08:15:00Z

vfs::directory_entry entry(std::string name) {
    return {.name = std::move(name),
            .status = {.kind = file_kind::regular,
                       .size_bytes = 2'048,
                       .inode = 0x1a2b,
                       .device = 0xfd01,
                       .mode = 0644,
                       .links = 1,
                       .owner_id = 1'000,
                       .group_id = 100,
                       .modified = {.seconds = now, .nanoseconds = 5},
                       .changed = {.seconds = now, .nanoseconds = 5}}};
}

vfs::directory_entry directory(std::string name) {
    auto made = entry(std::move(name));
    made.status.kind = file_kind::directory;
    made.status.mode = 0755;
    return made;
}

std::string unix_line(const vfs::directory_entry& what, std::int64_t when = now) {
    std::string out = "=";
    ftp::append_unix_line(out, what, when);
    return out.substr(1);
}

std::string name_line(std::string_view where, std::string_view name) {
    std::string out;
    ftp::append_name_line(out, {.directory = where, .name = name});
    return out;
}

std::string facts_line(const vfs::directory_entry& what, const ftp::fact_format& format) {
    std::string out = "=";
    ftp::append_facts_line(out, what, format);
    return out.substr(1);
}

std::string one_fact(const vfs::directory_entry& what, fact which, ferry::auth::rights rights = {},
                     entry_role role = entry_role::child) {
    auto only = fact_set::none();
    only.insert(which);
    return facts_line(what, {.facts = only, .rights = rights, .role = role});
}

}  // namespace

TEST_CASE("list_format: LIST lines look like ls -l (RFC 959 section 4.1.3)") {
    CHECK(unix_line(entry("a b")) == "-rw-r--r--    1 1000     100          2048 Nov 23 08:15 a b");
    CHECK(unix_line(directory("d")) == "drwxr-xr-x    1 1000     100          2048 Nov 23 08:15 d");
    SUBCASE("the widest numbers fit") {
        auto wide = entry("x");
        wide.status.links = std::numeric_limits<std::uint32_t>::max();
        wide.status.owner_id = wide.status.links;
        wide.status.group_id = wide.status.links;
        wide.status.size_bytes = std::numeric_limits<std::uint64_t>::max();
        wide.status.modified.seconds = std::numeric_limits<std::int64_t>::max();
        CHECK(unix_line(wide) ==
              "-rw-r--r-- 4294967295 4294967295 4294967295 18446744073709551615 Dec 31  9999 x");
        wide.status.modified.seconds = std::numeric_limits<std::int64_t>::min();
        CHECK(unix_line(wide).contains(" Jan  1  0000 x"));
    }
    SUBCASE("the kinds of files and the special bits") {
        struct row {
            file_kind kind;
            std::uint32_t mode;
            const char* shown;
        };
        static constexpr row rows[] = {
            {file_kind::regular, 0000, "---------- "},
            {file_kind::regular, 0777, "-rwxrwxrwx "},
            {file_kind::regular, 07777, "-rwsrwsrwt "},
            {file_kind::regular, 07000, "---S--S--T "},
            {file_kind::directory, 01777, "drwxrwxrwt "},
            {file_kind::regular, 0421, "-r---w---x "},
            {file_kind::symlink, 0777, "lrwxrwxrwx "},
        };
        for (const auto& each : rows) {
            CAPTURE(each.shown);
            auto what = entry("x");
            what.status.kind = each.kind;
            what.status.mode = each.mode;
            CHECK(unix_line(what).starts_with(each.shown));
        }
    }
}

TEST_CASE("list_format: the hour within six months, else the year, as ls(1) has it") {
    constexpr std::int64_t six_months = 31'556'952 / 2;
    struct row {
        std::int64_t modified;
        const char* shown;
    };
    static constexpr row rows[] = {
        {now, " Nov 23 08:15 x"},
        {now + 1, " Nov 23  2026 x"},
        {now - six_months + 1, " May 24 "},
        {now - six_months, " May 24  2026 x"},
        {0, " Jan  1  1970 x"},
        {-1, " Dec 31  1969 x"},
        {now - 86'400 * 18, " Nov  5 08:15 x"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.shown);
        auto what = entry("x");
        what.status.modified.seconds = each.modified;
        CHECK(unix_line(what).contains(each.shown));
    }
    auto what = entry("x");
    what.status.modified.seconds = now - six_months + 1;
    CHECK_FALSE(unix_line(what).contains("2026"));
}

TEST_CASE("list_format: NLST lines are names the client can use (RFC 1123 section 4.1.2.7)") {
    CHECK(name_line("", "a b") == "a b");
    CHECK(name_line("dir", "a") == "dir/a");
    CHECK(name_line("dir/", "a") == "dir/a");
    CHECK(name_line("/", "a") == "/a");
    CHECK(name_line("", " a ") == " a ");
    CHECK(name_line("d\r\nx", "a\tb") == "d??x/a\tb");
}

TEST_CASE("list_format: facts in order, a SP, the name (RFC 3659 section 7.2)") {
    CHECK(facts_line(entry("a b"), {.rights = ferry::auth::rights::read_only()}) ==
          "type=file;size=2048;modify=20261123081500;perm=r;unique=fd01-1a2b;UNIX.mode=0644;"
          "UNIX.owner=1000;UNIX.group=100; a b");
    CHECK(facts_line(directory("d"), {.rights = ferry::auth::rights::read_only()}) ==
          "type=dir;modify=20261123081500;perm=el;unique=fd01-1a2b;UNIX.mode=0755;"
          "UNIX.owner=1000;UNIX.group=100; d");
    CHECK(facts_line(entry("x"), {.facts = fact_set::none()}) == " x");
    // Sections 7.5.4 and 7.5.8.
    auto known = entry("x.html");
    CHECK(one_fact(known, fact::create) == " x.html");
    known.status.created = known.status.modified;
    CHECK(one_fact(known, fact::create) == "create=20261123081500; x.html");
    const auto typed = ftp::parse_facts("media-type;unix.group");
    CHECK(facts_line(known, {.facts = typed, .media_type = "text/html"}) ==
          "UNIX.group=100;media-type=text/html; x.html");
    CHECK(facts_line(known, {.facts = typed}) == "UNIX.group=100; x.html");
    CHECK(facts_line(directory("d"), {.facts = typed, .media_type = "text/html"}) ==
          "UNIX.group=100; d");
    auto wide = entry("x");
    wide.status.kind = file_kind::other;
    wide.status.inode = std::numeric_limits<std::uint64_t>::max();
    wide.status.device = wide.status.inode;
    wide.status.mode = 0xFFFF'FFFF;
    CHECK(one_fact(wide, fact::unique) == "unique=ffffffffffffffff-ffffffffffffffff; x");
    CHECK(one_fact(wide, fact::unix_mode) == "UNIX.mode=7777; x");
    CHECK(one_fact(wide, fact::size) == " x");
}

TEST_CASE("list_format: the type fact (RFC 3659 section 7.5.1)") {
    CHECK(one_fact(entry("x"), fact::type) == "type=file; x");
    CHECK(one_fact(directory("x"), fact::type) == "type=dir; x");
    CHECK(one_fact(directory("."), fact::type, {}, entry_role::current) == "type=cdir; .");
    CHECK(one_fact(directory(".."), fact::type, {}, entry_role::parent) == "type=pdir; ..");
    auto link = entry("x");
    link.status.kind = file_kind::symlink;
    CHECK(one_fact(link, fact::type) == "type=OS.unix=slink; x");
    link.status.kind = file_kind::directory;  // What it leads to is not what it is.
    link.is_link = true;
    CHECK(one_fact(link, fact::type) == "type=OS.unix=slink; x");
    link.link_target = "../there";
    CHECK(one_fact(link, fact::type) == "type=OS.unix=slink:../there; x");
    // What no fact may hold (RFC 3659 section 7.2): a space would begin the name.
    for (const char* target : {"a;type=file", "a b", " ", "a\tb", "a\r\n226 Done", "caf\xc3\xa9"}) {
        CAPTURE(target);
        link.link_target = target;
        CHECK(one_fact(link, fact::type) == "type=OS.unix=slink; x");
    }
}

TEST_CASE("list_format: perm tells what is allowed and nothing else (RFC 3659 section 7.5.5)") {
    struct row {
        ferry::auth::rights rights;
        const char* file;
        const char* directory;
        const char* current;
    };
    static constexpr row rows[] = {
        {{}, "perm=; x", "perm=; x", "perm=; x"},
        {{right::read}, "perm=r; x", "perm=e; x", "perm=e; x"},
        {{right::list}, "perm=; x", "perm=el; x", "perm=el; x"},
        {{right::create}, "perm=; x", "perm=ce; x", "perm=ce; x"},
        {{right::replace}, "perm=aw; x", "perm=e; x", "perm=e; x"},
        {{right::remove}, "perm=d; x", "perm=dep; x", "perm=ep; x"},
        {{right::rename}, "perm=f; x", "perm=ef; x", "perm=e; x"},
        {{right::make_directory}, "perm=; x", "perm=em; x", "perm=em; x"},
        {ferry::auth::rights::all(), "perm=adfrw; x", "perm=cdeflmp; x", "perm=celmp; x"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.file);
        CHECK(one_fact(entry("x"), fact::perm, each.rights) == each.file);
        CHECK(one_fact(directory("x"), fact::perm, each.rights) == each.directory);
        CHECK(one_fact(directory("x"), fact::perm, each.rights, entry_role::current) ==
              each.current);
    }
}

TEST_CASE("list_format: OPTS MLST selects facts, unknown ones are ignored (RFC 3659 section 7.9)") {
    const auto describe = [](std::string_view value) {
        return ftp::describe_facts(ftp::parse_facts(value));
    };
    CHECK(describe("") == "MLST OPTS");
    CHECK(describe("Type;Size;") == "MLST OPTS type;size;");
    CHECK(describe("size;TYPE") == "MLST OPTS type;size;");
    CHECK(describe("unix.MODE;nonsense;;;perm;") == "MLST OPTS perm;UNIX.mode;");
    CHECK(describe("typ;types;") == "MLST OPTS");
    CHECK(ftp::parse_facts("type;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;") ==
          fact_set::usual());
    CHECK(ftp::describe_facts(fact_set::usual()) ==
          "MLST OPTS type;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;");
    CHECK(ftp::describe_facts(fact_set::all()) ==
          "MLST OPTS type;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;create;"
          "media-type;");
    CHECK(describe("Media-Type;CREATE") == "MLST OPTS create;media-type;");
}

TEST_CASE("list_format: FEAT stars the facts that are selected (RFC 3659 section 7.8)") {
    CHECK(ftp::facts_feature(fact_set::usual()) ==
          "MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;create;"
          "media-type;");
    CHECK(ftp::facts_feature(ftp::parse_facts("size;")) ==
          "MLST type;size*;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;create;media-type;");
}

TEST_CASE("list_format: temporary names and what is no file are not listed") {
    CHECK(ftp::is_listed(entry("a"), dot_names::hidden));
    CHECK(ftp::is_listed(directory("a"), dot_names::hidden));
    CHECK_FALSE(ftp::is_listed(entry(".a"), dot_names::hidden));
    CHECK(ftp::is_listed(entry(".a"), dot_names::shown));
    CHECK_FALSE(ftp::is_listed(entry(".ferry-upload-1"), dot_names::shown));
    auto fifo = entry("a");
    fifo.status.kind = file_kind::other;
    CHECK_FALSE(ftp::is_listed(fifo, dot_names::shown));
}

TEST_CASE("list_format: no name makes a second line (threats.md, V11)") {
    const std::string hostile = "a\r\n-rw-r--r-- 1 0 0 0 Jan 1 1970 \x1b[2J\x7f\t\xff\xc3\xa4";
    CHECK(unix_line(entry(hostile))
              .ends_with(" a?\?-rw-r--r-- 1 0 0 0 Jan 1 1970 ?[2J??\xff\xc3\xa4"));
    CHECK(facts_line(entry(hostile), {.facts = fact_set::none()}) ==
          " a?\?-rw-r--r-- 1 0 0 0 Jan 1 1970 \x1b[2J\x7f\t\xff\xc3\xa4");
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        std::string name;
        for (auto left = 1 + chance.below(40); left > 0; --left) {
            name += static_cast<char>(1 + chance.below(chance.below(2) == 0 ? 32 : 255));
        }
        for (const auto& line :
             {unix_line(entry(name)), name_line(name, name), facts_line(entry(name), {})}) {
            REQUIRE(line.find_first_of("\r\n\0"sv) == std::string::npos);
        }
        REQUIRE(name_line("", name).size() == name.size());
    }
}

TEST_CASE("list format: in MS-DOS style, as IIS has it") {
    const auto line_of = [](const vfs::directory_entry& entry) {
        std::string out;
        ftp::append_dos_line(out, entry);
        return out;
    };
    vfs::directory_entry file{.name = "a b.txt", .status = {.kind = vfs::file_kind::regular}};
    file.status.size_bytes = 2'048;
    file.status.modified.seconds = 1'795'421'700;  // 2026-11-23 08:15:00.
    CHECK(line_of(file) == "11-23-26  08:15AM                 2048 a b.txt");
    file.status.modified.seconds += 12 * 3'600;
    file.status.kind = vfs::file_kind::directory;
    CHECK(line_of(file) == "11-23-26  08:15PM       <DIR>          a b.txt");
    file.status.modified.seconds -= 8 * 3'600;
    CHECK(line_of(file).starts_with("11-23-26  12:15PM"));
    file.status.modified.seconds -= 12 * 3'600;
    CHECK(line_of(file).starts_with("11-23-26  12:15AM"));
    file.name = "a\nb";
    CHECK(line_of(file).ends_with(" a?b"));
}
