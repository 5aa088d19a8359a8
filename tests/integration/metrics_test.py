#!/usr/bin/env python3
"""Metrics of two workers as promtool and Prometheus read them, and health while PostgreSQL and Redis die."""
import collections
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

import cases
import postgres
import redis

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "metrics_server")
PATIENCE_S = 60

# promtool wants no gauge to end with _count; OpenTelemetry and BullMQ have such names.
GAUGES = ("db_client_connection_count", "bullmq_job_count")
KNOWN = [f'{name} non-histogram and non-summary metrics should not have "_count" suffix' for name in GAUGES]


def until(holds, what):
    """What HOLDS returns, once that is true."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE_S} s"
        time.sleep(0.05)


class Service:
    def __init__(self, database, cache):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([SERVER], stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, "DATABASE_URL": database.url(), "REDIS_URL": cache.url()})
        self.port = int(re.match(r"listening on http://127\.0\.0\.1:(\d+)$", self.process.stdout.readline()).group(1))

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        return self.process.returncode

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def send(self, path, method="GET"):
        """Over a connection of its own, so that either worker may be the one."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def health(self, path):
        status, body = self.send(path)
        return status, json.loads(body)

    def values(self):
        """The sum of each metric of this moment, by its name, or name and labels as they stand there."""
        found = collections.Counter()
        for line in self.send("/metrics")[1].splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                found[series] += float(value)
                if "{" in series:
                    found[series.split("{")[0]] += float(value)
        return found

    def worker_pids(self):
        return until(lambda: (pids := {self.send("/pid")[1] for _ in range(50)}) and len(pids) == 2 and pids, "two pids")


class Prometheus:
    """A real one that scrapes PORT once a second."""

    def __init__(self, port):
        self.folder = tempfile.mkdtemp(prefix="libbackend-prometheus-")
        self.port = redis.free_port()
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
""")
        self.log = open(os.path.join(self.folder, "log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self.log, stderr=self.log, preexec_fn=redis.die_with_us)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
        shutil.rmtree(self.folder)

    def query(self, text):
        """The value of the first series; None while there is none, or no Prometheus yet."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            try:
                connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": text}))
                answer = json.loads(connection.getresponse().read())
            except (OSError, ValueError):
                return None
        series = answer.get("data", {}).get("result", [])
        return float(series[0]["value"][1]) if series else None


def test_promtool_has_nothing_against_it(service):
    for path in ("/items/1", "/items/1", "/nowhere", "/pid"):
        service.send(path)
    service.send("/orders/a%22b%5Cc%0Ad", "POST")
    text = service.send("/metrics")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
                          check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line and line not in KNOWN]
    assert not said, said
    for name in ("http_server_request_duration_seconds", "http_server_active_requests", "db_client_connection_count",
                 "cache_requests_total", "process_cpu_seconds_total", "process_resident_memory_bytes",
                 "process_open_fds", "process_max_fds", "process_start_time_seconds", "eventloop_lag_seconds",
                 "worker_restarts_total", "redis_client_commands_total", "bullmq_job_count", "bullmq_job_completed_total"):
        assert f"# TYPE {name} " in text, name


def test_either_worker_answers_for_both(service):
    service.worker_pids()
    before = service.values()['shop_orders_total{channel="web"}']
    for _ in range(40):
        assert service.send("/orders/web", "POST")[0] == 204
    seen = [service.values()['shop_orders_total{channel="web"}'] for _ in range(10)]
    assert seen == [before + 40] * 10, seen
    labels = until(lambda: (v := service.values()) and 'fibers{worker="0"}' in v and 'fibers{worker="1"}' in v and v,
                   "both workers' fibers")
    assert 'workers{role="web",state="ready"}' in labels


def test_jobs_are_counted_once_though_both_workers_ask(service):
    def count(queue, state):
        return service.values().get(f'bullmq_job_count{{queue="{queue}",state="{state}"}}')
    for _ in range(3):
        assert service.send("/mails", "POST")[0] == 204
        assert service.send("/reports/well", "POST")[0] == 204
    for _ in range(2):
        assert service.send("/reports/badly", "POST")[0] == 204
    until(lambda: count("mails", "waiting") == 3, "three mails")
    until(lambda: (count("reports", "completed"), count("reports", "failed")) == (3, 2), "the ends of five reports")
    values = until(lambda: (v := service.values()) and (v['bullmq_job_completed_total{queue="reports"}'],
                                                        v['bullmq_job_failed_total{queue="reports"}']) == (3, 2) and v,
                   "what both workers have counted")
    assert values['bullmq_job_completed_total{queue="mails"}'] == 0
    assert values['bullmq_queue_paused{queue="mails"}'] == 0


