#!/usr/bin/env python3
"""Reloads and upgrades under load: not one request may fail. CLUSTER_RELOADS and CLUSTER_UPGRADES say how many."""
import http.client
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import cases
import http2_client
import ws_client
from service import Service, is_alive, until

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "cluster_server")
RELOADS = int(os.environ.get("CLUSTER_RELOADS", "4"))
UPGRADES = int(os.environ.get("CLUSTER_UPGRADES", "2"))
FOLDER = tempfile.mkdtemp()


def make_certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", FOLDER + "/key.pem",
                    "-out", FOLDER + "/cert.pem"], check=True, capture_output=True)


def serving(*args, **env):
    make_certificate()
    return Service(SERVER, "--workers", "2", *args, urls=2,
                   env={"CLUSTER_TLS": "1", "TLS_CERT": FOLDER + "/cert.pem", "TLS_KEY": FOLDER + "/key.pem", **env})


class Client(threading.Thread):
    """Asks until it is told to stop; counts what went well, and keeps what did not."""

    def __init__(self, service):
        super().__init__()
        self.service = service
        self.done = 0
        self.farewells = 0
        self.failures = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            try:
                self.one_connection()
            except (OSError, EOFError, AssertionError, http.client.HTTPException) as failure:
                self.failures.append(repr(failure))

    def finish(self):
        self.over.set()
        self.join(30)
        assert not self.failures, (type(self).__name__, self.failures[:5], len(self.failures))
        assert self.done > 0
        return f"{type(self).__name__} {self.done} requests, {self.farewells} farewells"


class KeepAlive(Client):
    """HTTP/1.1 with pauses, as from a browser or a pool of connections. One that the server has closed in a pause is
    no failure; one that it closes under a request is."""

    def one_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.ports[0], timeout=20)
        connection.connect()
        while not self.over.is_set():
            if select.select([connection.sock], [], [], 0)[0]:
                self.farewells += 1
                break
            connection.request("GET", "/nap?ms=3")
            response = connection.getresponse()
            assert response.status == 200 and response.read() == b"rested\n", response.status
            self.done += 1
            if response.getheader("Connection") == "close":
                self.farewells += 1
                break
            time.sleep(random.random() * 0.1)
        connection.close()


class Http2(Client):
    """Several streams at a time. After a GOAWAY those that are open are answered, and the rest goes elsewhere."""

    def one_connection(self):
        client = http2_client.Client(self.service.ports[1])
        stream = 1
        while not client.goaways and not self.over.is_set():
            streams = range(stream, stream + 6, 2)
            for each in streams:
                client.send(http2_client.frame(
                    http2_client.HEADERS, http2_client.END_HEADERS | http2_client.END_STREAM, each,
                    http2_client.head(b"GET", b"/nap?ms=2")))
            for each in streams:
                answer = client.until_answer(each, 20)
                assert answer.ended and answer.status == 200, (each, vars(answer), client.goaways)
                self.done += 1
            stream += 6
        self.farewells += bool(client.goaways)
        client.close()


class WebSocket(Client):
    """A message that crosses the server's close is sent again elsewhere; a connection without a close is a failure."""

    def one_connection(self):
        client = ws_client.Client(("127.0.0.1", self.service.ports[0]), timeout=20)
        status, _ = client.handshake("/echo")
        assert status == 101, status
        while not self.over.is_set():
            client.send(ws_client.TEXT, b"hello")
            frame = client.recv()
            assert frame is not None, "the connection ended without a close"
            if frame.opcode == ws_client.CLOSE:
                assert struct.unpack(">H", frame.payload[:2])[0] == 1001, frame.payload
                client.send(ws_client.CLOSE, frame.payload)
                self.farewells += 1
                break
            assert frame.payload == b"hello"
            self.done += 1
            time.sleep(0.005)
        client.close()


def wrk(service, seconds):
    return subprocess.Popen(["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{service.ports[0]}/who"],
                            stdout=subprocess.PIPE, text=True)


def check_wrk(process):
    out = process.communicate(timeout=120)[0]
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    return re.search(r"(\d+) requests in", out).group(1) + " of wrk"


def h2load(service, seconds):
    return subprocess.Popen(["h2load", "-t1", "-c4", "-m8", "-D", str(seconds),
                             f"https://127.0.0.1:{service.ports[1]}/who"], stdout=subprocess.PIPE, text=True)


def check_h2load(process):
    out = process.communicate(timeout=120)[0]
    line = re.search(r"requests: .*", out).group(0)
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", line)}
    assert counts["failed"] == counts["errored"] == counts["timeout"] == 0, line
    return f"{counts['succeeded']} of h2load"


def under_load(service, change, times):
    """Changes it so often, with clients of all kinds meanwhile. Returns seconds of each change."""
    seconds, took = 2 * times + 4, []
    loads = [wrk(service, seconds)]
    clients = [kind(service) for kind in (KeepAlive, KeepAlive, Http2, WebSocket)]
    for client in clients:
        client.start()
    until(lambda: all(client.done for client in clients))
    for _ in range(times):
        begin = time.monotonic()
        change()
        took.append(time.monotonic() - begin)
        time.sleep(0.3)
    told = [check_wrk(loads[0])]
    told += [client.finish() for client in clients]
    print(" ", "; ".join(told))
    print("  took", ", ".join(f"{each:.2f}" for each in took), "s")
    return took


def test_reloads_fail_no_request():
    with serving() as service:
        first = service.pids()

        def reload():
            answer = service.ask("reload")
            assert answer == {"ok": True}, answer

        under_load(service, reload, RELOADS)
        assert service.status()["generation"] == RELOADS
        assert not first & service.pids()
        assert service.status()["restarts"] == 0, service.words()


def test_upgrades_fail_no_request():
    with serving() as service:
        def upgrade():
            before = service.status()["pid"]
            answer = service.ask("upgrade")
            assert answer == {"ok": True}, answer
            until(lambda: service.supervisor_or(before) != before)
            until(lambda: not is_alive(before))

        under_load(service, upgrade, UPGRADES)
        assert service.process.wait(20) == 0
        assert service.status()["restarts"] == 0, service.words()


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
