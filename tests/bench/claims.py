#!/usr/bin/env python3
"""The claims that libbackend makes for examples/service, each as one command that measures it.

    claims.py [--seconds N] [--connections N] [--rate N] [--out DIR] VERB...

  connections  10,000 kept connections, all active in turn, reads and writes; Express beside it
  rate         2,300 requests a second over 10,000 connections: how long an answer takes
  zipf         what the cache is worth when few products are read often and 5 % of the requests write
  uptime       workers killed, reloads, Redis and PostgreSQL restarted under load; what was acknowledged is there
  server       CPU and memory for the same requests, beside Express
  start        from the command to the first answer of /readyz, and a reload of two workers
  all          each of them

The whole stack serves: sessions, tokens, validation, rate limits, the access log, PostgreSQL (fsync on), a Redis for
caches and one for jobs (appendfsync always). Rates are open loop: latencies count from when a request was due. Prints
tables, writes DIR/VERB.json; ends with status 1 when a claim does not hold. Everything is on 127.0.0.1.
"""
import argparse
import contextlib
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time

import claims_common as common
import claims_uptime
import zipf as zipf_load
from claims_common import Mix, conclude, errors, measured, table

STARTS, RELOADS = 10, 5


def latency_row(result):
    late = result["latency_ms"]
    return (result["target"], f'{result["connections"]:,}', f'{result["good"]:,}', f"{errors(result):,}",
            *(f"{late[point]:.1f}" for point in ("mean", "p50", "p99", "p99.9", "max")), f'{result["pss_mib"]:.0f}')


def show_latencies(results):
    table(["", "connections", "answers", "errors", "mean ms", "p50", "p99", "p99.9", "max", "PSS MiB"],
          map(latency_row, results))


def of_both(place, opts, counts):
    """The mixed load on ours and on Express, one after the other, for each number of connections."""
    results = []
    for count in counts:
        with common.running(place) as (_, target):
            results.append(measured(place, target, Mix(), connections=count, rate=opts.rate, seconds=opts.seconds))
        with common.running_express(place) as target:
            results.append(measured(place, target, Mix(), connections=count, rate=opts.rate, seconds=opts.seconds))
    return results


def connections(place, opts):
    results = of_both(place, opts, [100, opts.connections])
    show_latencies(results)
    ours = results[2]
    least = ours["answers_of_a_connection"]["least"]
    return conclude("connections", [
        (f"requests of {opts.connections:,} connections with another than the right answer", 0, errors(ours),
         errors(ours) == 0),
        ("answers on the connection that had fewest", "1 or more", least, least >= 1),
    ], results)


def rate(place, opts):
    with common.running(place) as (_, target):
        ours = measured(place, target, Mix(), connections=opts.connections, rate=opts.rate, seconds=opts.seconds)
    show_latencies([ours])
    late, what = ours["latency_ms"], f'at {opts.rate:,}/s over {opts.connections:,} connections'
    return conclude("rate", [
        (f"average {what}", "under 50 ms", f'{late["mean"]:.1f} ms', late["mean"] < 50),
        (f"p99 {what}", "under 100 ms", f'{late["p99"]:.1f} ms', late["p99"] < 100),
        ("requests with another than the right answer", 0, errors(ours), errors(ours) == 0),
    ], ours)


def zipf(place, opts):
    with common.running(place) as (_, target):
        site = zipf_load.Site(target.port, "/api/products", 200, target.token)
        seen = zipf_load.load(site, max(2, opts.seconds / 3), opts.seconds)
    reads = max(seen["HIT"] + seen["MISS"] + seen["STALE"], 1)
    hits = seen["HIT"] / reads
    return conclude("zipf", [
        (f'cache hits of {reads:,} reads, {seen["writes"]:,} writes beside them', "85 % or more", f"{hits:.1%}",
         hits >= 0.85),
        ("reads older than the client's own last write", 0, seen["stale"], seen["stale"] == 0),
        ("requests that failed", 0, seen["failed"], seen["failed"] == 0),
    ], seen)


