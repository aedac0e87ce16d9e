#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "ferry/base/random.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::bench {

/// A core, and a tree in /tmp with a file "/file" of that size in the page cache. What is made
/// beside it, "/copy" aside, is for its maker to remove.
struct site_of_a_file {
    explicit site_of_a_file(std::size_t size_bytes) {
        std::string made = "/tmp/ferry-bench-XXXXXX";
        if (::mkdtemp(made.data()) == nullptr) {
            std::abort();
        }
        root = made;
        std::FILE* const out = std::fopen((root + "/file").c_str(), "w");
        std::fputs(std::string(size_bytes, 'x').c_str(), out);
        std::fclose(out);
        tree = vfs::open_local_tree(root.c_str()).value();
    }
    site_of_a_file(const site_of_a_file&) = delete;
    site_of_a_file& operator=(const site_of_a_file&) = delete;
    ~site_of_a_file() {
        tree.reset();
        ::unlink((root + "/file").c_str());
        ::unlink((root + "/copy").c_str());
        ::rmdir(root.c_str());
    }

    runtime::offload_pool pool{2};
    std::unique_ptr<runtime::reactor> io = runtime::make_uring_reactor({}, pool).value();
    runtime::core here{0, *io, ferry::random(1)};
    runtime::stop_scope stop;
    std::string root;
    std::unique_ptr<vfs::tree> tree;
    vfs::path file = vfs::path::parse("/file").value();
};

}  // namespace ferry::bench
