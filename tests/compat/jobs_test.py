#!/usr/bin/env python3
"""Queues shared with BullMQ: who adds and who works may each be either, and nobody can tell from what lies in Redis.

Each scenario is run four times, once for each pair of producer and worker, and what is left behind (events, jobs,
lists, sets) must be what BullMQ leaves behind when it is alone.
"""
import json
import re
import sys
import time

import cases
import jobs
import node
import redis

TIMES = {"timestamp", "processedOn", "finishedOn"}
UNTOLD = {"meta", "marker", "stalled", "stalled-check"}  # what depends on time, or on who was there


def plain(field, value):
    """A value without what differs from run to run."""
    if field in TIMES:
        return "time"
    if field == "stacktrace":
        return [trace.split("\n")[0] for trace in json.loads(value)]
    if field in ("opts", "data", "returnvalue", "progress", "parent"):
        return json.loads(value)
    if field == "delay" and float(value) > 1e12:
        return "due"
    return value


def left_behind(queue):
    """All of it, as it should be the same whoever has worked."""
    out = {}
    for key, (kind, content) in queue.all().items():
        if key in UNTOLD:
            continue
        if kind == "hash":
            content = {field: plain(field, value) for field, value in content.items()}
        elif kind == "stream":
            content = [[plain(event[i - 1], word) if i % 2 else word for i, word in enumerate(event)] for event in content]
        elif key in ("completed", "failed"):
            content = sorted(content)  # which of them came first is chance
        out[key] = content
    return out


class Bench:
    """A Redis, and both sides."""

    def __init__(self, server):
        self.server = server
        self.ours, self.theirs = jobs.Ours(server), jobs.Theirs(server)
        self.count = 0

    def queue(self):
        self.count += 1
        return jobs.Queue(self.server, f"q{self.count}")

    def pairs(self):
        return [(self.ours, self.theirs), (self.theirs, self.ours), (self.ours, self.ours)]

    def compare(self, scenario):
        """SCENARIO(queue, producer, worker) with each pair; what it returns must be the same, too."""
        expected = None
        for producer, worker in [(self.theirs, self.theirs), *self.pairs()]:
            queue = self.queue()
            said = scenario(queue, producer, worker)
            got = left_behind(queue)
            if expected is None:
                expected = got, said
                continue
            who = f"{producer.name} add, {worker.name} work"
            for key in sorted({*got, *expected[0]}):
                assert got.get(key) == expected[0].get(key), \
                    f"{who}: {key}:\n  got      {got.get(key)}\n  expected {expected[0].get(key)}"
            assert said == expected[1], f"{who}: {said} is not {expected[1]}"


# --- what both leave behind ---


def work_until(queue, worker, **counts):
    with worker.work(queue.name, name="wrk") as process:
        queue.wait_counts(wait=0, active=0, prioritized=0, **counts)
    return [line for line in process.heard + list(process.lines.queue) if line and line.get("event") != "ready"]


def test_plain_jobs(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, data={"a": 1, "s": "é\"\n", "n": None, "arr": [], "obj": {}}, count=3)
        producer.add(queue.name, name="", data={"deep": [[{"x": 1.5}]]})
        work_until(queue, worker, completed=4)
    bench.compare(scenario)


def test_retries_without_backoff(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, data={"__behaviour": "fail-always"}, attempts=2)
        producer.add(queue.name, data={"__behaviour": "fail-until:1"}, attempts=3)
        producer.add(queue.name, data={"__behaviour": "fail-always"})
        work_until(queue, worker, completed=1, failed=2)
    bench.compare(scenario)


def test_retries_with_backoff(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, data={"__behaviour": "fail-always"}, attempts=3, backoff="fixed:50")
        work_until(queue, worker, failed=1)
        producer.add(queue.name, data={"__behaviour": "fail-until:2"}, attempts=3, backoff="exponential:50")
        work_until(queue, worker, failed=1, completed=1)
    bench.compare(scenario)


