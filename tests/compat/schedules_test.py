#!/usr/bin/env python3
"""Schedules, flows and cron expressions shared with BullMQ: whoever puts them, and whoever works on them.

As in jobs_test.py a scenario is run for each pair of producer and worker, and what is left behind in Redis must be
what BullMQ leaves behind when it is alone; here with the times of runs as numbers of runs.
"""
import json
import os
import random
import re
import subprocess
import sys
import time

import cases
import jobs
import jobs_test
import node
import redis

OURS = os.path.join(os.environ["BUILD_ROOT"], "tests", "compat", "schedules-probe")
THEIRS = node.command("schedules_probe.js")
RUN = re.compile(r"(repeat:[^:\"]+:)(\d{13})")


class OurProbe:
    name = "ours"

    def __init__(self, server):
        self.env = {**os.environ, "REDIS_URL": server.url()}

    def call(self, *words):
        done = subprocess.run([OURS, *words], capture_output=True, text=True, timeout=jobs.PATIENCE_S, check=False,
                              env=self.env)
        assert done.returncode in (0, 2), (words, done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def times(self, questions):
        """Five times for each of (expression, zone, milliseconds), or words."""
        asked = "".join(f"{text}\t{zone}\t{after}\n" for text, zone, after in questions)
        done = subprocess.run([OURS, "cron"], input=asked, capture_output=True, text=True, timeout=60, check=True)
        return [line[4:] if line.startswith("ERR ") else [int(word) for word in line.split()]
                for line in done.stdout.splitlines()]


class TheirProbe:
    name = "theirs"

    def __init__(self, server):
        self.process = jobs.Process(THEIRS, server)

    def call(self, *words):
        self.process.say(words)
        lines = []
        while not isinstance(line := self.process.next(), dict) or "end" not in line:
            lines.append(line)
        return lines

    def times(self, questions):
        return self.call("cron", json.dumps(questions))


class Bench(jobs_test.Bench):
    """With a pair that puts schedules and flows."""

    def __init__(self, server):
        super().__init__(server)
        self.putters = {"ours": OurProbe(server), "theirs": TheirProbe(server)}

    def put(self, side, queue, **schedule):
        return self.putters[side].call("put", queue.name, json.dumps(schedule))[-1]

    def list(self, side, queue):
        return self.putters[side].call("list", queue.name)


BENCH = None


# --- comparing what lies in Redis ---


def neutral(value, seen):
    """A value with runs numbered, and without times and durations."""
    if isinstance(value, dict):
        return {neutral(key, seen): neutral(it, seen) for key, it in value.items()
                if key not in ("prevMillis", "timestamp", "offset")}
    if isinstance(value, list):
        return [neutral(it, seen) for it in value]
    if isinstance(value, str):
        value = RUN.sub(lambda match: f"{match[1]}#{seen.index(int(match[2]))}", value)
        return "time" if re.fullmatch(r"1[78]\d{11}", value) else value
    return value


def left_behind(queue):
    """Jobs, lists and the schedule's hash; runs are #0, #1 ..."""
    found = jobs_test.left_behind(queue)
    runs = sorted({int(match[2]) for match in RUN.finditer(json.dumps(found))})
    out = neutral(found, runs)
    for value in out.values():
        if isinstance(value, dict) and "opts" in value:
            if isinstance(value["opts"], dict):
                value["opts"].pop("delay", None)
                value["opts"].setdefault("attempts", 0)  # Node leaves it out of a schedule's first job
                value["opts"].setdefault("backoff", None)
            value.pop("delay", None)
    return out, runs


def compare(bench, schedule, runs, lasts):
    """The schedule is put by PRODUCER, worked on by WORKER until it stops after so many RUNS; then the next is LASTS."""
    expected = None
    for producer, worker in [("theirs", bench.theirs), ("theirs", bench.ours), ("ours", bench.theirs), ("ours", bench.ours)]:
        queue = bench.queue()
        if "pattern" in schedule:
            time.sleep(1.1 - time.time() % 1)  # a run that falls due while it is being put skips "delayed"
        bench.put(producer, queue, id="s", name="tick", **schedule)
        with worker.work(queue.name, name="wrk") as process:
            for _ in range(runs):
                process.wait("done")
            queue.wait_counts(wait=0, active=0, completed=runs, delayed=lasts)
        got, slots = left_behind(queue)
        assert len(slots) == runs + lasts, slots
        if "every" in schedule:
            assert all((b - a) % schedule["every"] == 0 for a, b in zip(slots, slots[1:])), slots
        if expected is None:
            expected = got
        for key in sorted({*got, *expected}):
            assert got.get(key) == expected.get(key), (f"{producer} put, {worker.name} work: {key}:\n"
                                                       f"  got      {got.get(key)}\n  expected {expected.get(key)}")


def test_an_interval_with_a_limit(bench):
    compare(bench, {"every": 700, "limit": 3, "data": {"a": 1}, "opts": {"attempts": 2, "removeOnComplete": 10}}, 3, 0)


def test_a_pattern_with_a_limit(bench):
    compare(bench, {"pattern": "* * * * * *", "tz": "Europe/Paris", "limit": 2}, 2, 0)


def test_an_interval_goes_on(bench):
    compare(bench, {"every": 3600000, "data": "text"}, 1, 1)


# --- both at once ---


def test_workers_of_both_sides_share_a_schedule(bench):
    queue = bench.queue()
    for side in ("theirs", "ours"):  # put by both, as two releases that run side by side
        bench.put(side, queue, id="s", name="tick", every=100, limit=30)
    with bench.ours.work(queue.name), bench.theirs.work(queue.name):
        queue.wait_counts(completed=30, delayed=0, wait=0, active=0)
    events = [event[3] for event in queue.events() if event[1] == "completed"]
    assert len(events) == len(set(events)) == 30, events
    slots = sorted(int(RUN.search(event)[2]) for event in events)
    assert all((b - a) % 100 == 0 for a, b in zip(slots, slots[1:])), slots


def test_each_side_lists_and_removes_what_the_other_put(bench):
    for putter, other in (("ours", "theirs"), ("theirs", "ours")):
        queue = bench.queue()
        bench.put(putter, queue, id="a", name="x", every=3600000, data={"n": 1}, startDate=int(time.time() + 600) * 1000)
        bench.put(putter, queue, id="b", name="y", pattern="0 4 * * *", tz="Asia/Tokyo", limit=9)
        assert bench.list("ours", queue) == bench.list("theirs", queue)
        assert [it["id"] for it in bench.list(other, queue)].count("a") == 1
        assert bench.putters[other].call("remove", queue.name, "a") == [{"event": "removed", "was": True}]
        assert bench.putters[other].call("remove", queue.name, "a") == [{"event": "removed", "was": False}]
        assert [it["id"] for it in bench.list(putter, queue)] == ["b"]
        left = bench.list(putter, queue)[0]["next"]
        assert queue.one("ZRANGE", "delayed", 0, -1) == f"repeat:b:{left}"


def test_each_side_puts_over_what_the_other_put(bench):
    for first, second in (("ours", "theirs"), ("theirs", "ours")):
        queue = bench.queue()
        run = bench.put(first, queue, id="a", name="x", pattern="0 4 1 * *", data={"n": 1})["next"]
        assert bench.put(second, queue, id="a", name="x", pattern="0 4 1 * *", data={"n": 2})["next"] == run
        assert queue.one("ZRANGE", "delayed", 0, -1) == f"repeat:a:{run}"
        assert json.loads(queue.hash(f"repeat:a:{run}")["data"]) == {"n": 2}
        later = bench.put(second, queue, id="a", name="x", pattern="0 5 1 * *")["next"]
        assert later == run + 3600000 and queue.one("ZRANGE", "delayed", 0, -1) == f"repeat:a:{later}"


def test_both_refuse_the_same(bench):
    queue = bench.queue()
    for bad in ({"every": 1000, "pattern": "* * * * *"}, {}, {"pattern": "61 * * * *"}, {"every": 1000, "endDate": 1000},
                {"pattern": "* * * * *", "tz": "No/Where"}):
        for side in ("ours", "theirs"):
            assert bench.put(side, queue, id="bad", name="x", **bad)["event"] == "rejected", (side, bad)
    assert queue.one("ZRANGE", "repeat", 0, -1) == ""


# --- cron expressions ---

FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
NAMES = {3: "JAN FEB MAR apr May JUN JUL AUG SEP OCT NOV DEC".split(), 4: "SUN MON TUE WED thu FRI SAT SUN".split()}


def random_item(rng, field):
    low, high = FIELDS[field]
    a, b = rng.randint(low, high), rng.randint(low, high)

    def said(value):
        return NAMES[field][value - (field == 3)] if field in NAMES and rng.random() < 0.3 else value

    return rng.choice((lambda: "*", lambda: said(a), lambda: f"{said(a)}-{said(b)}", lambda: f"*/{rng.randint(1, high + 3)}",
                       lambda: f"{a}/{rng.randint(1, high)}", lambda: f"{min(a, b)}-{max(a, b)}/{rng.randint(1, 9)}",
                       lambda: a))()


def random_field(rng, field):
    low, high = FIELDS[field]
    if rng.random() < 0.35:
        return rng.choice("**?" if field in (2, 4) else "*")
    if field == 2 and rng.random() < 0.1:
        return rng.choice(("L", f"L,{rng.randint(low, high)}"))
    if field == 4 and rng.random() < 0.1:
        return rng.choice((f"{rng.randint(0, 7)}L", f"{rng.randint(0, 7)}#{rng.randint(1, 5)}"))
    items = [random_item(rng, field)]
    while rng.random() < 0.2:
        items.append(random_item(rng, field))
    return ",".join(map(str, items))


def random_question(rng, zone):
    text = " ".join(random_field(rng, field) for field in range(5))
    if rng.random() < 0.25:
        text = f"{random_field(rng, 0)} {text}"
    return text, zone, rng.randint(1577836800000, 2524608000000)


def test_cron_expressions_mean_the_same(bench):
    """Where clocks are changed they differ, as docs/guide/schedules.md says; these zones have no such changes."""
    rng = random.Random(20261128)
    questions = [random_question(rng, zone) for zone in ("UTC", "Asia/Kathmandu", "America/Phoenix") for _ in range(700)]
    questions += [(name, "UTC", 1795876200000) for name in
                  ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly", "@minutely", "@secondly", "@weekdays",
                   "@weekends", "@reboot", "@midnight", "0 0 * * L", "0 0 15W * *", "0 0 30 2 *", "0 0 1 january *")]
    ours, theirs = (bench.putters[side].times(questions) for side in ("ours", "theirs"))
    same = refused = 0
    for question, got, expected in zip(questions, ours, theirs):
        if isinstance(got, str) and isinstance(expected, str):
            refused += 1
        elif isinstance(got, str):  # we refuse a value that a list has twice in each form of it
            assert "that the list has already" in got, (question, got, expected)
        else:
            assert got == expected, (question, got, expected)
            same += 1
    assert same > 800 and refused > 300, (same, refused)


