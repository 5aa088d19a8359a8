#!/usr/bin/env python3
"""A service outlives what may happen to its database.

Each test keeps a service under a mixed load while something happens to its PostgreSQL, to the network between, or to
both. Whatever it is: every request is answered in its time, by its result or by an honest 503 or 504; what was
answered 201 is stored once, what was not is stored once at most; requests that need no database do not notice;
afterwards the service heals by itself, and is no larger than it was.

PG_SURVIVAL_LONG makes it slow and thorough, with faults that last longer than each timeout and come several times.
"""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import cases
import postgres
from http_load import Load, get, post
from tcp_proxy import Proxy

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "pg_server")
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()
LONG = bool(os.environ.get("PG_SURVIVAL_LONG"))
SLACK = 6 if SANITIZED else 2
HANDLER_S = 2.0   # as in pg_server.c
LATE_S = 2.0 * SLACK      # so much later than that: a hang
PLAIN_S = 1.0 * SLACK     # the slowest answer without a database
HEALED_S = 12 * SLACK     # the pool tries again every 10 s at the latest
GROWTH_KIB = 8 * 1024
POOL_MIN, POOL_MAX = 4, 10
ITEMS = 100

TABLES = f"""
    DROP TABLE IF EXISTS items, written, pairs;
    CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL);
    INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, {ITEMS}) n;
    CREATE TABLE written (id bigint);
    CREATE TABLE pairs (id bigint, half int)
"""

KINDS = {
    "read": (lambda n: get(f"/read?id={n}"), 20),
    "batch": (lambda n: get(f"/batch?id={n}"), 12),
    "write": (lambda n: post(f"/write?id={n}"), 20),
    "pair": (lambda n: post(f"/pair?id={n}"), 10),
    "sleep": (lambda n: get(f"/sleep?ms={5 + n % 40}"), 2),
    "plain": (lambda n: get("/plaintext"), 2),
}
FINE = {"read": 200, "batch": 200, "write": 201, "pair": 201, "sleep": 200, "plain": 200}


# --- the service ---


class Service:
    def __init__(self, url, **settings):
        self.log = tempfile.TemporaryFile()
        environment = {**os.environ, "DATABASE_URL": url, "PG_MIN": str(POOL_MIN), "PG_MAX": str(POOL_MAX), **settings}
        self.process = subprocess.Popen([SERVER, "--port", "0"], stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=environment)
        line = self.process.stdout.readline()
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line)
        assert found, f"no URL in {line!r}: {self.words()}"
        self.port = int(found.group(1))

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def reason(self, answer):
        """What the log says of a request that failed."""
        found = re.search(rb"urn:uuid:([0-9a-f-]+)", answer.body)
        return "".join(line for line in self.words().splitlines() if found and found.group(1).decode() in line)

    def stats(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/stats")
            return json.loads(connection.getresponse().read())

    def at_rest(self):
        """Memory in KiB, and descriptors beside the pool's, once nothing is under way any more."""
        until = time.monotonic() + 10 * SLACK
        while True:
            stats = self.stats()
            quiet = not stats["in_flight"] and not stats["waiting"] and not stats["opening"] and not stats["held"]
            time.sleep(0.2)  # so that the connection we asked by is closed on both sides
            descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd")) - stats["open"]
            if quiet and stats == self.stats():
                break
            assert time.monotonic() < until, f"it does not come to rest: {stats}"
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)), descriptors

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(60)
        assert code == 0, f"it ended with {code}: {self.words()[-6000:]}"


# --- a trial ---


