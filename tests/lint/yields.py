"""A public function that can suspend its caller says so: BK_YIELDS.

A function yields when it is marked, or when its text calls one that does; calls through pointers are
not seen. fiber/ is left out, for there waiting is made. A call that never waits, for a reason that
the text does not show, has "lint: does not yield" in a comment on its line.
"""
import re

import source

EXCUSE = "lint: does not yield"


def without_excused(text):
    return re.sub(r"^.*" + re.escape(EXCUSE) + r".*$", "", text, flags=re.M)


def check(root):
    headers = source.files(root, "include/backend", "libbackend", suffixes=(".h",))
    marked = {d.name for path in headers for d in source.declarations(source.read(root, path), "BK_YIELDS")}
    public = {d.name for path in headers if path.parts[0] == "include"
              for d in source.declarations(source.read(root, path), "BK_API")}

    # (file or None for names that all files share, name) -> (path, line, names called)
    known = {}
    for path in source.files(root, "libbackend"):
        if path.parts[1] != "fiber":
            for f in source.functions(without_excused(source.read(root, path))):
                known[path if f.static else None, f.name] = (path, f.line, source.calls(f.body))

    reason = {(None, name): None for name in marked}
    grew = True
    while grew:
        grew = False
        for key, (path, _, called) in known.items():
            waits = next((name for name in sorted(called)
                          if ((path, name) in reason) or ((path, name) not in known and (None, name) in reason)), None)
            if key not in reason and waits:
                reason[key] = waits
                grew = True

    for (file, name), (path, line, _) in known.items():
        if file is None and name in public and name not in marked and (None, name) in reason:
            yield source.Finding(path, line, f"{name} calls {reason[None, name]}, which yields: mark it BK_YIELDS")
