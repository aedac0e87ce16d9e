"""Goal: no rule of tools/lint has gone blind, and none cries where nothing is wrong.

Method: each row is a tree of one or two files, a rule, and the place the rule must name in it, or
`None` where it must say nothing. The linter under test is a copy, so that it takes the tree for its
own project.
"""

import os
import shutil
import subprocess
import sys
import tempfile

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lint")
UNFINISHED = "TO" + "DO"  # In pieces: the linter reads this file too.
SYNC = "in " + "sync with"
TEMPORARY = "for " + "now"

# (rule, place it must name or None, {path: text})
CASES = [
    ("layers", None, {"src/http/a.cpp": '#include "ferry/vfs/path.hpp"\n#include "http/b.hpp"\n'}),
    ("layers", "src/vfs/a.cpp:2", {"src/vfs/a.cpp": '\n#include "ferry/http/b.hpp"\n'}),
    ("layers", "src/http/a.cpp:1", {"src/http/a.cpp": '#include "ferry/ftp/b.hpp"\n'}),
    ("layers", "src/net/a.cpp:1", {"src/net/a.cpp": '#include "ferry/vfs/b.hpp"\n'}),
    ("layers", "src/http/a.cpp:1", {"src/http/a.cpp": '#include "vfs/private.hpp"\n'}),
    ("layers", "src/http/a.cpp:1", {"src/http/a.cpp": '#include "b.hpp"\n'}),
    ("layers", "src/http/a.cpp:1", {"src/http/a.cpp": '#include <ferry/vfs/path.hpp>\n'}),
    ("layers", "include/ferry/vfs/a.hpp:1", {"include/ferry/vfs/a.hpp": '#include "vfs/b.hpp"\n'}),
    ("layers", "src/smtp/a.cpp:1", {"src/smtp/a.cpp": "\n"}),
    ("layers", None, {"src/vfs/a.cpp": '// #include "ferry/http/b.hpp"\n'}),
    ("layers", None, {"tests/unit/vfs/a_test.cpp": '#include "ferry/http/b.hpp"\n'}),
    ("public-headers", "include/ferry/vfs/a.hpp:1",
     {"include/ferry/vfs/a.hpp": "\n", "src/vfs/b.cpp": '#include "ferry/vfs/a.hpp"\n'}),
    ("public-headers", None,
     {"include/ferry/vfs/a.hpp": '#include "ferry/vfs/c.hpp"\n', "include/ferry/vfs/c.hpp": "\n",
      "src/http/b.cpp": '#include "ferry/vfs/a.hpp"\n'}),
    ("libraries", "src/net/a.cpp:1", {"src/net/a.cpp": "#include <liburing.h>\n"}),
    ("libraries", None, {"src/runtime/uring/a.cpp": "#include <liburing.h>\n#include <vector>\n"}),
    ("libraries", "src/http/a.cpp:1", {"src/http/a.cpp": "#include <llhttp.h>\n"}),
    ("libraries", None, {"src/http/head_parser.cpp": "#include <llhttp.h>\n"}),
    ("libraries", "src/net/stream.cpp:1", {"src/net/stream.cpp": "#include <openssl/ssl.h>\n"}),
    ("libraries", None, {"src/net/tls_stream.cpp": "#include <openssl/ssl.h>\n"}),
    ("libraries", "src/http/a.cpp:1", {"src/http/a.cpp": "#include <CLI/CLI.hpp>\n"}),
    ("libraries", "src/base/a.cpp:1", {"src/base/a.cpp": "#include <spdlog/spdlog.h>\n"}),
    ("libraries", "include/ferry/net/a.hpp:1",
     {"include/ferry/net/a.hpp": "#include <fmt/core.h>\n"}),
    ("libraries", "src/ftp/a.cpp:1", {"src/ftp/a.cpp": "#include <unistd.h>\n"}),
    ("libraries", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "#include <boost/asio.hpp>\n"}),
    ("system-calls", "src/http/a.cpp:1", {"src/http/a.cpp": "auto f() { return ::open(a, 0); }\n"}),
    ("system-calls", None, {"src/http/a.cpp": "auto f() { return vfs::open(name); }\n"}),
    ("system-calls", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "auto f() { return ::fstat(a, &b); }\n"}),
    ("system-calls", None, {"src/vfs/a.cpp": "auto f() { return kernel::fstat(a, b); }\n"}),
    ("system-calls", None, {"src/base/kernel.cpp": "auto f() { return ::fstat(a, &b); }\n"}),
    ("exceptions", "src/vfs/a.cpp:2", {"src/vfs/a.cpp": "void f() {\n    throw 1;\n}\n"}),
    ("exceptions", None, {"src/vfs/a.cpp": 'auto a = "throw"; // throw\n/* throw\nthrow */\n'}),
    ("exceptions", None, {"src/vfs/a.cpp": 'auto a = R"x(throw " )" throw)x";\n'}),
    ("exceptions", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "auto a = 1'000'000; throw a;\n"}),
    ("exceptions", None, {"tests/unit/vfs/a_test.cpp": "throw 1;\n"}),
    ("raw-memory", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "auto* a = new int;\n"}),
    ("raw-memory", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "void f() { delete it; }\n"}),
    ("raw-memory", None, {"src/vfs/a.cpp": "#include <new>\nfoo(const foo&) = delete;\n"}),
    ("raw-memory", None, {"src/runtime/a.cpp": "auto* a = new int;\n"}),
    ("reinterpret-cast", "src/http/a.cpp:1", {"src/http/a.cpp": "reinterpret_cast<int>(a);\n"}),
    ("reinterpret-cast", None, {"src/net/tls.cpp": "reinterpret_cast<int>(a);\n"}),
    ("clocks", "src/http/a.cpp:1", {"src/http/a.cpp": "std::chrono::steady_clock::now();\n"}),
    ("clocks", "src/http/a.cpp:1", {"src/http/a.cpp": "const auto t = time(nullptr);\n"}),
    ("clocks", None, {"src/http/a.cpp": "reactor.time(0); last_time(0);\n"}),
    ("clocks", "src/base/wall_clock.cpp:1", {"src/base/wall_clock.cpp": "clock_gettime(a, b);\n"}),
    ("clocks", None, {"src/base/kernel.cpp": "clock_gettime(a, b);\n"}),
    ("randomness", "src/ftp/a.cpp:1", {"src/ftp/a.cpp": "std::mt19937 a;\n"}),
    ("randomness", None, {"src/base/kernel.cpp": "getrandom(a, b, 0);\n"}),
    ("locks", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "std::mutex a;\n"}),
    ("detached", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "worker.detach();\n"}),
    ("threads", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "std::jthread a(f);\n"}),
    ("sleeping", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "std::this_thread::sleep_for(a);\n"}),
    ("printing", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "std::printf(a);\n"}),
    ("printing", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "std::snprintf(a, 1, b);\n"}),
    ("printing", None, {"src/server/a.cpp": "std::puts(a);\n"}),
    ("c-strings", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "strtoul(a, b, 10);\n"}),
    ("c-strings", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "std::stoi(a);\n"}),
    ("c-assert", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "assert(a);\n"}),
    ("c-assert", None, {"src/vfs/a.cpp": "static_assert(a);\nFERRY_ASSERT(a);\n"}),
    ("memory-maps", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "::mmap(a);\n"}),
    ("heavy-headers", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "#include <iostream>\n"}),
    ("using-namespace", "src/vfs/a.hpp:1", {"src/vfs/a.hpp": "using namespace std;\n"}),
    ("using-namespace", None, {"src/vfs/a.cpp": "using namespace std::literals;\n"}),
    ("discarded", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "(void)f(a);\n"}),
    ("unfinished", "src/vfs/a.cpp:2", {"src/vfs/a.cpp": f"\n// {UNFINISHED}: more\n"}),
    ("unfinished", "README.md:1", {"README.md": f"{UNFINISHED}\n"}),
    ("temporary", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": f"// Enough {TEMPORARY}.\n"}),
    ("sync-comments", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": f"// Keep {SYNC} b.cpp.\n"}),
    ("explained", "src/runtime/a.cpp:1", {"src/runtime/a.cpp": "auto* a = new foo;\n"}),
    ("explained", None, {"src/runtime/a.cpp": "// The pool owns it.\nauto* a = new foo;\n"}),
    ("macros", "src/vfs/a.hpp:1", {"src/vfs/a.hpp": "#define VFS_A 1\n"}),
    ("macros", None, {"include/ferry/base/a.hpp": "#define FERRY_TRY(a, b) a = b\n"}),
    ("macros", None, {"src/runtime/uring/compat.hpp": "#define SYS_cachestat 451\n"}),
    ("guards", "src/vfs/a.hpp:1", {"src/vfs/a.hpp": "#ifndef A\n#endif\n"}),
    ("guards", None, {"src/vfs/a.hpp": "// What it is.\n\n#pragma once\n"}),
    ("form", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "// " + "x" * 98 + "\n"}),
    ("form", None, {"src/vfs/a.cpp": "// " + "ä" * 97 + "\n"}),
    ("form", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "\tint a;\n"}),
    ("form", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "int a; \n"}),
    ("form", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "int a;"}),
    ("form", "src/vfs/pathParser.cpp:1", {"src/vfs/pathParser.cpp": "int a;\n"}),
    ("form", "src/vfs/a.h:1", {"src/vfs/a.h": "int a;\n"}),
    ("tests", "src/ftp/line_parser.cpp:1", {"src/ftp/line_parser.cpp": "\n"}),
    ("tests", None, {"src/ftp/line_parser.cpp": "\n", "tests/unit/ftp/line_parser_test.cpp": "\n"}),
    ("built", "src/ftp/a.cpp:1", {"src/ftp/a.cpp": "\n", "src/ftp/meson.build": "'b.cpp'\n"}),
    ("built", None,
     {"src/runtime/uring/a.cpp": "\n", "src/runtime/meson.build": "'uring/a.cpp'\n"}),
    ("built", None, {"tests/unit/a.cpp": "\n", "tests/unit/vfs/meson.build": "'../a.cpp'\n"}),
    ("built", None, {"tests/fuzz/a_fuzz.cpp": "\n", "tests/fuzz/meson.build": "['a', [dep]],\n"}),
    ("top-level", "notes.txt:1", {"notes.txt": "\n"}),
    ("top-level", None, {"README.md": "\n", ".editorconfig": "\n"}),
    ("scripts", "tools/x:1", {"tools/x": "#!/bin/bash\nif\n"}),
    ("standard-includes", "src/vfs/a.hpp:3",
     {"src/vfs/a.hpp": "#pragma once\n#include <vector>\nstd::string a;\n"}),
    ("standard-includes", "src/vfs/a.hpp:2", {"src/vfs/a.hpp": "#pragma once\nstd::odd a;\n"}),
    ("standard-includes", None, {"src/vfs/a.hpp": "#pragma once\n#include <string>\n// std::vector\n"
                                                  "std::string a;\n"}),
    ("headers-compile", "src/vfs/a.hpp:1", {"src/vfs/a.hpp": "#pragma once\nstd::string a;\n"}),
    ("headers-compile", None, {"src/vfs/a.hpp": '#pragma once\n#include "ferry/vfs/b.hpp"\n',
                               "include/ferry/vfs/b.hpp": "#pragma once\n#include <string>\n"}),
    ("format", "src/vfs/a.cpp:1", {"src/vfs/a.cpp": "int  a ;\n"}),
    ("format", None, {"src/vfs/a.cpp": "int a;\n"}),
]


