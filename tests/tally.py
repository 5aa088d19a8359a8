#!/usr/bin/env python3
"""Prints "PASSED FAILED SKIPPED" for a log of meson test (the .json one), counting test functions.

A program tells how many by the summary of cmocka or of Python's unittest, or by a line like the last one
of tests/run. One that tells nothing has failed, but in the suites BY_EXIT_CODE, where it is one case. One
that did not end well, or that ran fewer functions than it began with, has failed too: it crashed, leaked, or
hung. Each program that failed is named on stderr.
"""
import json
import re
import sys


BY_EXIT_CODE = ("fuzz", "examples")


def count(text):
    """How many were begun, passed, failed, were skipped, as the program's summaries say."""

    def total(pattern):
        return sum(int(n) for n in re.findall(pattern, text, re.M))

    begun = total(r"^\[==========\] Running (\d+) test")
    if begun:
        return [begun] + [total(rf"^\[  {word} +\] (\d+) test") for word in ("PASSED", "FAILED", "SKIPPED")]

    own = re.search(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M)
    if own:
        counts = [int(n or 0) for n in own.groups()]
        return [sum(counts)] + counts

    begun = total(r"^Ran (\d+) tests? in")
    failed = total(r"^FAILED .*?failures=(\d+)") + total(r"^FAILED .*?errors=(\d+)")
    skipped = total(r"^(?:OK|FAILED) .*?skipped=(\d+)")
    return [begun, begun - failed - skipped, failed, skipped]


def judge(test):
    if test["result"] == "SKIP":
        return 0, 0, 1
    begun, passed, failed, skipped = count(test.get("stdout", "") + "\n" + test.get("stderr", ""))
    ended_well = test["result"] == "OK"
    suite = test["name"].split(" / ")[0].split(":")[-1]  # of "project:suite / name"
    if begun == 0 and ended_well and suite in BY_EXIT_CODE:
        passed = begun = 1
    if failed == 0 and (not ended_well or begun == 0 or passed + skipped < begun):
        failed = 1
    if failed:
        told = f"{begun} cases begun, {passed} passed, {failed} failed" if begun else "it told of no case"
        print(f"FAILED  {test['name']}: {told}; its result: {test['result']}", file=sys.stderr)
    return passed, failed, skipped


def main(path):
    try:
        with open(path, encoding="utf-8") as log:
            results = [judge(json.loads(line)) for line in log]
    except FileNotFoundError:
        results = []
    if not results:
        print("no test was run", file=sys.stderr)
    print(*[sum(column) for column in zip(*results)] or [0, 1, 0])


if __name__ == "__main__":
    main(sys.argv[1])
