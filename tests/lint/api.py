"""Every public function has a doc comment and is named in a test.

A function that a test can name only through a macro of its header (bk_fail for bk_fail_at) counts.
Exceptions stand in untested.txt, one "name: reason" a line.
"""
import pathlib
import re

import source


def exceptions(root):
    """Triples of name, line number, reason."""
    path = root / "tests/lint/untested.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(":")
            yield name.strip(), number, reason.strip()


def names_in_tests(root):
    words = set()
    for path in source.files(root, "tests", suffixes=(".c", ".h", ".cpp", ".py")):
        if path.parts[1] != "lint":
            words.update(re.findall(r"\bbk_\w+|\bBK_\w+", source.read(root, path)))
    return words


def macros(text):
    """Pairs of a macro's name and the names in its text."""
    joined = source.blank(text).replace("\\\n", " ")
    for name, rest in re.findall(r"^#define (\w+)(.*)$", joined, re.M):
        yield name, set(re.findall(r"\w+", rest))


def check(root):
    headers = {path: source.read(root, path) for path in source.files(root, "include/backend")}
    named = names_in_tests(root)
    expansions = [pair for text in headers.values() for pair in macros(text)]
    while True:
        more = set().union(*(words for name, words in expansions if name in named)) - named
        if not more:
            break
        named |= more

    excused = list(exceptions(root))
    untested = set()
    for path, text in headers.items():
        for function in source.declarations(text, "BK_API"):
            if not function.documented:
                yield source.Finding(path, function.line, f"{function.name} has no doc comment")
            if function.name not in named:
                untested.add(function.name)
                if function.name not in [name for name, _, _ in excused]:
                    yield source.Finding(path, function.line, f"{function.name} is named in no test")

    listed = pathlib.Path("tests/lint/untested.txt")
    for name, line, reason in excused:
        if not reason:
            yield source.Finding(listed, line, f"{name} needs a reason")
        if name not in untested:
            yield source.Finding(listed, line, f"{name} is not untested: remove the line")