def test_an_unrecoverable_failure(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, data={"__behaviour": "unrecoverable"}, attempts=5, backoff="fixed:50")
        work_until(queue, worker, failed=1)
    bench.compare(scenario)


def test_the_order_of_priorities(bench):
    def scenario(queue, producer, worker):
        for priority in (5, 1, 5, None, 2097151):
            producer.add(queue.name, data={"p": priority}, priority=priority)
        producer.add(queue.name, data={"p": "lifo"}, lifo=True)
        scores = queue.one("ZRANGE", "prioritized", 0, -1, "WITHSCORES")
        said = work_until(queue, worker, completed=6)
        return scores, [line["data"]["p"] for line in said if line.get("event") == "start"]
    bench.compare(scenario)


def test_delayed_jobs(bench):
    def scenario(queue, producer, worker):
        with worker.work(queue.name, name="wrk"):
            producer.add(queue.name, data={"n": 1}, delay=2000)
            producer.add(queue.name, data={"n": 2}, delay=400, priority=3)
            queue.wait_counts(wait=0, active=0, prioritized=0, completed=2, delayed=0)
    bench.compare(scenario)


def test_custom_ids_and_duplicates(bench):
    def scenario(queue, producer, worker):
        ids = producer.add(queue.name, job_id="custom-1") + producer.add(queue.name, job_id="custom-1", data={"other": 1})
        ids += producer.add(queue.name) + producer.add(queue.name, job_id="a:b:c", priority=2)
        work_until(queue, worker, completed=3)
        return ids + producer.add(queue.name, job_id="custom-1")
    bench.compare(scenario)


def test_ids_that_nobody_may_choose(bench):
    for side in (bench.ours, bench.theirs):
        queue = bench.queue()
        for bad in ("42", "-1", "0", "a:b", "0:x", "a:b:c:d"):
            side.refuse(queue.name, job_id=bad)
        side.refuse(queue.name, priority=2097152)
        assert set(queue.all()) <= {"meta"}


def test_deduplication(bench):
    def scenario(queue, producer, worker):
        ids = producer.add(queue.name, dedup_id="d", data={"n": 1}) + producer.add(queue.name, dedup_id="d", data={"n": 2})
        ids += producer.add(queue.name, dedup_id="t", dedup_ttl=60000) + producer.add(queue.name, dedup_id="t", dedup_ttl=60000)
        assert queue.one("PTTL", "de:d") == "-1" and 0 < int(queue.one("PTTL", "de:t")) <= 60000
        work_until(queue, worker, completed=2)
        return ids + producer.add(queue.name, dedup_id="d") + producer.add(queue.name, dedup_id="t", dedup_ttl=60000)
    bench.compare(scenario)


def test_how_many_stay(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, remove_on_complete="true")
        producer.add(queue.name, remove_on_complete="2", count=4)
        producer.add(queue.name, data={"__behaviour": "fail-always"}, remove_on_fail="true")
        producer.add(queue.name, data={"__behaviour": "fail-always"}, remove_on_fail="1", count=2)
        work_until(queue, worker, completed=2, failed=1)
    bench.compare(scenario)


def test_progress_and_logs(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, data={"__behaviour": "progress"})
        work_until(queue, worker, completed=1)
    bench.compare(scenario)


# --- control ---


def test_a_pause(bench):
    def scenario(queue, producer, worker):
        producer.ctl(queue.name, "pause")
        producer.add(queue.name, count=2)
        with worker.work(queue.name, name="wrk"):
            time.sleep(0.5)
            assert queue.one("LLEN", "wait") == "2" and queue.one("EXISTS", "marker") == "0"
            worker.ctl(queue.name, "resume")
            queue.wait_counts(wait=0, active=0, completed=2)
    bench.compare(scenario)