def check(rule, place, files):
    """Runs one row. Returns what is wrong, or nothing."""
    with tempfile.TemporaryDirectory() as tree:
        os.makedirs(os.path.join(tree, "tools"))
        shutil.copy(LINT, os.path.join(tree, "tools", "lint"))
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(tree, path)) or tree, exist_ok=True)
            with open(os.path.join(tree, path), "w", encoding="utf-8") as file:
                file.write(text)
        run = subprocess.run([sys.executable, os.path.join(tree, "tools", "lint"), rule],
                             capture_output=True, text=True, check=False)
        if place is None:
            return "" if run.returncode == 0 else f"a false alarm: {run.stdout}{run.stderr}"
        if run.returncode != 1:
            return f"nothing found, status {run.returncode}: {run.stdout}{run.stderr}"
        lines = run.stdout.splitlines()
        if not any(line.startswith(place + ": ") and line.endswith(f"[{rule}]") for line in lines):
            return f"not found at {place}: {run.stdout}"
        return ""


def main():
    passed = failed = 0
    for rule, place, files in CASES:
        wrong = check(rule, place, files)
        passed += not wrong
        if wrong:
            failed += 1
            print(f"{rule}, {files}: {wrong}")
    run = subprocess.run([sys.executable, LINT, "--list"], capture_output=True, text=True,
                         check=True)
    for rule in sorted(set(run.stdout.split()) - {row[0] for row in CASES}):
        failed += 1
        print(f"{rule}: no row here tests it")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
