#include "model_tree.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "ftp_reply.hpp"
#include "http_answer.hpp"

namespace ferry::sim::test {
namespace {

bool may_be(const std::vector<node_state>& states, const content& octets) {
    return std::ranges::any_of(states, [&octets](const node_state& each) {
        return each.kind == node_kind::file && each.octets == octets;
    });
}

bool may_be_absent(const std::vector<node_state>& states) {
    return std::ranges::any_of(
        states, [](const node_state& each) { return each.kind == node_kind::absent; });
}

/// A disk as `check_disk` sees it.
struct listed_disk {
    std::map<std::string, std::string> files;
    std::vector<std::string> names;

    explicit listed_disk(std::map<std::string, std::string> held) : files(std::move(held)) {
        for (const auto& each : files) {
            names.push_back(each.first);
        }
    }
    [[nodiscard]] model_tree::disk_view view() const {
        return {.names = names, .content_of = [this](std::string_view path, std::string& into) {
                    const auto found = files.find(std::string(path));
                    into = found == files.end() ? "" : found->second;
                    return found != files.end();
                }};
    }
};

bool is_clean(model_tree& model, std::map<std::string, std::string> held) {
    report findings;
    const listed_disk disk(std::move(held));
    model.check_disk(disk.view(), findings);
    return findings.is_clean();
}

}  // namespace

TEST_CASE("content: every sixteen octets tell whose they are") {
    const content a({.id = 1}, 4'096);
    const content b({.id = 2}, 4'096);
    const auto octets = a.octets();
    for (std::size_t at = 0; at + 16 <= octets.size(); at += 16) {
        CHECK(b.first_difference(at, std::string_view(octets).substr(at, 16)).has_value());
    }
    CHECK(identify(octets) == "pattern 1 at 0, from octet 0 on");
    CHECK(!a.first_difference(100, std::string_view(octets).substr(100)).has_value());
    CHECK(a.first_difference(101, std::string_view(octets).substr(100)).has_value());
    CHECK(a.first_difference(0, octets + "x") == 4'096);
    CHECK(a.overwritten(10, b.prefix(20)).octets() ==
          octets.substr(0, 10) + b.octets(0, 20) + octets.substr(30));
    CHECK(a.prefix(7).followed_by(a.suffix(7)) == a);
}

TEST_CASE("network_form: line ends as TYPE A has them") {
    CHECK(network_form("a\nb\r\nc\rd\n\n") == "a\r\nb\r\nc\rd\r\n\r\n");
}

TEST_CASE("printed_form: how the paper moves comes first, as TYPE A C has it") {
    CHECK(printed_form("").empty());
    CHECK(printed_form("a\nb\r\nc") == " a\r\n b\r\n c");
    CHECK(printed_form("a\n\n") == " a\r\n \r\n");
    CHECK(printed_form("\fpage\nx\fy") == "1page\r\n x\fy");
    CHECK(printed_form("bold\rbold\r\rx\r") == " bold\r\n+bold\r\n+\r\n+x\r\n+");
}

TEST_CASE("stored_beginning: what is stored when the network ends an upload in the middle") {
    const content binary({.id = 1}, 100);
    CHECK(stored_beginning(binary, true, 40) == binary.prefix(40));
    CHECK(stored_beginning(binary, true, 100) == binary);
    const content text({.id = 2, .kind = pattern_kind::clean_text}, 40);
    const auto sent = network_form(text.octets());  // Lines of fifteen octets and CR LF.
    CHECK(stored_beginning(text, false, 15).octets() == sent.substr(0, 15));
    CHECK(stored_beginning(text, false, 16).octets() == sent.substr(0, 15) + "\r");
    CHECK(stored_beginning(text, false, 17) == text.prefix(16));
    CHECK(stored_beginning(text, false, 18) == text.prefix(17));
    CHECK(stored_beginning(text, false, sent.size()) == text);
}

TEST_CASE("model_tree: an upload is old or new, and new once it is confirmed") {
    model_tree model;
    const auto old_octets = model.fresh(pattern_kind::binary, 100);
    const auto new_octets = model.fresh(pattern_kind::binary, 50);
    model.place("/f", file_state(old_octets));
    const auto before = model.now();
    const auto upload = model.begin("/f", {.kind = change_kind::replace, .octets = new_octets});
    CHECK(may_be(model.possible("/f"), old_octets));
    CHECK(may_be(model.possible("/f"), new_octets));
    CHECK(is_clean(model, {{"/f", old_octets.octets()}}));
    CHECK(is_clean(model, {{"/f", new_octets.octets()}}));
    SUBCASE("confirmed") {
        CHECK(model.acknowledged(upload));
        CHECK_FALSE(may_be(model.possible("/f"), old_octets));
        CHECK(may_be(model.possible_since("/f", before), old_octets));
        CHECK_FALSE(may_be(model.possible_since("/f", model.now()), old_octets));
        CHECK_FALSE(is_clean(model, {{"/f", old_octets.octets()}}));
        CHECK_FALSE(is_clean(model, {{"/f", new_octets.octets() + old_octets.octets(50)}}));
        CHECK_FALSE(is_clean(model, {}));
        CHECK_FALSE(is_clean(model, {{"/f", new_octets.octets()}, {"/g", "x"}}));
        CHECK_FALSE(is_clean(model, {{"/f", new_octets.octets()}, {"/.ferry-upload-1", ""}}));
    }
    SUBCASE("refused") {
        CHECK(model.refused(upload));
        CHECK_FALSE(may_be(model.possible("/f"), new_octets));
    }
    SUBCASE("unknown: one or the other") {
        model.unknown(upload);
        model.settle_all();
        CHECK(model.possible("/f").size() == 2);
    }
}

TEST_CASE("model_tree: what overlaps may have happened in any order, what does not may not") {
    model_tree model;
    const auto a = model.fresh(pattern_kind::binary, 10);
    const auto b = model.fresh(pattern_kind::binary, 20);
    const auto first = model.begin("/f", {.kind = change_kind::replace, .octets = a});
    SUBCASE("overlapping") {
        const auto second = model.begin("/f", {.kind = change_kind::replace, .octets = b});
        CHECK(model.acknowledged(first));
        CHECK(model.acknowledged(second));
        CHECK(model.possible("/f").size() == 2);
        CHECK_FALSE(may_be_absent(model.possible("/f")));
    }
    SUBCASE("one after the other") {
        CHECK(model.acknowledged(first));
        const auto second = model.begin("/f", {.kind = change_kind::append, .octets = b});
        CHECK(model.acknowledged(second));
        CHECK(model.possible("/f").size() == 1);
        CHECK(may_be(model.possible("/f"), a.followed_by(b)));
    }
    SUBCASE("an append that lost a confirmed upload is neither") {
        const auto append = model.begin("/f", {.kind = change_kind::append, .octets = b});
        CHECK(model.acknowledged(first));
        CHECK(model.acknowledged(append));
        CHECK(may_be(model.possible("/f"), a));
        CHECK(may_be(model.possible("/f"), a.followed_by(b)));
        CHECK_FALSE(may_be(model.possible("/f"), b));  // `a` was confirmed and would be gone.
    }
    SUBCASE("two names given to one file at once: only one can have been free") {
        CHECK(model.acknowledged(first));
        const auto again = model.begin("/f", {.kind = change_kind::create, .octets = b});
        CHECK_FALSE(model.acknowledged(again));
    }
}

TEST_CASE("model_tree: an upload that the network ends early is exactly what came through") {
    model_tree model;
    const auto old_octets = model.fresh(pattern_kind::binary, 100);
    const auto new_octets = model.fresh(pattern_kind::binary, 50);
    const auto came = new_octets.prefix(20);
    model.place("/d", directory_state());
    model.place("/d/f", file_state(old_octets));
    const auto upload = model.begin("/d/f", {.kind = change_kind::append, .octets = new_octets});
    SUBCASE("confirmed") {
        CHECK(model.cut(upload, came));
        const auto since = model.now();
        CHECK(model.acknowledged(upload));
        CHECK(model.possible("/d/f").size() == 1);
        CHECK(may_be(model.possible("/d/f"), old_octets.followed_by(came)));
        CHECK_FALSE(
            may_be(model.possible_since("/d/f", since), old_octets.followed_by(new_octets)));
    }
    SUBCASE("of unknown outcome: that or nothing") {
        CHECK(model.cut(upload, came));
        model.unknown(upload);
        model.settle_all();
        CHECK(model.possible("/d/f").size() == 2);
        CHECK_FALSE(may_be(model.possible("/d/f"), old_octets.followed_by(new_octets)));
    }
    SUBCASE("in a directory that was renamed meanwhile") {
        const auto rename = model.begin_rename("/d", "/e");
        CHECK(model.acknowledged(rename));
        CHECK(model.cut(upload, came));
        CHECK(may_be(model.possible("/e/f"), old_octets.followed_by(came)));
    }
    SUBCASE("what was seen before its end had come is explained by nothing") {
        const auto replaced = model.begin("/g", {.kind = change_kind::replace, .octets = came});
        const auto removal = model.begin("/g", {.kind = change_kind::remove_file});
        CHECK(model.acknowledged(removal));
        CHECK_FALSE(model.cut(replaced, came.prefix(1)));
    }
    SUBCASE("once it is over nothing can cut it") {
        CHECK(model.acknowledged(upload));
        CHECK(model.cut(upload, came));
        CHECK(may_be(model.possible("/d/f"), old_octets.followed_by(new_octets)));
    }
}

TEST_CASE("model_tree: names and directories") {
    model_tree model;
    const auto a = model.fresh(pattern_kind::binary, 10);
    model.place("/d", directory_state());
    model.place("/d/f", file_state(a));
    // Each name has a history of its own, so that it is in neither is not found.
    SUBCASE("an upload that begins while its directory is being renamed is in either") {
        const auto rename = model.begin_rename("/d", "/e");
        const auto b = model.fresh(pattern_kind::binary, 20);
        const auto upload = model.begin("/d/g", {.kind = change_kind::replace, .octets = b});
        CHECK(model.acknowledged(rename));
        CHECK(model.acknowledged(upload));
        CHECK(may_be(model.possible("/d/g"), b));
        CHECK(may_be_absent(model.possible("/d/g")));
        CHECK(may_be(model.possible("/e/g"), b));
        CHECK(may_be_absent(model.possible("/e/g")));
    }
    SUBCASE("an upload that begins while its directory is copied is where it was sent") {
        const auto copy = model.begin_copy("/d", "/e", true);
        const auto b = model.fresh(pattern_kind::binary, 20);
        const auto upload = model.begin("/d/g", {.kind = change_kind::replace, .octets = b});
        CHECK(model.acknowledged(upload));
        CHECK(model.refused(copy));
        CHECK_FALSE(may_be_absent(model.possible("/d/g")));
        CHECK_FALSE(may_be(model.possible("/e/g"), b));
    }
    SUBCASE("once a directory is renamed an upload is where it was sent") {
        const auto rename = model.begin_rename("/d", "/e");
        CHECK(model.acknowledged(rename));
        const auto b = model.fresh(pattern_kind::binary, 20);
        const auto upload = model.begin("/d/g", {.kind = change_kind::replace, .octets = b});
        CHECK(model.acknowledged(upload));
        CHECK_FALSE(may_be_absent(model.possible("/d/g")));
        CHECK_FALSE(may_be(model.possible("/e/g"), b));
    }
    SUBCASE("a directory takes along what is in it") {
        const auto rename = model.begin_rename("/d", "/e");
        CHECK(model.acknowledged(rename));
        CHECK(may_be(model.possible("/e/f"), a));
        CHECK(may_be_absent(model.possible("/d/f")));
        CHECK_FALSE(may_be(model.possible("/d/f"), a));
    }
    SUBCASE("what arrives meanwhile goes along or not") {
        const auto b = model.fresh(pattern_kind::binary, 20);
        const auto rename = model.begin_rename("/d/f", "/g");
        const auto upload = model.begin("/d/f", {.kind = change_kind::replace, .octets = b});
        CHECK(model.acknowledged(upload));
        CHECK(model.acknowledged(rename));
        CHECK(may_be(model.possible("/g"), a));
        CHECK(may_be(model.possible("/g"), b));
        CHECK(may_be(model.possible("/d/f"), b));
        CHECK_FALSE(may_be(model.possible("/d/f"), a));
    }
    SUBCASE("what is not there is not removed") {
        const auto removal = model.begin("/nothing", {.kind = change_kind::remove_file});
        CHECK_FALSE(model.acknowledged(removal));
    }
    SUBCASE("a time stays until the next content") {
        const auto dated =
            model.begin("/d/f", {.kind = change_kind::set_modified, .modified = 1'000});
        CHECK(model.acknowledged(dated));
        CHECK(model.possible("/d/f").front().modified == 1'000);
    }
}

TEST_CASE("model_tree: after a crash") {
    model_tree model;
    const auto a = model.fresh(pattern_kind::binary, 10);
    const auto b = model.fresh(pattern_kind::binary, 20);
    const auto c = model.fresh(pattern_kind::binary, 30);
    model.place("/touched", file_state(a));
    model.place("/untouched", file_state(c));
    const auto upload = model.begin("/touched", {.kind = change_kind::replace, .octets = b});
    CHECK(model.acknowledged(upload));
    SUBCASE("full: what was confirmed is there") {
        model.after_crash(promised::the_new);
        CHECK(model.possible("/touched").size() == 1);
        CHECK(may_be(model.possible("/touched"), b));
    }
    SUBCASE("data: old or new, never torn") {
        model.after_crash(promised::old_or_new);
        CHECK(may_be(model.possible("/touched"), a));
        CHECK(may_be(model.possible("/touched"), b));
        CHECK_FALSE(is_clean(model, {{"/touched", b.octets(0, 5)}, {"/untouched", c.octets()}}));
        const listed_disk found({{"/touched", a.octets()}, {"/untouched", c.octets()}});
        model.adopt(found.view());
        CHECK_FALSE(may_be(model.possible("/touched"), b));
    }
    SUBCASE("none: only the others are sure") {
        model.after_crash(promised::nothing);
        CHECK(is_clean(model, {{"/touched", "zeros"}, {"/untouched", c.octets()}}));
        CHECK(is_clean(model, {{"/untouched", c.octets()}}));
        CHECK_FALSE(is_clean(model, {{"/untouched", "zeros"}}));
        CHECK_FALSE(is_clean(model, {}));
    }
}

TEST_CASE("model_tree: one strong tag, one content") {
    model_tree model;
    const auto a = model.fresh(pattern_kind::binary, 10);
    const auto b = model.fresh(pattern_kind::binary, 20);
    CHECK(model.narrow_by_tag("\"1\"", {a, b}).size() == 2);
    CHECK(model.narrow_by_tag("\"1\"", {b}).size() == 1);
    CHECK(model.narrow_by_tag("\"1\"", {a}).empty());
    CHECK(model.narrow_by_tag("W/\"1\"", {a}).size() == 1);
}

TEST_CASE("http_answer: what is no answer is refused") {
    const auto progress = [](std::string octets) {
        return take_answer_head(octets, false).progress;
    };
    CHECK(progress("HTTP/1.1 200 OK\r\nA: b\r\n\r\n") == answer_progress::complete);
    CHECK(progress("HTTP/1.1 200 OK\r\nA: b\r\n") == answer_progress::incomplete);
    CHECK(progress("HTTP/1.0 200 OK\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("HTTP/1.1 20 OK\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("HTTP/1.1 200 OK\nA: b\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("HTTP/1.1 200 OK\r\nA : b\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("HTTP/1.1 200 OK\r\n b\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n") == answer_progress::malformed);
    CHECK(progress("octets of a body") == answer_progress::malformed);
}

TEST_CASE("ftp_reply: what is no reply is refused") {
    const auto progress = [](std::string octets) { return take_reply(octets).progress; };
    CHECK(progress("200 ok\r\n") == reply_progress::complete);
    CHECK(progress("211-a\r\n b\r\n211 c\r\n") == reply_progress::complete);
    CHECK(progress("211-a\r\n b\r\n") == reply_progress::incomplete);
    CHECK(progress("200 ok\n") == reply_progress::malformed);
    CHECK(progress("ok\r\n") == reply_progress::malformed);
    CHECK(progress("211-a\r\nb\r\n211 c\r\n") == reply_progress::malformed);
    CHECK(progress("200 \xff\r\n") == reply_progress::malformed);
    CHECK(progress("200 a\tb\r\n") == reply_progress::malformed);
}

TEST_CASE("model_tree: of a crowd the first and the last name are drawn, the rest are there") {
    model_tree model;
    model.set_crowd("/d");
    model.place("/c", file_state(model.fresh(pattern_kind::binary, 1)));
    model.place("/d", directory_state());
    for (const char* name : {"/d/1", "/d/2", "/d/3", "/d/4"}) {
        model.place(name, file_state(model.fresh(pattern_kind::binary, 1)));
    }
    model.place("/d0", directory_state());
    model.place("/d0/x", directory_state());
    CHECK(model.paths() ==
          std::vector<std::string>{"/", "/c", "/d", "/d/1", "/d/4", "/d0", "/d0/x"});
    CHECK(model.children("/d").size() == 4);
}

}  // namespace ferry::sim::test
