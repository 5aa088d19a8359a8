#!/usr/bin/env python3
"""What a connection and a waiting request cost in memory, as growth of the server's PSS.

    memory.py [--server CMD] [--count N]      CMD contains {port}; default: bench-server of build-release

Idle: N keep-alive connections that have each asked once. Parked: N requests that wait in their handlers, the second
time round, so that what is kept warm is counted as well. raw/idle and raw/parked are built by build.sh.
"""
import argparse
import os
import re
import shlex
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join(HERE, "../../build-release/tests/bench/bench-server") + " --port {port} --workers 2"


def family(pid):
    """The server and the workers that it has forked."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return [pid, *map(int, children.read().split())]


def pss_bytes(pid):
    total = 0
    for member in family(pid):
        with open(f"/proc/{member}/smaps_rollup", encoding="ascii") as rollup:
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.M).group(1)) * 1024
    return total


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise SystemExit(f"{process.args[0]} ended before it said {text!r}")


def growth(server, client, until):
    """Starts both, and tells how much the server has grown when the client has said `until` and one second more."""
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        time.sleep(0.5)
        before = pss_bytes(running.pid)
        with subprocess.Popen(client, stdout=subprocess.PIPE, text=True) as load:
            wait_for(load, until)
            time.sleep(1)
            after = pss_bytes(running.pid)
            load.communicate()
        running.send_signal(signal.SIGTERM)
    return after - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=SERVER)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--no-parked", action="store_true", help="the server has no /slow")
    args = parser.parse_args()
    port, count = "18471", str(args.count)
    server = shlex.split(args.server.format(port=port))
    idle = growth(server, [f"{HERE}/raw/idle", port, count, "1", "4"], "holding")
    print(f"idle keep-alive connections: {idle / args.count:.0f} bytes each")
    if not args.no_parked:
        parked = growth(server, [f"{HERE}/raw/parked", port, count, "/slow?ms=4000"], "round 2")
        print(f"requests parked in handlers: {parked / args.count:.0f} bytes each")


if __name__ == "__main__":
    main()
