#!/usr/bin/env python3
"""One login for a service in Node and one in C: sessions shared with express-session and connect-redis.

Both run beside each other on one Redis. Whatever is done at one is seen at the other, in both directions.
"""
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import cases
import node
import redis

OURS = [os.path.join(os.environ["BUILD_ROOT"], "tests", "compat", "session_server"), "--port", "0"]
NODE = node.command("session_server.js")
SECRET = "keyboard cat"
OLD_SECRET = "an older one"


class Service:
    """A running service, in Node or in C."""

    def __init__(self, command, server, secrets=SECRET, max_age=None, rolling=False):
        env = {**os.environ, "REDIS_URL": server.url(), "SECRETS": secrets}
        if max_age:
            env["MAX_AGE"] = str(max_age)
        if rolling:
            env["ROLLING"] = "1"
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


class Browser:
    """Keeps the cookie that it is given, and sends it to whomever it asks."""

    def __init__(self):
        self.cookie = None
        self.line = None  # the last Set-Cookie

    def ask(self, service, method, target, status):
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, target, headers={"Cookie": self.cookie} if self.cookie else {})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == status, f"{method} {target}: {answer.status} {body[:500]}"
            self.line = answer.getheader("Set-Cookie")
            if self.line:
                self.cookie = None if "Max-Age=0" in self.line else self.line.split(";")[0]
            return body

    def get(self, service, target):
        return json.loads(self.ask(service, "GET", target, 200))

    def post(self, service, target):
        self.ask(service, "POST", target, 204)

    def key(self):
        """Of its session in Redis."""
        return "sess:" + re.match(r"connect\.sid=s%3A([\w-]{32})\.[\w%]+$", self.cookie).group(1)


@contextlib.contextmanager
def both(server, **options):
    """Each as the first and as the second."""
    with Service(NODE, server, **options) as theirs, Service(OURS, server, **options) as ours:
        yield [(theirs, ours), (ours, theirs)]


def stored(server, browser):
    return json.loads(server.cli("GET", browser.key()))


# --- what one does, the other sees ---


def test_a_login_at_one_is_a_login_at_the_other(server):
    with both(server) as pairs:
        for one, other in pairs:
            browser = Browser()
            browser.post(one, "/login?user=ann")
            assert browser.get(other, "/show") == {"views": 0, "user": "ann"}


def test_each_goes_on_where_the_other_stopped(server):
    with both(server) as pairs:
        for one, other in pairs:
            browser = Browser()
            for _ in range(3):
                browser.post(one, "/count")
                browser.post(other, "/count")
            assert browser.get(one, "/show")["views"] == browser.get(other, "/show")["views"] == 6


def test_a_logout_at_one_is_a_logout_at_the_other(server):
    with both(server) as pairs:
        for one, other in pairs:
            browser = Browser()
            browser.post(one, "/login?user=ann")
            key, cookie = browser.key(), browser.cookie
            browser.post(other, "/logout")
            assert server.cli("EXISTS", key) == "0"
            browser.cookie = cookie
            assert browser.get(one, "/show")["user"] is None


def test_a_login_leaves_nothing_of_the_id_that_the_other_gave(server):
    with both(server) as pairs:
        for one, other in pairs:
            browser = Browser()
            browser.post(one, "/count")
            before, key = browser.cookie, browser.key()
            browser.post(other, "/login?user=ann")
            assert browser.cookie != before and server.cli("EXISTS", key) == "0"
            browser.cookie = before
            assert browser.get(one, "/show") == {"views": 0, "user": None}


def test_a_change_of_secrets_logs_nobody_out(server):
    with both(server, secrets=OLD_SECRET) as old, both(server, secrets=f"{SECRET},{OLD_SECRET}") as new:
        for (before, _), (after, other) in zip(old + old[::-1], new + new):
            browser = Browser()
            browser.post(before, "/login?user=ann")
            assert browser.get(after, "/show")["user"] == "ann"
            browser.post(after, "/login?user=bob")  # the new secret signs
            assert browser.get(other, "/show")["user"] == "bob"
            assert browser.get(before, "/show")["user"] is None


