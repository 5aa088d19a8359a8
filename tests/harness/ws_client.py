"""A WebSocket client that can also misbehave: it sends whatever frame it is told to.

Only the standard library. A Frame is what came, unjudged; the tests judge.
"""

import base64
import collections
import hashlib
import os
import socket
import struct

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Frame = collections.namedtuple("Frame", "fin rsv opcode masked payload")


def accept_key(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d"):
    """The bytes of a frame; mask=None leaves it unmasked, which a client may not do."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0 if mask is None else 0x80
    if len(payload) < 126:
        head += bytes([flag | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack(">BH", flag | 126, len(payload))
    else:
        head += struct.pack(">BQ", flag | 127, len(payload))
    if mask is None:
        return head + payload
    pad = (mask * (len(payload) // 4 + 1))[: len(payload)]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + body.to_bytes(len(payload), "big")


class Client:
    """A connection; `sock` may be one with TLS."""

    def __init__(self, address=None, sock=None, timeout=5):
        self.sock = sock or socket.create_connection(address, timeout)
        self.sock.settimeout(timeout)
        self.buffer = b""

    def handshake(self, path="/", headers=(), drop=(), method="GET", version="HTTP/1.1"):
        """Sends one, with headers added or left out: (status, headers in lower case)."""
        key = base64.b64encode(os.urandom(16))
        fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key.decode()}
        fields.update(headers)
        lines = [f"{method} {path} {version}"]
        lines += [f"{name}: {value}" for name, value in fields.items() if name not in drop]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *rest = head.decode().split("\r\n")
        answer = {name.lower(): value.strip() for name, value in (l.split(":", 1) for l in rest)}
        status = int(first.split()[1])
        if status == 101:
            assert answer["sec-websocket-accept"] == accept_key(key).decode(), answer
        return status, answer

    def send(self, *args, **kwargs):
        self.sock.sendall(frame(*args, **kwargs))

    def recv(self):
        """The next frame; None when the server has closed the connection."""
        try:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._take(8))
            return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, bool(second & 0x80),
                         self._take(length))
        except EOFError:
            return None

    def recv_close(self):
        """Skips to the close frame: (code, reason); code is None where it has none."""
        while (got := self.recv()) is not None:
            if got.opcode == CLOSE:
                code = struct.unpack(">H", got.payload[:2])[0] if got.payload else None
                return code, got.payload[2:].decode()
        raise EOFError("closed without a close frame")

    def close(self):
        self.sock.close()

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out
