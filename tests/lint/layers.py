"""Who may include whom: the rows of folders, and which folder may see which library."""
import re

import source

# A folder may include its own row and those before it.
ROWS = [
    ["core"],
    ["fiber"],
    ["json", "crypto", "pool", "pg", "redis", "client"],
    ["http"],
    ["cache", "session", "limit", "pubsub", "queue", "migrate"],
    ["middleware", "ops"],
    ["app", "cluster", "cli"],
]
# In spite of their row: these know nothing of requests.
NEVER = {folder: {"http"} for folder in ROWS[4]}

# The folder that a public header belongs to.
PUBLIC = {
    "core": "base errors arena str clock log metrics trace",
    "fiber": "fiber sync loop",
    "json": "json schema describe describe_macros args",
    "crypto": "jwt password token",
    "pool": "pool",
    "pg": "pg",
    "redis": "redis lock",
    # app.h is here for its limits and timeouts, which are those of connections and requests.
    "client": "http_client jwks mail",
    "http": "app router request response middleware openapi sse websocket",
    "cache": "cache",
    "session": "session",
    "limit": "limit",
    "pubsub": "pubsub",
    "queue": "queue queue_admin worker outbox cron schedule flow",
    "migrate": "migrate",
    "ops": "health otlp dashboard",
    "app": "backend config testing",
    "cluster": "cluster",
    "cli": "cli",
}
FOLDER_OF = {name: folder for folder, names in PUBLIC.items() for name in names.split()}

# Where a library's headers may be seen, as a pattern of paths under libbackend/.
LIBRARIES = {
    r"h2o(\.h|/)": r"fiber/loop|http/",
    r"wslay/": r"http/",
    r"(cjson/)?cJSON": r"json/",
    r"pcre2": r"json/",
    # migrate/ only hashes files.
    r"openssl/": r"core/random\.c|crypto/|http/|pg/|redis/|migrate/",
    r"libpq|postgres": r"pg/",
    r"hiredis": r"redis/",
    r"curl/": r"client/",
    r"(sanitizer|valgrind)/": r"core/|fiber/",
}


def row(folder):
    return next((i for i, folders in enumerate(ROWS) if folder in folders), None)


def folder_of_header(name):
    """Of "router.h", or of "middleware/jwt.h", as they stand under <backend/>."""
    return "middleware" if "/" in name else FOLDER_OF.get(name.removesuffix(".h"))


def forbidden(own, other):
    return row(other) > row(own) or other in NEVER.get(own, ())


def check_library(path, own, line, what):
    """An include of libbackend/ or include/backend/, which belongs to the folder `own`."""
    if what.startswith("<backend/"):
        other = folder_of_header(what[len("<backend/"):-1])
        if other is None:
            return f"{what} has no folder: give it one in tests/lint/layers.py"
        if forbidden(own, other):
            return f"{own} may not include {what}, which belongs to {other}"
    elif what[0] == '"':
        other = what[1:-1].split("/")[0]
        if path.parts[0] == "include":
            return f"a public header may not include {what}"
        if "/" not in what:
            return f'{what} should be named with its folder, as "{own}/{what[1:]}'
        if row(other) is None:
            return f"{other} has no row: give it one in tests/lint/layers.py"
        if forbidden(own, other):
            return f"{own} may not include {what}"
    else:
        for library, where in LIBRARIES.items():
            inside = "/".join(path.parts[1:]) if path.parts[0] == "libbackend" else ""
            if re.match(library, what[1:]) and not re.match(where, inside):
                return f"{what} may be included in {where.replace('|', ' and ')} only"
    return None


def check(root):
    for path in source.files(root, "libbackend", "include/backend"):
        inside = path.parts[1:] if path.parts[0] == "libbackend" else path.parts[2:]
        own = inside[0] if path.parts[0] == "libbackend" else folder_of_header("/".join(inside))
        if own is None or row(own) is None:
            yield source.Finding(path, 1, "has no row: give it one in tests/lint/layers.py")
            continue
        for line, what in source.includes(source.read(root, path)):
            message = check_library(path, own, line, what)
            if message:
                yield source.Finding(path, line, message)

    for path in source.files(root, "examples", suffixes=(".c", ".h", ".cpp")):
        for line, what in source.includes(source.read(root, path)):
            near = root / path.parent / what[1:-1]
            if what[0] == '"' and not near.exists():
                yield source.Finding(path, line, f"an example has only its own headers and <backend/...>, not {what}")
