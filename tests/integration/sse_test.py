#!/usr/bin/env python3
"""Event streams over sockets: heartbeats, replay, and how they end."""
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import cases
from http2_client import DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame, head
from http2_client import Client as Http2

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "sse_server")


def start(*args):
    process = subprocess.Popen([SERVER, "--port", "0", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = re.match(r"listening on https?://127\.0\.0\.1:(\d+)$", process.stdout.readline())
    return process, int(found.group(1))


def stop(process):
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=15)
    assert process.returncode == 0, errors
    assert "request.failed" not in errors, errors
    assert "drain_timeout" not in errors, errors


def connect(port, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/events", headers=headers)
    response = connection.getresponse()
    assert response.status == 200, response.status
    assert response.getheader("content-type") == "text/event-stream"
    return connection, response


def publish(port, text):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/publish", text.encode())
    assert connection.getresponse().status == 204


def event(response):
    """The fields of the next event; heartbeats are passed over."""
    fields = {}
    while True:
        line = response.readline().decode()
        assert line, "the stream has ended"
        if line == "\n" and fields:
            return fields
        name, _, value = line.rstrip("\n").partition(": ")
        if name and not line.startswith(":"):
            fields[name] = value


def test_an_idle_stream_has_heartbeats_and_draining_ends_it_cleanly():
    process, port = start()
    _, response = connect(port)
    begun = time.monotonic()
    for _ in range(4):
        assert response.readline() == b":\n" and response.readline() == b"\n"
    assert time.monotonic() - begun > 0.5
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    response.read()  # raises unless the last chunk came
    assert time.monotonic() - begun < 2
    stop(process)


def test_who_reconnects_hears_what_came_meanwhile():
    process, port = start()
    connection, response = connect(port)
    for i in range(3):
        publish(port, f"m{i}")
    seen = [event(response) for _ in range(3)]
    assert [e["data"] for e in seen] == ["m0", "m1", "m2"], seen
    response.close()
    connection.close()
    publish(port, "m3")
    _, response = connect(port, **{"Last-Event-ID": seen[1]["id"]})
    publish(port, "m4")
    assert [event(response)["data"] for _ in range(3)] == ["m2", "m3", "m4"]
    stop(process)


def test_clients_that_leave_are_no_failures():
    process, port = start()
    for _ in range(20):
        connection, response = connect(port)
        response.close()
        connection.close()
    time.sleep(0.6)  # heartbeats go to nobody
    publish(port, "x")
    stop(process)


def test_a_client_that_does_not_read_loses_events_and_is_told():
    process, port = start()
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.settimeout(10)
    stuck.connect(("127.0.0.1", port))
    stuck.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = stuck.recv(4096)
    assert b"text/event-stream" in head, head
    for i in range(200):  # 12.8 MB, more than socket buffers hold
        publish(port, f"{i} " + "x" * 64000)
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # from now on it is quick
    stream = bytearray()

    def read_until(words):
        end, searched = time.monotonic() + 60, 0
        while stream.find(words, searched) < 0:  # heartbeats may have come behind it
            assert time.monotonic() < end, f"{words} did not come"
            searched = max(0, len(stream) - len(words))
            got = stuck.recv(1 << 20)
            assert got, "the stream has ended"
            stream.extend(got)

    read_until(b"event: gap\n")
    publish(port, "the last")
    read_until(b"data: the last\n")
    heard = [int(n) for n in re.findall(rb"data: (\d+) ", stream)]
    assert heard == sorted(heard) and len(heard) < 200, len(heard)
    assert re.findall(rb"event: (\w+)\n", stream) == [b"gap"], "told once"
    stuck.close()
    stop(process)


def test_over_http2_many_streams_share_a_connection():
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", pem, "-out", pem + ".crt", "-days", "2", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        process, port = start("--tls-cert", pem + ".crt", "--tls-key", pem)
    client = Http2(port)
    for stream in 1, 3:
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, head(b"GET", b"/events")))
    answers = [client.answer(stream) for stream in (1, 3)]
    assert client.until(lambda: all(b":\n\n" in a.body for a in answers)), "heartbeats"
    client.send(frame(HEADERS, END_HEADERS, 5, head(b"POST", b"/publish")), frame(DATA, END_STREAM, 5, b"hello"))
    assert client.until_answer(5).status == 204
    assert client.until(lambda: all(b"data: hello\n\n" in a.body for a in answers)), [a.body for a in answers]
    client.send(frame(RST_STREAM, 0, 1, (8).to_bytes(4, "big")))  # CANCEL: the page was closed
    client.send(frame(HEADERS, END_HEADERS, 7, head(b"POST", b"/publish")), frame(DATA, END_STREAM, 7, b"again"))
    assert client.until(lambda: b"data: again\n\n" in answers[1].body)
    assert b"again" not in answers[0].body
    process.send_signal(signal.SIGTERM)
    assert client.until(lambda: answers[1].ended) and answers[1].reset is None
    client.close()
    stop(process)


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
