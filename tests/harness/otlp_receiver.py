"""A collector: takes traces by OTLP over HTTP as JSON, strictly, and does with the next requests as it is told."""
import collections
import http.server
import json
import re
import threading
import time

FIELDS = {
    "request": {"resourceSpans"},
    "resourceSpans": {"resource", "scopeSpans"},
    "scopeSpans": {"scope", "spans"},
    "span": {"traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes",
             "status"},
    "status": {"code", "message"},
}
Taken = collections.namedtuple("Taken", "path headers service spans")


def known(what, value):
    assert isinstance(value, dict) and set(value) <= FIELDS[what], (what, value)
    return value


def attributes(pairs):
    """As a dict; the types that proto3's JSON has for them are checked."""
    found = {}
    for pair in pairs:
        assert set(pair) == {"key", "value"} and len(pair["value"]) == 1 and pair["key"] not in found, pair
        ((kind, value),) = pair["value"].items()
        assert isinstance(value, str), pair
        found[pair["key"]] = {"stringValue": str, "intValue": int}[kind](value)
    return found


class Span:
    def __init__(self, raw):
        known("span", raw)
        self.trace, self.id, self.parent = raw["traceId"], raw["spanId"], raw.get("parentSpanId")
        assert re.fullmatch("[0-9a-f]{32}", self.trace) and re.fullmatch("[0-9a-f]{16}", self.id), raw
        assert self.parent is None or re.fullmatch("[0-9a-f]{16}", self.parent), raw
        self.name, self.kind = raw["name"], raw["kind"]
        assert self.name and self.kind in range(1, 6), raw
        self.begun, self.ended = int(raw["startTimeUnixNano"]), int(raw["endTimeUnixNano"])
        assert isinstance(raw["startTimeUnixNano"], str) and self.begun <= self.ended, raw
        assert abs(self.begun / 1e9 - time.time()) < 600, raw
        self.attributes = attributes(raw["attributes"])
        self.status = known("status", raw["status"])

    def __repr__(self):
        return f"<{self.name} {self.id} of {self.parent} in {self.trace}: {self.attributes} {self.status}>"


def decode(body):
    """The service's attributes, and the spans."""
    (resource_spans,) = known("request", json.loads(body))["resourceSpans"]
    (scope_spans,) = known("resourceSpans", resource_spans)["scopeSpans"]
    known("scopeSpans", scope_spans)
    assert set(resource_spans["resource"]) == {"attributes"}
    assert scope_spans["scope"]["name"] == "libbackend"
    return attributes(resource_spans["resource"]["attributes"]), [Span(raw) for raw in scope_spans["spans"]]


class Receiver:
    """`refuse` holds (status, headers) for the next requests; `delay_s` comes before each answer. `taken` has what was
    answered with 200, `asked` the time of each request, `wrong` what was no OTLP."""

    def __init__(self, port=0):
        self.taken, self.asked, self.refused, self.wrong, self.refuse = [], [], [], [], []
        self.delay_s, self.answer = 0, b"{}"
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                outer.take(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *unused):  # pylint: disable=arguments-differ
                pass

        http.server.ThreadingHTTPServer.daemon_threads = True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, handler, body):
        with self.lock:
            self.asked.append(time.monotonic())
            status, headers = self.refuse.pop(0) if self.refuse else (200, {})
        time.sleep(self.delay_s)
        with self.lock:
            try:
                assert handler.headers["Content-Type"] == "application/json", handler.headers
                taken = Taken(handler.path, handler.headers, *decode(body))
                (self.taken if status == 200 else self.refused).append(taken)
            except Exception as error:  # pylint: disable=broad-except # whatever it is, the test is to hear of it
                self.wrong.append((error, body))
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(self.answer)))
            handler.end_headers()
            handler.wfile.write(self.answer)
        except OSError:
            pass  # it did not wait

    def spans(self):
        """All that were taken."""
        with self.lock:
            assert not self.wrong, self.wrong[0]
            return [span for taken in self.taken for span in taken.spans]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
