#!/usr/bin/env python3
"""tools/suites.py: what it counts, what it tells, and what it runs once more.

Ends with `N passed, N failed`.
"""

import contextlib
import io
import os
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tools"))

import suites  # noqa: E402

HEADING = """===============================================================================
../../tests/unit/a_test.cpp:{line}:
TEST CASE:  {name}

../../tests/unit/a_test.cpp:{line}: ERROR: CHECK( a ) is NOT correct!

"""
SUMMARY = "[doctest] test cases: {all} | {passed} passed | {failed} failed | 0 skipped\n"


def said_by_doctest(failing, passed):
    return ("".join(HEADING.format(line=10 + n, name=name) for n, name in enumerate(failing))
            + SUMMARY.format(all=len(failing) + passed, passed=passed, failed=len(failing)))


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(setattr, suites, "LOGS", suites.LOGS)
        suites.LOGS = os.path.join(self.folder.name, "logs")
        suites.FAILED.clear()
        self.asked = os.path.join(self.folder.name, "asked")

    def run_as(self, first, status, again="", again_status=0):
        """A program that says `first`, and `again` when it is asked for single cases."""
        script = ('case "$*" in\n'
                  f"*--test-case=*) echo \"$*\" >{self.asked}; printf %s \"$1\"; exit {again_status} ;;\n"
                  f"*) printf %s \"$0\"; exit {status} ;;\nesac\n")
        program = suites.Program("it", ("sh", "-c", script, first, again), self.folder.name)
        self.printed = io.StringIO()
        with contextlib.redirect_stdout(self.printed):
            count = suites.run_program(suites.SUITES[0], program)
        return count.passed, count.failed

    def test_what_passes_is_counted(self):
        self.assertEqual(self.run_as(said_by_doctest([], 7), 0), (7, 0))
        self.assertEqual(self.run_as("some words\n3 passed, 0 failed\n", 0), (3, 0))
        self.assertEqual(suites.FAILED, [])

    def run_once_more(self, failing):
        """A suite whose first `failing` runs fail; gives what is counted and how often it ran."""
        ran = os.path.join(self.folder.name, "ran")
        script = (f"echo >>{ran}; if [ $(wc -l <{ran}) -le {failing} ]; then\n"
                  "echo FAIL: why; echo 1 passed, 1 failed; exit 1; fi; echo 2 passed, 0 failed")
        suite = suites.Suite("it", "fails at first", command=("sh", "-c", script), again=True)
        with contextlib.redirect_stdout(io.StringIO()):
            [count] = suites.run_suites([suite])
        with open(ran, encoding="utf-8") as file:
            return count.passed, count.failed, len(file.readlines())

    def test_what_passes_alone_behind_others_is_no_failure(self):
        self.assertEqual(self.run_once_more(failing=1), (2, 0, 2))
        self.assertEqual(suites.FAILED, [])

    def test_what_fails_alone_too_is_one(self):
        self.assertEqual(self.run_once_more(failing=2), (1, 1, 2))
        self.assertEqual(len(suites.FAILED), 2)

    def test_what_passes_is_run_once(self):
        self.assertEqual(self.run_once_more(failing=0), (2, 0, 1))

    def test_what_passes_alone_is_unsteady_and_told(self):
        failing = ["one, two: three", "four"]
        self.assertEqual(self.run_as(said_by_doctest(failing, 5), 1, said_by_doctest([], 2)), (7, 0))
        with open(self.asked, encoding="utf-8") as file:
            self.assertIn("--test-case=four,one? two: three\n", file.read())
        self.assertIn("unsteady", self.printed.getvalue())
        self.assertIn("CHECK( a ) is NOT correct!", self.printed.getvalue())
        self.assertIn("a_test.cpp:10: ERROR", suites.FAILED[0])

    def test_who_only_says_something_is_not_run_again(self):
        word = HEADING.format(line=3, name="talks").replace("ERROR: CHECK( a ) is NOT correct!",
                                                            "MESSAGE: all is well")
        self.assertEqual(self.run_as(word + said_by_doctest(["fails"], 5), 1,
                                     said_by_doctest([], 1)), (6, 0))
        with open(self.asked, encoding="utf-8") as file:
            self.assertIn("--test-case=fails\n", file.read())

    def test_what_fails_again_has_failed(self):
        self.assertEqual(self.run_as(said_by_doctest(["a"], 5), 1, said_by_doctest(["a"], 0), 1),
                         (5, 1))
        self.assertIn("a_test.cpp:10: ERROR", suites.FAILED[0])

    def test_what_runs_no_case_again_has_failed(self):
        self.assertEqual(self.run_as(said_by_doctest(["a"], 5), 1, said_by_doctest([], 0)), (5, 1))

    def test_many_have_failed(self):
        failing = [f"case {n}" for n in range(suites.UNSTEADY_MAX + 1)]
        self.assertEqual(self.run_as(said_by_doctest(failing, 5), 1, said_by_doctest([], 4)),
                         (5, len(failing)))
        self.assertFalse(os.path.exists(self.asked))

    def test_a_finding_of_a_sanitizer_has_failed(self):
        for status in (66, 77):
            self.assertEqual(self.run_as("SUMMARY: ThreadSanitizer: data race\n"
                                         + said_by_doctest([], 5), status), (5, 1))
        self.assertEqual(self.run_as("SUMMARY: AddressSanitizer: heap-use-after-free\n", 1), (0, 1))
        self.assertIn("AddressSanitizer", suites.FAILED[-1])
        self.assertFalse(os.path.exists(self.asked))

    def test_no_count_has_failed(self):
        self.assertEqual(self.run_as("nothing\n", 0), (0, 1))


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
