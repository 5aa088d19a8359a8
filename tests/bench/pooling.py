#!/usr/bin/env python3
"""What a pool is worth: GET /db with more and more requests at a time, with and without one.

  pooling.py SERVER OUT_DIR         SERVER: the path of bench-server; needs wrk, and the Node peer of build.sh
  pooling.py SERVER OUT_DIR draw    draws the results that are there again

Three services answer: Express with a connection for each request, Express with a pool of 50, and
libbackend with a pool of 50. Each meets a PostgreSQL of its own with max_connections 100, then 600.
Requests that fail (an error status, or no answer within 10 s) are counted apart. Writes OUT_DIR/pooling.json
and OUT_DIR/pooling.svg. Everything is on 127.0.0.1; a run takes about six minutes.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CONCURRENCY = [10, 50, 100, 250, 500, 1000, 2500, 5000, 10000]
LIMITS = [100, 600]
SECONDS = 5
PORT = 18031
PG_PORT = 55433
SERVICES = {
    "Express, a connection per request": ("#c2410c", ["node_modules/.bin/node", "express.js"], {"PG_DRIVER": "unpooled"}),
    "Express, pool of 50": ("#a16207", ["node_modules/.bin/node", "express.js"], {"PG_DRIVER": "pg", "PG_POOL_MAX": "25"}),
    "libbackend, pool of 50": ("#1d4ed8", None, {}),
}


class Postgres:
    """A private server with the benchmark's data."""

    def __init__(self, folder, limit):
        self.folder, self.limit = folder, limit
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]

    def run(self, *command):
        prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run([*prefix, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def __enter__(self):
        data = self.folder / f"data-{self.limit}"
        self.run(self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-c port={PG_PORT} -c listen_addresses=127.0.0.1 -c max_connections={self.limit} " \
                  f"-c unix_socket_directories={self.folder}"
        self.run(self.bin / "pg_ctl", "-D", data, "-l", self.folder / "log", "-o", options, "-w", "start")
        psql = ["psql", "-q", "-h", "127.0.0.1", "-p", str(PG_PORT), "-U", "postgres"]
        subprocess.run([*psql, "-d", "postgres", "-c", "CREATE DATABASE bench"], check=True)
        subprocess.run([*psql, "-d", "bench", "-f", HERE / "sql/schema.sql", "-f", HERE / "sql/seed.sql"], check=True,
                       stdout=subprocess.DEVNULL)
        self.data = data
        return self

    def __exit__(self, *_):
        self.run(self.bin / "pg_ctl", "-D", self.data, "-m", "immediate", "stop")


class Service:
    def __init__(self, server, command, settings, log):
        env = {**os.environ, **settings, "NODE_ENV": "production", "PORT": str(PORT), "WORKERS": "2",
               "DATABASE_URL": f"postgres://postgres@127.0.0.1:{PG_PORT}/bench"}
        command = command or [server, "--port", str(PORT), "--workers", "2"]
        self.process = subprocess.Popen(command, cwd=HERE / "node", env=env, stdout=log, stderr=log,
                                        start_new_session=True)

    def __enter__(self):
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/db", timeout=5).read()
                return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the service does not answer")

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def load(connections):
    """Good and failed answers a second, and the latency that 99 % stay below, in ms."""
    out = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s", "--latency", "--timeout", "10s",
                          f"http://127.0.0.1:{PORT}/db"], capture_output=True, text=True).stdout
    number = lambda pattern: int((re.search(pattern, out) or [0, 0])[1])
    total = number(r"(\d+) requests in")
    bad = number(r"Non-2xx or 3xx responses: (\d+)")
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    broken = sum(map(int, sockets.groups())) if sockets else 0
    late = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", out)
    p99 = float(late[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[late[2]] if late else 0
    return {"good": (total - bad) / SECONDS, "failed": (bad + broken) / SECONDS, "p99_ms": p99}


def measure(server, folder):
    results = []
    for limit in LIMITS:
        with Postgres(folder, limit), open(folder / "service.log", "w") as log:
            for name, (_, command, settings) in SERVICES.items():
                for connections in CONCURRENCY:
                    with Service(server, command, settings, log):
                        run = load(connections)
                    results.append({"limit": limit, "service": name, "connections": connections, **run})
                    print(f"max_connections {limit}  {name:36} {connections:6} at a time: {run['good']:8.0f}/s good, "
                          f"{run['failed']:8.0f}/s failed, p99 {run['p99_ms']:.0f} ms", flush=True)
    return results


# --- the picture ------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, GAP = 420, 260, 62, 52, 84


def plot(results):
    """Two panels side by side: good answers a second over requests at a time, both logarithmic."""
    import math
    low, high = 10, 300000

    def x(connections):
        return (math.log10(connections) - 1) / 3 * WIDTH

    def y(rate):
        return HEIGHT - (math.log10(max(rate, low)) - math.log10(low)) / (math.log10(high) - math.log10(low)) * HEIGHT

    parts = []
    for panel, limit in enumerate(LIMITS):
        parts.append(f'<g transform="translate({LEFT + panel * (WIDTH + GAP)},{TOP})">')
        parts.append(f'<text x="{WIDTH / 2}" y="-22" text-anchor="middle" font-weight="600">max_connections = {limit}</text>')
        for rate in (10, 100, 1000, 10000, 100000):
            parts.append(f'<path d="M0 {y(rate):.1f}H{WIDTH}" class="grid"/>'
                         f'<text x="-8" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:,}</text>')
        for connections in (10, 100, 1000, 10000):
            parts.append(f'<text x="{x(connections):.1f}" y="{HEIGHT + 18}" text-anchor="middle">{connections:,}</text>')
        parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT + 38}" text-anchor="middle">requests at a time</text>')
        for name, (color, _, _) in SERVICES.items():
            runs = [r for r in results if r["limit"] == limit and r["service"] == name]
            line = " ".join(f"{x(r['connections']):.1f},{y(r['good']):.1f}" for r in runs)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
            for r in runs:
                share = r["failed"] / max(r["good"] + r["failed"], 1)
                fill = "#fff" if share > 0.01 else color
                parts.append(f'<circle cx="{x(r["connections"]):.1f}" cy="{y(r["good"]):.1f}" r="4" fill="{fill}" '
                             f'stroke="{color}" stroke-width="2"/>')
        parts.append("</g>")
    total, bottom = LEFT + 2 * WIDTH + GAP + 20, TOP + HEIGHT + 66
    for i, (name, (color, _, _)) in enumerate(SERVICES.items()):
        parts.append(f'<circle cx="{LEFT + 10 + i * 270}" cy="{bottom - 4}" r="5" fill="{color}"/>'
                     f'<text x="{LEFT + 22 + i * 270}" y="{bottom}">{name}</text>')
    parts.append(f'<text x="{LEFT}" y="{bottom + 22}">Good answers a second. A hollow point: more than 1 % of the answers '
                 'were errors, or did not come.</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {bottom + 36}" font-family="sans-serif" '
            'font-size="12"><style>.grid{stroke:#ddd}</style><rect width="100%" height="100%" fill="#fff"/>'
            + "\n".join(parts) + "</svg>\n")


def main():
    server, out = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    if len(sys.argv) == 4:  # only draw again
        results = json.loads((out / "pooling.json").read_text())
    else:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            os.chmod(folder, 0o777)
            results = measure(server, pathlib.Path(folder))
        (out / "pooling.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "pooling.svg").write_text(plot(results))


if __name__ == "__main__":
    main()
