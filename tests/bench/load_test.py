#!/usr/bin/env python3
"""bench-load counts what servers do to it: those that answer well, wrongly, late, or not at all."""
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

import cases
import redis

BUILD = pathlib.Path(os.environ["BUILD_ROOT"])
LOAD = BUILD / "tests" / "bench" / "bench-load"
HELLO = BUILD / "examples" / "hello" / "hello"
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 503 No\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"


def load(port, lines, *options, status=0):
    """What it prints, as an object."""
    with tempfile.NamedTemporaryFile("w") as script:
        script.write("\n".join("\t".join(line) for line in lines) + "\n")
        script.flush()
        command = [LOAD, "-p", str(port), "-s", script.name, *map(str, options)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=redis.die_with_us)
        out, words = process.communicate(timeout=60)
    assert process.returncode == status, (process.returncode, words)
    return json.loads(out) if status == 0 else words


def get(text="ok", status="200", path="/", fields=""):
    return ["get", status, text, "GET", path, fields, ""]


def post(text="ok"):
    return ["post", "200", text, "POST", "/{seq}", "", '{"number":"{seq}"}']


class Server(threading.Thread):
    """Answers each request by `what(number of the request, its text, the socket)`; True: and hangs up."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.requests = what, []
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.sockets[0].getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.sockets.append(self.sockets[0].accept()[0])
                threading.Thread(target=self.serve, args=[self.sockets[-1]], daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(OSError):
            while text := sock.recv(65536).decode():
                self.requests.append(text)
                if self.what(len(self.requests), text, sock):
                    break
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def hello():
    process = subprocess.Popen([HELLO, "--port", "0", "--single"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, preexec_fn=redis.die_with_us)
    try:
        yield process, int(re.search(r":(\d+)$", process.stdout.readline().strip())[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_good_server_is_asked_at_the_rate_on_all_connections():
    with hello() as (_, port):
        found = load(port, [get("Hello"), get("{seq}", path="/hello/n{seq}")], "-c", 50, "-r", 500, "-t", 2)
    assert found["sent"] == found["good"] == 1000, found
    assert found["answers_of_a_connection"]["least"] >= 1
    assert found["latency_ms"]["p50"] <= found["latency_ms"]["p99"] <= found["latency_ms"]["max"]


def test_without_a_rate_each_connection_asks_again_at_once():
    with hello() as (_, port):
        found = load(port, [get("Hello")], "-c", 10, "-t", 1)
    assert found["good"] == found["sent"] > 100, found


def test_wrong_answers_are_counted():
    with hello() as (_, port):
        found = load(port, [get("Hello"), get("Hello", status="201"), get("something else"), get(path="/none")],
                     "-c", 4, "-r", 100, "-t", 1)
    assert (found["good"], found["wrong"], found["status"]["4xx"]) == (25, 75, 25), found


def test_a_server_that_goes_away_fails_what_comes_after():
    def what(number, _, sock):
        if number < 50:
            sock.sendall(WELL)
        else:
            for one in server.sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        return number >= 50
    with Server(what) as server:
        found = load(server.port, [post()], "-c", 10, "-r", 100, "-t", 2)
    assert 40 <= found["good"] < 50 and found["errors"]["connect"] > 100, found
    assert found["good"] + found["failed"] == found["sent"] == 200, found


def test_where_nobody_listens_it_says_so():
    assert "takes no more connections" in load(1, [get()], status=1)


def test_refusals_are_no_wrong_answers():
    def what(number, _, sock):
        sock.sendall(WELL if number % 2 else REFUSAL)
    with Server(what) as server:
        found = load(server.port, [get()], "-c", 1, "-r", 50, "-t", 1)
    assert (found["good"], found["refused"], found["wrong"]) == (25, 25, 0), found


def test_a_get_whose_connection_breaks_is_sent_once_more():
    def what(number, _, sock):
        if number % 3 == 0:
            return True
        sock.sendall(WELL)
    with Server(what) as server:
        found = load(server.port, [get()], "-c", 1, "-r", 30, "-t", 1)
    assert found["good"] == 30 and found["retried"] > 5 and found["failed"] == 0, found


def test_a_get_that_breaks_twice_has_failed():
    with Server(lambda *_: True) as server:
        found = load(server.port, [get()], "-c", 1, "-r", 30, "-t", 1)
        assert (found["failed"], found["errors"]["reset"], found["retried"]) == (30, 30, 30), found
        assert len(server.requests) == 60


def test_a_post_whose_connection_breaks_is_not_sent_again():
    with Server(lambda *_: True) as server:
        found = load(server.port, [post()], "-c", 1, "-r", 30, "-t", 1)
        assert (found["failed"], found["retried"]) == (30, 0), found
        assert len({text.split(" ")[1] for text in server.requests}) == len(server.requests) == 30


def test_a_connection_closed_between_requests_is_opened_again():
    def what(_, __, sock):
        sock.sendall(WELL)
        return True
    with Server(what) as server:
        found = load(server.port, [get()], "-c", 2, "-r", 20, "-t", 1)
    assert found["good"] == 20 and found["closed_idle"] + found["retried"] > 15, found


def test_who_does_not_answer_is_given_up():
    with Server(lambda *_: time.sleep(30)) as server:
        found = load(server.port, [get()], "-c", 2, "-r", 20, "-t", 1, "-d", 0.5)
    assert found["errors"]["timeout"] + found["unsent"] == 20 and found["errors"]["timeout"] >= 4, found


def test_latencies_count_from_when_a_request_was_due():
    """One connection, 20 a second, and an answer after 100 ms each: they wait longer and longer."""
    def what(_, __, sock):
        time.sleep(0.1)
        sock.sendall(WELL)
    with Server(what) as server:
        found = load(server.port, [get()], "-c", 1, "-r", 20, "-t", 1)
    assert found["good"] == 20 and found["latency_ms"]["max"] > 1000, found


def test_an_answer_may_come_in_pieces():
    def what(_, __, sock):
        for byte in WELL:
            sock.sendall(bytes([byte]))
            time.sleep(0.001)
    with Server(what) as server:
        found = load(server.port, [get()], "-c", 2, "-r", 10, "-t", 1)
    assert found["good"] == 10, found


def test_what_is_no_answer_is_unreadable():
    def what(_, __, sock):
        sock.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
    with Server(what) as server:
        found = load(server.port, [get()], "-c", 1, "-r", 10, "-t", 1)
    assert found["errors"]["unreadable"] == 10, found


def test_good_answers_to_posts_are_noted():
    with Server(lambda _, __, sock: sock.sendall(WELL.replace(b"OK\r\n", b"OK\r\nLocation: /x/1\r\n"))) as server, \
            tempfile.NamedTemporaryFile("r") as notes:
        load(server.port, [get(), post()], "-c", 1, "-r", 4, "-t", 1, "-b", 100, "-a", notes.name)
        assert notes.read() == "post 0000000101 200 /x/1\npost 0000000103 200 /x/1\n"
        body = server.requests[1].split("\r\n\r\n")[1]
        assert body == '{"number":"0000000101"}' and f"Content-Length: {len(body)}\r\n" in server.requests[1]


def test_scripts_that_are_none_are_refused():
    for bad in (["a"], get(status="7"), get() + ["x"], get(path="/{seq}{seq}{seq}{seq}{seq}"), ["x y", *get()[1:]]):
        assert ":1: " in load(1, [bad], status=2), bad
    assert "no request" in load(1, [["# nothing"]], status=2)


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
