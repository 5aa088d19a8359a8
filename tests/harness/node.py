"""Node.js beside a test: the packages of tests/compat/node/, and programs that use them."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(os.environ["SOURCE_ROOT"]) / "tests" / "compat" / "node"
SKIPPED = 77  # as Meson has it


def need():
    """Installs what package-lock.json names, unless it is there; ends the test as skipped where there is no Node.js."""
    if not shutil.which("node") or not shutil.which("npm"):
        print("skipped: node and npm are not installed")
        sys.exit(SKIPPED)
    wanted = (FOLDER / "package-lock.json").read_text()
    with open(FOLDER / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = FOLDER / "node_modules" / ".installed"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER,
                       check=True)
        stamp.write_text(wanted)


def command(script):
    return ["node", str(FOLDER / script)]
