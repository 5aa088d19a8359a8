"""What the claims share: the servers and services that they measure, the load, the tables.

Everything is on 127.0.0.1 and ends with the program that started it.
"""
import contextlib
import http.client
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD_ROOT", ROOT / "build-release")).resolve()
os.environ["BUILD_ROOT"] = str(BUILD)
sys.path.insert(0, str(ROOT / "tests" / "harness"))

import bench  # noqa: E402
import postgres  # noqa: E402
import redis  # noqa: E402
import service  # noqa: E402

PROGRAM = BUILD / "examples" / "service" / "service"
LOAD = BUILD / "tests" / "bench" / "bench-load"
NODE = HERE / "node" / "node_modules" / ".bin" / "node"
SECRET = "of the claims only, 32 bytes and more"
ADMIN = {"email": "admin@example.test", "password": "admin in development"}
PRODUCTS, PAGES, LINES = 10000, 50, 20000
WORKERS = 2


# --- what is measured ---


class Place:
    """PostgreSQL that keeps what it acknowledges, a Redis for caches, one for jobs that keeps them as well, and the
    service's data in them."""

    def __init__(self, stack):
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", prefix="libbackend-claims-"))
        self.pg = stack.enter_context(postgres.start(durable=True, max_connections=200, settings={
            "shared_buffers": "256MB", "max_wal_size": "2GB"}))
        self.cache = stack.enter_context(redis.start(settings={"maxmemory": "512mb", "maxmemory-policy": "allkeys-lru"}))
        self.jobs = stack.enter_context(redis.start(settings={
            "appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}))
        self.database = f"postgres://postgres@127.0.0.1:{self.pg.port}/postgres"
        with open(OUT.folder / "service.log", "w") as log:
            for words in (["migrate", "up"], ["seed"]):
                subprocess.run([PROGRAM, *words], env=self.settings(), check=True, stdout=log, stderr=log)

    def settings(self):
        return {**os.environ, "DATABASE_URL": self.database, "REDIS_URL": self.cache.url(), "JWT_SECRET": SECRET,
                "QUEUE_REDIS_URL": self.jobs.url(), "SESSION_SECRET": SECRET, "DEV_DIR": self.folder,
                # The limiter counts each request, and refuses none of this one client's.
                "RATE_LIMIT": "1000000", "RATE_WINDOW": "1s"}

    def cpu(self):
        """CPU seconds so far, of each server."""
        pids = {"PostgreSQL": [self.pg.process.pid], "Redis": [self.cache.process.pid, self.jobs.process.pid]}
        return {name: bench.cpu([one for pid in roots for one in bench.children(pid)]) for name, roots in pids.items()}


class Target(NamedTuple):
    """Something that serves, as a load sees it."""
    name: str
    port: int
    pid: int
    token: str
    ours: bool

    def pids(self):
        return bench.children(self.pid)

    def memory(self):
        """PSS in MiB."""
        return bench.memory(self.pids())["pss"]


def ask(port, method, path, body=None):
    """(status, body)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, json.dumps(body) if body else None,
                           {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read()


@contextlib.contextmanager
def running(place):
    """The reference service with all that it has: (the harness's handle of it, the target)."""
    env = {**place.settings(), "PORT": "0"}
    one = service.Service(PROGRAM, "serve", "--web-workers", str(WORKERS), env=env,
                          wrap=["setpriv", "--pdeathsig", "TERM"])
    try:
        with one:
            status, body = ask(one.ports[0], "POST", "/api/auth/login", ADMIN)
            assert status == 200, body
            yield one, Target("libbackend", one.ports[0], one.process.pid, json.loads(body)["token"], True)
    finally:
        keep_warnings(one)
        shutil.rmtree(one.folder)


def keep_warnings(one):
    """What the service warned of goes beside the results."""
    with open(one.log, encoding="utf-8", errors="replace") as log, open(OUT.folder / "service.log", "a") as out:
        out.writelines(line for line in log if not line.startswith(('{"level":30', '{"level":20')))


@contextlib.contextmanager
def running_express(place):
    """Express on the same data, with half of the pool in each of its two processes."""
    port = postgres.free_port()
    env = {**place.settings(), "NODE_ENV": "production", "PORT": str(port), "WORKERS": str(WORKERS),
           "PG_POOL_MAX": str(50 // WORKERS), "RATE_LIMIT": "1", "CACHE_TTL": "60"}
    token = subprocess.run([NODE, "token.js"], cwd=HERE / "node", env=env, check=True, capture_output=True, text=True)
    with open(OUT.folder / "express.log", "a") as log:
        process = subprocess.Popen([NODE, "express.js"], cwd=HERE / "node", env=env, stdout=log, stderr=log,
                                   preexec_fn=redis.die_with_us)
    try:
        assert bench.wait_for(process, port), "Express does not start: see express.log"
        yield Target("Express", port, process.pid, token.stdout.strip(), False)
    finally:
        bench.stop(process)


# --- the load ---


class Mix(NamedTuple):
    """How many of a hundred requests are which."""
    get: float = 80
    list: float = 10
    me: float = 5
    create: float = 5
    change: float = 0
    report: float = 0


def line(kind, status, text, method, path, fields="", body=None):
    return "\t".join([kind, str(status), text, method, path, fields, json.dumps(body) if body else ""])


def one_request(kind, dice, target):
    """A line of the script. Texts tell whether it is the right product, page or user that is answered."""
    bearer = f"Authorization: Bearer {target.token}"
    product, page = dice.randint(1, PRODUCTS), dice.randrange(PAGES) * 20
    quoted = (lambda number: number) if target.ours else (lambda number: f'"{number}"')  # pg has bigints as strings
    cached = "/api/products" if target.ours else "/api/cached/products"
    if kind == "get":
        return line(kind, 200, f'"id":{quoted(product)},', "GET", f"{cached}/{product}")
    if kind == "list":
        after = "cursor" if target.ours else "offset"
        return line(kind, 200, f'"id":{quoted(page + 20)},', "GET", f"/api/products?limit=20&{after}={page}")
    if kind == "me":
        return line(kind, 200, '"email":', "GET", "/api/me", bearer)
    if kind == "create":
        body = {"sku": "L-{seq}", "name": "A thing of the load", "price_cents": 1999, "stock": 3}
        return line(kind, 201, '"sku":"L-{seq}"', "POST", "/api/products", bearer, body)
    if kind == "change":
        price = dice.randint(100, 99999)
        return line(kind, 200, f'"price_cents":{price},', "PATCH", f"/api/products/{product}", bearer,
                    {"price_cents": price})
    assert kind == "report"
    return line(kind, 202, '"kind":"inventory"', "POST", "/api/reports", bearer, {"kind": "inventory"})


def write_script(path, mix, target):
    dice = random.Random(1)
    lines = [one_request(kind, dice, target)
             for kind, share in mix._asdict().items() for _ in range(round(LINES * share / 100))]
    dice.shuffle(lines)
    path.write_text("\n".join(lines) + "\n")


class Run:
    """A load that has been started. Numbers of requests are never used twice."""
    next_base = 1

    def __init__(self, place, target, mix, *, connections, rate, seconds, notes=None, deadline=10):
        script = pathlib.Path(place.folder) / "script"
        write_script(script, mix, target)
        command = [LOAD, "-p", target.port, "-s", script, "-c", connections, "-r", rate, "-t", seconds, "-d", deadline,
                   "-b", Run.next_base, "-v", *(["-a", notes] if notes else [])]
        Run.next_base += 100_000_000
        self.log = open(OUT.folder / "load.log", "a")
        self.log.write(f"# {target.name}: {connections} connections, {rate}/s\n")
        self.log.flush()
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, preexec_fn=redis.die_with_us)

    def result(self):
        text = self.process.communicate()[0]
        self.log.close()
        assert self.process.returncode == 0, "the load did not run: see load.log"
        return json.loads(text)


def measured(place, target, mix, *, connections, rate, seconds):
    """A warm-up, then the load; with what it cost: CPU ms for 1,000 answers, and PSS with all connections open."""
    Run(place, target, mix, connections=min(connections, 100), rate=rate, seconds=min(5, seconds)).result()
    before, servers = bench.cpu(target.pids()), place.cpu()
    run = Run(place, target, mix, connections=connections, rate=rate, seconds=seconds)
    time.sleep(max(seconds - 1, 1))
    memory = target.memory()
    result = run.result()
    answers = max(result["good"], 1) / 1e6
    cpu = {name: (now - servers[name]) / answers for name, now in place.cpu().items()}
    cpu["server"] = (bench.cpu(target.pids()) - before) / answers
    return {"target": target.name, **result, "pss_mib": memory, "cpu_ms_per_1000": cpu}


# --- results ---


class OUT:
    """Where results go: set once, by main()."""
    folder = None


def raise_limits():
    """Connections are descriptors, of ours and of all that we start."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def errors(result):
    """Requests that were not answered as they should be."""
    return result["wrong"] + result["refused"] + result["failed"] + result["unsent"]


def table(heads, rows):
    """In Markdown."""
    print("| " + " | ".join(heads) + " |\n|" + " --- |" + " --: |" * (len(heads) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def conclude(name, claims, details):
    """Prints the claims as (what, goal, measured, whether it holds) and keeps all; whether all hold."""
    table(["claim", "goal", "measured", ""], [(*claim[:3], "holds" if claim[3] else "**FAILS**") for claim in claims])
    record = [dict(zip(("claim", "goal", "measured", "holds"), claim)) for claim in claims]
    (OUT.folder / f"{name}.json").write_text(json.dumps({"claims": record, "details": details}, indent=1) + "\n")
    return all(claim[3] for claim in claims)
