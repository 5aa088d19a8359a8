"""An HTTP/1 client that sends the bytes it is told to, right or wrong, and reads strictly what comes back."""
import re
import socket
import struct


class Closed(Exception):
    """The server closed the connection before a whole answer."""


class Answer:
    def __init__(self, status, fields):
        self.status = status
        self.fields = fields  # pairs, names in lower case
        self.body = b""

    def field(self, name):
        values = [value for key, value in self.fields if key == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def closes(self):
        return self.field("connection") == "close"


class Client:
    """where: a port, or the path of a unix socket. narrow: as over a network far away, so that the server's output
    gets stuck early, which on the loopback it otherwise hardly does."""

    def __init__(self, where, narrow=False, timeout=10):
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.sock = socket.socket(family)
        if narrow:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            if family == socket.AF_INET:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.sock.settimeout(timeout)
        self.sock.connect(where if isinstance(where, str) else ("127.0.0.1", where))
        self.input = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def send(self, *pieces):
        self.sock.sendall(b"".join(pieces))

    def read_more(self):
        more = self.sock.recv(65536)
        if not more:
            raise Closed(bytes(self.input))
        self.input += more

    def take(self, count):
        while len(self.input) < count:
            self.read_more()
        taken = bytes(self.input[:count])
        del self.input[:count]
        return taken

    def take_line(self):
        while b"\r\n" not in self.input:
            self.read_more()
        line = self.take(self.input.index(b"\r\n"))
        del self.input[:2]
        assert b"\n" not in line and b"\r" not in line, line
        return line.decode("latin-1")

    def read_head(self):
        line = self.take_line()
        found = re.fullmatch(r"HTTP/1\.1 (\d{3}) [ -~]+", line)
        assert found, f"no status line: {line!r}"
        it = Answer(int(found.group(1)), [])
        while line := self.take_line():
            found = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)", line)
            assert found, f"no field: {line!r}"
            it.fields.append((found.group(1).lower(), found.group(2)))
        return it

    def read_chunks(self):
        body = bytearray()
        while size := int(self.take_line(), 16):
            body += self.take(size)
            assert self.take(2) == b"\r\n"
        assert self.take_line() == "", "no trailers are sent"
        return bytes(body)

    def read_to_end(self):
        while True:
            try:
                self.read_more()
            except Closed:
                return self.take(len(self.input))

    def answer(self, head=False):
        """The next answer; head: to a HEAD request."""
        it = self.read_head()
        length, coding = it.field("content-length"), it.field("transfer-encoding")
        assert length is None or coding is None
        if head or it.status in (100, 204, 304):
            return it
        if coding is not None:
            assert coding == "chunked", coding
            it.body = self.read_chunks()
        elif length is not None:
            it.body = self.take(int(length))
        else:
            assert it.closes()
            it.body = self.read_to_end()
        return it

    def ask(self, *pieces, head=False):
        self.send(*pieces)
        return self.answer(head)

    def is_closed(self):
        """Nothing more comes, and the connection ends."""
        try:
            return self.input == b"" and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def get(path="/", *fields, version="1.1", method="GET"):
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *fields, "", ""]
    return "\r\n".join(lines).encode()


def post(path, body, *fields):
    return get(path, f"Content-Length: {len(body)}", *fields, method="POST") + body


def chunked(path, *chunks):
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return get(path, "Transfer-Encoding: chunked", method="POST") + b"".join(parts) + b"0\r\n\r\n"