def server(place, opts):
    ours, theirs = results = of_both(place, opts, [min(opts.connections, 1000)])
    table(["", "requests/s", "server CPU, ms per 1,000", "PostgreSQL's", "Redis'", "PSS MiB", "errors"],
          [(r["target"], f'{r["good"] / r["seconds"]:,.0f}', *(f'{r["cpu_ms_per_1000"][name]:.1f}'
            for name in ("server", "PostgreSQL", "Redis")), f'{r["pss_mib"]:.0f}', errors(r)) for r in results])
    cpu = ours["cpu_ms_per_1000"]["server"] / theirs["cpu_ms_per_1000"]["server"]
    memory = ours["pss_mib"] / theirs["pss_mib"]
    return conclude("server", [
        ("CPU for the same requests, of Express'", "60 % or less", f"{cpu:.0%}", cpu <= 0.6),
        ("memory under that load, of Express'", "60 % or less", f"{memory:.0%}", memory <= 0.6),
        ("requests with another than the right answer", 0, errors(ours), errors(ours) == 0),
    ], results)


def ready_after(port, begin):
    """Milliseconds from begin until /readyz says 200."""
    while time.monotonic() < begin + 30:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: claims\r\nConnection: close\r\n\r\n")
            if sock.recv(4096).startswith(b"HTTP/1.1 200"):
                return (time.monotonic() - begin) * 1e3
        time.sleep(0.001)
    raise RuntimeError("the service does not become ready")


def cold_start(place):
    port = common.postgres.free_port()
    env = {**place.settings(), "PORT": str(port), "WEB_WORKERS": str(common.WORKERS)}
    control = os.path.join(place.folder, "control")
    with open(common.OUT.folder / "service.log", "a") as log:
        begin = time.monotonic()
        process = subprocess.Popen([common.PROGRAM, "--control", control], env=env, stdout=log, stderr=log)
        try:
            return ready_after(port, begin)
        finally:
            process.terminate()
            process.wait(60)


def reload_ms(one):
    begin = time.monotonic()
    answer = one.ask("reload")
    assert answer.get("ok"), answer
    return (time.monotonic() - begin) * 1e3


def start(place, _):
    starts = [cold_start(place) for _ in range(STARTS)]
    with common.running(place) as (one, _):
        reloads = [reload_ms(one) for _ in range(RELOADS)]
    cold, again = statistics.median(starts), statistics.median(reloads)
    return conclude("start", [
        (f"from the command to ready, median of {STARTS}", "under 150 ms", f"{cold:.0f} ms", cold < 150),
        (f"reload of {common.WORKERS} web workers and a job worker, median of {RELOADS}", "under 1 s",
         f"{again:.0f} ms", again < 1000),
    ], {"starts_ms": starts, "reloads_ms": reloads})


VERBS = {"connections": connections, "rate": rate, "zipf": zipf, "uptime": claims_uptime.uptime, "server": server,
         "start": start}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verbs", nargs="+", metavar="VERB", choices=[*VERBS, "all"])
    parser.add_argument("--seconds", type=int, help="of each load; default 30, of uptime 600")
    parser.add_argument("--connections", type=int, default=10000, help="default 10,000; uptime has a tenth")
    parser.add_argument("--rate", type=int, default=2300, help="requests a second; default 2,300")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("/var/tmp/libbackend-claims"))
    opts = parser.parse_args()
    common.OUT.folder = opts.out
    opts.out.mkdir(parents=True, exist_ok=True)
    common.raise_limits()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with all that was started
    holds = True
    for name in VERBS if "all" in opts.verbs else opts.verbs:
        print(f"\n### {name}\n", flush=True)
        wanted = argparse.Namespace(**vars(opts))
        wanted.seconds = opts.seconds or (600 if name == "uptime" else 30)
        with contextlib.ExitStack() as stack:
            holds &= VERBS[name](common.Place(stack), wanted)
    print(f"Details: {opts.out}")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
