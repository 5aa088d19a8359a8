"""A Redis of a test's own: started, ill-treated, stopped.

    with redis.start(settings={"maxmemory": "8mb"}) as server:
        server.cli("SET", "key", "value")
        run(server.url())

It listens on a free port of 127.0.0.1 and on a unix socket in a folder under /tmp, and keeps nothing unless it is told
to. It ends with the test, however that ends: the kernel kills it when the process that started it is gone.
"""
import contextlib
import ctypes
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE_S = 30
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_us():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until(holds, what):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"{what()} within {PATIENCE_S} s")
        time.sleep(0.02)


class Server:
    """A running redis-server; see start()."""

    def __init__(self, *, settings=None, sentinel=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="libbackend-redis-"))
        self.port = free_port()
        self.password = None  # of cli()
        self.process = None
        self.settings = {"port": self.port, "bind": "127.0.0.1", "unixsocket": self.folder / "socket",
                         "dir": self.folder, "logfile": self.folder / "log", **(settings or {})}
        self.sentinel = sentinel
        if sentinel is None:
            self.settings = {"save": '""', "enable-debug-command": "yes", **self.settings}
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, port=None):
        return f"redis://127.0.0.1:{port or self.port}"

    def cli(self, *words):
        """What redis-cli prints; an error of the server is one here."""
        secret = ["-a", self.password, "--no-auth-warning"] if self.password else []
        done = subprocess.run(["redis-cli", "-e", "-s", self.folder / "socket", *secret, *map(str, words)],
                              capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        if done.returncode != 0:
            raise RuntimeError(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def launch(self):
        """Starts it and does not wait: it may be loading its data for a while."""
        conf = self.folder / "conf"
        if not conf.exists():  # a sentinel notes in it what it has learned
            lines = [f"{name} {value}\n" for name, value in self.settings.items()]
            conf.write_text("".join(lines) + (self.sentinel or ""))
        mode = [] if self.sentinel is None else ["--sentinel"]
        self.process = subprocess.Popen(["redis-server", conf, *mode], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, preexec_fn=die_with_us, start_new_session=True)

    def start(self):
        """Starts it, again on the same port, and waits until it answers."""
        self.launch()
        until(self.answers, lambda: f"Redis does not answer: {self.log()[-2000:]}")

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("Redis has ended: " + self.log()[-2000:])
        with contextlib.suppress(RuntimeError):
            return self.cli("PING") == "PONG"
        return False

    def kill(self):
        """kill -9: what it had in memory is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def pause(self):
        """SIGSTOP: the kernel still takes connections, nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def log(self):
        with contextlib.suppress(OSError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def close(self):
        """Ends it and removes all of it."""
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def start(**options):
    """settings: of redis.conf, by name."""
    return Server(**options)


WATCH = """
sentinel monitor {name} 127.0.0.1 {port} 2
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 3000
"""


class Watched:
    """A master, a replica, and three sentinels who replace the one by the other."""

    name = "main"

    def __init__(self):
        self.stack = contextlib.ExitStack()
        try:
            self.master = self.stack.enter_context(Server())
            self.replica = self.stack.enter_context(
                Server(settings={"replicaof": f"127.0.0.1 {self.master.port}", "repl-diskless-sync-delay": 0}))
            self._in_step()
            words = WATCH.format(name=self.name, port=self.master.port)
            self.sentinels = [self.stack.enter_context(Server(sentinel=words)) for _ in range(3)]
            until(self._all_know, lambda: "the sentinels do not find each other")
        except BaseException:
            self.close()
            raise

    def _in_step(self):
        until(lambda: "master_link_status:up" in self.replica.cli("INFO", "replication"),
              lambda: "the replica does not follow")

    def _all_know(self):
        def field(one, what):
            lines = one.cli("SENTINEL", "MASTER", self.name).split("\n")
            return int(lines[lines.index(what) + 1])
        return all(field(one, "num-other-sentinels") == 2 and field(one, "num-slaves") == 1 for one in self.sentinels)

    def url(self):
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.name}/0"

    def fail_over(self):
        """kill -9 of the master; returns when the replica is one."""
        def promoted():
            try:
                return "role:master" in self.replica.cli("INFO", "replication")
            except RuntimeError:  # Sentinel ends the clients of whom it promotes
                return False
        self.master.kill()
        until(promoted, lambda: "there is no new master")

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
