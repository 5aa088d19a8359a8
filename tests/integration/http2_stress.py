#!/usr/bin/env python3
"""Clients that send frames at random, rarely read, and hang up: usage: http2_stress.py [SECONDS [SEED]].

Not part of the tests: it is for the nights, best against a server that is built with AddressSanitizer. Run it with the
environment of http2_test.py. What it finds becomes a test there.
"""
import random
import re
import struct
import sys
import threading
import time

from http2_client import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING, PRIORITIZED,
                          PRIORITY, RST_STREAM, SETTINGS, Client, field, frame, head, update)
from http2_test import Server, make_certificate

PATHS = [b"/", b"/nap/20", b"/nap/300", b"/large/1000", b"/large/60000", b"/large/300000", b"/stream/3", b"/stream/200",
         b"/short/50", b"/broken", b"/headers", b"/missing", b"/a b"]
ODD_FIELDS = [(b"te", b"trailers"), (b"keep-alive", b"1"), (b"x", b"a\nb"), (b"", b""), (b"cache-digest", b"AAAA")]
WINDOWS = [0, 0, 1, 100, 65535, 1 << 20, 0x7fffffff]


class Rioter:
    """One connection's worth of trouble."""

    def __init__(self, port, rng):
        self.rng = rng
        self.streams = []
        self.next = 1
        self.client = Client(port, window=rng.choice([None, 0, 1, 100, 1 << 20, 1 << 30]), narrow=rng.random() < 0.5)
        self.client.sock.settimeout(0.5)

    def chance(self, of):
        return self.rng.random() < of

    def priority(self, stream):
        parent = self.rng.choice([0] + [s for s in self.streams if s != stream])
        return struct.pack(">IB", parent | (self.chance(0.3) << 31), self.rng.randrange(256))

    def request(self):
        stream, self.next = self.next, self.next + 2 * (1 if self.chance(0.97) else self.rng.randrange(1, 5))
        self.streams = (self.streams + [stream])[-60:]
        method = self.rng.choice([b"GET"] * 3 + [b"HEAD", b"POST", b"POST", b"OPTIONS"])
        fields = [(b"x-%d" % i, b"v" * self.rng.randrange(50)) for i in range(self.rng.randrange(130))]
        fields = fields if self.chance(0.1) else []
        if self.chance(0.1):
            fields.append((b"content-length", b"%d" % self.rng.choice([0, 5, 100, 250000])))
        if self.chance(0.03):
            fields.append(self.rng.choice(ODD_FIELDS))
        path = b"/length" if method == b"POST" and self.chance(0.8) else self.rng.choice(PATHS)
        flags = 0 if method == b"POST" and self.chance(0.85) else END_STREAM
        block = head(method, path, *fields)
        if self.chance(0.3):
            flags, block = flags | PRIORITIZED, self.priority(stream) + block
        if len(block) < 16000 and self.chance(0.9):
            return frame(HEADERS, flags | END_HEADERS, stream, block)
        parts = [block[i:i + 5000] for i in range(5, len(block), 5000)]
        return (frame(HEADERS, flags, stream, block[:5]) + b"".join(frame(CONTINUATION, 0, stream, p) for p in parts) +
                frame(CONTINUATION, END_HEADERS, stream))

    def other(self, kind, stream):
        rng = self.rng
        if kind < 0.25:
            return frame(DATA, rng.choice([0, 0, END_STREAM]), stream, b"d" * rng.choice([0, 1, 10, 1000, 16000]))
        if kind < 0.4:
            return frame(RST_STREAM, 0, stream, struct.pack(">I", rng.randrange(14)))
        if kind < 0.57:
            return update(rng.choice([0, stream]), rng.choice([1, 10, 1000, 65535] * 5 + [0, 1 << 20, 0x7fffffff]))
        if kind < 0.75:
            return frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, rng.choice(WINDOWS)))
        if kind < 0.8:
            return frame(SETTINGS, 0, 0, struct.pack(">HI", rng.choice([1, 2, 3, 5, 99]), rng.choice([1, 4096, 16384])))
        if kind < 0.87:
            return frame(PING, rng.choice([0, 0, 1]), 0, b"12345678")
        if kind < 0.94:
            return frame(PRIORITY, 0, stream, self.priority(stream))
        if kind < 0.97:
            return frame(rng.choice([10, 16, 200]), rng.randrange(256), stream, b"z" * rng.randrange(100))
        if kind < 0.99:
            return frame(HEADERS, END_STREAM | END_HEADERS, stream, field(b"trailer-x", b"y"))
        return frame(rng.randrange(12), rng.randrange(256), stream, rng.randbytes(rng.randrange(40)))

    def some_frame(self):
        if not self.streams or self.chance(0.3):
            return self.request()
        known = self.chance(0.8)
        return self.other(self.rng.random(), self.rng.choice(self.streams) if known else self.rng.randrange(400))

    def listen(self):
        kind = self.rng.random()
        if kind < 0.5:
            self.client.read(self.rng.choice([0, 0.001, 0.01, 0.05]))
        elif kind < 0.6:
            time.sleep(self.rng.choice([0.01, 0.1, 0.4]))
        elif kind < 0.65:
            for _ in range(30):
                self.client.read(0.005)

    def riot(self):
        """Returns how many frames were sent."""
        sent = 0
        for _ in range(self.rng.randrange(1, 60)):
            frames = [self.some_frame() for _ in range(self.rng.choice([1, 1, 2, 5, 20, 60]))]
            sent += len(frames)
            if not self.client.send(*frames) or self.client.closed:
                break
            self.listen()
        self.client.close()
        return sent


def work(server, rng, end, totals):
    while time.monotonic() < end and server.process.poll() is None:
        try:
            totals.append(Rioter(server.port, rng).riot())
        except OSError:
            time.sleep(0.05)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    make_certificate()
    server = Server(head_ms=300, body_ms=200, write_ms=300, idle_ms=600, body_bytes=200000, bodies_bytes=2000000,
                    requests_per_connection=300)
    totals, end = [], time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(server, random.Random(seed * 100 + i), end, totals))
               for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"seed {seed}: {len(totals)} connections, {sum(totals)} frames")
    code = server.stop()
    print(f"the server ended with {code}")
    if code != 0:
        print(re.sub(r"^\{.*\n", "", server.words(), flags=re.M))
    return code != 0


sys.exit(main())
