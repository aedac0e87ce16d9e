#include "seed_tree.hpp"

#include <fmt/format.h>

#include <array>

namespace ferry::sim::test {
namespace {

constexpr std::int64_t some_day = 1'700'000'000;  // 2023-11-14

class planter {
  public:
    planter(model_tree& model, ferry::random& rng) noexcept : model_(model), rng_(rng) {}

    void directory(const std::string& path) { model_.place(path, directory_state()); }

    void file(const std::string& path, std::uint64_t size_bytes,
              pattern_kind kind = pattern_kind::binary) {
        auto made = file_state(model_.fresh(kind, size_bytes));
        made.modified = some_day + static_cast<std::int64_t>(rng_.below(50'000'000));
        model_.place(path, std::move(made));
    }

  private:
    model_tree& model_;
    ferry::random& rng_;
};

}  // namespace

void plant_seed_tree(model_tree& model, ferry::random& rng, std::size_t own_directories,
                     std::size_t crowd) {
    planter plant(model, rng);
    plant.directory("/static");
    static constexpr std::array<std::uint64_t, 9> sizes{0,     1,      15,        1'024,    8'192,
                                                        8'193, 70'000, 1'500'000, 4'194'305};
    char letter = 'a';
    for (const auto size : sizes) {
        plant.file(fmt::format("/static/{}.bin", letter), size);
        ++letter;
    }
    plant.file("/static/lines.txt", 40'000 + rng.below(1'000), pattern_kind::text);
    plant.file("/static/short.txt", 33, pattern_kind::text);
    plant.file("/static/.hidden.bin", 100);
    plant.file("/static/two words & <more>.txt", 64, pattern_kind::text);
    plant.file("/static/\"quoted\"'s.bin", 65);
    plant.file("/static/100%25.bin", 66);
    plant.file("/static/\xC3\xBCml\xC3\xA4ut.bin", 67);
    plant.directory("/static/sub");
    plant.file("/static/sub/deep.bin", 5'000);
    plant.directory("/static/sub/empty");
    plant.directory("/static/site");
    plant.file("/static/site/index.html", 3'000 + rng.below(500), pattern_kind::text);
    plant.file("/static/site/page.html", 2'000, pattern_kind::text);
    if (crowd > 0) {
        model.set_crowd("/static/crowd");
        plant.directory("/static/crowd");
        for (std::size_t i = 0; i < crowd; ++i) {
            plant.file(fmt::format("/static/crowd/{:04}.bin", i), i % 7);
        }
    }
    plant.directory("/shared");
    for (int i = 0; i < 4; ++i) {
        plant.file(fmt::format("/shared/s{}.bin", i), 1 + rng.below(200'000));
    }
    plant.file("/shared/text.txt", 10'000, pattern_kind::clean_text);
    plant.directory("/clients");
    for (std::size_t i = 0; i < own_directories; ++i) {
        plant.directory(own_directory(i));
        plant.file(own_directory(i) + "/first.bin", 1 + rng.below(50'000));
        plant.directory(own_directory(i) + "/d");
        plant.file(own_directory(i) + "/d/inside.bin", 1 + rng.below(10'000));
    }
    plant.directory("/home");
    plant.directory("/home/bob");
    plant.file("/home/bob/mine.bin", 1 + rng.below(30'000));
    plant.directory("/home/bob/d");
    plant.directory("/home/bob/own");
    for (std::size_t i = 0; i < own_directories; ++i) {
        plant.directory(fmt::format("/home/bob/own/{}", i));
    }
}

void plant_packed_files(model_tree& model) {
    constexpr std::int64_t later = some_day + 60'000'000;
    const auto file = [&model](const std::string& path, std::uint64_t size_bytes,
                               std::int64_t modified, pattern_kind kind) {
        auto made = file_state(model.fresh(kind, size_bytes));
        made.modified = modified;
        model.place(path, std::move(made));
    };
    using enum pattern_kind;
    file("/static/packed.txt", 20'000, some_day, text);
    file("/static/packed.txt.gz", 3'000, some_day, binary);  // As old is new enough.
    file("/static/packed.txt.br", 2'500, some_day - 1, binary);
    model.place("/static/packed.txt.zst", directory_state());
    file("/static/site/index.html.zst", 900, later, binary);
    file("/static/site/page.html.br", 9'000, later, binary);
    file("/static/h.bin.gz", 100'000, later, binary);
    file("/shared/text.txt.gz", 2'000, later, binary);
    file("/shared/s0.bin.br", 30'000, later, binary);
}

std::string own_directory(std::size_t client) {
    return fmt::format("/clients/{}", client);
}

std::vector<ftp_account> usual_accounts(bool has_administrator) {
    std::vector<ftp_account> made{
        {.name = "ann", .password = "secret", .may_create = true, .may_change = true},
        {.name = "bob",
         .password = "hunter2",
         .root = "/home/bob",
         .may_create = true,
         .may_change = true},
        {.name = "eve", .password = "apple"}};
    if (has_administrator) {
        made.push_back({.name = "ada",
                        .password = "engine",
                        .may_create = true,
                        .may_change = true,
                        .may_administer = true});
    }
    return made;
}

}  // namespace ferry::sim::test
