#!/usr/bin/env python3
"""The supervisor: every way in which a worker, a reload, an upgrade or the supervisor itself can go wrong."""
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import cases
from service import Service, is_alive, until

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "cluster_server")
BACKOFF_MS = 10  # as cluster_server.c has it
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()


def serving(*args, workers=2, program=SERVER, **options):
    return Service(program, "--port", "0", "--workers", str(workers), *args, **options)


def processor_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def private_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private")) * 1024


def in_thread(call):
    """Runs it beside; join() it and look at .result."""
    def run():
        try:
            thread.result = call()
        except Exception as failure:  # pylint: disable=broad-except # for the test to look at
            thread.result = failure
    thread = threading.Thread(target=run)
    thread.result = None
    thread.start()
    return thread


# --- Workers ---


def test_a_cold_start_is_quick_and_says_so():
    begin = time.monotonic()
    with serving() as service:
        took = service.lines("cluster.ready")[0]["afterMs"]
        print(f"  ready after {took} ms of its own, {1000 * (time.monotonic() - begin):.0f} ms seen from outside")
        assert took < 5000


def test_each_worker_knows_its_place():
    with serving("--job-workers", "1") as service:
        seen = {}
        until(lambda: seen.update({(who := service.who())["pid"]: who}) or len(seen) == 2)
        web, job = service.pids(role="web"), service.pids(role="job")
        assert set(seen) == web and len(job) == 1
        assert len({who["slot"] for who in seen.values()}) == 2
        for who in seen.values():
            assert who["roles"] == 1 and who["generation"] == 0 and who["sharers"] == 4 and not who["draining"], who


def test_without_job_workers_those_of_the_web_run_jobs_too():
    with serving() as service:
        assert service.who()["roles"] == 3


def test_a_killed_worker_is_replaced_and_the_next_connection_served_at_once():
    with serving() as service:
        victim = service.who()["pid"]
        os.kill(victim, signal.SIGKILL)
        for _ in range(20):
            assert service.get("/who", timeout=5)[0] == 200
        until(lambda: len(service.pids(state="ready") - {victim}) == 2)
        died = service.lines("worker.died")[0]
        assert died["worker"] == victim and died["signal"] == "KILL", died
        assert service.status()["restarts"] == 1


def test_metrics_tell_of_workers_and_of_those_replaced():
    with serving("--job-workers", "1") as service:
        os.kill(service.who()["pid"], signal.SIGKILL)
        expected = {b'worker_restarts_total{role="web",reason="crash"} 1', b'workers{role="web",state="ready"} 2',
                    b'workers{role="job",state="ready"} 1'}
        until(lambda: expected <= set(service.get("/metrics")[1].splitlines()))


def test_connections_in_line_survive_the_only_worker():
    with serving(workers=1) as service:
        victim = service.who()["pid"]
        os.kill(victim, signal.SIGSTOP)
        waiting = [in_thread(service.who) for _ in range(10)]
        time.sleep(0.3)  # they are in line now; if one is not yet, it is served all the same
        os.kill(victim, signal.SIGKILL)
        for thread in waiting:
            thread.join()
            assert isinstance(thread.result, dict) and thread.result["pid"] != victim, thread.result


def test_a_crash_costs_one_worker_and_leaves_its_last_words():
    with serving() as service:
        try:
            service.get("/crash")
        except OSError:
            pass
        until(lambda: "worker.died" in service.events())
        until(lambda: len(service.pids(state="ready")) == 2)
        assert service.who()
        if not SANITIZED:
            assert "route /crash" in service.words()


def test_a_hung_worker_is_reported_with_its_backtrace_and_replaced():
    with serving(env={"CLUSTER_HANG_MS": "1000"}) as service:
        victim = service.who()["pid"]
        asked = in_thread(lambda: service.get("/hang"))
        until(lambda: "worker.hangs" in service.events())
        hung = service.lines("worker.hangs")[0]["worker"]
        until(lambda: hung not in service.pids() and len(service.pids(state="ready")) == 2)
        asked.join()
        assert isinstance(asked.result, Exception)
        assert service.who() and victim
        if not SANITIZED:
            assert re.search(r"fatal: SIGABRT in fiber .*route /hang", service.words())
            assert "cluster_server(" in service.words()  # a line of the backtrace


