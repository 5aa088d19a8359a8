#!/usr/bin/env python3
"""Keeps a server under changing load, and fails when it answers wrongly, grows, or does not end well.

  soak.py [--seconds N] BENCH-SERVER

Loads of different kinds take turns (wrk: few and many connections, pipelined, with timeouts of its own;
connections that are dropped in the middle of a request). After a first tenth, in which pools and arenas
fill, memory and descriptors at rest must stay where they are.
"""
import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROUND_SECONDS = 10
GROWTH = 1.10  # of the resident memory, over the whole run
SLACK_KIB = 4096


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def wait_until_up(server, port):
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    sys.exit("the server did not start")


def at_rest(pid):
    """Resident memory in KiB and open descriptors, once closed connections are noticed."""
    time.sleep(1)
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), len(os.listdir(f"/proc/{pid}/fd"))


def wrk(port, path, *options):
    command = ["wrk", "-t1", f"-d{ROUND_SECONDS}s", *options, f"http://127.0.0.1:{port}{path}"]
    text = subprocess.run(command, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not rate or re.search(r"Non-2xx|Socket errors", text):
        raise RuntimeError(text)
    return float(rate.group(1))


def drop(port):
    """Connections that end where they should not: after half a head, or with answers unread."""
    count, end = 0, time.time() + ROUND_SECONDS
    while time.time() < end:
        for text in (b"", b"GET /plaintext HT", b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n" * 50):
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall(text)
                if count % 2:  # a reset, not a polite end
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                count += 1
    return count / ROUND_SECONDS


LOADS = {
    "64 connections": lambda port: wrk(port, "/plaintext", "-c64"),
    "1000 connections": lambda port: wrk(port, "/json", "-c1000"),
    "pipelined": lambda port: wrk(port, "/plaintext", "-c64", "-s", os.path.join(HERE, "wrk/pipeline.lua")),
    "dropped": drop,
}


def soak(server, port, seconds):
    start, base = time.time(), None
    while time.time() - start < seconds:
        for name, load in LOADS.items():
            rate = load(port)
            rss, fds = at_rest(server.pid)
            passed = time.time() - start
            print(f"{passed:6.0f} s  {name:17} {rate:9,.0f}/s  {rss:7,} KiB  {fds} descriptors", flush=True)
            if server.poll() is not None:
                raise RuntimeError("the server ended")
        if base is None and passed >= seconds / 10:
            base = rss, fds
        if base and (rss > base[0] * GROWTH + SLACK_KIB or fds > base[1]):
            raise RuntimeError(f"it grew from {base[0]} KiB and {base[1]} descriptors")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("server")
    options = options.parse_args()

    port = free_port()
    server = subprocess.Popen([options.server, "--port", str(port), "--workers", "1"])
    try:
        wait_until_up(server, port)
        soak(server, port, options.seconds)
        server.send_signal(signal.SIGTERM)
        if server.wait(30) != 0:
            raise RuntimeError(f"it ended with {server.returncode}")
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        sys.exit(f"soak: {e}")
    finally:
        if server.poll() is None:
            server.kill()


if __name__ == "__main__":
    main()
