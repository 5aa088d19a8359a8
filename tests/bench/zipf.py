#!/usr/bin/env python3
"""What the cache is worth: products read as people do, few of them often, while 5% of requests write.

  zipf.py SERVER OUT_DIR         SERVER: the path of bench-server; needs DATABASE_URL and REDIS_URL
  zipf.py SERVER OUT_DIR draw    draws the results that are there again

10,000 products are asked for with Zipf's distribution (exponent 1) over two connections a client, which
may be of different workers. Each product is written by one client only, so that client knows which price
its next read must show, whichever worker answers: an older one is a stale read after an acknowledged
write, and counted. The run is repeated with L1s of different sizes, first with an empty cache. Writes
OUT_DIR/zipf.json and OUT_DIR/zipf.svg. Everything is on 127.0.0.1.
"""
import bisect
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time
from typing import NamedTuple

PRODUCTS = 10000
WRITES = 0.05
CLIENTS = 6
WARM_SECONDS, SECONDS = 8, 12
PORT = 18033
L1_KIB = [128, 256, 512, 1024, 2048, 4096, 8192]
PRICE = re.compile(rb'"price_cents":(\d+)')


class Connection:
    """One keep-alive connection, one request at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, text):
        """(status, what X-Cache says, body)"""
        self.socket.sendall(text)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more()
        head, body = got.split(b"\r\n\r\n", 1)
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += self.more()
        cache = re.search(rb"\r\nX-Cache: (\w+)", head)
        return int(head[9:12]), cache[1].decode() if cache else "", body

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError("the server closed the connection")
        return got


class Site(NamedTuple):
    """Where products are read and written."""
    port: int
    path: str
    changed: int  # the status of a PATCH that did it
    token: str = ""

    def get(self, product):
        return f"GET {self.path}/{product} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()

    def patch(self, product, price):
        body = f'{{"price_cents":{price}}}'
        return (f"PATCH {self.path}/{product} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def client(site, number, warm_until, until, answers):
    """Reads and writes; puts what it saw into the queue."""
    dice = random.Random(number)
    sums = list(itertools.accumulate(1 / rank for rank in range(1, PRODUCTS + 1)))
    ids = list(range(1, PRODUCTS + 1))
    random.Random(0).shuffle(ids)
    connections = [Connection(site.port) for _ in range(2)]
    seen = {"HIT": 0, "MISS": 0, "STALE": 0, "writes": 0, "stale": 0, "failed": 0}
    prices, price = {}, number * 10_000_000
    while (now := time.monotonic()) < until:
        counts = now >= warm_until
        product = ids[bisect.bisect_left(sums, dice.random() * sums[-1])]
        connection = dice.choice(connections)
        if dice.random() < WRITES:
            product -= product % CLIENTS - number  # one of its own, about as popular
            if not 1 <= product <= PRODUCTS:
                continue
            price += 1
            status, _, _ = connection.ask(site.patch(product, price))
            if status == site.changed:
                prices[product] = price
            seen["writes"] += counts
            seen["failed"] += counts and status != site.changed
            continue
        status, cache, body = connection.ask(site.get(product))
        if status != 200:
            seen["failed"] += counts
            continue
        seen[cache] += counts
        if product in prices and int(PRICE.search(body)[1]) != prices[product]:
            seen["stale"] += 1  # counts from the first request on
    answers.put(seen)


def load(site, warm_seconds=WARM_SECONDS, seconds=SECONDS):
    """What all clients saw together."""
    start = time.monotonic()
    answers = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=client, args=(site, n, start + warm_seconds,
                                                            start + warm_seconds + seconds, answers))
               for n in range(CLIENTS)]
    for one in clients:
        one.start()
    sums = {}
    for _ in clients:
        for name, count in answers.get(timeout=warm_seconds + seconds + 60).items():
            sums[name] = sums.get(name, 0) + count
    for one in clients:
        one.join()
    return sums


def run(server, l1_kib):
    environment = dict(os.environ)
    process = subprocess.Popen([server, "--port", str(PORT), "--workers", "2", "--l1-kib", str(l1_kib)],
                               env=environment, stdout=subprocess.PIPE, preexec_fn=os.setsid)
    try:
        process.stdout.readline()
        sums = load(Site(PORT, "/api/cached/products", 204))
        tiers = {}
        for _ in range(40):  # connections of both workers; each tells of itself
            status, _, body = Connection(PORT).ask(b"GET /api/cached HTTP/1.1\r\nHost: bench\r\n\r\n")
            tiers[body] = json.loads(body) if status == 200 else {}
        workers = {tier["misses"]: tier for tier in tiers.values()}.values()
        for name in ("l1_hits", "l2_hits", "misses", "shared"):
            sums[name] = sum(worker[name] for worker in workers)
        return sums
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def measure(server):
    results = []
    for l1_kib in L1_KIB:
        subprocess.run(["redis-cli", "-u", os.environ["REDIS_URL"], "flushdb"], check=True, stdout=subprocess.DEVNULL)
        sums = run(server, l1_kib)
        reads = sums["HIT"] + sums["MISS"] + sums["STALE"]
        lookups = sums["l1_hits"] + sums["l2_hits"] + sums["misses"]
        results.append({"l1_kib": l1_kib, "hit_rate": sums["HIT"] / reads, "l1_rate": sums["l1_hits"] / lookups,
                        "reads": reads, "writes": sums["writes"], "stale": sums["stale"], "failed": sums["failed"]})
        print(results[-1], flush=True)
    return results


def plot(results):
    width, height, left, top = 640, 360, 60, 30
    across, down = width - left - 30, height - top - 60
    x = {r["l1_kib"]: left + across * i / (len(results) - 1) for i, r in enumerate(results)}

    def y(rate):
        return top + down * (1 - rate)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           'font-size="12"><rect width="100%" height="100%" fill="white"/>']
    for rate in (0, 0.25, 0.5, 0.75, 0.85, 1):
        colour = "#dc2626" if rate == 0.85 else "#e5e7eb"
        out.append(f'<line x1="{left}" x2="{left + across}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="{colour}"/>'
                   f'<text x="{left - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:.0%}</text>')
    for r in results:
        size = f'{r["l1_kib"]} KiB' if r["l1_kib"] < 1024 else f'{r["l1_kib"] // 1024} MiB'
        out.append(f'<text x="{x[r["l1_kib"]]:.1f}" y="{top + down + 18}" text-anchor="middle">{size}</text>')
    out.append(f'<text x="{left + across / 2}" y="{height - 22}" text-anchor="middle">L1 of each worker</text>')
    for name, label, colour in (("hit_rate", "L1 or Redis", "#1d4ed8"), ("l1_rate", "L1", "#0f766e")):
        points = " ".join(f'{x[r["l1_kib"]]:.1f},{y(r[name]):.1f}' for r in results)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        last = results[-1]
        out.append(f'<text x="{x[last["l1_kib"]] - 4:.1f}" y="{y(last[name]) + (16 if name == "l1_rate" else -6):.1f}" '
                   f'fill="{colour}" text-anchor="end">{label}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    server, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "zipf.json"
    if "draw" not in sys.argv[3:]:
        path.write_text(json.dumps(measure(server), indent=1) + "\n")
    (folder / "zipf.svg").write_text(plot(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
