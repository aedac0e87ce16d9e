#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "client_context.hpp"
#include "ferry/base/random.hpp"
#include "model_tree.hpp"

namespace ferry::sim::test {

/// Places in `model` what a run begins with: "/static" (never changed by clients; files of all
/// sizes, text, an index, odd names, an empty directory), "/shared" (files that everybody with the
/// right changes), "/clients/0" and so on (each for one client alone), "/home/bob" (what Bob sees
/// as "/"; "/own/0" and so on are there for one client alone). Then `model_tree::for_each_placed`
/// tells what to put on the disk; files have the modification time they are placed with.
/// `crowd`, if not 0: so many small files in "/static/crowd".
void plant_seed_tree(model_tree& model, ferry::random& rng, std::size_t own_directories,
                     std::size_t crowd = 0);

/// Places files beside others that are these, packed: some as they should be, one older than what
/// it was made of, one a directory.
void plant_packed_files(model_tree& model);

/// "/clients/3".
[[nodiscard]] std::string own_directory(std::size_t client);

/// Who may log in where clients run: "ann" (may change everything), "bob" (the same, in
/// "/home/bob"), "eve" (reads only).
[[nodiscard]] std::vector<ftp_account> usual_accounts(bool has_administrator = false);

}  // namespace ferry::sim::test
