"""Queues with two sides: jobs-probe, and the same with BullMQ. Whatever one can do, the other is asked in the same words.

    ours, theirs = jobs.Ours(server), jobs.Theirs(server)
    ids = ours.add("demo", name="x", data={"a": 1}, delay=100)
    with theirs.work("demo", concurrency=2) as worker:
        worker.wait("done", id=ids[0])
"""
import json
import os
import queue as waiting_lines
import signal
import subprocess
import threading
import time

import node
import redis

PATIENCE_S = 30
OURS = [os.path.join(os.environ["BUILD_ROOT"], "tests", "compat", "jobs-probe")]
NODE = node.command("jobs_probe.js")


def options(given):
    """Words of a command line: max_stalled=1 is --max-stalled 1; True is the option alone."""
    words = []
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        if value is True and name == "lifo":
            words.append(option)
        elif value is not None and value is not False:
            words += [option, value if isinstance(value, str) else json.dumps(value)]
    return words


class Process:
    """One that says lines of JSON."""

    def __init__(self, command, server):
        self.log = open(server.folder / f"probe-{time.monotonic_ns()}.log", "w+b")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, env={**os.environ, "REDIS_URL": server.url()},
                                        preexec_fn=redis.die_with_us)
        self.lines = waiting_lines.Queue()
        self.heard = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-3000:]

    def next(self, patience=PATIENCE_S):
        try:
            line = self.lines.get(timeout=patience)
        except waiting_lines.Empty:
            raise AssertionError(f"nothing was said in {patience} s; before: {self.heard[-5:]}; {self.words()}") from None
        if line is None:
            raise AssertionError(f"it has ended with {self.process.wait()}; before: {self.heard[-5:]}; {self.words()}")
        self.heard.append(line)
        return line

    def wait(self, event, count=1, patience=PATIENCE_S, **fields):
        """The last of COUNT lines of that event, with those fields."""
        end = time.monotonic() + patience
        while True:
            line = self.next(max(0.01, end - time.monotonic()))
            if line.get("event") == event and all(line.get(name) == value for name, value in fields.items()):
                count -= 1
                if count == 0:
                    return line

    def say(self, words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """SIGTERM, and a clean end."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.words()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind is None:
                self.end()
            else:
                self.kill()
        self.process.stdin.close()
        self.log.close()


class Borrowed(Process):
    """A worker in a process that takes others afterwards, for Node.js takes its time to begin."""

    def __init__(self, command, server, spare):
        super().__init__([*command, "serve"], server)
        self.spare = spare

    def begin(self, words):
        self.heard = []
        self.say(words)
        while "end" not in self.next():
            continue
        with self.lines.mutex:  # it may have begun with a job before it says so, which is still to be heard
            self.lines.queue.extendleft(reversed(self.heard[:-1]))
        self.heard = []

    def end(self):
        self.say(["stop"])
        while "end" not in self.next():
            continue
        self.spare.append(self)

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
        elif self.process.poll() is None:
            self.end()


class Side:
    """What both can be asked for."""

    def __init__(self, server):
        self.server = server

    def call(self, *words):
        """(status, lines)."""
        raise NotImplementedError

    def add(self, queue, name="job", data=None, **given):
        """The ids."""
        status, lines = self.call("add", "--queue", queue, "--name", name, "--data", json.dumps(data or {}),
                                  *options(given))
        assert status == 0, (self.name, lines)
        return [line["id"] for line in lines]

    def refuse(self, queue, **given):
        status, lines = self.call("add", "--queue", queue, "--name", "job", "--data", "{}", *options(given))
        assert status == 2 and lines[-1]["event"] == "rejected", (self.name, status, lines)

    def ctl(self, queue, *words, prefix=None):
        status, lines = self.call("ctl", "--queue", queue, *options({"prefix": prefix}), *words)
        assert status == 0 and lines[-1] == {"event": "ok"}, (self.name, words, lines)
        return lines[0]

    def launch(self, queue, **given):
        """A worker that may die: a process of its own, and nothing is waited for."""
        return Process([*self.command, "work", "--queue", queue, *options(given)], self.server)

    def work(self, queue, **given):
        process = self.launch(queue, **given)
        try:
            process.wait("ready")
        except BaseException:
            process.kill()
            raise
        return process


class Ours(Side):
    name = "ours"
    command = OURS

    def call(self, *words):
        done = subprocess.run([*OURS, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                              env={**os.environ, "REDIS_URL": self.server.url()})
        assert done.returncode in (0, 1, 2), (words, done.returncode, done.stderr)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


class Theirs(Side):
    """One process answers all commands, for Node.js takes its time to begin."""

    name = "theirs"
    command = NODE

    def __init__(self, server):
        super().__init__(server)
        self.process = Process([*NODE, "serve"], server)
        self.spare = []

    def call(self, *words):
        lines = []
        self.process.say(words)
        while "end" not in (line := self.process.next()):
            lines.append(line)
        return line["end"], lines

    def work(self, queue, **given):
        worker = self.spare.pop() if self.spare else Borrowed(NODE, self.server, self.spare)
        worker.begin(["work", "--queue", queue, *options(given)])
        return worker

    def events(self, queue):
        process = Process([*NODE, "events", "--queue", queue], self.server)
        process.wait("ready")
        return process

    def close(self):
        for process in (self.process, *self.spare):
            process.kill()


# All that lies in Redis under a prefix: {key: {type: content}}; one call, since redis-cli takes its time to begin.
DUMP = """
local out = {}
local read = {
  hash = function(key) return redis.call('HGETALL', key) end, list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  string = function(key) return redis.call('GET', key) end, set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  stream = function(key) local all = {} for i, e in ipairs(redis.call('XRANGE', key, '-', '+')) do all[i] = e[2] end return all end,
}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  local kind = redis.call('TYPE', key).ok
  out[string.sub(key, #ARGV[1] + 1)] = {kind, read[kind](key)}
end
return cjson.encode(out)
"""


class Queue:
    """What lies in Redis of a queue."""

    def __init__(self, server, name, prefix="bull"):
        self.server, self.name, self.base = server, name, f"{prefix}:{name}:"

    def one(self, verb, key, *words):
        return self.server.cli(verb, self.base + key, *words)

    def all(self):
        """{key: (type, content)}: hashes as such, sorted sets as lists of members, streams as lists of lists."""
        out = {}
        for key, (kind, content) in json.loads(self.server.cli("EVAL", DUMP, 0, self.base)).items():
            content = content or []  # cjson writes an empty list as an object
            if kind == "hash":
                content = dict(zip(content[::2], content[1::2]))
            elif kind == "zset":
                content = content[::2]
            elif kind == "set":
                content = sorted(content)
            out[key] = kind, content
        return out

    def hash(self, job):
        return self.all().get(job, ("hash", {}))[1]

    def events(self):
        """Each as a list of its fields and values."""
        return self.all().get("events", ("stream", []))[1]

    def wait(self, holds, what, patience=PATIENCE_S):
        end = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < end, f"{what() if callable(what) else what}; events: {self.events()[-10:]}"
            time.sleep(0.02)

    def counts(self, *names):
        script = "local out = {} for i, key in ipairs(KEYS) do local kind = redis.call('TYPE', key).ok " \
                 "out[i] = kind == 'list' and redis.call('LLEN', key) or kind == 'zset' and redis.call('ZCARD', key) or 0 end return out"
        text = self.server.cli("EVAL", script, len(names), *(self.base + name for name in names))
        return dict(zip(names, map(int, text.split("\n"))))

    def wait_counts(self, **counts):
        names = [name.replace("_", "-") for name in counts]
        wanted = dict(zip(names, counts.values()))
        self.wait(lambda: self.counts(*names) == wanted, lambda: f"{self.counts(*names)} is not {wanted}")
