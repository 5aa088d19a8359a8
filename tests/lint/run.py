#!/usr/bin/env python3
"""Runs our own checks: run.py [NAME ...], bare: all. Prints "path:line: message"; fails on errors.

run.py --list prints the names.
"""
import importlib
import pathlib
import sys

CHECKS = ["layers", "api", "yields", "size", "statics", "lists", "snippets"]


def main(names):
    if names == ["--list"]:
        print(*CHECKS)
        return 0
    root = pathlib.Path(__file__).resolve().parents[2]
    errors = 0
    for name in names or CHECKS:
        for finding in importlib.import_module(name).check(root):
            errors += not finding.warning
            print(f"{finding.path}:{finding.line}: {'warning: ' if finding.warning else ''}{finding.message}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