# --- flows ---


def tree(bench, failure=None, bad=True, **last):
    """A parent and two children, in queues of their own; the second child fails for good, if it is to be bad."""
    books, pages = bench.queue(), bench.queue()
    children = [{"queue": pages.name, "name": "one", "id": "p1", "data": 1},
                {"queue": pages.name, "name": "two", "id": "p2", "failure": failure, **last,
                 "data": {"__behaviour": "unrecoverable"} if bad else {"n": 2}}]
    return books, pages, {"queue": books.name, "name": "bind", "id": "b", "data": {"__behaviour": "children"},
                          "children": children}


def flow_left_behind(books, pages):
    text = json.dumps([jobs_test.left_behind(books), jobs_test.left_behind(pages)])
    text = text.replace(f"bull:{books.name}", "bull:books").replace(f"bull:{pages.name}", "bull:pages")
    out = json.loads(text)
    for part in out:
        for key, value in part.items():
            if key.endswith(":unsuccessful"):
                part[key] = len(value)
            if isinstance(value, dict) and "stacktrace" in value:
                value["stacktrace"] = [trace.split(": ", 1)[1] for trace in value["stacktrace"]]  # without the class
        part["events"] = sorted(map(json.dumps, part["events"]))  # those of two queues come as they come
    return out


def compare_flows(bench, parent_ends, failure=None, bad=True):
    """PARENT_ENDS: the set in which the parent lies at last."""
    expected = None
    ours, theirs = bench.ours, bench.theirs
    for putter, child_worker, parent_worker in [("theirs", theirs, theirs), ("theirs", ours, theirs), ("theirs", theirs, ours),
                                                ("ours", ours, ours)]:
        books, pages, flow = tree(bench, failure, bad)
        bench.putters[putter].call("flow", json.dumps(flow))
        with child_worker.work(pages.name, name="wrk"):
            pages.wait_counts(wait=0, active=0, completed=1 if bad else 2, failed=1 if bad else 0)
        with parent_worker.work(books.name, name="wrk"):
            books.wait_counts(**{parent_ends: 1, "wait": 0, "active": 0})
        got = flow_left_behind(books, pages)
        expected = expected or got
        who = f"{putter} add, {child_worker.name} and {parent_worker.name} work"
        for mine, other in zip(got, expected):
            for key in sorted({*mine, *other}):
                assert mine.get(key) == other.get(key), \
                    f"{who}: {key}:\n  got      {mine.get(key)}\n  expected {other.get(key)}"


