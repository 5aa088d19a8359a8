"""An HTTP server that does what it should not, as its path says. Prints its port, then serves until it is killed.

It writes to its sockets itself, for a real server could not be made to do most of this. /log gives the requests so far,
one a line: the number of their connection, method, target.
"""
import gzip
import json
import socket
import struct
import threading
import time

lock = threading.Lock()
log, flaky = [], {}


def head(status, *fields, length=None):
    lines = [f"HTTP/1.1 {status} x", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(body, *fields, status=200):
    body = body if isinstance(body, bytes) else body.encode()
    return head(status, *fields, length=len(body)) + body


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def forever(sock, first, piece, pause_s=0.0):
    sock.sendall(first)
    while True:
        sock.sendall(piece)
        time.sleep(pause_s)


def answer(sock, method, target, raw, body):
    """The bytes to send; None: the connection is to be closed."""
    path, _, argument = target.partition("?")[0].lstrip("/").partition("/")
    if path == "hello":
        return whole(b"" if method == "HEAD" else "hello", "X-Two: a", "X-Two: b", "X-Empty:")
    if path == "echo":
        return whole(raw)
    if path == "body":
        return whole(body)
    if path == "json":
        return whole(json.dumps({"name": "ann", "age": 7}), "Content-Type: application/json")
    if path == "bad-json":
        return whole('{"name":7}', "Content-Type: application/json")
    if path == "status":
        return whole("", status=int(argument))
    if path == "flaky":
        with lock:
            times, _, status = argument.partition("/")
            flaky[target] = flaky.get(target, 0) + 1
            if flaky[target] <= int(times):
                return whole("", "Retry-After: 0", status=int(status or 503))
        return whole("well at last")
    if path == "log":
        with lock:
            return whole("\n".join(log))
    if path == "bytes":
        return whole(b"x" * int(argument))
    if path == "continue":
        return head(100) + head(103, "Link: </x>") + whole("after all")
    if path == "trailer":
        return head(200, "Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\nX-Late: yes\r\n\r\n"
    if path == "gzip":
        return whole(gzip.compress(b"packed"), "Content-Encoding: gzip")
    if path == "bomb":
        return whole(gzip.compress(bytes(50 * 1024 * 1024)), "Content-Encoding: gzip")
    if path == "loop":
        return whole("", "Location: /loop", status=302)
    if path == "redirect":
        left = int(argument)
        return whole("", f"Location: /redirect/{left - 1}" if left > 1 else "Location: /hello", status=302)
    if path == "to":
        return whole("", "Location: " + argument, status=302)
    if path == "slow":
        time.sleep(600)
    elif path == "late":
        time.sleep(int(argument) / 1000)
        return whole("late")
    elif path == "drip":
        forever(sock, head(200, length=1000000), b"x", 0.05)
    elif path == "endless":
        forever(sock, head(200, "Transfer-Encoding: chunked"), b"1000\r\n" + b"x" * 4096 + b"\r\n")
    elif path == "big":
        forever(sock, head(200, length=1 << 40), b"x" * 4096)
    elif path == "big-head":
        forever(sock, b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"y" * 1000 + b"\r\n")
    elif path == "folded":
        return b"HTTP/1.1 200 OK\r\nX-One: a\r\n b\r\nContent-Length: 0\r\n\r\n"
    elif path == "garbage":
        sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    elif path == "cut":
        sock.sendall(head(200, length=100) + b"only this")
    elif path == "cut-head":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    elif path == "reset":
        reset(sock)
    return None


def serve(sock, number):
    kept = b""
    served = 0
    try:
        while True:
            while b"\r\n\r\n" not in kept:
                piece = sock.recv(65536)
                if not piece:
                    return
                kept += piece
            raw, _, kept = kept.partition(b"\r\n\r\n")
            method, target, _ = raw.split(b"\r\n")[0].decode().split(" ")
            fields = dict(line.lower().split(b":", 1) for line in raw.split(b"\r\n")[1:])
            length = int(fields.get(b"content-length", b"0"))
            while len(kept) < length:
                kept += sock.recv(65536)
            body, kept = kept[:length], kept[length:]
            with lock:
                log.append(f"{number} {method} {target}")
            served += 1
            if target == "/once" and served > 1:
                return
            out = whole("once") if target == "/once" else answer(sock, method, target, raw, body)
            if out is None:
                return
            sock.sendall(out)
    except OSError:
        pass
    finally:
        sock.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    number = 0
    while True:
        sock, _ = listener.accept()
        number += 1
        threading.Thread(target=serve, args=(sock, number), daemon=True).start()


if __name__ == "__main__":
    main()