def test_the_age_of_the_oldest_job_is_since_it_could_run(service, cache):
    now = int(time.time() * 1000)

    def age_like(seconds):
        name = 'bullmq_job_oldest_waiting_seconds{queue="mails"}'
        until(lambda: seconds <= service.values()[name] < seconds + PATIENCE_S, f"an age of {seconds} s")
    cache.cli("DEL", "bull:mails:wait")
    age_like(0)
    cache.cli("HSET", "bull:mails:1", "timestamp", now - 9000_000, "opts", "{}")
    cache.cli("LPUSH", "bull:mails:wait", 1)
    age_like(9000)
    cache.cli("HSET", "bull:mails:1", "opts", json.dumps({"delay": 8000_000}))  # it was due later
    age_like(1000)
    cache.cli("HSET", "bull:mails:1", "processedOn", now - 500_000)  # and has been begun
    age_like(500)
    cache.cli("HSET", "bull:mails:2", "timestamp", now - 7000_000, "opts", "no JSON")  # the first of the last priority
    cache.cli("ZADD", "bull:mails:prioritized", 1 * 2**32, 3, 7 * 2**32 + 1, 2, 7 * 2**32 + 2, 3)
    age_like(7000)
    cache.cli("DEL", "bull:mails:wait", "bull:mails:prioritized")
    age_like(0)


def test_labels_from_clients_are_bounded(service):
    for number in range(60):
        assert service.send(f"/orders/channel{number}", "POST")[0] == 204
    series = [name for name in service.values() if name.startswith("shop_orders_total{")]
    assert len(series) <= 2 * 5 + 1 and 'shop_orders_total{channel="other"}' in series, series


def test_prometheus_scrapes_it(service):
    with Prometheus(service.port) as prometheus:
        until(lambda: prometheus.query("up") == 1, "a scrape")
        for _ in range(30):
            service.send("/items/7")
        want = service.values()['http_server_request_duration_seconds_count{http_request_method="GET",'
                                'http_route="/items/{id}",http_response_status_code="200"}']
        got = 'sum(http_server_request_duration_seconds_count{http_route="/items/{id}",http_response_status_code="200"})'
        until(lambda: prometheus.query(got) == want, f"{want} requests")
        assert prometheus.query('histogram_quantile(0.5, sum by (le) (http_server_request_duration_seconds_bucket'
                                '{http_route="/items/{id}"}))') is not None
        assert prometheus.query('sum(cache_requests_total{result="l1_hit"})') > 0
        assert prometheus.query("process_start_time_seconds") > time.time() - 3600
        assert prometheus.query("sum(db_client_connection_count)") >= 1


def test_nothing_counted_is_lost_with_a_worker(service):
    before = service.values()
    for killed in range(1, 4):
        victim = service.worker_pids().pop()
        os.kill(int(victim), signal.SIGKILL)
        until(lambda pid=victim: not os.path.exists(f"/proc/{pid}"), "its end")
        until(lambda pid=victim: pid not in service.worker_pids(), "a successor")
        now = service.values()
        assert now["worker_restarts_total"] == before["worker_restarts_total"] + killed
        for name, value in before.items():
            if re.search(r"_(total|count|bucket)\b", name) and not name.startswith(GAUGES):
                assert now[name] >= value, f"{name} went from {value} to {now[name]}"


def test_a_dead_database_is_not_ready_but_alive(service, database):
    assert until(lambda: service.health("/readyz")[0] == 200, "readiness")
    database.stop("immediate")
    status, body = until(lambda: (got := service.health("/readyz"))[0] == 503 and got, "503")
    assert body == {"status": "error", "checks": {"pg": {"status": "error"}, "redis": {"status": "ok"}}}, body
    for _ in range(20):
        assert service.health("/livez") == (200, {"status": "ok"})
        assert service.health("/startupz") == (200, {"status": "ok"})
    assert status == 503
    assert '"msg":"health.failed"' in service.words()
    database.start()
    until(lambda: service.health("/readyz")[0] == 200 and '"msg":"health.recovered"' in service.words(), "recovery")


def test_a_dead_cache_only_degrades(service, cache):
    until(lambda: service.health("/readyz") == (200, {"status": "ok", "checks": {"pg": {"status": "ok"},
                                                                                "redis": {"status": "ok"}}}), "readiness")
    cache.kill()
    status, body = until(lambda: (got := service.health("/readyz"))[1]["status"] == "degraded" and got, "degradation")
    assert (status, body["checks"]) == (200, {"pg": {"status": "ok"}, "redis": {"status": "error"}})
    depth = 'bullmq_job_count{queue="mails",state="waiting"}'
    until(lambda: depth not in service.values(), "the end of what is not known any more")
    cache.start()
    until(lambda: service.health("/readyz")[1]["status"] == "ok", "recovery")
    until(lambda: depth in service.values(), "the depth of a queue")


def test_one_worker_is_taken_out(service):
    def answers():
        return {service.health("/readyz")[1]["status"] for _ in range(40)}
    assert service.send("/leave", "POST")[0] == 204
    assert until(lambda: (got := answers()) == {"ok", "not_ready"} and got, "one of two")


def test_it_ends_well(service):
    assert service.close() == 0, service.words()


def main():
    with postgres.Server() as database, redis.Server() as cache:
        service = Service(database, cache)
        given = {"service": service, "database": database, "cache": cache}

        def call(test):
            if not shutil.which("prometheus"):
                return "there is no prometheus"
            return test(**{name: given[name] for name in test.__code__.co_varnames[:test.__code__.co_argcount]})
        try:
            return cases.run(globals(), call)
        finally:
            service.close()


if __name__ == "__main__":
    sys.exit(main())