def test_draining(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, count=3)
        producer.add(queue.name, priority=1, count=2)
        producer.add(queue.name, delay=60000)
        worker.ctl(queue.name, "drain")
        first = worker.ctl(queue.name, "counts")["delayed"]
        worker.ctl(queue.name, "drain", "delayed")
        return first
    bench.compare(scenario)


def test_promoting_retrying_and_removing(bench):
    def scenario(queue, producer, worker):
        late, = producer.add(queue.name, delay=60000, priority=2)
        bad, = producer.add(queue.name, data={"__behaviour": "fail-until:1"})
        gone, = producer.add(queue.name)
        other, = producer.add(queue.name, dedup_id="x", delay=60000)
        worker.ctl(queue.name, "remove", gone)
        worker.ctl(queue.name, "remove", other)
        work_until(queue, worker, failed=1)
        worker.ctl(queue.name, "promote", late)
        worker.ctl(queue.name, "retry", bad)
        work_until(queue, worker, failed=0, completed=2)
        worker.ctl(queue.name, "remove", late)
        return [worker.ctl(queue.name, "state", id)["state"] for id in (late, bad, gone)]
    bench.compare(scenario)


def test_cleaning_and_obliterating(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, count=2)
        producer.add(queue.name, data={"__behaviour": "fail-always"}, count=2)
        work_until(queue, worker, completed=2, failed=2)
        producer.add(queue.name, count=2)
        producer.add(queue.name, delay=60000)
        producer.add(queue.name, priority=3)
        for state in ("failed", "wait", "delayed", "prioritized"):
            worker.ctl(queue.name, "clean", state)
        left = left_behind(queue)
        worker.ctl(queue.name, "obliterate")
        return left
    bench.compare(scenario)


# --- who dies ---


def crash_one(queue, worker):
    """A worker that dies with the job in its hands."""
    process = worker.launch(queue.name, lock_duration=500, stalled_interval=300)
    process.wait("start")
    process.process.wait(30)
    process.__exit__(None)


def test_the_job_of_a_dead_worker(bench):
    def scenario(queue, producer, worker):
        other = bench.theirs if worker is bench.ours else bench.ours
        producer.add(queue.name, data={"__behaviour": "crash"})
        crash_one(queue, other if producer is worker else producer)
        bench.server.cli("HSET", queue.base + "1", "data", "{}")
        with worker.work(queue.name, name="wrk", lock_duration=500, stalled_interval=300):
            queue.wait_counts(active=0, wait=0, completed=1)
    bench.compare(scenario)


def test_a_job_that_kills_every_worker(bench):
    def scenario(queue, producer, worker):
        producer.add(queue.name, data={"__behaviour": "crash"})
        crash_one(queue, producer)
        crash_one(queue, worker)
        with worker.work(queue.name, name="wrk", lock_duration=500, stalled_interval=300):
            queue.wait_counts(active=0, wait=0, failed=1)
        assert queue.hash("1")["failedReason"] == "job stalled more than allowable limit"
    bench.compare(scenario)


# --- children and parents; the last of several ---


def test_children_that_we_run(bench):
    """BullMQ makes the flows and runs the parents."""
    def scenario(queue, producer, worker):
        del producer
        children = jobs.Queue(bench.server, queue.name + "-kids")
        for policy in ("none", "failParentOnFailure", "continueParentOnFailure", "ignoreDependencyOnFailure",
                       "removeDependencyOnFailure"):
            bench.theirs.call("flow", "--queue", queue.name, "--kids", children.name, "--policy", policy)
        with worker.work(children.name, name="wrk"):
            children.wait_counts(wait=0, active=0, completed=5, failed=5)
        with bench.theirs.work(queue.name, behaviour="children", name="wrk"):
            queue.wait_counts(wait=0, active=0, completed=3, failed=1, waiting_children=1)
        left = left_behind(children)
        return json.loads(json.dumps(left).replace(queue.name, "Q")), json.loads(
            json.dumps(left_behind(queue)).replace(queue.name, "Q"))
    expected = None
    for worker in (bench.theirs, bench.ours):
        got = scenario(bench.queue(), bench.theirs, worker)
        if expected is None:
            expected = got
        for have, want in zip(got, expected):
            for key in sorted({*have, *want}):
                assert have.get(key) == want.get(key), f"{worker.name}: {key}:\n  got      {have.get(key)}\n  expected {want.get(key)}"


