"""A program on bk_app_main() with its supervisor: started, asked, signalled, stopped."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time


def until(condition, seconds=20, why=""):
    """Waits for it, patiently: the machine may be busy. Returns what it gave."""
    end = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < end, f"did not come true in {seconds} s: {why or condition}"
        time.sleep(0.02)
    return got


def is_alive(pid):
    """Not even a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Service:
    """As a context: it is stopped at the end. wrap: words to put before the program. control: the path of its
    socket, where it should not be one of our own."""

    def __init__(self, program, *args, wrap=(), urls=1, ready=True, env=None, fds=(), control=None):
        self.folder = tempfile.mkdtemp(prefix="service")
        self.control = control or os.path.join(self.folder, "control")
        self.log = os.path.join(self.folder, "log")
        environment = {**os.environ, **(env or {})}
        environment.pop("WEB_WORKERS", None)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*wrap, program, *args, "--control", self.control], stdout=subprocess.PIPE,
                                            stderr=log, text=True, env=environment, pass_fds=fds)
        self.program = program
        self.urls = [self._url() for _ in range(urls)]
        self.ports = [int(found.group(1)) for url in self.urls if (found := re.search(r":(\d+)$", url))]
        if ready:
            until(lambda: "cluster.ready" in self.events())

    def _url(self):
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (line, self.words())
        return line.split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for pid in {self.process.pid, self.supervisor_or(self.process.pid)}:
            if is_alive(pid):
                os.kill(pid, signal.SIGTERM)
                try:
                    until(lambda pid=pid: not is_alive(pid) or self.process.poll() is not None)
                except AssertionError:
                    os.kill(pid, signal.SIGKILL)
        self.process.stdout.close()
        self.process.wait(20)

    # --- what it says ---

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def lines(self, event=None):
        found = [json.loads(line) for line in self.words().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in found if event in (None, line["msg"])]

    def events(self):
        return [line["msg"] for line in self.lines()]

    # --- control ---

    def ask(self, command, timeout=60, **more):
        """The answer to a command; an OSError or ValueError where there is none."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(self.control)
            sock.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
            text = b""
            while not text.endswith(b"\n"):
                piece = sock.recv(65536)
                if not piece:
                    break
                text += piece
        return json.loads(text)

    def status(self):
        return self.ask("status")

    def supervisor_or(self, fallback):
        try:
            return self.status()["pid"]
        except (OSError, ValueError):
            return fallback

    def workers(self, **like):
        """Those that status shows, for example with state="ready"."""
        return [worker for worker in self.status()["workers"] if all(worker[key] == like[key] for key in like)]

    def pids(self, **like):
        return {worker["pid"] for worker in self.workers(**like)}

    def command(self, *words):
        return subprocess.run([self.program, *words, "--control", self.control], capture_output=True, text=True,
                              timeout=60, check=False)

    # --- requests ---

    def get(self, path, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def who(self):
        status, body = self.get("/who")
        assert status == 200, (status, body)
        return json.loads(body)

    def signal(self, number):
        os.kill(self.process.pid, number)
