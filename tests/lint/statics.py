"""A function that one file alone uses is static there. A macro in its own header is another user."""
import collections
import re

import source


def check(root):
    texts = {path: source.blank(source.read(root, path))
             for path in source.files(root, "libbackend", "tests", "include", suffixes=(".c", ".h", ".S"))}
    times = collections.Counter()  # (path, name)
    users = collections.defaultdict(set)
    for path, text in texts.items():
        for name in re.findall(r"\bbk__\w+", text):
            times[path, name] += 1
            users[name].add(path)

    for path in texts:
        own_header = path.with_suffix(".h")
        for function in source.functions(texts[path]) if path.suffix == ".c" else []:
            name = function.name
            others = users[name] - {path, own_header}
            if name.startswith("bk__") and not function.static and not others and times[own_header, name] < 2:
                yield source.Finding(path, function.line, f"{name} is used in this file only: make it static")