def test_the_last_of_several_is_kept_while_one_runs(bench):
    def scenario(queue, producer, worker):
        options = {"dedup_id": "d", "dedup_keepLastIfActive": "1"}
        with worker.work(queue.name, name="wrk"):
            producer.add(queue.name, data={"n": 1, "__behaviour": "sleep:1500"}, **options)
            queue.wait_counts(active=1)
            producer.add(queue.name, data={"n": 2}, **options)
            producer.add(queue.name, data={"n": 3}, **options)
            queue.wait_counts(wait=0, active=0, completed=2)
    bench.compare(scenario)


def test_a_duplicate_replaces_what_is_delayed(bench):
    def scenario(queue, producer, worker):
        del worker
        options = {"dedup_id": "d", "dedup_replace": "1", "delay": 60000}
        ids = producer.add(queue.name, data={"n": 1}, **options) + producer.add(queue.name, data={"n": 2}, **options)
        timed = {"dedup_id": "t", "dedup_ttl": 60000, "dedup_replace": "1", "dedup_extend": "1", "delay": 60000}
        ids += producer.add(queue.name, **timed) + producer.add(queue.name, **timed)
        assert queue.one("PTTL", "de:d") == "-1" and int(queue.one("PTTL", "de:t")) > 50000
        return ids
    bench.compare(scenario)


# --- both at once ---


def test_both_work_at_one_queue(bench):
    queue = bench.queue()
    with bench.ours.work(queue.name, concurrency=5, behaviour="sleep:5") as ours, \
            bench.theirs.work(queue.name, concurrency=5, behaviour="sleep:5") as theirs:
        bench.ours.add(queue.name, count=150)
        bench.theirs.add(queue.name, count=150)
        queue.wait_counts(wait=0, active=0, completed=300)
    done = [[line["id"] for line in process.heard + list(process.lines.queue) if line and line.get("event") == "done"]
            for process in (ours, theirs)]
    assert len(done[0]) + len(done[1]) == 300 and not set(done[0]) & set(done[1])
    assert done[0] and done[1], "one of them has done nothing"


def test_an_idle_worker_is_woken_at_once(bench):
    for producer, worker in bench.pairs():
        queue = bench.queue()
        with worker.work(queue.name) as process:
            time.sleep(0.3)
            for _ in range(3):
                producer.add(queue.name)
                process.wait("done", patience=0.7 + 1.3)  # of which a busy machine may take most


def test_delays_are_kept(bench):
    for producer, worker in bench.pairs():
        queue = bench.queue()
        with worker.work(queue.name):
            producer.add(queue.name, delay=400)
            queue.wait_counts(delayed=0, wait=0, active=0, completed=1)
        job = queue.hash("1")
        late = int(job["processedOn"]) - int(job["timestamp"]) - 400
        assert -20 <= late <= 1500, late


def test_a_rate_limit_is_for_all(bench):
    for producer, worker in bench.pairs():
        queue = bench.queue()
        producer.add(queue.name, count=5)
        with worker.work(queue.name, concurrency=5, limiter="2/400"), bench.ours.work(queue.name, limiter="2/400"):
            queue.wait_counts(wait=0, active=0, completed=5)
        starts = sorted(int(job["processedOn"]) for key, (_, job) in queue.all().items() if key.isdigit())
        assert starts[2] - starts[0] >= 380 and starts[4] - starts[2] >= 380, starts