def test_a_cookie_that_was_tampered_with_is_none_at_both(server):
    with both(server) as pairs:
        for one, other in pairs:
            browser = Browser()
            browser.post(one, "/login?user=ann")
            head, tail = browser.cookie[:16], browser.cookie[17:]
            browser.cookie = head + ("A" if browser.cookie[16] != "A" else "B") + tail
            for service in (one, other):
                assert browser.get(service, "/show")["user"] is None


# --- what is in Redis ---


def test_the_values_look_alike(server):
    with both(server) as ((theirs, ours), _):
        values = []
        for service in (theirs, ours):
            browser = Browser()
            browser.post(service, "/count")
            values.append(stored(server, browser))
            assert 86390 < int(server.cli("TTL", browser.key())) <= 86400
        assert values[0] == {"cookie": {"originalMaxAge": None, "expires": None, "httpOnly": True, "path": "/"}, "views": 1}
        assert values[1].pop("cookie") == {**values[0].pop("cookie"), "sameSite": "lax"}
        assert values[0] == values[1]


def test_an_age_is_written_alike(server):
    with both(server, max_age=3600_000) as ((theirs, ours), _):
        for service in (theirs, ours):
            browser = Browser()
            browser.post(service, "/count")
            cookie = stored(server, browser)["cookie"]
            if service is ours:
                assert cookie["originalMaxAge"] == 3600_000
            else:  # what is left of it, by a clock that express-session reads twice
                assert 3599_000 < cookie["originalMaxAge"] <= 3600_000
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", cookie["expires"]), cookie
            assert 3590 < int(server.cli("TTL", browser.key())) <= 3600
            assert "Expires=" in browser.line or "Max-Age=3600" in browser.line, browser.line


def test_what_node_put_in_is_kept_byte_by_byte(server):
    with both(server) as ((theirs, ours), _):
        browser = Browser()
        browser.post(theirs, "/odd")
        before = server.cli("GET", browser.key())
        browser.post(ours, "/count")
        assert server.cli("GET", browser.key()) == before[:-1] + ',"views":1}'
        assert browser.get(theirs, "/odd") is True


# --- how long ---


def check_use_prolongs(server, rolling):
    with both(server, max_age=2000, rolling=rolling) as pairs:
        browsers = [Browser() for _ in pairs]
        for browser, (one, _) in zip(browsers, pairs):
            browser.post(one, "/login?user=ann")
        cookies = [browser.cookie for browser in browsers]
        for _ in range(8):  # past the time that was noted at the login
            time.sleep(0.4)
            for browser, (one, _) in zip(browsers, pairs):
                assert browser.get(one, "/show")["user"] == "ann"
                assert bool(browser.line) == rolling, browser.line
        for browser, (_, other) in zip(browsers, pairs):
            assert browser.get(other, "/show")["user"] == "ann"
        assert [browser.cookie for browser in browsers] == cookies
        time.sleep(2.3)
        for browser, pair in zip(browsers, pairs):
            for service in pair:
                assert browser.get(service, "/show")["user"] is None


def test_use_of_one_prolongs_for_the_other(server):
    check_use_prolongs(server, False)


def test_rolling_sends_the_cookie_with_each_answer(server):
    check_use_prolongs(server, True)


# --- a user's sessions ---


def test_a_logout_at_node_is_seen_in_the_list(server):
    with both(server) as ((theirs, ours), _):
        browsers = [Browser() for _ in range(3)]
        for browser in browsers:
            browser.post(ours, "/login?user=ann")
        assert browsers[0].get(ours, "/devices?user=ann") == 3
        browsers[0].post(theirs, "/logout")
        assert browsers[1].get(ours, "/devices?user=ann") == 2
        assert server.cli("ZCARD", "users:sess:ann") == "2"


def test_a_user_whose_sessions_were_revoked_is_logged_out_at_node(server):
    with both(server) as ((theirs, ours), _):
        browsers = [Browser() for _ in range(3)]
        for browser in browsers:
            browser.post(ours, "/login?user=ann")
            browser.post(theirs, "/count")
        Browser().post(ours, "/revoke?user=ann")
        for browser in browsers:
            assert browser.get(theirs, "/show") == {"views": 0, "user": None}


def with_redis(test):
    with redis.start() as server:
        test(server)


if __name__ == "__main__":
    node.need()
    sys.exit(cases.run(globals(), with_redis))
