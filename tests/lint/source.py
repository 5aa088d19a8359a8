"""Reading C as text: files, includes, comments, functions. Shared by the checks beside it.

The code is laid out by clang-format, so a function is what stands between a line "{" and a line "}".
"""
import collections
import pathlib
import re

Finding = collections.namedtuple("Finding", "path line message warning", defaults=[False])
Function = collections.namedtuple("Function", "name line lines static body")
Declaration = collections.namedtuple("Declaration", "name line text documented")


def files(root, *folders, suffixes=(".c", ".h")):
    """Paths relative to root, sorted; without what npm installed."""
    root = pathlib.Path(root)
    found = (p.relative_to(root) for folder in folders for p in (root / folder).rglob("*"))
    return sorted(p for p in found if p.suffix in suffixes and "node_modules" not in p.parts)


def read(root, path):
    return (pathlib.Path(root) / path).read_text(encoding="utf-8")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def blank(text):
    """The text with comments and the insides of literals made spaces; every line keeps its place."""

    def spaces(match):
        token = match.group()
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]

    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", spaces, text, flags=re.S)


def includes(text):
    """Pairs of line and what is included, with its quotes or brackets."""
    for match in re.finditer(r"^#\s*include\s+([<\"][^>\"]+[>\"])", text, re.M):
        yield line_of(text, match.start()), match.group(1)


def functions(text):
    """The functions that a file defines."""
    clean = blank(text)
    for match in re.finditer(r"^([A-Za-z_][^;{}#]*\))\s*\n\{\n(.*?)^\}", clean, re.M | re.S):
        head, body = match.groups()
        name = re.search(r"(\w+)\(", head)
        if name:
            yield Function(name.group(1), line_of(clean, match.start()), match.group().count("\n") + 1,
                           re.search(r"\bstatic\b", head) is not None, body)


def declarations(text, mark):
    """The functions whose declaration in a header has the mark (BK_API, BK_YIELDS)."""
    clean = blank(text)
    others = r"^(?:(?:BK_API|BK_NODISCARD|BK_YIELDS|BK_NORETURN|BK_PRINTF\([^)]*\))\s+)*"
    for match in re.finditer(others + mark + r"\b[^;{#]*?(\w+)\([^;{]*[;{]", clean, re.M):
        before = text[:match.start()].rstrip()
        after = text[match.end():].split("\n", 1)[0]
        comment = before[before.rfind("/*"):]
        documented = (before.endswith("*/") and re.match(r"/\*\*[^<*]", comment) is not None) or "/**<" in after
        yield Declaration(match.group(1), line_of(clean, match.start()), match.group(), documented)


def calls(body):
    """Names that stand before a parenthesis."""
    return set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", body))
