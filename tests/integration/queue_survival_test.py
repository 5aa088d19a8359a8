#!/usr/bin/env python3
"""No job is lost and none ends twice, whoever dies: workers, the relay of an outbox, Redis.

Twenty rounds of each; QUEUE_SURVIVAL_LONG makes it as many as the promise names: 1,000 crashes between Redis and the
commit, 100 deaths of Redis, 300 of workers.
"""
import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

import cases
import postgres
import redis

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "queue_server")
LONG = bool(os.environ.get("QUEUE_SURVIVAL_LONG"))
PATIENCE_S = 60
RELAY_CRASHES, RELAY_KILLS = (1000, 300) if LONG else (20, 20)
REDIS_KILLS = 100 if LONG else 20
WORKER_KILLS = 300 if LONG else 20
BASE = "bull:q:"


class Process:
    def __init__(self, verb, server, database=None, **more):
        env = {**os.environ, "REDIS_URL": server.url(), **more}
        if database:
            env["DATABASE_URL"] = database.socket_url()
        self.log = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        self.process = subprocess.Popen([SERVER, verb], stdout=subprocess.PIPE, stderr=self.log, text=True, env=env,
                                        preexec_fn=redis.die_with_us)
        self.said = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.strip())

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-3000:]

    def ready(self):
        end = time.monotonic() + PATIENCE_S
        while not self.said:
            assert time.monotonic() < end and self.process.poll() is None, f"it does not begin: {self.words()}"
            time.sleep(0.01)
        return self

    def ids(self):
        return [id for id in self.said if id != "ready"]

    def kill(self):
        self.process.kill()
        self.wait()

    def wait(self):
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)

    def end(self):
        self.process.terminate()
        self.wait()
        assert self.process.returncode == 0, (self.process.returncode, self.words())

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind is None:
                self.end()
            else:
                self.kill()
        self.log.close()


def until(holds, what):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def is_empty(server, *others):
    """First what leads there, then both lists at once: jobs go on meanwhile, and stalled ones back."""
    if any(other() != 0 for other in others):
        return False
    script = "return redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2])"
    return int(server.cli("EVAL", script, 2, BASE + "wait", BASE + "active")) == 0


def events_by_job(server, kind):
    """How often each job has such an event."""
    script = ("local out = {} for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do "
              "if e[2][2] == ARGV[1] then out[#out + 1] = e[2][4] end end return cjson.encode(out)")
    ids = json.loads(server.cli("EVAL", script, 1, BASE + "events", kind))
    return collections.Counter(ids or [])


def check_once(server, runs, ids):
    """Each of IDS was run, and has ended once; and so has all that there is."""
    ended = events_by_job(server, "completed")
    assert ids, "nothing was added"
    lost = set(ids) - set(ended)
    assert not lost, f"{len(lost)} of {len(ids)} are lost: {sorted(lost)[:5]}"
    twice = [id for id, times in ended.items() if times != 1]
    assert not twice, f"{len(twice)} have ended more than once: {twice[:5]}"
    with open(runs, encoding="ascii") as lines:
        run = collections.Counter(line.strip() for line in lines)
    assert set(ended) <= set(run)
    print(f"  {len(ids)} were added, {sum(run.values()) - len(run)} runs were repeated", flush=True)


@contextlib.contextmanager
def runs_file():
    with tempfile.NamedTemporaryFile(prefix="libbackend-runs-") as file:
        yield file.name


def test_workers_that_are_killed_lose_nothing():
    with redis.start() as server, runs_file() as runs:
        def work():
            return Process("work", server, RUNS=runs, LOCK_MS="1000").ready()
        workers = [work() for _ in range(3)]
        with Process("add", server) as adds:
            for _ in range(WORKER_KILLS):
                time.sleep(random.uniform(0.05, 0.2))
                which = random.randrange(len(workers))
                workers[which].kill()
                workers[which] = work()
        until(lambda: is_empty(server), lambda: "jobs are left: " + server.cli("LRANGE", BASE + "active", 0, -1))
        for worker in workers:
            worker.end()
        check_once(server, runs, adds.ids())


def test_a_redis_that_is_killed_has_all_that_it_took():
    with redis.start(settings={"appendonly": "yes", "appendfsync": "always"}) as server, runs_file() as runs:
        with Process("work", server, RUNS=runs, LOCK_MS="2000").ready(), Process("add", server).ready() as adds:
            for _ in range(REDIS_KILLS):
                time.sleep(random.uniform(0.1, 0.3))
                server.kill()
                before = len(adds.said)
                server.start()
                until(lambda: len(adds.said) > before, lambda: "nothing is added any more")  # pylint: disable=cell-var-from-loop
            adds.end()
            until(lambda: is_empty(server), lambda: "jobs are left: " + server.cli("LRANGE", BASE + "active", 0, -1))
        check_once(server, runs, adds.ids())


def test_a_failover_keeps_what_the_replica_has():
    """And goes on at the new master, with each connection: commands, waiting, locks."""
    with redis.Watched() as watched, runs_file() as runs:
        with Process("work", watched, RUNS=runs, LOCK_MS="2000").ready(), Process("add", watched).ready() as adds:
            until(lambda: len(adds.said) > 50, lambda: "nothing is added")
            adds.end()
            watched.master.cli("WAIT", 1, 10000)
            watched.fail_over()
            with Process("add", watched).ready() as more:
                until(lambda: len(more.said) > 50, lambda: "nothing is added at the new master: " + more.words())
            until(lambda: is_empty(watched.replica), lambda: "jobs are left")
        check_once(watched.replica, runs, adds.ids() + more.ids())


def entries(database):
    return int(database.psql("SELECT count(*) FROM bk_outbox"))


def relay_through(run):
    """RUN(add relay) lets things happen while jobs are added in transactions and worked at."""
    with redis.start() as server, postgres.start() as database, runs_file() as runs:
        server.cli("HSET", BASE + "meta", "opts.maxLenEvents", 10000000)  # check_once() wants all events
        Process("relay", server, database).ready().end()  # makes the table
        until(lambda: entries(database) == 0, lambda: "there is no table")
        with Process("work", server, RUNS=runs, LOCK_MS="10000").ready():
            with Process("outbox", server, database) as adds:
                run(lambda **more: Process("relay", server, database, **more))
            with Process("relay", server, database):
                until(lambda: is_empty(server, lambda: entries(database)), lambda: "jobs are left")
        check_once(server, runs, adds.ids())
        added = events_by_job(server, "added")
        twice = [id for id, times in added.items() if times != 1]
        assert not twice, f"{len(twice)} were added more than once: {twice[:5]}"
        unsaid = set(added) - set(adds.ids())
        assert len(unsaid) <= 1, f"what has not committed was added: {unsaid}"  # one commit's answer the end cuts off
        assert events_by_job(server, "duplicated") == {}


def test_a_relay_that_dies_before_its_commit_adds_nothing_twice():
    def run(relay):
        for _ in range(RELAY_CRASHES):
            with relay(DIE="1") as process:
                process.wait()
                assert process.process.returncode == -9, process.words()
    relay_through(run)


def test_a_relay_that_is_killed_at_any_time_adds_nothing_twice():
    def run(relay):
        for _ in range(RELAY_KILLS):
            process = relay()
            time.sleep(random.uniform(0.02, 0.3))
            process.kill()
    relay_through(run)


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
