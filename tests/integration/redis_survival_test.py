#!/usr/bin/env python3
"""A service outlives what may happen to its Redis.

Each test keeps a service under a mixed load while something happens to its Redis or to the network between. Whatever it
is: reads of the cache and limits are answered as ever, what needs Redis by its result or by an honest 503, all of it in
its time; no read is older than a write that was answered before it began; the stream of events is told of its gap;
nobody is logged out; afterwards the service heals by itself.

REDIS_SURVIVAL_LONG makes it slow and thorough, with faults that last longer.
"""
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

import cases
import redis
from http_load import Load, get, post
from tcp_proxy import Proxy

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "redis_server")
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()
LONG = bool(os.environ.get("REDIS_SURVIVAL_LONG"))
SLACK = 6 if SANITIZED else 2
COMMAND_S = 0.5           # as in redis_server.c
LATE_S = 1.0 * SLACK      # so much later than that: a hang
PLAIN_S = 0.5 * SLACK     # the slowest answer without Redis
HEALED_S = 3.5 * SLACK    # it connects again every 2 s at the latest
KEYS = 50

KINDS = {
    "cached": (lambda n: get(f"/cached?id={n}"), 16),
    "write": (lambda n: post(f"/write?id={n}"), 4),
    "count": (lambda n: post(f"/count?id={n}"), 4),
    "limited": (lambda n: get(f"/limited?id={n}"), 4),
    "publish": (lambda n: post(f"/publish?id={n}"), 1),
    "plain": (lambda n: get("/plaintext"), 2),
}
FINE = {"cached": (200,), "write": (201,), "count": (200,), "limited": (200,), "publish": (200,), "plain": (200,),
        "session": (200,)}
HONEST = {**FINE, "write": (201, 202), "count": (200, 503), "publish": (200, 503), "session": (200, 503)}  # without Redis


