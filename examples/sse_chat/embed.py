#!/usr/bin/env python3
"""embed.py FILE OUTPUT: FILE as `page` and `page_len` in C."""
import pathlib
import sys

content = pathlib.Path(sys.argv[1]).read_bytes()
rows = [", ".join(map(str, content[at:at + 20])) for at in range(0, len(content), 20)]
pathlib.Path(sys.argv[2]).write_text(
    "#include <stddef.h>\n\nextern const char page[];\nextern const size_t page_len;\n\n"
    "const char page[] = {\n    " + ",\n    ".join(rows) + f"}};\nconst size_t page_len = {len(content)};\n")
