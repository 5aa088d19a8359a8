#!/usr/bin/env python3
"""Logs of a program as an operator meets them: lines of requests over sockets, files, readers that sleep."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import cases

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "observe_server")
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Server:
    """Standard error goes to a file, unless `stderr` says where."""

    def __init__(self, env=None, stderr=None):
        self.folder = tempfile.TemporaryDirectory(prefix="bk-observe-")
        self.stderr = os.path.join(self.folder.name, "stderr")
        with open(self.stderr, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [SERVER, "--port", "0"], stdout=subprocess.PIPE, stderr=file if stderr is None else stderr, text=True,
                env={**os.environ, **{k: v.format(self.folder.name) for k, v in (env or {}).items()}})
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", self.process.stdout.readline())
        assert found, self.text()
        self.port = int(found.group(1))

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        response.read()
        return response

    def text(self, name="stderr"):
        with open(os.path.join(self.folder.name, name), encoding="utf-8") as file:
            return file.read()

    def lines(self, event, count, name="stderr"):
        """The lines of an event, once there are so many."""
        end = time.monotonic() + 20
        while True:
            text = self.text(name)
            found = [line for line in map(json.loads, text[:text.rfind("\n") + 1].splitlines())
                     if line["msg"] == event]
            if len(found) >= count or time.monotonic() > end:
                assert len(found) == count, text
                return found
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
        self.folder.cleanup()


def test_a_request_is_a_line():
    server = Server()
    answer = server.get("/hello/ann?token=abc", X_Request_Id="r-1", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    assert answer.headers["X-Request-Id"] == "r-1"
    (line,) = server.lines("request.completed", 1)
    assert line["level"] == 30 and line["reqId"] == "r-1" and line["trace_id"] == TRACE, line
    assert line["req"] == {"id": "r-1", "method": "GET", "url": "/hello/ann?token=***", "route": "/hello/{name}",
                           "remoteAddress": "127.0.0.1"}, line
    assert line["res"] == {"statusCode": 200, "bytes": 5}, line
    assert 0 <= line["responseTime"] < 20000, line
    server.stop()


def test_a_client_that_goes_away_is_aborted():
    server = Server()
    for path, status in (("/linger", None), ("/big", 200)):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        if path == "/big":
            assert client.recv(1000)
        else:
            time.sleep(0.2)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        line = server.lines("request.aborted", 1 if status is None else 2)[-1]
        assert line["aborted"] is True and line["res"]["statusCode"] == status, line
    server.stop()


def test_a_deadline_from_a_trusted_caller_ends_the_work():
    server = Server()
    assert server.get("/linger", X_Request_Timeout_Ms="100").status == 504
    assert server.get("/linger", X_Request_Timeout_Ms="soon").status == 400
    server.lines("request.errored", 1)
    server.stop()


def test_nobody_waits_for_who_does_not_read():
    reader, writer = os.pipe()
    server = Server(stderr=writer)
    os.close(writer)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for _ in range(3000):  # of some 400 bytes each: more than the pipe and the buffer hold
        connection.request("GET", "/hello/ann")
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    text = b""
    os.set_blocking(reader, False)
    end = time.monotonic() + 20
    while b"log.dropped" not in text and time.monotonic() < end:
        try:
            text += os.read(reader, 65536)
        except BlockingIOError:
            connection.request("GET", "/hello/ann")
            connection.getresponse().read()
    lines = [json.loads(line) for line in text[:text.rfind(b"\n")].splitlines()]
    dropped = [line for line in lines if line["msg"] == "log.dropped"]
    assert dropped and dropped[0]["lines"] > 0, text[-1000:]
    os.close(reader)
    server.stop()


def test_a_file_is_opened_anew_at_sigusr1():
    server = Server(env={"LOG_FILE": "{}/app.log", "LOG_LEVEL": "warn,request=info"})
    server.get("/hello/ann")
    server.lines("request.completed", 1, "app.log")
    os.rename(os.path.join(server.folder.name, "app.log"), os.path.join(server.folder.name, "app.log.1"))
    server.process.send_signal(signal.SIGUSR1)
    end = time.monotonic() + 20
    while not os.path.exists(os.path.join(server.folder.name, "app.log")) and time.monotonic() < end:
        time.sleep(0.02)
    server.get("/hello/bob")
    (line,) = server.lines("request.completed", 1, "app.log")
    assert line["req"]["url"] == "/hello/bob"
    server.lines("request.completed", 1, "app.log.1")
    server.lines("app.ready", 0, "app.log.1")  # below its level
    assert server.text() == ""
    server.stop()


def test_the_last_lines_of_a_crash_are_not_lost():
    server = Server(env={"LOG_REDACT": "nothing,password"})
    try:
        server.get("/die")
    except (http.client.HTTPException, ConnectionError):
        pass
    assert server.process.wait(20) == -signal.SIGSEGV
    text = server.text()
    assert '"msg":"last.words"' in text and '"password":"***"' in text and "hunter2" not in text, text
    assert text.index("last.words") < text.index("fatal: SIGSEGV"), text
    server.folder.cleanup()


def test_people_may_read_it():
    server = Server(env={"LOG_FORMAT": "pretty"})
    server.get("/hello/ann")
    end = time.monotonic() + 20
    while "request.completed" not in server.text() and time.monotonic() < end:
        time.sleep(0.02)
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} INFO  request\.completed GET /hello/ann 200 [\d.]+ ms reqId=\S+$",
                     server.text(), re.M), server.text()
    server.stop()


def test_wrong_settings_stop_the_program_with_words():
    for name, value, words in (("LOG_LEVEL", "loud", "is no level"), ("LOG_FORMAT", "xml", "json, pretty or auto"),
                               ("LOG_FILE", "/nowhere/x", "cannot be opened"), ("LOG_REDACT", "a..b", "is no path")):
        done = subprocess.run([SERVER, "--port", "0"], env={**os.environ, name: value}, capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode == 1 and words in done.stderr and name in done.stderr, done


def unless_sanitized(test):
    if SANITIZED and "crash" in test.__name__:
        return "the sanitizer has last words of its own"
    return test()


if __name__ == "__main__":
    sys.exit(cases.run(globals(), unless_sanitized))