class Service:
    def __init__(self, url):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([SERVER, "--port", "0"], stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, "REDIS_URL": url})
        line = self.process.stdout.readline()
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line)
        assert found, f"no URL in {line!r}: {self.words()}"
        self.port = int(found.group(1))

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def stats(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/stats")
            return json.loads(connection.getresponse().read())

    def login(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/login")
            answer = connection.getresponse()
            assert answer.status == 204, answer.read()
            return answer.getheader("Set-Cookie").split(";")[0]

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        assert code == 0, f"it ended with {code}: {self.words()[-6000:]}"


class Listener:
    """A client that reads the stream of events until the service ends."""

    def __init__(self, port):
        self.heard = []  # (when, "gap" or None, data)
        self.ended = False
        self.stream = socket.create_connection(("127.0.0.1", port))
        self.stream.sendall(get("/events"))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        event = None
        with contextlib.suppress(OSError), self.stream.makefile("rb") as lines:
            for line in lines:  # sizes of chunks lie between, and are none of these
                if line.startswith(b"event: "):
                    event = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    self.heard.append((time.monotonic(), event, line[6:].strip().decode()))
                    event = None
        self.ended = True

    def since(self, when):
        return [(event, data) for at, event, data in list(self.heard) if at >= when]


class Trial:
    """A service, a load on it, and what is known of both."""

    def __init__(self, server, service):
        self.server = server
        self.service = service
        self.listener = Listener(service.port)
        head = f"GET /who HTTP/1.1\r\nHost: test\r\nCookie: {service.login()}\r\n\r\n".encode()
        self.load = Load(service.port, {**KINDS, "session": (lambda n: head, 4)})
        self.began = self.healed_after = 0.0

    def wait_until_fine(self, since, within=HEALED_S):
        """Until all that is asked for in half a second is had. Returns how long it took."""
        begin = since
        while begin - since < within:
            begin = time.monotonic()
            time.sleep(0.5)
            seen = self.load.since(begin)
            stats = self.service.stats()
            whole = all(answer.body == b"whole" for answer in seen if answer.kind == "limited")
            heard = [data for event, data in self.listener.since(begin) if event is None]
            if ({answer.kind for answer in seen} == set(FINE) and whole and heard and not stats["owed"] and
                    all(answer.status in FINE[answer.kind] for answer in seen)):
                return begin - since
        seen = [(answer.kind, answer.status, answer.body[:9] if answer.kind == "limited" else b"")
                for answer in self.load.since(time.monotonic() - 1)]
        raise AssertionError(f"it does not heal: {self.service.stats()}, { {it: seen.count(it) for it in set(seen)} } "
                             f"heard {self.listener.heard[-3:]} {self.service.words()[-3000:]}")

    def failed(self, since=None):
        return [answer for answer in self.load.since(since or self.began) if answer.status not in FINE[answer.kind]]

    def check_answers(self):
        assert not self.load.broken, f"{len(self.load.broken)} without an answer: {self.load.broken[:5]}"
        for answer in self.load.answers:
            words = f"{answer._replace(body=answer.body[:300])}"
            assert answer.status in HONEST[answer.kind], words
            assert answer.status != 503 or answer.retry_after, "no Retry-After: " + words
            assert answer.took < COMMAND_S + LATE_S, "late: " + words
            assert answer.kind != "plain" or answer.took < PLAIN_S, words

    def check_reads(self):
        """No read is older than a write that was answered before it began, of any client."""
        moments = [(answer.at, 0, answer) for answer in self.load.answers if answer.kind == "write"]
        moments += [(answer.at - answer.took, 1, answer) for answer in self.load.answers if answer.kind == "cached"]
        newest, old = [0] * KEYS, []
        for _, _, answer in sorted(moments, key=lambda moment: moment[:2]):
            key, version = answer.number % KEYS, int(answer.body)
            if answer.kind == "write":
                newest[key] = max(newest[key], version)
            elif version < newest[key]:
                old.append((newest[key], answer))
        assert any(newest), "nothing was written"
        assert not old, f"{len(old)} old reads, such as {old[:3]}"

    def check_counts(self):
        """A number that was counted is handed out once, as long as the counter is not lost."""
        counts = [int(answer.body) for answer in self.load.answers if answer.kind == "count" and answer.status == 200]
        assert len(counts) == len(set(counts)), "an answer went to two"

    def check_sessions(self):
        """Nobody is taken for logged out, as long as the sessions are not lost."""
        seen = {answer.body for answer in self.load.answers if answer.kind == "session" and answer.status == 200}
        assert seen == {b"ann"}, seen

    def check_events(self, gap):
        """Nothing is heard twice or out of its order; what may be missing was told of."""
        assert not self.listener.ended, "the stream has ended"
        numbers = [int(data) for event, data in self.listener.since(0) if event is None]
        assert numbers == sorted(set(numbers)), "events came twice, or not in their order"
        gaps = [event for event, _ in self.listener.since(self.began) if event == "gap"]
        assert gap is None or bool(gaps) == gap, f"{len(gaps)} gaps were told of"

    def summary(self):
        counts = {}
        for answer in self.load.answers:
            counts.setdefault(answer.kind, {}).setdefault(answer.status, []).append(answer.took)
        words = ", ".join(f"{kind} " + " ".join(f"{status}: {len(tooks)}" for status, tooks in sorted(by.items()))
                          for kind, by in counts.items())
        slowest = max(answer.took for answer in self.load.answers)
        return f"{words}; healed after {self.healed_after:.1f} s; slowest {slowest:.2f} s; {self.service.stats()}"


@contextlib.contextmanager
def trying(server, url=None, gap=None, kept=True, felt=True, within=HEALED_S):
    """What is done within is the fault; when it ends, the fault is over. gap: whether the events must have one. kept:
    the server does not forget the counter. felt: some connections or answers must have been lost."""
    service = Service(url or server.url())
    trial = None
    try:
        trial = Trial(server, service)
        trial.wait_until_fine(time.monotonic())
        trial.began = time.monotonic()
        lost = service.stats()["disconnects"]
        yield trial
        trial.healed_after = trial.wait_until_fine(time.monotonic(), within)
        assert not felt or trial.failed() or service.stats()["disconnects"] > lost, "the fault was not felt"
        trial.load.stop()
        print("  " + trial.summary())
        trial.check_answers()
        trial.check_reads()
        trial.check_events(gap)
        if kept:
            trial.check_counts()
            trial.check_sessions()
        service.stop()
    finally:
        if trial is not None:
            trial.load.ends = True
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def rounds(count):
    return range(count if LONG else 1)


# --- what may happen to Redis ---


def test_killed(server):
    with trying(server, gap=True, kept=False) as trial:
        for _ in rounds(5):
            server.kill()
            time.sleep(1.5)
            server.start()
            trial.wait_until_fine(time.monotonic())


def test_not_there_at_the_start(server):
    server.kill()
    service = Service(server.url())
    try:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/cached")
            assert connection.getresponse().read() == b"0"
            connection.request("POST", "/count")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 503 and answer.getheader("Retry-After")
        server.start()
        redis.until(lambda: service.stats()["up"], lambda: "it does not connect")
        time.sleep(HEALED_S)  # so that the other connection, that of the events, is there too
        trial = Trial(server, service)
        trial.wait_until_fine(time.monotonic())
        trial.load.stop()
        trial.check_reads()
        service.stop()
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def test_frozen(server):
    with trying(server, gap=True) as trial:
        server.pause()
        time.sleep(10 if LONG else 5)
        late = trial.load.since(trial.began + 1.5)
        server.go_on()
        waited = [answer for answer in late if answer.kind == "cached" and answer.took > COMMAND_S / 2]
        assert len(waited) < len(late) / 4, "each request pays for the outage"


def test_slow_to_answer_at_all(server):
    """One long command holds up all the others."""
    with trying(server):
        blocker = threading.Thread(target=server.cli, args=("DEBUG", "SLEEP", "2"))
        blocker.start()
        blocker.join()


def test_flushed(server):
    with trying(server, gap=False, kept=False, felt=False):
        for _ in range(20):
            server.cli("FLUSHALL")
            time.sleep(0.1)


def test_out_of_memory(server):
    """It refuses to store; reads of the cache, and its invalidations as far as they can go, go on."""
    with trying(server) as trial:
        server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.cli("CONFIG", "SET", "maxmemory", "1")
        time.sleep(2)
        server.cli("CONFIG", "SET", "maxmemory", "0")
        refused = {answer.kind for answer in trial.failed()}
        assert "count" in refused, refused


def test_clients_killed(server):
    with trying(server, gap=True):
        for _ in range(60 if LONG else 8):
            server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            server.cli("CLIENT", "KILL", "TYPE", "pubsub")
            time.sleep(0.2)


def test_loading(server):
    """It is back, and not there yet: it reads what it has kept."""
    server.cli("CONFIG", "SET", "appendonly", "yes")
    with trying(server, gap=True) as trial:
        server.cli("EVAL", "for n = 1, 60000 do redis.call('SET', 'bulk:' .. n, string.rep('x', 50)) end", "0")
        trial.wait_until_fine(time.monotonic())
        server.kill()
        server.settings |= {"appendonly": "yes", "key-load-delay": "40", "loading-process-events-interval-bytes": "1024"}
        (server.folder / "conf").unlink()
        server.launch()
        begin, seen = time.monotonic(), False
        while time.monotonic() - begin < 20:
            with contextlib.suppress(RuntimeError):
                if "loading:1" in server.cli("INFO", "persistence"):
                    seen = True
                elif server.answers():
                    break
            time.sleep(0.05)
        assert seen, "it was never loading"
        assert server.answers(), "it is still loading"


def test_password_changed(server):
    """What we have is not good any more; with the old password it heals."""
    with trying(server) as trial:
        server.cli("CONFIG", "SET", "requirepass", "s3cret")
        server.password = "s3cret"
        try:
            server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            time.sleep(2)
            assert {answer.kind for answer in trial.failed()} >= {"count"}
        finally:
            server.cli("CONFIG", "SET", "requirepass", "")
            server.password = None


# --- what may happen to the network ---


def test_stalled_network(server):
    with Proxy(server.port) as net, trying(server, server.url(net.port), gap=True):
        net.stall()
        time.sleep(10 if LONG else 4)
        net.heal()


def test_slow_network(server):
    with Proxy(server.port) as net, trying(server, server.url(net.port), felt=False) as trial:
        net.slow(0.1)
        time.sleep(10 if LONG else 2)
        net.heal()
        slow = [answer for answer in trial.load.since(trial.began) if answer.kind == "count" and answer.took > 0.15]
        assert slow, "the fault was not felt"


def test_connections_cut_within_a_reply(server):
    with Proxy(server.port) as net, trying(server, server.url(net.port)):
        for _ in range(60 if LONG else 8):
            net.cut(3)
            time.sleep(0.3)
        net.heal()


def test_connections_reset(server):
    with Proxy(server.port) as net, trying(server, server.url(net.port), gap=True):
        for _ in range(60 if LONG else 8):
            net.reset()
            time.sleep(0.2)


# --- several servers ---


def test_failover_by_sentinel(_):
    """Within 3 s of the new master."""
    with redis.Watched() as watched, trying(watched, watched.url(), gap=True, kept=False):
        watched.fail_over()


def with_redis(test):
    with redis.start() as server:
        test(server)


if __name__ == "__main__":
    sys.exit(cases.run(globals(), with_redis))
