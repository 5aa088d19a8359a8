"""Meson cannot find files by itself: each file is in its folder's list, and each entry is a file.

Also the version, which stands in meson.build and in backend.h.
"""
import pathlib
import re

import source


def entries(text):
    """The quoted names in a meson.build."""
    return set(re.findall(r"'([^'\s]+)'", text))


def missing(root, folder, names):
    """Names that the list of a folder should have."""
    path = pathlib.Path(folder) / "meson.build"
    if (root / path).exists():
        listed = entries(source.read(root, path))
        for name in sorted(names):
            if name not in listed:
                yield source.Finding(path, 1, f"'{name}' is not in the list")


def stems(root, folder, pattern):
    """What stands for the * of a pattern, for each file that matches."""
    before, after = pattern.split("*")
    return {p.name[len(before):len(p.name) - len(after)] for p in (root / folder).glob(pattern)}


def check(root):
    headers = root / "include/backend"
    yield from missing(root, "include/backend", {str(p.relative_to(headers)) for p in headers.rglob("*.h")})
    for folder in sorted(p for p in (root / "libbackend").glob("*") if p.is_dir()):
        yield from missing(root, folder.relative_to(root), {p.name for p in folder.glob("*.[cS]")})
    for folder in ("tests/unit", "tests/integration"):
        yield from missing(root, folder, stems(root, folder, "*_test.c") | stems(root, folder, "*_test.py"))
    targets = stems(root, "tests/fuzz", "fuzz_*.c")
    yield from missing(root, "tests/fuzz", targets)
    for name in sorted(targets):
        if not any((root / "tests/fuzz/corpus" / name).glob("*")):
            yield source.Finding(pathlib.Path(f"tests/fuzz/fuzz_{name}.c"), 1, f"has no inputs in tests/fuzz/corpus/{name}/")

    built = re.search(r"^\s*version: '([^']+)'", source.read(root, "meson.build"), re.M).group(1)
    text = source.read(root, "include/backend/backend.h")
    told = re.search(r'#define BK_VERSION "([^"]*)"', text)
    if told is None or told.group(1) != built:
        line = source.line_of(text, told.start()) if told else 1
        yield source.Finding(pathlib.Path("include/backend/backend.h"), line, f"BK_VERSION is not {built}, as meson.build says")