def test_a_service_that_was_stopped_for_a_while_is_not_taken_for_hung():
    with serving(env={"CLUSTER_HANG_MS": "1000"}) as service:
        before = service.pids()
        everybody = [service.process.pid, *before]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.7)
        assert service.pids() == before and "worker.hangs" not in service.events()


def test_a_worker_that_grew_too_large_is_replaced_without_a_failure():
    if SANITIZED:
        return "the sanitizer's memory is not the worker's"
    with serving(env={"CLUSTER_MEMORY_MB": "48"}) as service:
        before = service.pids()
        assert service.get("/grow")[0] == 200
        until(lambda: "worker.too_large" in service.events())
        until(lambda: len(service.pids(state="ready") & before) == 1 and len(service.pids(state="ready")) == 2)
        assert "worker.died" not in service.events()
    return None


def test_a_crash_loop_ends_the_program_with_a_failure():
    with tempfile.NamedTemporaryFile() as broken:
        service = serving(ready=False, env={"CLUSTER_BROKEN": broken.name})
        assert service.process.wait(60) == 1
        failed = service.lines("worker.failed_to_start")
        assert len(failed) >= 10, len(failed)
        assert "cluster.crash_loop" in service.events() and "is there" in service.words()
        assert not [line for line in failed if is_alive(line["worker"])]


def test_failures_are_spaced_out_more_and_more():
    with tempfile.NamedTemporaryFile() as broken:
        service = serving(workers=1, ready=False, env={"CLUSTER_BROKEN": broken.name})
        assert service.process.wait(60) == 1
        starts = [line["time"] for line in service.lines("worker.started")]
        for failures in range(2, len(starts)):
            waited = starts[failures] - starts[failures - 1]
            assert waited >= BACKOFF_MS << failures - 2, (failures, starts)


# --- Reload ---


def test_hup_replaces_all_workers_one_by_one():
    with serving() as service:
        before = service.pids()
        service.signal(signal.SIGHUP)
        until(lambda: "cluster.reloaded" in service.events())
        assert not before & service.pids() and service.who()["generation"] == 1
        alive = most = 0
        for line in service.lines():
            alive += (line["msg"] == "worker.started") - (line["msg"] == "worker.ended")
            most = max(most, alive)
        assert most == 3, most


def test_at_once_starts_all_together():
    with serving(env={"CLUSTER_AT_ONCE": "1"}) as service:
        assert service.who()["sharers"] == 4
        assert service.ask("reload")["ok"]
        events = [event for event in service.events() if event in ("worker.started", "worker.draining")]
        assert events == ["worker.started"] * 4 + ["worker.draining"] * 2, events


def test_a_storm_of_hups_makes_one_generation_at_a_time():
    with serving() as service:
        for _ in range(50):
            service.signal(signal.SIGHUP)
            time.sleep(0.001)
        until(lambda: not service.status()["reloading"] and "cluster.reloaded" in service.events())
        assert 1 <= service.status()["generation"] < 50
        begun = ended = 0
        for event in service.events():
            begun += event == "cluster.reloading"
            ended += event == "cluster.reloaded"
            assert 0 <= begun - ended <= 1
        assert len(service.pids(state="ready")) == 2


def fails_to_reload(word, **env):
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "broken")
    with serving(env={"CLUSTER_BROKEN": path, **env}) as service:
        before = service.pids()
        with open(path, "w", encoding="ascii") as file:
            file.write(word)
        answer = service.ask("reload")
        assert not answer["ok"] and "did not become ready" in answer["error"], answer
        assert service.pids(state="ready") == before and not service.status()["reloading"]
        assert service.who()["pid"] in before
        os.unlink(path)
        assert service.ask("reload")["ok"]
        assert not service.pids() & before
    shutil.rmtree(folder)


