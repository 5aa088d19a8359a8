"""An HTTP/2 client that sends what it is told to, frame by frame, right or wrong."""
import select
import socket
import ssl
import struct
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUS = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, bits, first=0):
    """RFC 7541, 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    out.append(value)
    return bytes(out)


def string(text):
    return integer(len(text), 7) + text


def field(name, value, indexed=False):
    """A literal field with a literal name; indexed: it enters the dynamic table."""
    return (b"\x40" if indexed else b"\0") + string(name) + string(value)


def head(method=b"GET", path=b"/", *fields, authority=b"localhost", scheme=b"https"):
    pseudo = [(b":method", method), (b":scheme", scheme), (b":path", path), (b":authority", authority)]
    return b"".join(field(n, v) for n, v in pseudo + list(fields) if v is not None)


def update(stream, by):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


class Answer:
    def __init__(self):
        self.status = None
        self.head = b""  # as sent
        self.body = bytearray()
        self.ended = False
        self.reset = None  # its code


class Client:
    """port: or the path of a unix socket. window: the initial one of streams, where it is not the protocol's default;
    that of the connection is wide open. narrow: as over a network far away, so that the server's output gets stuck
    early and in the middle of a write, which on the loopback it otherwise hardly does."""

    def __init__(self, port, window=None, narrow=False, greet=True):
        self.answers = {}
        self.goaways = []  # last stream, code
        self.closed = False
        self.pings = 0
        self.input = bytearray()
        raw = socket.socket(socket.AF_UNIX if isinstance(port, str) else socket.AF_INET)
        if narrow:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        raw.settimeout(10)
        raw.connect(port if isinstance(port, str) else ("127.0.0.1", port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.sock = context.wrap_socket(raw)
        assert self.sock.selected_alpn_protocol() == "h2"
        if greet:
            settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, window) if window is not None else b""
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings) + update(0, 0x7fff0000 - 65535))

    def send(self, *parts):
        """False when the server has closed."""
        try:
            self.sock.sendall(b"".join(parts))
            return True
        except (OSError, ssl.SSLError):
            self.closed = True
            return False

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    def _take(self, kind, flags, stream, payload):
        answer = self.answer(stream)
        if kind == HEADERS:
            answer.head = payload
            answer.status = STATUS.get(payload[0]) or int(payload[2:5])
        elif kind == DATA:
            answer.body += payload
        elif kind == RST_STREAM:
            answer.reset = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.goaways.append(struct.unpack(">II", payload[:8]))
        elif kind == PING and flags & ACK:
            self.pings += 1
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            answer.ended = True

    def _parse(self):
        while len(self.input) >= 9:
            length = int.from_bytes(self.input[:3], "big")
            if len(self.input) < 9 + length:
                return
            stream = int.from_bytes(self.input[5:9], "big")
            kind, flags, payload = self.input[3], self.input[4], bytes(self.input[9:9 + length])
            del self.input[:9 + length]
            self._take(kind, flags, stream, payload)

    def read(self, seconds):
        """Takes what comes, for at most so long."""
        if not self.sock.pending() and not select.select([self.sock], [], [], seconds)[0]:
            return
        self.sock.settimeout(max(seconds, 0.01))
        try:
            got = self.sock.recv(1 << 16)
            self.closed |= got == b""
            self.input += got
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        except (OSError, ssl.SSLError):
            self.closed = True
        self.sock.settimeout(10)
        self._parse()

    def until(self, condition, seconds=5):
        """Reads until the condition holds; says whether it does."""
        end = time.monotonic() + seconds
        while not condition() and not self.closed and time.monotonic() < end:
            self.read(end - time.monotonic())
        return condition()

    def until_closed(self, seconds=5):
        self.until(lambda: self.closed, seconds)
        return self.closed

    def until_answer(self, stream, seconds=5):
        """The answer, whole or reset."""
        answer = self.answer(stream)
        self.until(lambda: answer.ended or answer.reset is not None, seconds)
        return answer

    def get(self, stream, path=b"/", *fields, **pseudo):
        self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, head(b"GET", path, *fields, **pseudo)))
        return self.until_answer(stream)

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass
