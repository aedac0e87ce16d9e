// Runs a fuzz target once over every file of its corpus: what a fuzzer ever found stays found. A
// finding ends the program (a sanitizer, FERRY_ASSERT), so the name of a file is printed before it
// is run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes);

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    std::error_code failed;
    std::vector<std::filesystem::path> inputs;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1], failed)) {
        if (entry.is_regular_file(failed)) {
            inputs.push_back(entry.path());
        }
    }
    if (failed) {
        std::fprintf(stderr, "%s: %s\n", argv[1], failed.message().c_str());
        return 1;
    }
    std::ranges::sort(inputs);

    int passed = 0;
    int unreadable = 0;
    for (const auto& input : inputs) {
        std::fprintf(stderr, "%s\n", input.c_str());
        std::ifstream file(input, std::ios::binary);
        if (!file) {
            ++unreadable;
            continue;
        }
        // A vector of exactly the input's size: a read past its end is a finding.
        const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
        const std::vector<std::uint8_t> octets(text.begin(), text.end());
        LLVMFuzzerTestOneInput(octets.data(), octets.size());
        ++passed;
    }
    std::printf("%d passed, %d failed\n", passed, unreadable);
    return unreadable == 0 ? 0 : 1;
}