class Trial:
    """A service, a load on it, and what is known of both."""

    def __init__(self, server, service):
        self.server = server
        self.service = service
        self.load = Load(service.port, KINDS)
        self.began = self.healed_after = 0.0

    def warm(self):
        self.wait_until_fine(time.monotonic())
        time.sleep(0.5)

    def wait_until_fine(self, since):
        """Until all that is asked for in half a second is had. Returns how long it took."""
        while time.monotonic() - since < HEALED_S:
            begin = time.monotonic()
            time.sleep(0.5)
            seen = self.load.since(begin)
            kinds = {answer.kind for answer in seen}
            if kinds == set(FINE) and all(answer.status == FINE[answer.kind] for answer in seen):
                if self.service.stats()["open"] >= POOL_MIN:
                    return begin - since
        statuses = [(answer.kind, answer.status) for answer in self.load.since(time.monotonic() - 1)]
        raise AssertionError(f"it does not heal: {self.service.stats()}, "
                             f"{ {it: statuses.count(it) for it in set(statuses)} } {self.service.words()[-2000:]}")

    def check_answers(self):
        answers = self.load.answers
        assert not self.load.broken, f"{len(self.load.broken)} without an answer: {self.load.broken[:5]}"
        for answer in answers:
            words = f"{answer._replace(body=answer.body[:300])}"
            assert answer.status in (FINE[answer.kind], 503, 504), words + self.service.reason(answer)
            assert answer.status != 503 or answer.retry_after, "no Retry-After: " + words
            assert answer.took < HANDLER_S + LATE_S, "late: " + words
            if answer.kind == "plain":
                assert answer.status == 200 and answer.took < PLAIN_S, words
            if answer.kind == "read" and answer.status == 200:
                item = 1 + answer.number % ITEMS
                assert json.loads(answer.body) == {"id": item, "name": f"item {item}"}, words
            if answer.kind == "batch" and answer.status == 200:
                items = [1 + (answer.number + i) % ITEMS for i in range(5)]
                assert [one["id"] for one in json.loads(answer.body)] == items, words

    def stored(self, table):
        """How often each number is there."""
        rows = self.server.psql(f"SELECT id, count(*) FROM {table} GROUP BY id")
        return {int(number): int(count) for number, count in (row.split("|") for row in rows.splitlines())}

    def check_writes(self):
        for kind, table, whole in ("write", "written", 1), ("pair", "pairs", 2):
            asked = {answer.number: answer.status for answer in self.load.answers if answer.kind == kind}
            stored = self.stored(table)
            gone = [number for number, status in asked.items() if status == 201 and number not in stored]
            wrong = {number: count for number, count in stored.items() if count != whole}
            assert not gone, f"{len(gone)} acknowledged, not stored: {gone[:10]}"
            assert not wrong, f"not stored {whole} time(s): {dict(list(wrong.items())[:10])}"
            assert stored.keys() <= asked.keys()

    def summary(self):
        statuses = [answer.status for answer in self.load.answers if answer.kind != "plain"]
        counts = " ".join(f"{status}: {statuses.count(status)}" for status in sorted(set(statuses)))
        slowest = max(answer.took for answer in self.load.answers)
        plain = max(answer.took for answer in self.load.answers if answer.kind == "plain")
        stats = self.service.stats()
        return (f"{counts}; healed after {self.healed_after:.1f} s; slowest {slowest:.2f} s, plain {plain:.3f} s; "
                f"resent {stats['resent']}, lost {stats['lost']}, cancelled {stats['cancelled']}")


def fails_since(trial, when, *kinds):
    return [answer for answer in trial.load.since(when) if answer.kind in kinds and answer.status != FINE[answer.kind]]


@contextlib.contextmanager
def trying(server, url=None, abrupt=False, **settings):
    """What is done within is the fault; when it ends, the fault is over. abrupt: connections end at once, so that
    nobody waits for an answer on one of them until his time is over."""
    server.psql(TABLES)
    service = Service(url or server.url(), **settings)
    trial = None
    try:
        trial = Trial(server, service)  # so that it has what such a load takes
        trial.warm()
        trial.load.stop()
        before = service.at_rest()
        server.psql("TRUNCATE written, pairs")
        trial = Trial(server, service)
        trial.warm()
        trial.began = time.monotonic()
        lost = service.stats()["lost_connections"]
        yield trial
        trial.healed_after = trial.wait_until_fine(time.monotonic())
        trial.load.stop()
        print("  " + trial.summary())
        trial.check_answers()
        trial.check_writes()
        assert not abrupt or service.stats()["lost_connections"] > lost, "the fault was not felt"
        late = [answer for answer in trial.load.answers if abrupt and answer.status == 504]
        assert not late, f"{len(late)} waited on a connection that was gone: {late[:3]}"
        after = service.at_rest()
        print(f"  {before[0]} KiB, then {after[0]} KiB; {before[1]} descriptors, then {after[1]}")
        assert SANITIZED or after[0] < before[0] + GROWTH_KIB, f"it grew from {before[0]} to {after[0]} KiB"
        assert after[1] <= before[1], f"{before[1]} descriptors before, {after[1]} after"
        service.stop()
    finally:
        if trial is not None:
            trial.load.ends = True
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def rounds(count):
    return range(count if LONG else 1)


