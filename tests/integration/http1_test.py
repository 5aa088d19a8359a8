#!/usr/bin/env python3
"""HTTP/1 over real sockets: what is refused, in which portions bytes come, and clients that misbehave."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import cases
from http1_client import Client, Closed, chunked, get, post

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "http2_server")
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()
MIB = 1024 * 1024


class Server:
    """where: what Client() takes; arguments replace `--port 0`."""

    def __init__(self, *arguments, **settings):
        self.log = tempfile.TemporaryFile()
        environment = {**os.environ, **{name.upper(): str(value) for name, value in settings.items()}}
        self.process = subprocess.Popen([SERVER, *(arguments or ("--port", "0"))], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, env=environment)
        line = self.process.stdout.readline()
        found = re.match(r"listening on (?:https?://127\.0\.0\.1:(\d+)|unix:(.*))$", line)
        assert found, f"no URL in {line!r}: {self.words()}"
        self.where = found.group(2) or int(found.group(1))

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def client(self, **options):
        return Client(self.where, **options)

    def count(self):
        """What its handlers did so far."""
        with self.client() as client:
            return json.loads(client.ask(get("/count")).body)

    def wait_for(self, **wanted):
        """Until its handlers have done so much."""
        end = time.monotonic() + 5
        while (now := self.count()) != {**now, **wanted}:
            assert time.monotonic() < end, f"{now} is not {wanted}"
            time.sleep(0.02)

    def memory(self):
        """Bytes in use. The sanitizer keeps what is freed."""
        if SANITIZED:
            return 0
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)


@contextlib.contextmanager
def serving(*arguments, **settings):
    """A server that must be there at the end, and leave in good order: also without leaks, under ASan."""
    server = Server(*arguments, **settings)
    try:
        yield server
        assert server.process.poll() is None or server.process.returncode == 0, f"it died: {server.words()[-3000:]}"
        code = server.stop()
        assert code == 0, f"exit code {code}: {server.words()[-3000:]}"
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def is_well(client):
    """The connection answers, and the next answer is that to this question."""
    mark = os.urandom(8).hex()
    return client.ask(get(f"/echo/{mark}")).body.startswith(f"/echo/{mark}?".encode())


# --- What has two readings is refused, and nothing behind it is taken for a request ---

SMUGGLED = b"GET /nap/0 HTTP/1.1\r\nHost: smuggled\r\n\r\n"


def request(*fields, line="POST /length HTTP/1.1", host="Host: a"):
    return "\r\n".join([line, *([host] if host else []), *fields, "", ""]).encode("latin-1")


REFUSED = {
    "length and coding": (400, request("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "coding and length": (400, request("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n"),
    "two lengths": (400, request("Content-Length: 5", "Content-Length: 6") + b"01234"),
    "the same length twice": (400, request("Content-Length: 5", "Content-Length: 5") + b"01234"),
    "a list of lengths": (400, request("Content-Length: 5, 5") + b"01234"),
    "a length with a sign": (400, request("Content-Length: +5") + b"01234"),
    "a hexadecimal length": (400, request("Content-Length: 0x5") + b"01234"),
    "an empty length": (400, request("Content-Length:")),
    "a coding twice": (400, request("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "an unknown coding": (501, request("Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    "a coding behind another": (501, request("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    "identity": (501, request("Transfer-Encoding: identity")),
    "a coding behind a tab": (400, request("Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n"),
    "a blank before a colon": (400, request("Transfer-Encoding : chunked") + b"0\r\n\r\n"),
    "a coding in HTTP/1.0": (400, request("Transfer-Encoding: chunked", line="POST /length HTTP/1.0") + b"0\r\n\r\n"),
    "a folded line": (400, request("X: a", " b")),
    "a folded first line": (400, request(" X: a", host="")),
    "a bare LF": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "a bare LF in a field": (400, request("X: a\nContent-Length: 5")),
    "a bare CR in a field": (400, request("X: a\rContent-Length: 5")),
    "a CR before a field": (400, request("\rContent-Length: 5")),
    "a CR behind the version": (400, request(line="GET / HTTP/1.1\rX")),
    "a NUL": (400, request("X: a\0b")),
    "a field without a name": (400, request(": a")),
    "a line without a colon": (400, request("Content-Length")),
    "no Host": (400, request(host="")),
    "two Hosts": (400, request("Host: b")),
    "a Host that is none": (400, request(host="Host: a b")),
    "a Host with a user": (400, request(host="Host: user@a")),
    "two blanks": (400, request(line="GET  / HTTP/1.1")),
    "a blank in the target": (400, request(line="GET /a b HTTP/1.1")),
    "no version": (400, request(line="GET /")),
    "HTTP/2 on this port": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS on this port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),
    "an unknown expectation": (417, request("Expect: a-lot")),
    "a tunnel": (501, request(line="CONNECT test:443 HTTP/1.1")),
}

BAD_CHUNKS = [b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
              b"5\nhello\n0\n\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n",
              b"5;a\nb\r\nhello\r\n0\r\n\r\n", b"10000000000000000\r\n", b"5\r\nhello\r\n0\r\n a: b\r\n\r\n"]


def test_what_has_two_readings_is_refused():
    with serving() as server:
        for name, (status, text) in REFUSED.items():
            with server.client() as client:
                answer = client.ask(text, SMUGGLED)
                assert answer.status == status, f"{name}: {answer.status} {answer.body}"
                assert answer.closes() and client.is_closed(), name
                assert answer.field("content-type") == "application/problem+json", name
        assert server.count()["begun"] == 0


def test_malformed_chunks_are_refused():
    with serving() as server:
        for chunks in BAD_CHUNKS:
            with server.client() as client:
                answer = client.ask(request("Transfer-Encoding: chunked"), chunks, SMUGGLED)
                assert answer.status == 400, f"{chunks}: {answer.status}"
                assert answer.closes() and client.is_closed(), chunks
        assert server.count()["begun"] == 0


def test_heads_that_are_too_large_are_refused_before_they_end():
    with serving() as server:
        for status, start in ((414, b"GET /" + b"a" * 9000), (431, b"GET / HTTP/1.1\r\nX: " + b"a" * 33000),
                              (431, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101)):
            with server.client() as client:
                assert client.ask(start).status == status
                assert client.is_closed()


# --- The order of things on a connection ---


def test_a_connection_serves_many_requests():
    with serving() as server, server.client() as client:
        for _ in range(100):
            assert is_well(client)
        for path, status in (("/nowhere", 404), ("/length", 405)):
            assert client.ask(get(path)).status == status
        assert client.ask(post("/nowhere", b"x" * 1000)).status == 404
        assert client.ask(get("/", method="BREW")).status == 501
        assert client.ask(post("/length/short", b"x" * 100)).body == b"100"
        assert client.ask(post("/length", b"")).body == b"0"
        assert client.ask(get("/", "Content-Length: 5"), b"GET /").body == b"Hello, world!\n"
        trailers = b"5;a=b\r\nhello\r\n0\r\nX: y\r\nContent-Length: 50\r\n\r\n"
        assert client.ask(get("/length", "Transfer-Encoding: chunked", method="POST"), trailers).body == b"5"
        assert is_well(client)


def test_pipelined_requests_are_answered_in_order():
    with serving() as server, server.client() as client:
        client.send(get("/nap/100"), post("/length", b"x" * 7), get("/echo/one"), chunked("/length", b"abc", b"de"),
                    get("/", method="HEAD"), get("/echo/two", "Connection: close"), get("/echo/never"))
        assert client.answer().body == b"late"
        assert client.answer().body == b"7"
        assert client.answer().body == b"/echo/one?\n"
        assert client.answer().body == b"5"
        assert client.answer(head=True).field("content-length") == "14"
        assert client.answer().body == b"/echo/two?\n"
        assert client.is_closed()


def test_bytes_may_come_one_at_a_time():
    with serving() as server, server.client() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for text, body in ((get("/echo/a?b=c"), b"/echo/a?b=c\n"), (post("/length", b"12345"), b"5"),
                           (chunked("/length", b"abc", b"0123456789"), b"13")):
            for byte in text:
                client.send(bytes([byte]))
                time.sleep(0.0005)
            assert client.answer().body == body


def test_bytes_may_be_cut_anywhere():
    text = chunked("/echo/x", b"abc", b"0123456789") + post("/echo/y", b"12345")
    with serving() as server, server.client() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(text)):
            client.send(text[:cut])
            time.sleep(0.002)
            client.send(text[cut:])
            assert client.answer().body == b"/echo/x?\nabc0123456789", cut
            assert client.answer().body == b"/echo/y?\n12345", cut


def test_an_empty_line_between_requests_is_forgiven():
    with serving() as server, server.client() as client:
        client.send(post("/length", b"12345"), b"\r\n", get("/echo/x"))
        assert client.answer().body == b"5" and client.answer().body == b"/echo/x?\n"
    with serving() as server, server.client() as client:
        assert client.ask(b"\r\n", get("/echo/x")).body == b"/echo/x?\n"


def test_old_clients_are_served():
    with serving() as server:
        with server.client() as client:
            answer = client.ask(b"GET /echo/x HTTP/1.0\r\n\r\n")
            assert answer.body == b"/echo/x?\n" and answer.closes() and client.is_closed()
        with server.client() as client:
            for _ in range(3):
                answer = client.ask(get("/echo/x", "Connection: keep-alive", version="1.0"))
                assert answer.body == b"/echo/x?\n" and answer.field("connection") == "keep-alive"
        with server.client() as client:  # no chunks: the end of the connection is the end of the body
            answer = client.ask(get("/stream/3", "Connection: keep-alive", version="1.0"))
            assert answer.body == b"y" * 30000 and answer.closes()


def test_head_has_no_body():
    with serving() as server, server.client() as client:
        for path, length in (("/", "14"), ("/large/5000000", "5000000"), ("/stream/3", None), ("/nowhere", ...)):
            answer = client.ask(get(path, method="HEAD"), head=True)
            assert length is ... or answer.field("content-length") == length
            assert is_well(client)


def test_an_expectation_is_met():
    with serving(body_bytes=1000) as server:
        with server.client() as client:
            assert client.ask(get("/length", "Expect: 100-continue", "Content-Length: 5", method="POST")).status == 100
            assert client.ask(b"12345").body == b"5"
            client.send(post("/length", b"12345", "Expect: 100-continue"))  # the body is there: no need to ask for it
            assert client.answer().body == b"5"
            text = get("/length", "Expect: 100-continue", "Transfer-Encoding: chunked", method="POST")
            assert client.ask(text).status == 100
            assert client.ask(b"1\r\na\r\n0\r\n\r\n").body == b"1"
        for path, length, status in (("/length", 1001, 413), ("/nowhere", 5, 404), ("/", 5, 405)):
            with server.client() as client:
                text = get(path, "Expect: 100-continue", f"Content-Length: {length}", method="POST")
                answer = client.ask(text)
                assert answer.status == status, f"{path}: {answer.status}"
                assert answer.closes() and client.is_closed()


def test_streams_come_in_chunks():
    with serving() as server, server.client() as client:
        answer = client.ask(get("/stream/50"))
        assert answer.body == b"y" * 500000 and answer.field("transfer-encoding") == "chunked"
        assert is_well(client)


def test_a_broken_stream_is_seen_to_be_broken():
    with serving() as server:
        for version in ("1.1", "1.0"):
            with server.client() as client:
                client.send(get("/broken", version=version))
                try:
                    client.answer()
                    assert False, "the answer seemed to be whole"
                except (Closed, ConnectionResetError):
                    pass
        assert "on purpose" in server.words()


def test_a_connection_ends_after_its_share():
    with serving(requests_per_connection=3) as server, server.client() as client:
        client.send(get("/echo/1") * 5)
        assert [client.answer().closes() for _ in range(3)] == [False, False, True]
        assert client.is_closed()


# --- Slow clients ---


def test_a_slow_head_is_408():
    with serving(head_ms=300) as server, server.client() as client:
        start = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\n")
        for _ in range(4):
            time.sleep(0.05)
            client.send(b"X: y\r\n")  # progress does not help
        answer = client.answer()
        assert answer.status == 408 and answer.closes() and client.is_closed()
        assert 0.25 < time.monotonic() - start < 3


def test_a_body_without_progress_is_408():
    with serving(body_ms=300) as server:
        with server.client() as client:
            client.send(get("/length", "Content-Length: 20", method="POST"))
            for _ in range(19):
                time.sleep(0.05)
                client.send(b"x")
            assert client.answer().status == 408 and client.is_closed()
        with server.client() as client:
            client.send(get("/length", "Content-Length: 20", method="POST"))
            for _ in range(20):
                time.sleep(0.05)
                client.send(b"x")
            assert client.answer().body == b"20"
        with server.client() as client:  # also while it is asked for
            text = get("/length", "Expect: 100-continue", "Content-Length: 5", method="POST")
            assert client.ask(text).status == 100
            assert client.answer().status == 408


def test_an_idle_connection_is_closed_without_a_word():
    with serving(idle_ms=300) as server:
        with server.client() as client:
            assert client.is_closed()
        with server.client() as client:
            assert is_well(client) and client.is_closed()


def test_a_reader_that_stops_is_cut_off():
    with serving(write_ms=1000) as server:
        for path in ("/large/50000000", "/stream/5000"):
            with server.client(narrow=True) as client:
                client.send(get(path))
                time.sleep(4)
                try:
                    got = len(client.read_to_end())
                except ConnectionResetError:
                    got = 0
                assert got < 40 * MIB
        server.wait_for(begun=1, ended=1)


def test_a_reader_that_is_slow_is_not():
    with serving(write_ms=1000) as server:
        for path, want in (("/large/8000000", 8000000), ("/stream/800", 8000000)):
            with server.client(narrow=True) as client:
                client.send(get(path))
                for _ in range(10):
                    time.sleep(0.4)
                    client.read_more()
                assert len(client.answer().body) == want


# --- Clients that go away, or half away ---


def test_the_end_of_a_refused_body_does_not_cost_the_answer():
    with serving(body_bytes=1000) as server:
        length = 300000
        for start in (get("/length", f"Content-Length: {length}", method="POST"),
                      get("/length", "Transfer-Encoding: chunked", method="POST") + b"%x\r\n" % length):
            with server.client() as client:
                client.send(start)
                for _ in range(30):
                    client.send(b"x" * (length // 30))
                    time.sleep(0.01)
                answer = client.answer()
                assert answer.status == 413 and answer.closes() and client.is_closed()


def test_a_body_without_end_is_not_read_for_ever():
    with serving(body_bytes=1000) as server, server.client() as client:
        client.send(get("/length", "Content-Length: 100000000000", method="POST"))
        sent = 0
        try:
            while sent < 200 * MIB:
                client.send(b"x" * 100000)
                sent += 100000
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < 100 * MIB


def test_who_has_closed_only_the_sending_side_still_reads():
    with serving() as server:
        for text in (get("/nap/200"), get("/echo/x") * 3 + get("/nap/200")):
            with server.client() as client:
                client.send(text)
                client.half_close()
                while (body := client.answer().body) != b"late":
                    assert body == b"/echo/x?\n"
                assert client.is_closed()
        assert server.count()["gone"] == 0


def test_or_is_gone_where_that_is_wanted():
    with serving(half_close_is_gone=1) as server:
        with server.client() as client:
            client.send(get("/nap/60000"))
            server.wait_for(begun=1)
            client.half_close()
            server.wait_for(ended=1, gone=1)


def test_a_reset_ends_the_waits_of_the_handler():
    with serving() as server:
        clients = [server.client() for _ in range(10)]
        for client in clients:
            client.send(get("/nap/60000"))
        server.wait_for(begun=10)
        for client in clients:
            client.reset()
        server.wait_for(ended=10, gone=10)


def test_a_reset_in_the_middle_of_everything_is_survived():
    texts = (get("/"), post("/length", b"x" * 5000), chunked("/length", b"x" * 100), get("/large/3000000"),
             get("/stream/100"), get("/nap/5") + get("/stream/30"), get("/broken"))
    with serving() as server:
        for i in range(300):
            text = texts[i % len(texts)]
            client = server.client(narrow=True)
            client.send(text[:1 + i * 7 % len(text)] if i % 3 == 0 else text)
            if i % 2:
                time.sleep(0.001 * (i % 5))
            client.reset()
        with server.client() as client:
            assert is_well(client)


# --- Limits of the server ---


def test_a_deep_pipeline_takes_no_memory():
    count, length = 10000, 10000
    with serving() as server, server.client(timeout=60) as client:
        before = server.memory()
        sender = threading.Thread(target=lambda: client.send(get(f"/large/{length}") * count))
        sender.start()
        time.sleep(1.5)
        assert server.memory() - before < 16 * MIB, f"{(server.memory() - before) // MIB} MiB"
        for i in range(count):
            assert len(client.answer().body) == length, i
        sender.join()
        assert is_well(client)
        assert server.memory() - before < 16 * MIB


def test_one_connection_too_many_is_503():
    with serving(connections=2) as server:
        with server.client() as first, server.client() as second:
            assert is_well(first) and is_well(second)
            with server.client() as third:
                answer = third.answer()
                assert answer.status == 503 and answer.closes() and answer.field("retry-after") == "1"
                assert third.is_closed()
            assert is_well(first)
        time.sleep(0.05)
        with server.client() as again:
            assert is_well(again)


def test_one_request_too_many_is_503():
    with serving(fibers=2) as server:
        with server.client() as first, server.client() as second, server.client() as third:
            first.send(get("/nap/600"))
            second.send(get("/nap/600"))
            time.sleep(0.2)
            answer = third.ask(get("/"))
            assert answer.status == 503 and answer.closes() and third.is_closed()
            assert json.loads(answer.body)["status"] == 503
            with server.client() as fourth:  # with a body that is still on its way
                fourth.send(get("/length", "Content-Length: 100000", method="POST"))
                for _ in range(10):
                    fourth.send(b"x" * 10000)
                    time.sleep(0.005)
                assert fourth.answer().status == 503
            assert first.answer().body == b"late" and second.answer().body == b"late"
            assert is_well(first)


def test_without_descriptors_new_connections_wait():
    with serving() as server, server.client() as first:
        assert is_well(first)
        held = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (held + 2, held + 2))
        with server.client() as second, server.client() as third, server.client() as waiting:
            assert is_well(second) and is_well(third)
            waiting.send(get("/echo/late"))
            before = server.processor_seconds()
            time.sleep(1)
            assert server.processor_seconds() - before < 0.3, "it spins"
            assert is_well(first)
            third.sock.close()
            assert waiting.answer().body == b"/echo/late?\n"
        assert server.words().count("app.cannot_accept") == 1


# --- The end ---


def test_a_stop_waits_for_those_that_are_served():
    with serving() as server, server.client() as busy, server.client() as idle, server.client() as half:
        assert is_well(idle)
        busy.send(get("/nap/700"), get("/echo/never"))
        half.send(b"GET / HT")
        time.sleep(0.2)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert idle.is_closed() and time.monotonic() - start < 2
        answer = busy.answer()
        assert answer.body == b"late" and answer.closes() and busy.is_closed()
        assert server.process.wait(10) == 0
        assert time.monotonic() - start < 3
        assert half.is_closed()


def test_a_stop_does_not_wait_for_ever():
    with serving(drain_ms=300) as server, server.client() as client, server.client(narrow=True) as stuck:
        client.send(get("/nap/60000"))
        stuck.send(get("/large/50000000"))
        time.sleep(0.2)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answer = client.answer()
        assert answer.status == 503 and answer.closes()
        assert server.process.wait(10) == 0
        assert 0.25 < time.monotonic() - start < 4
        assert "app.drain_timeout" in server.words()


def test_a_second_signal_changes_nothing():
    with serving() as server, server.client() as client:
        client.send(get("/nap/500"))
        time.sleep(0.1)
        for _ in range(3):
            server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        assert client.answer().body == b"late"


# --- Other ways in ---


def test_a_unix_socket_serves():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(path)  # by a run that was killed
        with serving("--unix", path) as server:
            assert os.stat(path).st_mode & 0o777 == 0o660
            with server.client() as client:
                assert is_well(client)
                assert client.ask(get("/headers")).body.endswith(b"http from unix\n")
                assert len(client.ask(get("/large/5000000")).body) == 5000000
            second = subprocess.run([SERVER, "--unix", path], capture_output=True, text=True, timeout=10, check=False)
            assert second.returncode == 1 and path in second.stderr, second.stderr
        assert not os.path.exists(path)
        with serving("--unix", path, write_ms=1000) as server, server.client(narrow=True) as client:
            client.send(get("/large/50000000"))
            time.sleep(3)
            try:
                assert len(client.read_to_end()) < 40 * MIB
            except ConnectionResetError:
                pass


def curl(*arguments):
    return subprocess.run(["curl", "-sSk", "--http1.1", "--max-time", "20", *arguments], capture_output=True,
                          timeout=30, check=False)


def test_tls_serves():
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = folder + "/cert.pem", folder + "/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate], check=True,
                       capture_output=True)
        with open(folder + "/upload", "wb") as file:
            file.write(b"u" * 3000000)
        with serving("--port", "0", "--tls-cert", certificate, "--tls-key", key, body_bytes=4000000) as server:
            url = f"https://127.0.0.1:{server.where}"
            done = curl(url + "/headers")
            assert done.returncode == 0 and b"version 11, https from 127.0.0.1" in done.stdout, done
            for path, body in (("/large/5000000", b"x" * 5000000), ("/stream/100", b"y" * 1000000)):
                done = curl(url + path)
                assert done.returncode == 0 and done.stdout == body, (path, len(done.stdout), done.stderr)
            done = curl("-X", "POST", "--data-binary", f"@{folder}/upload", url + "/length")
            assert done.stdout == b"3000000", done
            done = curl("-X", "POST", "-T", "-", "-H", "Transfer-Encoding: chunked", url + "/length")
            assert done.stdout == b"0", done
            done = curl("-w", "%{num_connects}", url + "/", url + "/", url + "/")
            assert done.stdout == b"Hello, world!\n1" + b"Hello, world!\n0" * 2, done
            done = curl(url + "/broken")
            assert done.returncode != 0, done
            for limit in ("1.0", "1.1"):
                assert curl("--tls-max", limit, url).returncode != 0
            with server.client() as plain:  # who speaks no TLS is let go
                plain.send(get("/"))
                plain.read_to_end()


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
