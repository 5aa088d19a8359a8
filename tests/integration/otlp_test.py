#!/usr/bin/env python3
"""Traces at a collector over real sockets: whole, linked, and what becomes of them when it has troubles."""
import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import cases
import postgres
from otlp_receiver import Receiver
from service import until

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "otlp_server")
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Upstream:
    """A service that is called: remembers the traceparent of each request."""

    def __init__(self):
        self.parents = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                outer.parents.append(self.headers["traceparent"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *unused):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Server:
    """As a context: it is stopped at the end, if it was not."""

    def __init__(self, endpoint, interval_ms=100, **env):
        self.upstream = Upstream()
        self.log = tempfile.TemporaryFile()
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("OTEL_") and name != "DATABASE_URL"}
        self.process = subprocess.Popen(
            [SERVER, "--port", "0"], stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "shop",
                 "OTEL_BSP_SCHEDULE_DELAY": str(interval_ms), "UPSTREAM": self.upstream.url, **env})
        self.port = int(re.search(r":(\d+)$", self.process.stdout.readline()).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        """The seconds that it took."""
        begin = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        self.upstream.server.shutdown()
        assert status == 0, self.words()
        return time.monotonic() - begin

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()

    def stats(self):
        return json.loads(self.get("/stats")[1])

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def lines(self, event):
        lines = [json.loads(line) for line in self.words().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["msg"] == event]

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def named(spans, name):
    (found,) = [span for span in spans if span.name == name]
    return found


def test_a_trace_arrives_whole_with_its_links():
    collector = Receiver()
    with Server(collector.url, OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
                OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20secret") as server:
        assert server.get("/prices/tea?x=1", traceparent=PARENT) == (200, TRACE.encode())
        until(lambda: len(collector.spans()) == 3)
        request, own, call = (named(collector.spans(), name) for name in ("GET /prices/{product}", "find the price", "GET"))
        assert {request.trace, own.trace, call.trace} == {TRACE}
        assert (request.parent, own.parent, call.parent) == ("b7ad6b7169203331", request.id, own.id)
        assert server.upstream.parents == [f"00-{TRACE}-{call.id}-01"]
        assert (request.kind, own.kind, call.kind) == (2, 1, 3)
        assert request.status == own.status == call.status == {}
        assert request.attributes["http.route"] == "/prices/{product}"
        assert request.attributes["http.response.status_code"] == 200
        assert own.attributes == {"product": "tea"}
        assert call.attributes["url.full"] == server.upstream.url

        taken = collector.taken[0]
        assert taken.path == "/v1/traces" and taken.headers["Authorization"] == "Bearer secret"
        assert taken.headers["traceparent"] is None and taken.headers["X-Request-Timeout-Ms"] is None
        assert taken.service["service.name"] == "shop" and taken.service["process.pid"] == server.process.pid
        assert taken.service["deployment.environment.name"] == "test"

        assert server.get("/broken")[0] == 500
        until(lambda: len(collector.spans()) == 4)
        broken = named(collector.spans(), "GET /broken")
        assert broken.parent is None and broken.status["code"] == 2
        assert server.stats() == {"exported": 4, "dropped": 0, "waiting": 0, "requests": len(collector.taken)}


def test_sql_stands_in_the_trace():
    collector = Receiver()
    with postgres.start() as database, Server(collector.url, DATABASE_URL=database.url()) as server:
        assert server.get("/prices/tea", traceparent=PARENT)[0] == 200
        server.stop()
        request, own, sql, call = (named(collector.spans(), name)
                                   for name in ("GET /prices/{product}", "find the price", "SELECT", "GET"))
        assert {span.trace for span in collector.spans()} == {TRACE}
        assert (own.parent, sql.parent, call.parent) == (request.id, own.id, own.id)
        assert sql.kind == 3 and sql.attributes["db.query.text"] == "SELECT 1"
        assert collector.spans() == [sql, call, own, request]  # as they have ended


def test_a_request_that_is_not_sampled_leaves_nothing():
    collector = Receiver()
    with Server(collector.url) as server:
        assert server.get("/prices/tea", traceparent=PARENT[:-1] + "0")[0] == 200
        assert server.get("/broken")[0] == 500
        until(lambda: len(collector.spans()) == 1)
        assert collector.spans()[0].name == "GET /broken"
        assert server.upstream.parents[0].endswith("-00")


def test_more_than_one_batch_goes_out_soon():
    """Half a ring does not wait for the interval, which is an hour."""
    collector = Receiver()
    with Server(collector.url, interval_ms=3600000, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="100") as server:
        assert server.get("/many/1500")[0] == 204
        until(lambda: len(collector.spans()) >= 1400)
        assert max(len(taken.spans) for taken in collector.taken) == 100
        assert len({span.id for span in collector.spans()}) == len(collector.spans())
        server.stop()
        assert len(collector.spans()) == 1501, len(collector.spans())


def test_each_worker_sends_its_own():
    collector = Receiver()
    with Server(collector.url, interval_ms=3600000, WEB_WORKERS="2") as server:
        for _ in range(40):
            assert server.get("/prices/tea")[0] == 200
        server.stop()
        assert len(collector.spans()) == 120
        workers = {(taken.service["service.instance.id"], taken.service["process.pid"]) for taken in collector.taken}
        assert len(workers) == len(collector.taken) and server.process.pid not in {pid for _, pid in workers}, workers


def test_what_waits_is_sent_at_the_end():
    collector = Receiver()
    with Server(collector.url, interval_ms=3600000) as server:
        assert server.get("/prices/tea")[0] == 200
        assert server.get("/many/600")[0] == 204
        assert server.stats()["exported"] == 0 and not collector.taken
        server.stop()
        assert len(collector.spans()) == 604  # in two batches
        assert not server.lines("otlp.dropped")


def test_a_batch_that_is_under_way_at_the_end_arrives():
    collector = Receiver()
    collector.delay_s = 0.5
    with Server(collector.url) as server:
        assert server.get("/broken")[0] == 500
        until(lambda: collector.asked)
        server.stop()
        assert len(collector.spans()) == 1 and len(collector.asked) == 1  # and not twice
        assert not server.lines("otlp.dropped")


def test_a_batch_that_hangs_at_the_end_is_given_up():
    collector = Receiver()
    collector.delay_s = 60
    with Server(collector.url) as server:
        assert server.get("/broken")[0] == 500
        until(lambda: collector.asked)
        assert server.stop() < 20  # of which 3 for the request under way, and 3 for another
        assert len(collector.asked) == 2
        assert server.lines("otlp.dropped")[-1]["total"] == 1 and not server.lines("app.drain_timeout")


def test_a_collector_that_is_busy_is_asked_when_it_says():
    collector = Receiver()
    collector.refuse = [(503, {"Retry-After": "3"}), (429, {})]
    with Server(collector.url) as server:
        assert server.get("/broken")[0] == 500
        until(lambda: len(collector.spans()) == 1, seconds=60)
        assert len(collector.asked) == 3
        assert collector.asked[1] - collector.asked[0] >= 2.9, collector.asked
        assert collector.asked[2] - collector.asked[1] >= 0.9, collector.asked  # twice a second, at least half of it
        (failed,) = server.lines("otlp.failed")
        assert failed["status"] == 503 and len(server.lines("otlp.recovered")) == 1
        assert server.stats()["dropped"] == 0


def test_an_answer_that_is_final_is_not_asked_again():
    collector = Receiver()
    collector.refuse = [(400, {})]
    with Server(collector.url) as server:
        assert server.get("/broken")[0] == 500
        until(lambda: server.stats()["dropped"] == 1)
        assert server.get("/broken")[0] == 500
        until(lambda: len(collector.spans()) == 1)
        assert len(collector.asked) == 2
        assert server.lines("otlp.dropped")[0]["spans"] == 1


def test_the_metrics_tell_of_it():
    collector = Receiver()
    collector.refuse = [(400, {})]
    with Server(collector.url) as server:
        for path in ("/broken", "/many/2"):
            server.get(path)
            until(lambda: server.stats()["waiting"] == 0)
        expected = [b'trace_spans_exported_total{exporter="otlp"} 3', b'trace_spans_dropped_total{exporter="otlp"} 1',
                    b'trace_spans_waiting{exporter="otlp"} 0', b'trace_exports_total{exporter="otlp"} 2']
        until(lambda: set(expected) <= set(server.get("/metrics")[1].splitlines()))


def test_spans_that_the_collector_rejects_are_counted():
    collector = Receiver()
    collector.answer = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}'
    with Server(collector.url) as server:
        assert server.get("/broken")[0] == 500
        until(lambda: server.stats()["dropped"] == 1)
        assert server.stats()["exported"] == 0
        assert server.lines("otlp.rejected")[0]["why"] == "too old"


def test_a_collector_that_is_down_costs_spans_and_no_memory():
    collector = Receiver()
    port = collector.port
    collector.close()
    with Server(collector.url, OTEL_BSP_MAX_QUEUE_SIZE="1000") as server:
        assert server.get("/many/2000")[0] == 204  # all there is room for, from the first on
        before = server.rss_mib()
        for _ in range(50):
            assert server.get("/many/2000")[0] == 204
        stats = server.stats()
        assert stats["exported"] == 0 and stats["waiting"] <= 1512 and stats["dropped"] > 98000, stats
        if not SANITIZED:  # whose allocator keeps what is free
            assert server.rss_mib() - before < 4, (before, server.rss_mib())
        until(lambda: server.lines("otlp.dropped"))
        assert len(server.lines("otlp.failed")) == 1 and len(server.lines("otlp.dropped")) <= 2

        collector = Receiver(port)  # it comes back
        until(lambda: len(collector.spans()) >= 1000, seconds=60)
        assert len(server.lines("otlp.recovered")) == 1


def test_a_collector_that_is_down_does_not_hold_up_the_end():
    collector = Receiver()
    collector.close()
    with Server(collector.url) as server:
        assert server.get("/broken")[0] == 500
        until(lambda: server.stats()["requests"] >= 1)
        assert server.stop() < 15  # of which 3 for this
        assert server.lines("otlp.dropped")[-1]["total"] == 1


def test_a_collector_that_is_slow_holds_up_nobody():
    collector = Receiver()
    collector.delay_s = 60
    with Server(collector.url, OTEL_EXPORTER_OTLP_TIMEOUT="500") as server:
        assert server.get("/prices/tea")[0] == 200
        until(lambda: collector.asked)
        begin = time.monotonic()
        for _ in range(100):
            assert server.get("/prices/tea")[0] == 200
        assert time.monotonic() - begin < 30
        until(lambda: server.stats()["requests"] >= 2, seconds=60)  # the first has run out of time
        assert server.lines("otlp.failed")[0]["status"] == 0
        assert server.stop() < 15


def test_a_service_without_a_collector_is_as_before():
    with Server("") as server:
        assert server.get("/prices/tea", traceparent=PARENT) == (200, TRACE.encode())
        assert server.stats() == {"exported": 0, "dropped": 0, "waiting": 0, "requests": 0}
        assert server.upstream.parents[0].startswith(f"00-{TRACE}-")


def test_a_protocol_that_is_not_spoken_is_told():
    collector = Receiver()
    with Server(collector.url, OTEL_EXPORTER_OTLP_PROTOCOL="grpc") as server:
        assert server.stats()["dropped"] == 0
        assert server.lines("otlp.protocol")[0]["asked"] == "grpc"


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