def test_a_generation_that_fails_to_start_leaves_the_old_one():
    fails_to_reload("")


def test_a_generation_that_never_becomes_ready_leaves_the_old_one():
    fails_to_reload("hang", CLUSTER_START_MS="1500")


def test_scaling_gives_all_their_new_share():
    with serving() as service:
        assert service.ask("scale", web=4)["ok"]
        assert len(service.pids(state="ready")) == 4 and service.who()["sharers"] == 5
        assert service.ask("scale", web=1, job=1)["ok"]
        assert len(service.pids(role="web")) == 1 and len(service.pids(role="job")) == 1
        assert service.who()["sharers"] == 3 and service.who()["roles"] == 1
        for wrong in ({"web": 0, "job": 0}, {"web": 32}, {"web": -1}, {"web": "two"}, {}):
            assert not service.ask("scale", **wrong)["ok"], wrong
        assert len(service.pids(role="web")) == 1


# --- Upgrade ---


def installed():
    """A copy of the program that can be replaced, in a folder of its own."""
    path = os.path.join(tempfile.mkdtemp(), "program")
    shutil.copy(SERVER, path)
    return path


def replace(path, text):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


def test_an_upgrade_runs_what_stands_there_now():
    path = installed()
    library = os.path.join(os.environ["BUILD_ROOT"], "libbackend")
    with serving(program=path, env={"LD_LIBRARY_PATH": library}) as service:
        replace(path, f"#!/bin/sh\nUPGRADED=yes exec {SERVER} \"$@\"\n")
        before = service.status()["pid"]
        assert service.ask("upgrade")["ok"]
        now = until(lambda: (pid := service.supervisor_or(before)) != before and pid)
        assert service.process.wait(20) == 0 and service.who()["pid"] in service.pids()
        with open(f"/proc/{now}/environ", "rb") as file:
            assert b"UPGRADED=yes" in file.read().split(b"\0")
        assert os.path.exists(service.control)


def test_an_executable_that_fails_leaves_the_old_one():
    path = installed()
    library = os.path.join(os.environ["BUILD_ROOT"], "libbackend")
    with serving(program=path, env={"LD_LIBRARY_PATH": library}) as service:
        before = service.pids()
        for text in ("#!/bin/sh\nexit 3\n", "no program at all"):
            replace(path, text)
            answer = service.ask("upgrade")
            assert not answer["ok"], answer
            assert service.pids(state="ready") == before and service.who()["pid"] in before
            assert not service.status()["upgrading"]


def test_an_executable_whose_workers_fail_leaves_the_old_one():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "broken")
    with serving(env={"CLUSTER_BROKEN": path}) as service:
        before = service.pids()
        with open(path, "w", encoding="ascii"):
            pass
        assert not service.ask("upgrade")["ok"]
        assert service.pids(state="ready") == before and service.who()["pid"] in before


# --- The end ---


def test_term_says_not_ready_waits_and_then_drains():
    with serving("--stop-wait", "1500") as service:
        asked = in_thread(lambda: service.get("/nap?ms=2500"))
        until(lambda: sum(worker["connections"] for worker in service.workers()) > 0)
        begin = time.monotonic()
        service.signal(signal.SIGTERM)
        until(lambda: service.status()["phase"] == "waiting")
        assert service.who()["draining"]  # new connections are still served
        assert service.get("/readyz")[0] == 503
        asked.join()
        assert asked.result == (200, b"rested\n"), asked.result
        assert service.process.wait(20) == 0
        assert time.monotonic() - begin >= 1.4


def test_int_ends_as_term_does():
    with serving() as service:
        asked = in_thread(lambda: service.get("/nap?ms=1000"))
        until(lambda: sum(worker["connections"] for worker in service.workers()) > 0)
        service.signal(signal.SIGINT)
        asked.join()
        assert asked.result == (200, b"rested\n") and service.process.wait(20) == 0


