#!/usr/bin/env python3
"""What a page shows of C is compiled: it is the text of a file in examples/, or of a part of it.

A page says where its code comes from, right before it:

    <!-- snippet: examples/guide/handlers.c read -->

which is what that file has between "/* snippet: read */" and "/* end of snippet */"; without a name,
the whole file. Run this file by itself to write the texts into the pages.
"""
import pathlib
import re
import sys

import source

PAGES = ["README.md", "docs/guide"]
BLOCK = re.compile(r"^```c\n(.*?)^```$", re.M | re.S)
ORIGIN = re.compile(r"<!-- snippet: (\S+)(?: (\S+))? -->\n$")
PART = re.compile(r"^[ \t]*/\* snippet: (\S+) \*/\n(.*?)^[ \t]*/\* end of snippet \*/$", re.M | re.S)


def pages(root):
    """Paths relative to root."""
    found = (p for place in PAGES for p in ([root / place] if place.endswith(".md") else (root / place).glob("*.md")))
    return sorted(p.relative_to(root) for p in found if p.exists())


def text_of(root, path, name):
    """The code that a page names; None where there is none."""
    if not (root / path).is_file():
        return None
    text = source.read(root, path)
    return text if name is None else dict(PART.findall(text)).get(name)


def blocks(root, page):
    """For each block of C: its match in the page's text, where it comes from, what it should be."""
    text = source.read(root, page)
    for match in BLOCK.finditer(text):
        origin = ORIGIN.search(text[:match.start()])
        wanted = text_of(root, *origin.groups()) if origin else None
        yield text, match, origin.groups() if origin else None, wanted


def check(root):
    used = set()
    for page in pages(root):
        for text, match, origin, wanted in blocks(root, page):
            line = source.line_of(text, match.start())
            if origin is None:
                yield source.Finding(page, line, "C code that comes from no file: see tests/lint/snippets.py")
                continue
            used.add(origin)
            if wanted is None:
                yield source.Finding(page, line, f"there is no {' '.join(filter(None, origin))}")
            elif wanted != match.group(1):
                yield source.Finding(page, line, f"differs from {' '.join(filter(None, origin))}: run tests/lint/snippets.py")
    for path in source.files(root, "examples"):
        for match in PART.finditer(source.read(root, path)):
            if (str(path), match.group(1)) not in used:
                line = source.line_of(source.read(root, path), match.start())
                yield source.Finding(path, line, f"no page shows the snippet {match.group(1)}")


def write(root):
    for page in pages(root):
        for text, match, _, wanted in reversed(list(blocks(root, page))):
            if wanted is not None:
                now = source.read(root, page)
                (root / page).write_text(now[:match.start(1)] + wanted + now[match.end(1):])


if __name__ == "__main__":
    write(pathlib.Path(__file__).resolve().parents[2])
    sys.exit(0)