def test_a_rate_window_that_is_over_counts_for_nothing(bench):
    """As in a window's last millisecond, when the count is still there: what starts is of the next."""
    queue = bench.queue()
    bench.server.cli("SET", queue.base + "limiter", 7)  # and no time that is left
    bench.ours.add(queue.name, count=3)
    with bench.ours.work(queue.name, concurrency=3, limiter="2/5000"):
        queue.wait_counts(wait=1, active=0, completed=2)
        assert bench.server.cli("GET", queue.base + "limiter") == "2"
        assert 0 < int(bench.server.cli("PTTL", queue.base + "limiter")) <= 5000


def test_a_global_concurrency_is_for_all(bench):
    for producer, worker in bench.pairs():
        queue = bench.queue()
        bench.theirs.ctl(queue.name, "concurrency", "2")
        producer.add(queue.name, count=8)
        begin = time.monotonic()
        with worker.work(queue.name, concurrency=4, behaviour="sleep:100"):
            while queue.counts("completed")["completed"] < 8:
                assert queue.counts("active")["active"] <= 2
                assert time.monotonic() - begin < 10
                time.sleep(0.01)


# --- those who look on ---


def test_queue_events_hear_our_worker(bench):
    queue = bench.queue()
    with bench.theirs.events(queue.name) as events:
        with bench.ours.work(queue.name):
            bench.ours.add(queue.name, data={"__behaviour": "progress"})
            bench.ours.add(queue.name, data={"__behaviour": "fail-always"})
            assert events.wait("progress")["data"] == 25
            assert events.wait("completed")["returnvalue"]["echo"] == {"__behaviour": "progress"}
            assert events.wait("failed")["failedReason"] == "boom 1"
            events.wait("drained")
        events.kill()


def test_dashboards_see_our_jobs(bench):
    queue = bench.queue()
    bench.ours.add(queue.name, name="good", data={"n": 1})
    bench.ours.add(queue.name, name="bad", data={"__behaviour": "fail-always"})
    work_until(queue, bench.ours, completed=1, failed=1)
    bench.ours.add(queue.name, name="late", delay=60000)
    bench.ours.add(queue.name, name="first", priority=1)
    bench.ours.add(queue.name, name="next")
    status, (shown,) = bench.theirs.call("board", "--queue", queue.name)
    assert status == 0
    counts = {name: shown["counts"][name] for name in ("waiting", "delayed", "prioritized", "completed", "failed")}
    assert counts == {"waiting": 1, "delayed": 1, "prioritized": 1, "completed": 1, "failed": 1}, shown
    names = {state: [job["name"] for job in found] for state, found in shown["jobs"].items()}
    assert names == {"waiting": ["next"], "active": [], "delayed": ["late"], "prioritized": ["first"],
                     "completed": ["good"], "failed": ["bad"]}, names
    assert shown["jobs"]["completed"][0]["returnValue"] == {"echo": {"n": 1}, "worker": "wrk"}
    assert shown["jobs"]["failed"][0]["failedReason"] == "boom 1"


def test_our_worker_is_listed(bench):
    queue = bench.queue()
    with bench.ours.work(queue.name, name="wrk"):
        queue.wait(lambda: bench.theirs.ctl(queue.name, "workers")["count"] == 1, "the worker is not listed")
    assert re.search(r"name=bull:\S+:w:wrk ", bench.server.cli("CLIENT", "LIST")) is None


def test_counts_are_alike(bench):
    queue = bench.queue()
    bench.theirs.add(queue.name, count=2)
    bench.theirs.add(queue.name, priority=1)
    bench.theirs.add(queue.name, delay=60000)
    ours, theirs = (side.ctl(queue.name, "counts") for side in (bench.ours, bench.theirs))
    assert {**theirs, **ours} == theirs, (ours, theirs)


def with_bench(test):
    test(BENCH)


if __name__ == "__main__":
    node.need()
    with redis.start() as SERVER:
        BENCH = Bench(SERVER)
        FAILED = cases.run(globals(), with_bench)
        BENCH.theirs.close()
    sys.exit(FAILED)
