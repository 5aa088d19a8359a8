#!/usr/bin/env python3
"""bk_app_main() as a person meets it: the command line, signals, and last words. Its supervisor has
tests of its own (cluster_test.py)."""
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time

import cases

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "main_server")
SANITIZED = b"__asan_init" in open(SERVER, "rb").read()


def start(*args, env=None):
    process = subprocess.Popen([SERVER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **(env or {})})
    line = process.stdout.readline()
    found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line)
    assert found, f"no URL in {line!r}"
    return process, int(found.group(1))


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def run(*args):
    return subprocess.run([SERVER, *args], capture_output=True, text=True, timeout=10, check=False)


def test_help_says_what_there_is():
    done = run("--help")
    assert done.returncode == 0 and "--port N" in done.stdout and "routes" in done.stdout
    assert run("serve", "--help").returncode == 0


def test_a_wrong_command_line_exits_2():
    assert run("dance").returncode == 2
    assert run("--port", "70000").returncode == 2
    assert run("--port", "http").returncode == 2
    assert run("--workers", "many").returncode == 2
    assert run("--colour", "red").returncode == 2
    assert run("serve", "again").returncode == 2


def test_routes_are_listed_with_their_place():
    done = run("routes")
    assert done.returncode == 0
    assert re.search(r"GET +/overflow/\{how\} +\S*main_server\.c:\d+", done.stdout), done.stdout


def test_a_port_in_use_is_named():
    process, port = start("--port", "0")
    done = run("--port", str(port))
    process.terminate()
    assert done.returncode == 1 and f"127.0.0.1:{port}" in done.stderr, done.stderr
    assert process.wait(10) == 0


def test_the_environment_sets_the_port():
    process, port = start(env={"PORT": "0", "HOST": "127.0.0.1"})
    assert get(port, "/fine") == (200, b"fine")
    process.terminate()
    assert process.wait(10) == 0


def lets_a_request_finish(*args):
    process, port = start("--port", "0", *args)
    answer = []
    thread = threading.Thread(target=lambda: answer.append(get(port, "/linger")))
    thread.start()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    thread.join(10)
    assert answer == [(200, b"late")]
    assert process.wait(10) == 0


def test_sigterm_lets_a_request_finish():
    lets_a_request_finish("--single")


def test_sigterm_lets_a_request_of_a_worker_finish():
    lets_a_request_finish("--workers", "1")


def dies(path, sign):
    process, port = start("--port", "0", "--single")
    try:
        get(port, path)
    except (http.client.HTTPException, ConnectionError):
        pass
    words = process.stderr.read()
    assert process.wait(10) == -sign, (process.returncode, words)
    return words


def test_a_stack_overflow_names_fiber_route_and_request():
    words = dies("/overflow/now", signal.SIGSEGV)
    assert "fiber stack overflow" in words, words
    assert "route /overflow/{how}" in words and re.search(r"request [0-9a-f-]{36}", words), words


def test_a_crash_names_the_route_and_shows_where():
    words = dies("/segfault", signal.SIGSEGV)
    assert "SIGSEGV in fiber" in words and "route /segfault" in words, words
    assert words.count("\n") > 4


def unless_sanitized(test):
    if SANITIZED and ("overflow" in test.__name__ or "crash" in test.__name__):
        return "the sanitizer has last words of its own"
    return test()


if __name__ == "__main__":
    sys.exit(cases.run(globals(), unless_sanitized))