def test_quit_is_quick():
    with serving() as service:
        workers = service.pids()
        asked = in_thread(lambda: service.get("/nap?ms=60000"))
        until(lambda: sum(worker["connections"] for worker in service.workers()) > 0)
        service.signal(signal.SIGQUIT)
        assert service.process.wait(10) == 0
        asked.join()
        assert not [pid for pid in workers if is_alive(pid)] and not os.path.exists(service.control)


def test_a_worker_that_does_not_end_is_ended():
    with serving(env={"CLUSTER_HANG_MS": "600000", "CLUSTER_DRAIN_MS": "300"}) as service:
        asked = in_thread(lambda: service.get("/hang"))
        until(lambda: sum(worker["connections"] for worker in service.workers()) > 0)
        time.sleep(0.2)
        service.signal(signal.SIGTERM)
        assert service.process.wait(40) == 0
        asked.join()
        assert "worker.killed" in service.events()


def test_no_worker_outlives_a_supervisor_that_is_killed():
    with serving() as service:
        workers = service.pids()
        asked = in_thread(lambda: service.get("/nap?ms=1000"))
        until(lambda: sum(worker["connections"] for worker in service.workers()) > 0)
        service.signal(signal.SIGKILL)
        service.process.wait(10)
        asked.join()
        assert asked.result == (200, b"rested\n"), asked.result
        until(lambda: not [pid for pid in workers if is_alive(pid)])
        with Service(SERVER, "--port", str(service.ports[0]), "--workers", "1") as successor:
            assert successor.who()


def asks_while_it_drains(request):
    """What comes on a connection whose request arrives when its worker has begun to drain."""
    for _ in range(10):  # the farewell lasts half a second, which may be over before we are
        with serving(workers=1) as service, socket.create_connection(("127.0.0.1", service.ports[0]), 20) as sock:
            sock.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
            service.signal(signal.SIGTERM)
            until(lambda service=service: "app.stopping" in service.events())
            try:
                sock.sendall(request)
                got = b""
                while piece := sock.recv(65536):
                    got += piece
            except ConnectionError:
                got = b""
            assert service.process.wait(20) == 0
            assert "app.drain_timeout" not in service.events()
            if got:
                return got
    raise AssertionError("it was always too late")