# --- a client of our own, for what psql cannot do ---


class Refused(Exception):
    pass


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


class Session:
    """A session that only speaks the simple protocol, and is there until it is closed."""

    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.port), 10)
        self.input = self.sock.makefile("rb")
        self.sock.sendall(message(b"", struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"))
        try:
            self.until_ready()
        except BaseException:
            self.close()
            raise

    def until_ready(self):
        while True:
            head = self.input.read(5)
            if len(head) < 5:
                raise Refused("closed")
            kind, length = struct.unpack("!cI", head)
            body = self.input.read(length - 4)
            if kind == b"E":
                raise Refused(body)
            if kind == b"Z":
                return

    def query(self, sql):
        self.sock.sendall(message(b"Q", sql.encode() + b"\0"))
        self.until_ready()

    def close(self):
        self.input.close()
        self.sock.close()


# --- what may happen to PostgreSQL ---


def test_killed(server):
    with trying(server, abrupt=True) as trial:
        for _ in rounds(5):
            server.kill()
            time.sleep(1)
            server.start()
            trial.wait_until_fine(time.monotonic())
        assert fails_since(trial, trial.began, "read", "write"), "the fault was not felt"


def test_restarted(server):
    with trying(server, abrupt=True) as trial:
        for how in ("fast", "immediate") * len(rounds(5)):
            server.restart(how)
            time.sleep(0.2)
            trial.wait_until_fine(time.monotonic())


def test_not_there_for_a_while(server):
    with trying(server, abrupt=True) as trial:
        server.stop()
        time.sleep(30 if LONG else 2.5)
        assert fails_since(trial, trial.began, "read"), "the fault was not felt"
        server.start()


def test_not_there_at_the_start(server):
    server.stop()
    service = Service(server.url())
    try:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/read")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 503 and answer.getheader("Retry-After")
        server.start()
        server.psql(TABLES)
        trial = Trial(server, service)
        trial.wait_until_fine(time.monotonic())
        trial.load.stop()
        trial.check_writes()
        service.stop()
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()
        if server.process.poll() is not None:
            server.start()


def test_frozen(server):
    with trying(server) as trial:
        server.pause()
        time.sleep(10 if LONG else 4)
        server.resume()
        assert fails_since(trial, trial.began, "read", "write"), "the fault was not felt"


def test_sessions_terminated_under_load(server):
    with trying(server, abrupt=True):
        end = time.monotonic() + (30 if LONG else 2)
        while time.monotonic() < end:
            server.terminate_backends()
            time.sleep(0.15)


def test_one_backend_crashes(server):
    """The postmaster then ends all the others, and recovers."""
    with trying(server, abrupt=True) as trial:
        for _ in rounds(5):
            pid = int(server.psql("SELECT max(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                                  "AND pid <> pg_backend_pid()"))
            os.kill(pid, signal.SIGSEGV)
            time.sleep(0.3)
            trial.wait_until_fine(time.monotonic())


def test_out_of_connections(server):
    """Other clients have them all."""
    def take_all():
        with contextlib.suppress(Refused):
            while True:
                hogs.append(Session(server))
    hogs = []
    with trying(server, abrupt=True) as trial:
        take_all()
        ours = ", ".join(str(hog.sock.getsockname()[1]) for hog in hogs)
        trial.service.process.send_signal(signal.SIGSTOP)  # so that it is not the faster one
        try:
            hogs[0].query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          f"WHERE backend_type = 'client backend' AND client_port NOT IN ({ours})")
            time.sleep(0.1)
            take_all()
        finally:
            trial.service.process.send_signal(signal.SIGCONT)
        time.sleep(20 if LONG else 2)
        assert trial.service.stats()["open"] == 0 and fails_since(trial, trial.began, "read"), "the fault was not felt"
        for hog in hogs:
            hog.close()


def test_read_only(server):
    """Reads go on, writes are refused with a 503."""
    def set_to(value):
        server.psql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        server.psql("SELECT pg_reload_conf()")
    with trying(server) as trial:
        set_to("on")
        time.sleep(0.5)
        begin = time.monotonic()
        time.sleep(1)
        seen = trial.load.since(begin)
        set_to("off")
        assert all(answer.status == 200 for answer in seen if answer.kind in ("read", "batch"))
        assert all(answer.status == 503 for answer in seen if answer.kind in ("write", "pair"))


# --- what may happen to the network ---


def through(server, net):
    return server.url(port=net.port)


def test_stalled_network(server):
    """Longer than any wait: also the requests to cancel are not answered, and connections are given up."""
    with Proxy(server.port) as net, trying(server, through(server, net)) as trial:
        net.stall()
        time.sleep(20 if LONG else 7)
        assert fails_since(trial, trial.began, "read", "write"), "the fault was not felt"
        net.heal()


def test_slow_network(server):
    with Proxy(server.port) as net, trying(server, through(server, net)) as trial:
        net.slow(0.1)
        time.sleep(10 if LONG else 2)
        net.heal()
        slow = [answer for answer in trial.load.since(trial.began) if answer.kind == "read" and answer.took > 0.2]
        assert slow, "the fault was not felt"


def test_connections_cut_within_a_message(server):
    with Proxy(server.port) as net, trying(server, through(server, net), abrupt=True):
        for _ in range(40 if LONG else 8):
            net.cut(3)
            time.sleep(0.15)
        net.heal()


def test_connections_reset(server):
    with Proxy(server.port) as net, trying(server, through(server, net), abrupt=True):
        for _ in range(40 if LONG else 8):
            net.reset()
            time.sleep(0.15)


# --- several servers, and one between ---


def test_the_first_host_is_dead(server):
    dead = socket.socket()  # bound, so that nobody else takes it; nobody listens
    dead.bind(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    url = f"postgres://postgres@127.0.0.1:{port},127.0.0.1:{server.port}/postgres"
    with dead, trying(server, url, abrupt=True):
        server.terminate_backends()


@contextlib.contextmanager
def pgbouncer(server):
    port = postgres.free_port()
    folder = server.folder / "pgbouncer"
    folder.mkdir(exist_ok=True)
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(f"""
        [databases]
        postgres = host=127.0.0.1 port={server.port} dbname=postgres user=postgres
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        auth_file = {folder}/users
        pool_mode = transaction
        default_pool_size = 5
        max_client_conn = 100
        server_login_retry = 1
    """.replace("\n        ", "\n"))
    postgres.give_away(folder)
    process = subprocess.Popen([shutil.which("pgbouncer"), "-q", folder / "ini"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **postgres.as_server())
    try:
        until = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None and time.monotonic() < until, "PgBouncer does not start"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def test_behind_pgbouncer(server):
    if shutil.which("pgbouncer") is None:
        return "pgbouncer is not installed"
    with pgbouncer(server) as port, trying(server, server.url(port=port), PG_NO_PREPARE="1") as trial:
        server.terminate_backends()
        time.sleep(0.3)
        trial.wait_until_fine(time.monotonic())
        server.restart("fast")
    return None


def main():
    os.environ["PATH"] += ":/usr/sbin"

    def with_server(test):
        try:
            return test(server)
        except Exception:
            server.resume()
            server.restart("immediate")
            raise

    with postgres.start(max_connections=25, settings={"synchronous_commit": "on"}) as server:
        return cases.run(globals(), with_server)


if __name__ == "__main__":
    sys.exit(main())
