#!/usr/bin/env python3
"""What listeners of one worker cost in memory, and how long a message to all of them takes.

    realtime.py [--count N] [--rounds N]      bench-server of build-release; raw/listeners is built by build.sh

The listeners read in one process beside the server, so the time counts their reading too; the server's CPU stands apart.
"""
import argparse
import os
import signal
import subprocess
import time

from memory import HERE, family, pss_bytes, wait_for

SERVER = os.path.join(HERE, "../../build-release/tests/bench/bench-server")
PORT = "18472"


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        with open(f"/proc/{member}/stat", encoding="ascii") as stat:
            total += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def measure(kind, server, count, rounds):
    with subprocess.Popen([server, "--port", PORT, "--workers", "1"], stdout=subprocess.PIPE, text=True) as running:
        wait_for(running, "listening")
        before = pss_bytes(running.pid)
        listeners = [f"{HERE}/raw/listeners", PORT, str(count), kind, str(rounds)]
        with subprocess.Popen(listeners, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            wait_for(load, "listening")
            time.sleep(1)
            each = (pss_bytes(running.pid) - before) / count
            begin = cpu_seconds(running.pid)
            print("go", file=load.stdin, flush=True)
            said = load.stdout.readline().strip()
            cpu = (cpu_seconds(running.pid) - begin) / rounds
            after = (pss_bytes(running.pid) - before) / count
            load.communicate("end\n")
        running.send_signal(signal.SIGTERM)
    print(f"{kind}: {count} listeners, {each:.0f} bytes each, {after:.0f} after the messages; {said}; "
          f"server CPU {cpu * 1e3:.1f} ms a message")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=SERVER)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=50)
    args = parser.parse_args()
    for kind in "events", "socket":
        measure(kind, args.server, args.count, args.rounds)


main()