def test_a_flow_whose_children_complete(bench):
    compare_flows(bench, "completed", bad=False)


def test_a_flow_whose_child_fails_the_parent(bench):
    compare_flows(bench, "failed", "fpof")


def test_a_flow_whose_child_is_ignored(bench):
    compare_flows(bench, "completed", "idof")


def test_a_flow_whose_child_is_dropped(bench):
    compare_flows(bench, "completed", "rdof")


def test_a_flow_whose_child_runs_the_parent(bench):
    compare_flows(bench, "completed", "cpof")


def test_a_flow_whose_child_blocks_the_parent(bench):
    compare_flows(bench, "waiting-children")


def test_a_tree_of_three_levels(bench):
    for putter, worker in (("ours", bench.theirs), ("theirs", bench.ours)):
        queue = bench.queue()
        leaf = {"queue": queue.name, "name": "leaf", "id": "l", "data": 3}
        middle = {"queue": queue.name, "name": "middle", "id": "m", "data": {"__behaviour": "children"}, "children": [leaf]}
        root = {**middle, "name": "root", "id": "r", "children": [middle]}
        bench.putters[putter].call("flow", json.dumps(root))
        with worker.work(queue.name) as process:
            said = process.wait("done", id="r")
        value = said["returnvalue"]["children"][f"bull:{queue.name}:m"]
        assert value["children"] == {f"bull:{queue.name}:l": {"echo": 3, "worker": None}}, said


def with_bench(test):
    test(BENCH)


if __name__ == "__main__":
    node.need()
    with redis.start() as SERVER:
        BENCH = Bench(SERVER)
        FAILED = cases.run(globals(), with_bench)
        BENCH.theirs.close()
        BENCH.putters["theirs"].process.kill()
    sys.exit(FAILED)
