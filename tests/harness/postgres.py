#!/usr/bin/env python3
"""A PostgreSQL of a test's own: started, ill-treated, stopped.

    with postgres.start(max_connections=20) as server:
        server.psql("CREATE TABLE t (id int)")
        run(server.url())

The cluster lies in a folder under /var/tmp, which the server's user can reach, and listens on
127.0.0.1 and on a unix socket in that folder. It ends with the test, however that ends: the kernel
stops the server when the process that started it is gone, and the next start removes what was left.

As a program it does the same for tests in C (postgres.h): options as arguments ("tls", "durable",
"max_connections=20", "settings.work_mem=1MB"), then a command a line on standard input, its words apart by tabs,
and an answer a line on standard output: "+" or, when it failed, "-", then text.
"""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BASE = pathlib.Path("/var/tmp")
PREFIX = "libbackend-pg-"
PATIENCE_S = 30
PASSWORD = "s3cret, with \"quotes\" & 'more'"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

# Fast and forgetful, unless a test is about what is kept.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "256MB",
    "shared_buffers": "32MB",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "jit": "off",
}


def programs():
    """The folder of initdb and postgres; the newest version that is installed."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda at: int(at.parts[4]))
    return found[-1].parent if found else pathlib.Path(shutil.which("initdb")).parent


def server_user():
    """PostgreSQL refuses to run as root. None: as we are."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def as_server():
    """For subprocess: runs as the server's user, and dies with us."""
    user = server_user()
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    return {**who, "preexec_fn": lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT), "cwd": "/"}


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def give_away(folder):
    """To the server's user."""
    user = server_user()
    if user:
        run("chown", "-R", f"{user.pw_uid}:{user.pw_gid}", folder)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def locked(folder):
    """OSError when another process has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        os.close(descriptor)


def make_folder(stack):
    """Under its name it is seen by sweep(), so it is locked first; until `stack` is closed."""
    new = pathlib.Path(tempfile.mkdtemp(prefix="new-" + PREFIX, dir=BASE))
    stack.enter_context(locked(new))
    new.chmod(0o755)
    return new.rename(BASE / new.name.removeprefix("new-"))


def sweep():
    """Removes folders whose owner is gone: it holds a lock on them while it lives."""
    for folder in BASE.glob(PREFIX + "*"):
        with contextlib.suppress(OSError), locked(folder):
            shutil.rmtree(folder)


def make_cluster(data):
    """initdb, once for each build: the rest are copies."""
    build = os.environ.get("BUILD_ROOT")
    kept = pathlib.Path(build) / "pg-template" / programs().parts[-2] if build else None
    if kept is None or not kept.exists():
        run(programs() / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
            "--no-sync", "--no-instructions", **as_server())
    if kept is None:
        return
    if kept.exists():
        run("cp", "-a", "--reflink=auto", kept, data)
        give_away(data)
        return
    kept.parent.mkdir(exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(dir=kept.parent)) / "data"
    run("cp", "-a", data, part)
    with contextlib.suppress(OSError):  # another was faster
        part.rename(kept)
    shutil.rmtree(part.parent)


def make_certificates(folder, name="localhost"):
    """ca.crt, and server.crt with server.key for `name` and 127.0.0.1; other.crt, a CA that signed nothing."""
    def at(file):
        return folder / file
    for ca in "ca", "other":
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN=libbackend tests {ca}", "-keyout", at(f"{ca}.key"), "-out", at(f"{ca}.crt"))
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
        "-keyout", at("server.key"), "-out", at("server.csr"))
    at("names").write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
    run("openssl", "x509", "-req", "-in", at("server.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"),
        "-set_serial", "1", "-days", "2", "-extfile", at("names"), "-out", at("server.crt"))
    at("server.key").chmod(0o600)


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on; none when it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return []


def children_of(pid):
    every = [at.name for at in pathlib.Path("/proc").glob("[0-9]*")]
    return [int(one) for one in every if stat_of(one)[1:2] == [str(pid)]]


def lives(pid):
    return stat_of(pid)[:1] not in ([], ["Z"])


class Server:
    """A running cluster; see start()."""

    def __init__(self, *, tls=False, password=False, durable=False, max_connections=100, settings=None):
        sweep()
        self.stack = contextlib.ExitStack()
        self.folder = make_folder(self.stack)
        self.process = None
        self.port = free_port()
        self.data = self.folder / "data"
        self.password = PASSWORD if password else None
        try:
            self._prepare(tls, durable, max_connections, settings or {})
            self.start()
            if password:
                quoted = PASSWORD.replace("'", "''")
                self.psql(f"ALTER USER postgres PASSWORD '{quoted}'")
        except BaseException:
            self.close()
            raise

    def _prepare(self, tls, durable, max_connections, more):
        give_away(self.folder)
        make_cluster(self.data)
        settings = {**SETTINGS, "port": self.port, "listen_addresses": "127.0.0.1",
                    "unix_socket_directories": self.folder, "max_connections": max_connections}
        if durable:
            settings |= {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
        if tls:
            make_certificates(self.folder)
            settings |= {"ssl": "on", "ssl_cert_file": self.folder / "server.crt",
                         "ssl_key_file": self.folder / "server.key"}
        settings |= more
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        method = "scram-sha-256" if self.password else "trust"
        (self.data / "pg_hba.conf").write_text(f"local all all trust\nhost all all 127.0.0.1/32 {method}\n")
        give_away(self.folder)

    # --- reaching it ---

    def url(self, database="postgres", **params):
        """Over TCP. With a password only where there is one and `params` has none."""
        params.setdefault("password", self.password)
        return self._conninfo("127.0.0.1", database, params)

    def socket_url(self, database="postgres", **params):
        """Over the unix socket, where all are trusted."""
        return self._conninfo(self.folder, database, params)

    def _conninfo(self, host, database, params):
        settings = {"host": host, "port": self.port, "user": "postgres", "dbname": database, **params}
        quoted = {name: str(value).replace("\\", "\\\\").replace("'", "\\'")
                  for name, value in settings.items() if value is not None}
        return " ".join(f"{name}='{value}'" for name, value in quoted.items())

    def psql(self, sql, database="postgres"):
        """Runs SQL as the superuser; returns what it prints, without decoration."""
        return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.socket_url(database),
                   "-c", sql).strip()

    # --- its life ---

    def start(self):
        """Starts it, and waits until it takes connections."""
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen([programs() / "postgres", "-D", self.data], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True, **as_server())
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(RuntimeError):
                self.psql("SELECT")
                return
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("PostgreSQL does not start: " + self.log())
            time.sleep(0.05)

    def stop(self, how="fast"):
        """Stops it: "smart" waits for its clients, "fast" ends them, "immediate" is a crash with good manners."""
        signals = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        if self.process and self.process.poll() is None:
            self.process.send_signal(signals[how])
            self.process.wait(PATIENCE_S)

    def restart(self, how="fast"):
        self.stop(how)
        self.start()

    def kill(self):
        """kill -9, the postmaster and all its children, at once: as if the power went."""
        every = self.processes()
        self.pause(every)
        for pid in every:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        until = time.monotonic() + PATIENCE_S
        while any(map(lives, every)) and time.monotonic() < until:
            time.sleep(0.01)

    def processes(self):
        return [self.process.pid, *children_of(self.process.pid)]

    def pause(self, every=None):
        """SIGSTOP to all its processes: the kernel still takes connections, nobody answers."""
        for pid in every or self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def terminate_backends(self):
        """pg_terminate_backend() for every client, each of which is gone then; returns how many there were."""
        return int(self.psql("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                             "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"))

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def close(self):
        """Ends it and removes all of it."""
        if self.process and self.process.poll() is None:
            self.resume()
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def start(**options):
    """A new cluster. tls: with a certificate for localhost and 127.0.0.1 (ca.crt in its folder). password:
    SCRAM over TCP, as `server.password`. durable: fsync on. max_connections. settings: of postgresql.conf."""
    return Server(**options)


def options_of(words):
    """Of the command line."""
    options = {"settings": {}}
    for word in words:
        name, _, value = word.partition("=")
        if name.startswith("settings."):
            options["settings"][name.removeprefix("settings.")] = value
        else:
            options[name] = int(value) if value else True
    return options


def answer(sign, text):
    print(sign + str(text).replace("\n", " "), flush=True)


def serve(server):
    """Does what postgres.h asks for: a method's name, then its arguments."""
    answer("+", "\t".join([str(server.folder), str(server.port), server.password or "", server.url(),
                           server.socket_url()]))
    for line in sys.stdin:
        name, *arguments = line.rstrip("\n").split("\t")
        try:
            result = getattr(server, name)(*arguments)
            answer("+", "" if result is None else result)
        except Exception as error:  # pylint: disable=broad-except # the test says that it failed
            answer("-", error)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the test's end is ours
    with start(**options_of(sys.argv[1:])) as cluster:
        serve(cluster)
