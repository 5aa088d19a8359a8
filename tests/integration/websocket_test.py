#!/usr/bin/env python3
"""WebSockets over sockets: the handshake, frames good and bad, and how they end."""
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import cases
from http1_client import Client as Http
from http1_client import get, post
from ws_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, Client, frame

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "websocket_server")


class Server:
    def __init__(self, *args):
        self.process = subprocess.Popen([SERVER, "--port", "0", *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        found = re.match(r"listening on https?://127\.0\.0\.1:(\d+)$", self.process.stdout.readline())
        self.address = ("127.0.0.1", int(found.group(1)))

    def open(self, path="/echo", **kwargs):
        client = Client(self.address)
        status, answer = client.handshake(path, **kwargs)
        assert status == 101, (status, answer)
        return client

    def refusal(self, path="/echo", **kwargs):
        return Client(self.address).handshake(path, **kwargs)

    def stop(self, failures=0):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=15)
        assert self.process.returncode == 0, errors
        assert errors.count("request.failed") == failures, errors
        assert "drain_timeout" not in errors, errors
        return errors


def ends(client, code):
    got = client.recv_close()
    assert got[0] == code, got
    assert client.recv() is None, "the connection stays open"


def test_the_handshake_is_answered_with_the_handlers_headers(server):
    client = Client(server.address)
    status, answer = client.handshake("/echo", headers={"Sec-WebSocket-Protocol": "v0.chat, v1.chat"})
    assert status == 101
    assert answer["upgrade"] == "websocket" and answer["connection"] == "Upgrade", answer
    assert answer["sec-websocket-protocol"] == "v1.chat" and answer["x-greeting"] == "hello", answer
    assert "content-length" not in answer and "transfer-encoding" not in answer, answer
    _, answer = Client(server.address).handshake("/echo")
    assert "sec-websocket-protocol" not in answer


def test_what_is_no_handshake_is_refused(server):
    for drop in (["Upgrade"], ["Connection"], ["Sec-WebSocket-Version"]):
        status, answer = server.refusal(drop=drop)
        assert status == 426, (drop, status)
        assert answer["upgrade"] == "websocket" and answer["sec-websocket-version"] == "13", answer
    assert server.refusal(headers={"Sec-WebSocket-Version": "8"})[0] == 426
    assert server.refusal(headers={"Upgrade": "h2c"})[0] == 426
    assert server.refusal(version="HTTP/1.0")[0] == 426
    assert server.refusal(method="HEAD")[0] == 426
    assert server.refusal(method="POST")[0] == 405
    for key in ("", "c2hvcnQ=", "x" * 24, "dGhlIHNhbXBsZSBub25jZQ", "*" * 22 + "=="):
        assert server.refusal(headers={"Sec-WebSocket-Key": key})[0] == 400, key
    assert server.refusal(drop=["Sec-WebSocket-Key"])[0] == 400


def test_a_refusal_leaves_the_connection_to_http(server):
    with Http(server.address[1]) as http:
        assert http.ask(get("/echo")).status == 426
        assert http.ask(get("/flooded")).status == 200


def test_pages_of_other_sites_may_not_connect_unless_allowed(server):
    host = f"127.0.0.1:{server.address[1]}"
    for origin in ("http://evil.example", "null", "https://localhost.evil.example", "http://",
                   f"http://{host}1", f"ftp://{host}"):
        assert server.refusal(headers={"Host": host, "Origin": origin})[0] == 403, origin
    server.open(headers={"Host": host, "Origin": f"http://{host}"}).close()
    server.open(headers={"Host": "Shop.example", "Origin": "https://shop.example:443"}).close()
    server.open("/echo?origins=1", headers={"Origin": "https://shop.example"}).close()
    assert server.refusal("/echo?origins=1", headers={"Origin": "http://localhost"})[0] == 403
    server.open("/echo?any=1", headers={"Origin": "http://evil.example"}).close()


def test_messages_of_every_size_come_back(server):
    client = server.open()
    for size in (0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 100000):
        payload = bytes(i * 7 % 251 for i in range(size))
        client.send(BINARY, payload)
        got = client.recv()
        assert (got.opcode, got.fin, got.masked) == (BINARY, True, False)
        assert got.payload == payload, size
    client.send(TEXT, "gr\u00fc\u00dfe \U0001f44b".encode())
    got = client.recv()
    assert got.opcode == TEXT and got.payload.decode() == "gr\u00fc\u00dfe \U0001f44b"
    client.close()


def test_fragments_are_joined_and_control_frames_may_stand_between_them(server):
    client = server.open()
    client.send(TEXT, b"one ", fin=False)
    client.send(PING, b"are you there?")
    client.send(CONT, b"\xc3", fin=False)  # half a character
    client.send(CONT, b"", fin=False)
    client.send(CONT, b"\xa9", fin=True)
    got = client.recv()
    assert (got.opcode, got.payload) == (PONG, b"are you there?")
    assert client.recv().payload == "one \u00e9".encode()
    client.close()


def test_frames_may_arrive_byte_by_byte_and_many_at_once(server):
    client = server.open()
    for byte in frame(TEXT, b"slowly") + frame(TEXT, b"x" * 200):
        client.sock.sendall(bytes([byte]))
    assert client.recv().payload == b"slowly"
    assert client.recv().payload == b"x" * 200
    client.sock.sendall(b"".join(frame(TEXT, b"%d" % i) for i in range(5000)))
    for i in range(5000):
        assert client.recv().payload == b"%d" % i
    client.close()


def test_what_came_with_the_handshake_is_not_lost(server):
    client = Client(server.address)
    head = ("GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    client.sock.sendall(head.encode() + frame(TEXT, b"early"))
    while b"\r\n\r\n" not in client.buffer:
        client._more()
    head, client.buffer = client.buffer.split(b"\r\n\r\n", 1)
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455, 1.3
    assert client.recv().payload == b"early"
    client.close()


def test_who_breaks_the_rules_is_told_how(server):
    bad = [
        (1002, frame(TEXT, b"bare", mask=None)),
        (1002, frame(TEXT, b"reserved", rsv=4)),
        (1002, frame(3, b"no such opcode")),
        (1002, frame(11, b"no such control")),
        (1002, frame(CONT, b"of nothing")),
        (1002, frame(TEXT, b"a", fin=False) + frame(TEXT, b"b")),
        (1002, frame(PING, b"x" * 126)),
        (1002, frame(PING, b"in pieces", fin=False)),
        (1002, b"\x81\xfe\x00\x05" + b"\0" * 9),  # a length that is longer than need be
        (1002, frame(CLOSE, b"\x03")),
        (1002, frame(CLOSE, struct.pack(">H", 1005))),
        (1002, frame(CLOSE, struct.pack(">H", 999))),
        (1007, frame(TEXT, b"\xff")),
        (1007, frame(TEXT, b"\xed\xa0\x80")),  # a surrogate
        (1007, frame(TEXT, b"cut \xc3")),
        (1007, frame(CLOSE, struct.pack(">H", 1000) + b"\xff")),
        (1009, b"\x82\xff" + struct.pack(">Q", 100001) + b"mask+"),
        (1009, b"\x82\xff" + struct.pack(">Q", (1 << 63) - 1) + b"mask+"),
        (1009, frame(BINARY, b"x" * 60000, fin=False) + frame(CONT, b"x" * 60000)),
    ]
    for code, sent in bad:
        client = server.open()
        client.sock.sendall(sent)
        got = client.recv_close()
        assert got[0] == code, (sent[:40], code, got)
        assert client.recv() is None
        client.close()


def test_a_length_beyond_63_bits_is_refused(server):
    client = server.open()
    client.sock.sendall(b"\x82\xff" + b"\xff" * 8 + b"mask")
    assert client.recv_close()[0] == 1002
    client.close()


def test_the_clients_close_is_answered_with_its_code(server):
    for payload, code in ((struct.pack(">H", 1000), 1000), (struct.pack(">H", 4999) + b"bye", 4999)):
        client = server.open()
        client.send(TEXT, b"last words")
        client.send(CLOSE, payload)
        assert client.recv().payload == b"last words"
        ends(client, code)
    client = server.open()
    client.send(CLOSE, b"")
    assert client.recv() == (True, 0, CLOSE, False, b"")
    assert client.recv() is None


def test_the_handlers_end_closes(server):
    for word, code, reason in (("close", 4001, "as you said"), ("latin", 1011, ""), ("fail", 1011, ""),
                               ("return", 1000, "")):
        client = server.open("/obey")
        client.send(TEXT, word.encode())
        assert client.recv_close() == (code, reason), word
        client.send(CLOSE, struct.pack(">H", code))
        assert client.recv() is None
        client.close()


def test_a_socket_tells_its_protocol_and_why_it_closed():
    server = Server()
    client = server.open("/obey", headers={"Sec-WebSocket-Protocol": "v1.chat, v2.chat"})
    client.send(TEXT, b"tell")
    assert client.recv().payload == b"v2.chat 0 0"
    client.send(CLOSE, struct.pack(">H", 3500))
    ends(client, 3500)
    lost = server.open("/obey")
    lost.send(TEXT, b"tell")
    assert lost.recv().payload == b" 0 0"
    lost.close()
    time.sleep(0.2)
    errors = server.stop()
    assert re.search(r'"told",.*"code":3500', errors) and re.search(r'"told",.*"code":1006', errors), errors


def test_a_client_that_does_not_answer_a_close_is_left(server):
    client = server.open("/obey")
    client.send(TEXT, b"close")
    assert client.recv_close()[0] == 4001
    begun = time.monotonic()
    assert client.recv() is None  # after close_ms
    assert 0.3 < time.monotonic() - begun < 3
    client.close()


def test_a_silent_client_is_pinged_and_one_that_is_gone_is_left(server):
    client = server.open("/echo?ping=1")
    for _ in range(3):
        got = client.recv()
        assert got.opcode == PING
        client.send(PONG, got.payload)
    assert client.recv().opcode == PING
    begun = time.monotonic()
    assert client.recv() is None
    assert time.monotonic() - begun < 2
    client.close()


def test_the_time_limit_of_handlers_does_not_end_a_socket(server):
    client = server.open()
    time.sleep(0.5)  # handler_ms is 300
    client.send(TEXT, b"still here")
    assert client.recv().payload == b"still here"
    client.close()


def test_a_client_that_does_not_read_holds_its_sender_up(server):
    client = Client(sock=socket.socket())
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sock.connect(server.address)
    assert client.handshake("/flood")[0] == 101
    time.sleep(0.5)
    with Http(server.address[1]) as http:
        first = int(http.ask(get("/flooded")).body)
        time.sleep(0.5)
        second = int(http.ask(get("/flooded")).body)
    assert 0 < first < 16 << 20, first
    assert second - first <= 64 << 10, (first, second)
    for _ in range(200):
        assert len(client.recv().payload) == 16384
    with Http(server.address[1]) as http:
        assert int(http.ask(get("/flooded")).body) > second
    client.close()


def test_pings_of_a_client_that_does_not_read_do_not_fill_the_memory(server):
    client = Client(sock=socket.socket())
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sock.connect(server.address)
    assert client.handshake("/echo")[0] == 101
    pings = frame(PING, b"x" * 125) * 500
    client.sock.settimeout(1)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += client.sock.send(pings)
    except socket.timeout:
        pass  # as it should be: the server has stopped to read
    assert sent < 32 << 20, sent
    client.sock.settimeout(10)
    for _ in range(1000):
        assert client.recv().opcode == PONG
    client.close()


def test_a_handler_waits_for_its_socket_and_its_topic_at_once(server):
    clients = [server.open("/room") for _ in range(3)]
    time.sleep(0.1)
    clients[0].send(TEXT, b"hello, room")
    for client in clients:
        assert client.recv().payload == b"hello, room"
    with Http(server.address[1]) as http:
        assert http.ask(post("/say", b"from outside")).status == 204
    for client in clients:
        assert client.recv().payload == b"from outside"
        client.send(CLOSE, struct.pack(">H", 1000))
        ends(client, 1000)


def test_clients_that_reset_or_vanish_leave_nothing(server):
    for how in range(40):
        client = server.open("/room" if how % 2 else "/echo")
        client.send(TEXT, b"x" * 1000, fin=how % 4 < 2)
        if how % 3 == 0:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


def test_many_sockets_at_once(server):
    clients = [server.open() for _ in range(500)]
    for i, client in enumerate(clients):
        client.send(TEXT, b"%d" % i)
    for i, client in enumerate(clients):
        assert client.recv().payload == b"%d" % i
        client.close()


def test_draining_says_1001_to_all_and_waits_for_their_close():
    server = Server()
    echo, room, asleep = server.open(), server.open("/room"), server.open("/obey")
    asleep.send(TEXT, b"wait for me")
    assert asleep.recv_close()[0] == 1000
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    for client in (echo, room):
        assert client.recv_close()[0] == 1001
        client.send(CLOSE, struct.pack(">H", 1001))
        assert client.recv() is None
    server.stop()
    assert time.monotonic() - begun < 5


def test_sockets_over_tls():
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                        "-keyout", pem, "-out", pem + ".crt", "-days", "1"], check=True, capture_output=True)
        server = Server("--tls-cert", pem + ".crt", "--tls-key", pem)
        context = ssl._create_unverified_context()
        client = Client(sock=context.wrap_socket(socket.create_connection(server.address)))
        assert client.handshake("/echo")[0] == 101
        client.send(BINARY, b"x" * 90000)
        assert client.recv().payload == b"x" * 90000
        client.send(CLOSE, struct.pack(">H", 1000))
        assert client.recv_close()[0] == 1000
        client.close()
        server.stop()


def test_what_the_guide_shows(server):
    ada, bob = server.open("/chat"), server.open("/chat")
    ada.send(TEXT, b"anyone here?")
    assert [c.recv().payload for c in (ada, bob)] == [b"anyone here?"] * 2
    for client in ada, bob:
        client.send(CLOSE, struct.pack(">H", 1000))
        ends(client, 1000)
    json = "Content-Type: application/json"
    with Http(server.address[1]) as page, Http(server.address[1]) as shop:
        page.send(get("/prices", "Accept: text/event-stream"))
        assert page.read_head().status == 200
        assert shop.ask(post("/prices", b'{"product":1,"price":-2}', json)).status == 400
        assert shop.ask(post("/prices", b'{"product":1,"price":2}', json)).status == 204
        while b'data: {"product":1,"price":2}\n\n' not in page.input:
            page.read_more()


def main():
    shared = Server()
    failed = cases.run(globals(), lambda test: test(shared) if test.__code__.co_argcount else test())
    shared.stop(failures=0 if sys.argv[1:] else 2)
    return failed


if __name__ == "__main__":
    sys.exit(main())
