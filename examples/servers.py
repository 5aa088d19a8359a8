#!/usr/bin/env python3
"""servers.py [postgres] [redis] -- COMMAND...: runs it with DATABASE_URL and REDIS_URL of servers of its own.

For the check.sh of an example, so that it needs no more than the program.
"""
import contextlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "harness"))


def main(words):
    cut = words.index("--")
    with contextlib.ExitStack() as stack:
        env = dict(os.environ)
        if "postgres" in words[:cut]:
            import postgres
            env["DATABASE_URL"] = stack.enter_context(postgres.start()).url()
        if "redis" in words[:cut]:
            import redis
            env["REDIS_URL"] = stack.enter_context(redis.start()).url()
        return subprocess.run(words[cut + 1:], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
