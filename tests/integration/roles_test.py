#!/usr/bin/env python3
"""Jobs that compute for long, in processes of a role of their own: nobody else waits for them."""
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import cases
import redis
from service import Service, until

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "roles_server")
HANG_S = 2  # of workers that serve
PATIENCE_S = 60


class Office(Service):
    """Reports are busy until open_gate()."""

    def __init__(self, server, *args, **env):
        self.server = server
        self.gate = os.path.join(tempfile.mkdtemp(prefix="roles"), "gate")
        super().__init__(SERVER, "--port", "0", "--workers", "2", *args,
                         env={"REDIS_URL": server.url(), "GATE": self.gate, **env})

    def open_gate(self):
        with open(self.gate, "w", encoding="ascii"):
            pass

    def add(self, queue):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=PATIENCE_S)) as connection:
            connection.request("POST", "/" + queue)
            response = connection.getresponse()
            assert response.status == 200, response.status
            return response.read().decode()

    def running(self, queue):
        return self.server.cli("LRANGE", f"bull:{queue}:active", 0, -1).split()

    def await_running(self, queue, count):
        until(lambda: len(self.running(queue)) == count, PATIENCE_S, f"{count} jobs of {queue}")

    def outcome(self, queue, id):
        """Of a job, once it has ended."""
        found = until(lambda: self.server.cli("HGET", f"bull:{queue}:{id}", "returnvalue"), PATIENCE_S, f"job {id}")
        return json.loads(found)


def test_a_busy_report_delays_nobody_and_is_not_taken_for_hung():
    with redis.start() as server, Office(server, "--reports-workers", "1") as office:
        report = office.add("reports")
        office.await_running("reports", 1)
        own, web = office.pids(role="reports"), office.pids(role="web")
        begin = time.monotonic()
        for _ in range(30):
            assert int(office.get("/who")[1]) in web
            assert office.outcome("mails", office.add("mails"))["pid"] in web
        until(lambda: time.monotonic() > begin + 2 * HANG_S)
        assert office.running("reports") == [report], "it has ended before the others"
        assert office.pids(role="reports") == own and office.status()["restarts"] == 0
        until(lambda: b'workers{role="reports",state="ready"} 1' in office.get("/metrics")[1])
        office.open_gate()
        assert office.outcome("reports", report) == {"pid": own.pop(), "role": "reports"}


def test_a_process_that_is_killed_is_replaced_and_its_job_run_again():
    with redis.start() as server, Office(server, REPORTS_WORKERS="1") as office:
        report = office.add("reports")
        office.await_running("reports", 1)
        web, (victim,) = office.pids(role="web"), office.pids(role="reports")
        os.kill(victim, signal.SIGKILL)
        heir = until(lambda: office.pids(role="reports", state="ready") - {victim}, PATIENCE_S)
        office.open_gate()
        assert office.outcome("reports", report) == {"pid": heir.pop(), "role": "reports"}
        assert int(server.cli("HGET", f"bull:reports:{report}", "stc")) >= 1
        assert office.pids(role="web") == web
        until(lambda: b'worker_restarts_total{role="reports",reason="crash"} 1' in office.get("/metrics")[1])


def test_their_number_changes_while_it_runs():
    with redis.start() as server, Office(server, "--reports-workers", "1") as office:
        assert office.status()["roles"] == {"reports": 1}
        assert office.command("scale", "reports=2").returncode == 0
        reports = [office.add("reports") for _ in range(2)]
        office.await_running("reports", 2)
        assert len(office.pids(role="reports")) == 2
        office.open_gate()
        assert {office.outcome("reports", id)["pid"] for id in reports} == office.pids(role="reports")
        assert office.command("scale", "reports=0").returncode == 0
        assert office.outcome("reports", office.add("reports"))["pid"] in office.pids(role="web")
        assert {worker["role"] for worker in office.workers()} == {"web"}
        for wrong in ("nonsense=1", "reports=99", "web=0"):
            refused = office.command("scale", "web=2", wrong) if wrong != "web=0" else office.command("scale", wrong)
            assert refused.returncode == 1 and "workers" in refused.stderr, (wrong, refused)
        assert office.status()["roles"] == {"reports": 0} and office.status()["web"] == 2


def test_without_processes_of_its_own_a_report_runs_where_jobs_do():
    with redis.start() as server, Office(server, "--job-workers", "1") as office:
        office.open_gate()
        assert office.outcome("reports", office.add("reports")) == {"pid": office.pids(role="job").pop(), "role": ""}


def test_wrong_numbers_are_refused_with_words():
    for variable, flag, words in (("x", None, "REPORTS_WORKERS"), ("1", "32", "reports-workers"),
                                  ("31", None, "too many")):
        args = ["--reports-workers", flag] if flag else []
        done = subprocess.run([SERVER, "--port", "0", "--workers", "2", *args], capture_output=True, text=True,
                              timeout=60, check=False,
                              env={**os.environ, "REDIS_URL": "redis://127.0.0.1:1", "REPORTS_WORKERS": variable})
        assert done.returncode != 0 and words in done.stderr, done


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