def test_a_websocket_that_begins_while_its_worker_drains_is_sent_away():
    got = asks_while_it_drains(b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 101") and got.endswith(b"\x88\x02\x03\xe9"), got


def test_an_event_stream_that_begins_while_its_worker_drains_ends():
    got = asks_while_it_drains(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200") and b"retry: 50" in got, got
    assert got.endswith(b"0\r\n\r\n"), got  # its end is a good one


# --- Process 1, systemd, privileges ---


NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def has_namespaces():
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def pid_inside(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^NSpid:.*\t(\d+)$", file.read(), re.M).group(1))


def upgrade(service):
    before = service.status()["pid"]
    assert service.ask("upgrade")["ok"]
    until(lambda: service.supervisor_or(before) != before)


def test_as_process_1_it_reaps_orphans_and_survives_an_upgrade():
    if not has_namespaces():
        return "no namespaces here"
    with serving(wrap=NAMESPACE) as service:
        assert service.status()["pid"] == 1
        (outside,) = children(service.process.pid)
        orphan = subprocess.run(["nsenter", "-t", str(outside), "-p", "-m", "sh", "-c", "(sleep 0.1; exit 3) & true"],
                                check=False)
        assert orphan.returncode == 0

        def zombies():
            listing = subprocess.run(["nsenter", "-t", str(outside), "-p", "-m", "ps", "-eo", "stat="],
                                     capture_output=True, text=True, check=True).stdout
            return listing.count("Z")
        time.sleep(0.3)
        until(lambda: zombies() == 0)
        for _ in range(2):
            upgrade(service)
        assert service.who() and is_alive(outside)
        until(lambda: zombies() == 0)
        os.kill(outside, signal.SIGTERM)
        assert service.process.wait(20) == 0
    return None


def test_as_process_1_it_hands_signals_to_who_serves_and_not_to_who_leaves():
    if not has_namespaces():
        return "no namespaces here"
    with serving(wrap=NAMESPACE) as service:
        (outside,) = children(service.process.pid)
        upgrade(service)
        (leaving,) = [pid for pid in children(outside) if pid_inside(pid) == service.status()["pid"]]
        asked = in_thread(lambda: service.get("/nap?ms=3000"))  # for which it has to wait
        until(lambda: any(worker["connections"] for worker in service.workers()))
        upgrade(service)
        os.kill(leaving, signal.SIGSTOP)  # as one that has ended, and that nobody has noticed yet
        os.kill(outside, signal.SIGTERM)
        until(lambda: service.supervisor_or(None) is None)
        os.kill(leaving, signal.SIGCONT)
        assert service.process.wait(20) == 0
        asked.join()
    return None


def test_systemd_hears_of_every_change():
    folder = tempfile.mkdtemp()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(folder + "/notify")
        systemd.settimeout(20)

        def expect(word):
            while word not in (got := systemd.recv(4096).decode()):
                assert got in ("WATCHDOG=1", "READY=1"), (word, got)
            return got

        with serving(env={"NOTIFY_SOCKET": folder + "/notify", "WATCHDOG_USEC": "400000"}) as service:
            expect("READY=1")
            for _ in range(3):
                expect("WATCHDOG=1")
            service.signal(signal.SIGHUP)
            assert re.match(r"RELOADING=1\nMONOTONIC_USEC=\d+$", expect("RELOADING=1"))
            expect("READY=1")
            before = service.status()["pid"]
            assert service.ask("upgrade")["ok"]
            main = expect("MAINPID=")
            now = until(lambda: (pid := service.supervisor_or(before)) != before and pid)
            assert main == f"MAINPID={now}", main
            os.kill(now, signal.SIGTERM)
            expect("STOPPING=1")


def test_sockets_of_systemd_are_taken():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        activate = ("import os, sys\nos.dup2(int(sys.argv[1]), 3)\nos.environ['LISTEN_FDS'] = '1'\n"
                    "os.environ['LISTEN_PID'] = str(os.getpid())\nos.execv(sys.argv[2], sys.argv[2:])\n")
        wrap = [sys.executable, "-c", activate, str(listening.fileno())]
        with Service(SERVER, "--workers", "1", wrap=wrap, fds=(listening.fileno(),)) as service:
            assert service.ports == [port] and service.who()
            before = service.status()["pid"]
            assert service.ask("upgrade")["ok"]
            until(lambda: service.supervisor_or(before) != before)
            assert service.who()


def test_privileges_are_dropped_once_the_sockets_are_open():
    if os.geteuid() != 0:
        return "only root has any"
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)
    with serving("--user", "nobody", control=os.path.join(folder, "control")) as service:
        assert service.who()["uid"] == 65534
        with open(f"/proc/{service.process.pid}/status", encoding="ascii") as file:
            words = file.read()
        assert re.search(r"^Uid:\s+65534\s+65534\s+65534\s", words, re.M), words
        assert re.search(r"^CapEff:\s+0+$", words, re.M), words
    done = subprocess.run([SERVER, "--port", "0", "--user", "nobody-at-all"], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 1 and 'no user "nobody-at-all"' in done.stderr, done.stderr
    return None


# --- Control ---


def test_status_is_a_table_for_people_and_json_for_programs():
    with serving() as service:
        done = service.command("status")
        assert done.returncode == 0 and re.search(r"^web +\d+  ready +0 ", done.stdout, re.M), done.stdout
        told = json.loads(service.command("status", "--json").stdout)
        assert told["ok"] and told["web"] == 2 and len(told["workers"]) == 2
        assert service.command("scale", "web=1").stdout == "done\n"
        assert service.command("scale", "web").returncode == 2
        assert service.command("scale").returncode == 2
        assert service.command("reload", "--json").stdout == '{"ok":true}\n'
        assert service.command("stop").stdout == "stopped\n"
        assert service.process.wait(20) == 0
        done = service.command("status")
        assert done.returncode == 1 and "no service listens" in done.stderr


def test_logs_are_those_of_all_even_of_the_dead():
    with serving() as service:
        dead = service.who()["pid"]
        os.kill(dead, signal.SIGKILL)
        until(lambda: "worker.died" in service.events() and len(service.pids(state="ready")) == 2)
        told = [json.loads(line) for line in service.command("logs").stdout.splitlines()]
        assert {dead, service.process.pid} | service.pids() <= {line["pid"] for line in told}, told
        assert told == sorted(told, key=lambda line: line["time"])
        assert [line["msg"] for line in told].count("app.ready") == 3
        assert service.command("logs", "--lines", "2").stdout.splitlines() == [json.dumps(line, separators=(",", ":"))
                                                                               for line in told[-2:]]
        assert len(json.loads(service.command("logs", "--json", "--lines", "3").stdout)) == 3
        assert service.command("logs", "--lines", "few").returncode == 2
        assert not service.ask("logs", lines=0)["ok"]


def test_the_socket_is_its_users_alone_and_never_two_services():
    with serving() as service:
        assert stat.S_IMODE(os.stat(service.control).st_mode) == 0o600
        done = subprocess.run([SERVER, "--port", "0", "--workers", "1", "--control", service.control],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1 and "already" in done.stderr, done.stderr
        assert service.status()["ok"]


def test_a_socket_left_behind_is_replaced():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "control")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with serving(control=path) as service:
        assert service.status()["ok"]
    assert not os.path.exists(path)


def test_nonsense_on_the_socket_harms_nobody():
    with serving() as service:
        for words in (b"{\n", b"[]\n", b"\n", b'{"command":7}\n', b'{"command":"dance"}\n', b"\xff\xfe\n"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(service.control)
                sock.sendall(words)
                assert not json.loads(sock.recv(4096))["ok"], words
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(service.control)
            sock.sendall(b"x" * 1024)
            assert sock.recv(10) == b""
        idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for sock in idle:
            sock.connect(service.control)
        for sock in idle:
            sock.close()
        until(lambda: service.supervisor_or(None) is not None)


def test_the_doctor_finds_what_is_wrong():
    def run(**env):
        return subprocess.run([SERVER, "doctor"], capture_output=True, text=True, timeout=30, check=False,
                              env={**os.environ, "PORT": "0", **env})
    done = run()
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout
    for what in ("processors", "files", "backlog", "control", "listen", "parts"):
        assert re.search(rf"^(ok|warn) +{what} ", done.stdout, re.M), (what, done.stdout)
    with serving() as service:
        done = run(PORT=str(service.ports[0]))
        assert done.returncode == 1 and re.search(r"^FAIL +listen .*in use", done.stdout, re.M), done.stdout
        done = run(PORT=str(service.ports[0]), CONTROL_SOCKET=service.control)  # of the service that has the port
        assert done.returncode == 0 and re.search(r"^ok +listen .*runs", done.stdout, re.M), done.stdout
    assert run(CONTROL_SOCKET="/tmp/" + "x" * 200).returncode == 1


# --- What it costs ---


def test_a_supervisor_at_rest_is_small_and_asleep():
    with serving() as service:
        pid, workers = service.process.pid, service.pids()
        before = processor_ticks(pid)
        time.sleep(3)
        spent = processor_ticks(pid) - before
        memory = private_bytes(pid)
        print(f"  {memory / 1024:.0f} KiB private, {spent} ticks in 3 s; workers "
              f"{sum(map(private_bytes, workers)) / len(workers) / 1024:.0f} KiB each")
        assert spent <= 1
        assert SANITIZED or memory < 4 << 20


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
