#!/usr/bin/env python3
"""A service in Express and examples/service behind one load balancer: a client that is logged in at one is at the other."""
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

import cases
import node
import postgres
import redis

OURS = [os.path.join(os.environ["BUILD_ROOT"], "examples", "service", "service")]
THEIRS = node.command("express_service.js")
SECRETS = {"SESSION_SECRET": "one that both know, of 32 bytes and more",
           "JWT_SECRET": "another that both know, of 32 bytes and more"}
PASSWORD = "user in development"


class Service:
    """A running one, in Node or in C."""

    def __init__(self, command, env):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=env,
                                        preexec_fn=redis.die_with_us)
        line = self.process.stdout.readline()
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line)
        assert found, f"no URL in {line!r}: {self.words()}"
        self.port = int(found.group(1))

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(30)
        self.process.stdout.close()
        assert code in (0, -signal.SIGTERM), f"it ended with {code}: {self.words()}"


class Client:
    """Keeps what it is given, and brings it along wherever it is sent."""

    def __init__(self):
        self.cookie = self.token = None

    def ask(self, service, method, target, status, body=None):
        headers = {"Content-Type": "application/json"} if body else {}
        if self.cookie:
            headers["Cookie"] = self.cookie
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, target, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == status, f"{method} {target}: {answer.status} {content[:500]}"
            line = answer.getheader("Set-Cookie")
        if line:
            self.cookie = None if "Max-Age=0" in line else line.split(";")[0]
        return json.loads(content) if content and content[:1] == b"{" else None


class Both:
    """The two, and the places that they share."""

    def __init__(self, theirs, ours):
        self.theirs, self.ours = theirs, ours

    def login_at_ours(self, user):
        """A client with a cookie, and its token."""
        client = Client()
        answer = client.ask(self.ours, "POST", "/api/auth/login", 200,
                            {"email": f"user{user}@example.test", "password": PASSWORD})
        assert client.cookie.startswith("connect.sid=s%3A"), client.cookie
        return client, answer["token"], answer["user"]["id"]

    def login_at_theirs(self, user):
        client = Client()
        return client, client.ask(self.theirs, "POST", "/login", 200, {"id": user})["token"]

    def me_at_ours(self, client, status=200):
        return client.ask(self.ours, "GET", "/api/me", status)

    def me_at_theirs(self, client, status=200):
        return client.ask(self.theirs, "GET", "/me", status)


def bearer(token):
    client = Client()
    client.token = token
    return client


def test_a_session_of_express_is_one_here(both):
    client, _ = both.login_at_theirs(7)
    assert both.me_at_ours(client)["email"] == "user7@example.test"
    assert both.me_at_theirs(client) == {"id": 7}


def test_a_session_of_ours_is_one_in_express(both):
    client, _, user = both.login_at_ours(8)
    assert both.me_at_theirs(client) == {"id": user}
    assert both.me_at_ours(client)["id"] == user


def test_tokens_go_both_ways(both):
    _, token = both.login_at_theirs(9)
    assert both.me_at_ours(bearer(token))["id"] == 9
    _, token, user = both.login_at_ours(10)
    assert both.me_at_theirs(bearer(token)) == {"id": user}
    both.me_at_ours(bearer(token[:-2] + "xx"), 401)


def test_a_logout_at_one_is_one_at_the_other(both):
    client, _ = both.login_at_theirs(11)
    cookie = client.cookie
    client.ask(both.ours, "POST", "/api/auth/logout", 204)
    client.cookie = cookie
    both.me_at_theirs(client, 401)
    client, _, _ = both.login_at_ours(12)
    cookie = client.cookie
    client.ask(both.theirs, "POST", "/logout", 204)
    client.cookie = cookie
    both.me_at_ours(client, 401)


def test_a_client_moves_over_and_back_with_each_request(both):
    client, _ = both.login_at_theirs(13)
    for _ in range(5):
        assert both.me_at_ours(client)["id"] == 13
        assert both.me_at_theirs(client) == {"id": 13}


def test_nobody_is_nobody_at_both(both):
    both.me_at_ours(Client(), 401)
    both.me_at_theirs(Client(), 401)


if __name__ == "__main__":
    node.need()
    with postgres.start() as cluster, redis.start() as store, tempfile.TemporaryDirectory() as scratch:
        settings = {**os.environ, **SECRETS, "REDIS_URL": store.url(), "DATABASE_URL": cluster.url(), "PORT": "0",
                    "DEV_DIR": scratch, "RATE_LIMIT": "0", "WEB_WORKERS": "1", "EXPRESS_SESSIONS": "true"}
        for words in (["migrate", "up"], ["seed"]):
            subprocess.run([*OURS, *words], env=settings, check=True, stdout=subprocess.DEVNULL)
        with Service(THEIRS, settings) as express, Service(OURS, settings) as service:
            sys.exit(cases.run(globals(), lambda test: test(Both(express, service))))
