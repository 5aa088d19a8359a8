#!/usr/bin/env python3
"""The reference service, examples/service, from the first migration on: what its contract says, on real servers."""
import contextlib
import csv
import email
import http.client
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import cases
import postgres
import redis
from otlp_receiver import Receiver
import service as supervised
from ws_client import TEXT, Client

PROGRAM = os.path.join(os.environ["BUILD_ROOT"], "examples", "service", "service")
ADMIN = ("admin@example.test", "admin in development")
USER_PASSWORD = "user in development"
PATIENCE_S = 30


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __getitem__(self, name):
        return self.headers[name]


class Caller:
    """Somebody with a token, a cookie, or neither."""

    def __init__(self, port, token=None):
        self.port, self.token, self.cookie = port, token, None

    def ask(self, method, target, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.cookie:
            headers["Cookie"] = self.cookie
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            data = json.dumps(body) if not isinstance(body, (bytes, str, type(None))) else body
            connection.request(method, target, data, headers)
            answer = Answer(connection.getresponse())
        if answer["Set-Cookie"]:
            self.cookie = None if "Max-Age=0" in answer["Set-Cookie"] else answer["Set-Cookie"].split(";")[0]
        return answer

    def want(self, status, method, target, body=None, **headers):
        answer = self.ask(method, target, body, **headers)
        assert answer.status == status, f"{method} {target}: {answer.status} {answer.body[:600]}"
        if status >= 400:
            assert answer["Content-Type"] == "application/problem+json", answer["Content-Type"]
            assert answer.json()["status"] == status
        return answer

    def get(self, target, **headers):
        return self.want(200, "GET", target, **headers)


class Service:
    """The program, serving."""

    def __init__(self, place, **settings):
        self.env = {**os.environ, "DATABASE_URL": place.pg.url(), "REDIS_URL": place.redis.url(), "PORT": "0",
                    "DEV_DIR": place.folder, "RATE_LIMIT": "0", "WEB_WORKERS": "1", "JOB_WORKERS": "1", **settings}
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([PROGRAM], stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.env,
                                        cwd=place.folder, preexec_fn=redis.die_with_us)
        line = self.process.stdout.readline()
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line)
        assert found, f"no URL in {line!r}: {self.words()}"
        self.port = int(found.group(1))

    def words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def lines(self, event):
        """Of the log."""
        self.log.seek(0)
        every = [json.loads(line) for line in self.log.read().splitlines() if line.startswith(b"{")]
        return [line for line in every if line["msg"] == event]

    def anyone(self):
        return Caller(self.port)

    def login(self, address, password=USER_PASSWORD):
        """With a token."""
        answer = Caller(self.port).want(200, "POST", "/api/auth/login", {"email": address, "password": password})
        return Caller(self.port, answer.json()["token"])

    def admin(self):
        return self.login(*ADMIN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        assert code == 0, f"it ended with {code}: {self.words()}"


class Place:
    """PostgreSQL and Redis with what the service has put there."""

    def __init__(self, pg, cache, folder):
        self.pg, self.redis, self.folder = pg, cache, folder
        self.count = 0

    def run(self, *words, status=0, **settings):
        env = {**os.environ, "DATABASE_URL": self.pg.url(), "REDIS_URL": self.redis.url(), "DEV_DIR": self.folder,
               **settings}
        done = subprocess.run([PROGRAM, *words], env=env, text=True, capture_output=True, check=False,
                              cwd=self.folder, timeout=120)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def new(self, what):
        """A name that no other test has."""
        self.count += 1
        return f"{what}{self.count}"


def product(place, **more):
    return {"sku": place.new("SKU-T"), "name": "Blue teapot", "price_cents": 1999, "stock": 3, **more}


def until(holds, what):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.05)


# --- commands ---


def test_a_second_seed_adds_nothing(place):
    assert "0 users and 0 products added" in place.run("seed")
    assert place.pg.psql("SELECT count(*) FROM users WHERE role = 'admin'") == "1"
    assert place.pg.psql("SELECT count(*) FROM products") >= "10000"


def test_seeds_are_not_for_production(place):
    secret = "x" * 40
    production = {"APP_ENV": "production", "JWT_SECRET": secret, "SESSION_SECRET": secret, "ADMIN_TOKEN": secret,
                  "SMTP_URL": "smtp://127.0.0.1:1"}
    assert "not in production" in place.run("seed", status=1, **production)


def test_production_wants_secrets(place):
    words = place.run("routes", status=2, APP_ENV="production")
    assert "jwt_secret is needed in production" in words, words


def test_secrets_that_cannot_be_made_are_told(place):
    words = place.run("routes", status=2, DEV_DIR="/nowhere/dev", SMTP_URL="smtp://127.0.0.1:1")
    assert "/nowhere/dev/admin_token: No such file or directory" in words, words
    assert "is no secret" not in words, words


def test_settings_are_shown_without_secrets(place):
    secret = "do not show this to anybody, please"
    words = place.run("config", "print", JWT_SECRET=secret, RATE_WINDOW="5m")
    assert secret not in words
    assert re.search(r"^rate_window +5m +environment RATE_WINDOW$", words, re.M), words
    assert "as they should be" in place.run("config", "check")
    words = place.run("config", "check", status=2, RATE_WINDOW="60")
    assert "environment RATE_WINDOW: rate_window must be a duration" in words, words


def test_migrations_go_down_and_up(place):
    assert "0001_users" not in place.run("migrate", "plan")
    place.run("migrate", "status")


def test_routes_are_listed(place):
    words = place.run("routes")
    for method, path in (("POST", "/api/auth/register"), ("PATCH", r"/api/products/\{id\}"), ("GET", "/api/ws")):
        assert re.search(rf"^{method} +{path} ", words, re.M), words


def test_the_api_is_printed(place):
    docs = json.loads(place.run("openapi"))
    assert docs["openapi"].startswith("3.1") and "/api/products/{id}" in docs["paths"]


def test_a_reload_reads_the_settings_anew(place):
    conf = pathlib.Path(place.folder) / "service.conf"
    conf.write_text("public_url = https://before.example\n")
    try:
        with Service(place) as service:
            conf.write_text("# Changed.\npublic_url = https://after.example\nbody_limit = 1mb\n")
            service.process.send_signal(signal.SIGHUP)
            until(lambda: "cluster.reloaded" in service.words(), "it has reloaded")
            changes = {line["key"]: line for line in service.lines("config.changed")}
            assert set(changes) == {"public_url", "body_limit"}, changes
            change = changes["public_url"]
            assert (change["before"], change["after"]) == ("https://before.example", "https://after.example")
            assert change["in_force"] and change["source"] == "service.conf:2", change
            assert not changes["body_limit"]["in_force"]
            address = place.new("reload") + "@example.test"
            service.anyone().want(201, "POST", "/api/auth/register",
                                  {"email": address, "name": "x", "password": "long enough"})
            until(lambda: mails(place, address), "a mail has come")
            assert "https://after.example" in mails(place, address)[0].get_payload()
    finally:
        conf.unlink()


def test_wrong_settings_are_not_loaded(place):
    conf = pathlib.Path(place.folder) / "service.conf"
    try:
        with Service(place) as service:
            conf.write_text("public_ulr = https://after.example\n")
            service.process.send_signal(signal.SIGHUP)
            until(lambda: service.lines("cluster.reload_failed"), "it has refused")
            words = [line["why"] for line in service.lines("config.wrong")]
            assert words == ['service.conf:1: there is no setting "public_ulr": did you mean "public_url"?'], words
            assert not service.lines("cluster.reloading")
            service.anyone().get("/api/products/1")
            conf.write_text("public_url = https://after.example\n")
            service.process.send_signal(signal.SIGHUP)
            until(lambda: service.lines("cluster.reloaded"), "it has reloaded")
    finally:
        conf.unlink()


# --- accounts ---


def test_registering_makes_an_account(place):
    with Service(place) as service:
        anyone = service.anyone()
        address = place.new("Ann") + "@example.test"
        new = {"email": address, "name": "Ann", "password": "long enough"}
        answer = anyone.want(201, "POST", "/api/auth/register", new)
        user = answer.json()
        assert answer["Location"] == f"/api/users/{user['id']}"
        assert (user["email"], user["name"], user["role"]) == (address, "Ann", "user")
        assert "password" not in answer.body.decode()
        answer = anyone.want(409, "POST", "/api/auth/register", {**new, "email": address.lower()})
        assert answer.json()["errors"][0]["pointer"] == "/email", answer.body
        assert service.login(address.upper(), "long enough").get("/api/me").json() == user


def test_what_is_no_account_is_refused_with_all_reasons(place):
    with Service(place) as service:
        bad = {"email": "nobody", "name": "", "password": "short"}
        answer = service.anyone().want(400, "POST", "/api/auth/register", bad)
        assert {error["pointer"] for error in answer.json()["errors"]} == {"/email", "/name", "/password"}
        service.anyone().want(400, "POST", "/api/auth/register", b"{")
        service.anyone().want(415, "POST", "/api/auth/register", b"x", Content_Type="text/plain")


def test_nobody_learns_who_has_an_account(place):
    with Service(place) as service:
        answers = [service.anyone().want(401, "POST", "/api/auth/login", {"email": address, "password": "wrong one"})
                   for address in ("user1@example.test", "nobody@example.test")]
        told = [{name: value for name, value in answer.json().items() if name not in ("trace_id", "instance")}
                for answer in answers]
        assert told[0] == told[1], told


def test_guesses_are_counted_by_account(place):
    with Service(place) as service:
        wrong = {"email": "user77@example.test", "password": "wrong one"}
        for _ in range(5):
            service.anyone().want(401, "POST", "/api/auth/login", wrong)
        service.anyone().want(429, "POST", "/api/auth/login", wrong)
        service.anyone().want(429, "POST", "/api/auth/login", {**wrong, "password": USER_PASSWORD})
        service.login("user78@example.test")


def test_a_login_forgets_the_guesses(place):
    with Service(place) as service:
        for _ in range(3):
            for _ in range(4):
                service.anyone().want(401, "POST", "/api/auth/login",
                                      {"email": "user79@example.test", "password": "wrong one"})
            service.login("user79@example.test")


def test_a_token_and_a_session_are_both_a_login(place):
    with Service(place) as service:
        browser = service.anyone()
        answer = browser.want(200, "POST", "/api/auth/login",
                              {"email": "user2@example.test", "password": USER_PASSWORD})
        assert answer["Cache-Control"] == "no-store"
        assert "HttpOnly" in answer["Set-Cookie"] and "SameSite=Lax" in answer["Set-Cookie"], answer["Set-Cookie"]
        me = browser.get("/api/me").json()
        assert me == answer.json()["user"]
        assert Caller(service.port, answer.json()["token"]).get("/api/me").json() == me
        assert "WWW-Authenticate" in service.anyone().want(401, "GET", "/api/me").headers
        Caller(service.port, answer.json()["token"][:-2] + "xx").want(401, "GET", "/api/me")


def test_a_logout_voids_the_session(place):
    with Service(place) as service:
        browser = service.anyone()
        browser.want(200, "POST", "/api/auth/login", {"email": "user3@example.test", "password": USER_PASSWORD})
        cookie = browser.cookie
        browser.want(204, "POST", "/api/auth/logout")
        browser.cookie = cookie
        browser.want(401, "GET", "/api/me")


def test_a_logout_voids_the_tokens(place):
    with Service(place) as service:
        one, other = service.login("user4@example.test"), service.login("user4@example.test")
        one.want(204, "POST", "/api/auth/logout")
        one.want(401, "GET", "/api/me")
        other.want(401, "GET", "/api/me")
        service.login("user4@example.test").get("/api/me")


# --- users ---


def test_admins_see_all_users_page_by_page(place):
    with Service(place) as service:
        admin = service.admin()
        first = admin.get("/api/users?limit=3").json()
        assert [user["email"] for user in first["items"]] == [f"user{i}@example.test" for i in (1, 2, 3)]
        second = admin.get(f"/api/users?limit=3&cursor={first['next_cursor']}").json()
        assert second["items"][0]["email"] == "user4@example.test"
        assert "password_hash" not in json.dumps(first) and "token_version" not in json.dumps(first)
        last = admin.get("/api/users?cursor=999999999").json()
        assert last == {"items": []}, last
        for query in ("limit=0", "limit=101", "limit=x", "cursor=-1"):
            admin.want(400, "GET", f"/api/users?{query}")


def test_users_see_and_change_themselves_only(place):
    with Service(place) as service:
        user, admin = service.login("user10@example.test"), service.admin()
        own, other = user.get("/api/me").json()["id"], admin.get("/api/me").json()["id"]
        user.want(403, "GET", "/api/users")
        service.anyone().want(401, "GET", "/api/users")
        for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
            user.want(403, method, f"/api/users/{other}", body)
            service.anyone().want(401, method, f"/api/users/{own}", body)
        assert user.get(f"/api/users/{own}").json()["email"] == "user10@example.test"
        assert user.want(200, "PATCH", f"/api/users/{own}", {"name": "Ten"}).json()["name"] == "Ten"
        user.want(403, "PATCH", f"/api/users/{own}", {"role": "admin"})
        user.want(409, "PATCH", f"/api/users/{own}", {"email": "USER11@example.test"})
        admin.want(404, "GET", "/api/users/99999999")
        admin.want(400, "GET", "/api/users/ten")


def test_a_role_counts_at_once(place):
    with Service(place) as service, Service(place) as elsewhere:
        user, admin = service.login("user12@example.test"), service.admin()
        there = Caller(elsewhere.port, user.token)
        own = user.get("/api/me").json()["id"]
        there.want(403, "GET", "/api/users")
        admin.want(200, "PATCH", f"/api/users/{own}", {"role": "admin"})
        user.get("/api/users")
        until(lambda: there.ask("GET", "/api/users").status == 200, "the other process knows of the role")


def test_a_new_password_ends_what_the_old_one_began(place):
    with Service(place) as service:
        browser = service.anyone()
        browser.want(200, "POST", "/api/auth/login", {"email": "user13@example.test", "password": USER_PASSWORD})
        user = service.login("user13@example.test")
        own = user.get("/api/me").json()["id"]
        user.want(200, "PATCH", f"/api/users/{own}", {"password": "another long one"})
        user.want(401, "GET", "/api/me")
        browser.want(401, "GET", "/api/me")
        service.anyone().want(401, "POST", "/api/auth/login",
                              {"email": "user13@example.test", "password": USER_PASSWORD})
        service.login("user13@example.test", "another long one")


def test_a_deleted_user_is_nobody(place):
    with Service(place) as service:
        user = service.login("user14@example.test")
        own = user.get("/api/me").json()["id"]
        user.want(204, "DELETE", f"/api/users/{own}")
        user.want(401, "GET", "/api/me")
        service.admin().want(404, "DELETE", f"/api/users/{own}")


# --- products ---


def test_products_are_listed_and_found(place):
    with Service(place) as service:
        anyone = service.anyone()
        page = anyone.get("/api/products?limit=2").json()
        assert [item["sku"] for item in page["items"]] == ["SKU-000001", "SKU-000002"]
        page = anyone.get(f"/api/products?cursor={page['next_cursor']}").json()
        assert len(page["items"]) == 20 and page["items"][0]["sku"] == "SKU-000003"
        found = anyone.get("/api/products?q=lamp&limit=100").json()["items"]
        assert len(found) == 100 and all("lamp" in item["name"] for item in found)
        assert [one["sku"] for one in anyone.get("/api/products?q=SKU-000042").json()["items"]] == ["SKU-000042"]
        for odd in ("q=%27%20OR%201%3D1%3B--", "q=%26%7C%21%3A*", "q=no+such+thing"):
            assert anyone.get(f"/api/products?{odd}").json()["items"] == [], odd
        anyone.want(404, "GET", "/api/products/99999999")
        anyone.want(400, "GET", "/api/products/x")
        assert anyone.want(405, "PUT", "/api/products/1", {})["Allow"] == "GET, HEAD, PATCH, DELETE, OPTIONS"


def test_products_come_from_the_cache_where_fresh(place):
    with Service(place) as service:
        target = "/api/products/501"
        answer = service.anyone().get(target)
        assert "fwd=uri-miss" in answer["Cache-Status"], answer["Cache-Status"]
        again = service.anyone().get(target)
        assert "hit" in again["Cache-Status"] and again["X-Cache"] == "HIT" and int(again["Age"]) >= 0
        assert again.body == answer.body and again["ETag"] == answer["ETag"]
        same = service.anyone().want(304, "GET", target, If_None_Match=answer["ETag"])
        assert same.body == b"" and same["ETag"] == answer["ETag"]
        assert service.anyone().get(target, Cache_Control="no-cache")["X-Cache"] == "BYPASS"


def test_what_changed_is_out_of_every_cache_before_the_answer(place):
    with Service(place) as service, Service(place) as elsewhere:
        admin = service.admin()
        made = admin.want(201, "POST", "/api/products", product(place)).json()
        target = f"/api/products/{made['id']}"
        lists = f"/api/products?cursor={made['id'] - 1}"
        for price in range(10):
            for one in service, elsewhere:
                one.anyone().get(target)
                one.anyone().get(lists)
            admin.want(200, "PATCH", target, {"price_cents": price})
            assert service.anyone().get(target).json()["price_cents"] == price
            assert service.anyone().get(lists).json()["items"][0]["price_cents"] == price
            until(lambda: elsewhere.anyone().get(target).json()["price_cents"] == price, "the other process knows")
            until(lambda: elsewhere.anyone().get(lists).json()["items"][0]["price_cents"] == price, "its lists too")
        admin.want(204, "DELETE", target)
        service.anyone().want(404, "GET", target)
        assert made["id"] not in [item["id"] for item in service.anyone().get(lists).json()["items"]]


def test_only_admins_write_products(place):
    with Service(place) as service:
        user, admin = service.login("user20@example.test"), service.admin()
        for method, target in (("POST", "/api/products"), ("PATCH", "/api/products/1"), ("DELETE", "/api/products/1")):
            service.anyone().want(401, method, target, product(place))
            user.want(403, method, target, product(place))
        new = product(place, description="For four cups.")
        answer = admin.want(201, "POST", "/api/products", new)
        made = answer.json()
        assert answer["Location"] == f"/api/products/{made['id']}"
        assert {name: made[name] for name in new} == new
        assert service.anyone().get(answer["Location"]).json() == made
        clash = admin.want(409, "POST", "/api/products", new).json()
        assert clash["errors"][0]["pointer"] == "/sku", clash
        changed = admin.want(200, "PATCH", answer["Location"], {"stock": 0, "name": "Tea pot"}).json()
        assert (changed["stock"], changed["name"], changed["price_cents"]) == (0, "Tea pot", 1999)
        assert changed["updated_at"] > made["updated_at"]
        admin.want(404, "PATCH", "/api/products/99999999", {"stock": 1})
        admin.want(404, "DELETE", "/api/products/99999999")


def test_what_is_no_product_is_refused_with_all_reasons(place):
    with Service(place) as service:
        admin = service.admin()
        answer = admin.want(400, "POST", "/api/products", {"sku": "a b", "price_cents": -1, "stock": 1.5})
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert pointers == {"/sku", "/name", "/price_cents", "/stock"}, pointers
        admin.want(400, "PATCH", "/api/products/1", {"price_cents": "1"})


def test_a_post_that_is_sent_twice_is_done_once(place):
    with Service(place) as service:
        admin, new = service.admin(), product(place)
        key = {"Idempotency_Key": place.new("key-")}
        first = admin.want(201, "POST", "/api/products", new, **key)
        again = admin.want(201, "POST", "/api/products", new, **key)
        assert again.body == first.body and again["Location"] == first["Location"]
        assert again["Idempotent-Replayed"] == "true" and first["Idempotent-Replayed"] is None
        admin.want(422, "POST", "/api/products", {**new, "stock": 9}, **key)
        assert place.pg.psql(f"SELECT count(*) FROM products WHERE sku = '{new['sku']}'") == "1"


# --- the feed ---


class Events:
    """An open stream."""

    def __init__(self, port, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.connection.request("GET", "/api/products/events", headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        assert self.response.getheader("Content-Type") == "text/event-stream"

    def next(self):
        fields = {}
        while True:
            line = self.response.readline().decode()
            assert line, "the stream has ended"
            if line == "\n" and "event" in fields:
                return fields["id"], fields["event"], json.loads(fields["data"])
            name, _, value = line.rstrip("\n").partition(": ")
            if name and not line.startswith(":"):
                fields[name] = value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.response.close()
        self.connection.close()


def test_events_tell_what_happens_everywhere(place):
    with Service(place) as service, Service(place) as elsewhere, Events(elsewhere.port) as events:
        admin = service.admin()
        made = admin.want(201, "POST", "/api/products", product(place)).json()
        changed = admin.want(200, "PATCH", f"/api/products/{made['id']}", {"stock": 1}).json()
        admin.want(204, "DELETE", f"/api/products/{made['id']}")
        got = [events.next() for _ in range(3)]
        assert [kind for _, kind, _ in got] == ["created", "updated", "deleted"]
        assert [news["data"] for _, _, news in got] == [made, changed, changed]
        assert all(news["type"] == kind for _, kind, news in got)
        assert len({name for name, _, _ in got}) == 3


def test_who_comes_back_hears_what_was_missed(place):
    with Service(place) as service:
        admin = service.admin()
        with Events(service.port) as events:
            admin.want(201, "POST", "/api/products", product(place))
            last, _, _ = events.next()
        missed = [admin.want(201, "POST", "/api/products", product(place)).json() for _ in range(3)]
        with Events(service.port, **{"Last-Event-ID": last}) as events:
            assert [events.next()[2]["data"] for _ in range(3)] == missed


def test_a_socket_has_the_same_feed(place):
    with Service(place) as service:
        client = Client(("127.0.0.1", service.port))
        status, answer = client.handshake("/api/ws")
        assert status == 101, (status, answer)
        admin, seen, end = service.admin(), [], threading.Event()

        def make():  # until one is heard: the subscription may come after the handshake
            while not end.is_set():
                seen.append(admin.want(201, "POST", "/api/products", product(place)).json())
                end.wait(0.2)

        maker = threading.Thread(target=make)
        maker.start()
        try:
            heard = client.recv()
        finally:
            end.set()
            maker.join()
        assert heard.opcode == TEXT
        news = json.loads(heard.payload)
        assert news["type"] == "created" and news["data"] in seen
        assert Client(("127.0.0.1", service.port)).handshake("/api/ws", headers={"Origin": "https://evil.example"})[0] == 403


# --- jobs ---


def mails(place, to):
    """The mails that somebody was sent."""
    found = [email.message_from_bytes(path.read_bytes()) for path in (pathlib.Path(place.folder) / "mail").glob("*.eml")]
    return [mail for mail in found if f"<{to}>" in mail["To"]]


def test_who_registers_is_welcomed_by_mail(place):
    with Service(place) as service:
        address = place.new("mail") + "@example.test"
        service.anyone().want(201, "POST", "/api/auth/register",
                              {"email": address, "name": "Zoë", "password": "long enough"})
        until(lambda: mails(place, address), "a mail has come")
        until(lambda: place.pg.psql("SELECT count(*) FROM outbox") == "0", "the outbox is empty")
        assert len(mails(place, address)) == 1


def test_a_refused_registration_sends_no_mail(place):
    with Service(place) as service:
        before = len(mails(place, "user40@example.test"))
        service.anyone().want(409, "POST", "/api/auth/register",
                              {"email": "user40@example.test", "name": "x", "password": "long enough"})
        test_who_registers_is_welcomed_by_mail(place)  # whose mail comes after
        assert len(mails(place, "user40@example.test")) == before


def test_a_report_is_made_by_a_job(place):
    with Service(place) as service:
        user, other = service.login("user41@example.test"), service.login("user42@example.test")
        answer = user.want(202, "POST", "/api/reports", {"kind": "inventory"})
        target = answer["Location"]
        assert answer.json()["state"] == "queued" and "file" not in answer.json()
        until(lambda: user.get(target).json()["state"] == "done", "the report is done")
        report = user.get(target).json()
        assert report["progress"] == 100 and report["file"] == target + "/file" and report["finished_at"]
        sheet = user.get(report["file"])
        assert sheet["Content-Type"] == "text/csv; charset=utf-8"
        assert "inventory.csv" in sheet["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(sheet.body.decode())))
        assert len(rows) == int(place.pg.psql("SELECT count(*) FROM products"))
        assert rows[0] == {"id": "1", "sku": "SKU-000001", "name": "Large table 1", "price_cents": "8019", "stock": "729"}
        for one in target, report["file"]:
            other.want(404, "GET", one)
            service.anyone().want(401, "GET", one)
        user.want(400, "POST", "/api/reports", {"kind": "everything"})
        service.anyone().want(401, "POST", "/api/reports", {"kind": "inventory"})
        user.want(404, "GET", "/api/reports/99999999")


def test_a_digest_is_due_each_morning(place):
    with Service(place):
        until(lambda: place.redis.cli("ZCARD", "bull:service:repeat") == "1", "there is a schedule")
        assert place.redis.cli("HGET", "bull:service:repeat:stock.digest", "pattern") == "0 6 * * *"


# --- all around ---


def test_an_orchestrator_is_told_how_it_is(place):
    with Service(place) as service:
        for path in "/livez", "/readyz", "/startupz":
            assert service.anyone().get(path).json()["status"] == "ok", path
        service.anyone().get("/api/products/1")
        words = service.anyone().get("/metrics").body.decode()
        assert re.search(r'http_requests_total\{.*route="/api/products/\{id\}".*\} [1-9]', words) or "/api/products/{id}" in words
        service.anyone().want(404, "GET", "/admin/")


def test_a_client_has_so_many_requests(place):
    with Service(place, RATE_LIMIT="5", RATE_WINDOW="10m") as service:
        place.redis.cli("FLUSHALL")
        for left in range(4, -1, -1):
            assert f"r={left};" in service.anyone().get("/api/products/1")["RateLimit"]
        assert int(service.anyone().want(429, "GET", "/api/products/1")["Retry-After"]) > 0
        service.anyone().get("/openapi.json")
    place.redis.cli("FLUSHALL")


def test_an_upgrade_is_called_as_the_one_before(place):
    env = {"DATABASE_URL": place.pg.url(), "REDIS_URL": place.redis.url(), "DEV_DIR": place.folder}
    with supervised.Service(PROGRAM, "--port", "0", "--web-workers", "1", env=env) as service:
        before = service.status()
        assert service.ask("upgrade")["ok"]
        supervised.until(lambda: service.supervisor_or(before["pid"]) != before["pid"])
        now = service.status()
        assert now["listeners"] == before["listeners"], (before, now)
        assert [worker["role"] for worker in now["workers"]] == ["web", "job"], now


def test_pages_of_other_origins_may_call_when_they_are_named(place):
    with Service(place, CORS_ORIGINS="https://shop.example, https://other.example") as service:
        asked = {"Origin": "https://shop.example", "Access_Control_Request_Method": "POST",
                 "Access_Control_Request_Headers": "content-type,authorization"}
        answer = service.anyone().want(204, "OPTIONS", "/api/products", **asked)
        assert answer["Access-Control-Allow-Origin"] == "https://shop.example"
        assert "POST" in answer["Access-Control-Allow-Methods"]
        answer = service.anyone().get("/api/products/1", Origin="https://evil.example")
        assert answer["Access-Control-Allow-Origin"] is None


def test_answers_are_careful_and_small(place):
    with Service(place) as service:
        answer = service.anyone().get("/api/products?limit=100", Accept_Encoding="gzip")
        assert answer["Content-Encoding"] == "gzip" and len(answer.body) < 10000
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer["Server"] is None and answer["X-Powered-By"] is None
        service.anyone().want(413, "POST", "/api/auth/login", Content_Length=str(11 << 20))  # which need not come


def test_the_api_is_described(place):
    with Service(place) as service:
        docs = service.anyone().get("/openapi.json").json()
        routes = {(path, method) for path, methods in docs["paths"].items() for method in methods}
        for path, method in (("/api/auth/login", "post"), ("/api/me", "get"), ("/api/users", "get"),
                             ("/api/users/{id}", "patch"), ("/api/products", "get"), ("/api/products", "post"),
                             ("/api/products/{id}", "delete"), ("/api/products/events", "get")):
            assert (path, method) in routes, (path, method, routes)
        assert "sku" in docs["components"]["schemas"]["product"]["properties"]


def test_traces_go_to_a_collector_where_one_is_named(place):
    collector = Receiver()
    with Service(place, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="service") as service:
        service.anyone().get("/api/products/600")
    assert "GET /api/products/{id}" in [span.name for span in collector.spans()]
    assert {taken.service["service.name"] for taken in collector.taken} == {"service"}


def test_the_service_goes_on_without_redis(place):
    with Service(place) as service:
        token = service.admin()
        service.anyone().get("/api/products/600")
        place.redis.pause()
        try:
            assert service.anyone().get("/api/products/601").json()["id"] == 601
            token.get("/api/me")
        finally:
            place.redis.go_on()


def test_one_host_needs_no_redis(place):
    with Service(place, REDIS_URL="memory://") as service, Events(service.port) as events:
        admin = service.admin()
        made = admin.want(201, "POST", "/api/products", product(place)).json()
        assert events.next()[2]["data"] == made
        assert service.anyone().get(f"/api/products/{made['id']}")["X-Cache"] == "MISS"
        assert service.anyone().get(f"/api/products/{made['id']}")["X-Cache"] == "HIT"
        browser = service.anyone()
        browser.want(200, "POST", "/api/auth/login", {"email": "user30@example.test", "password": USER_PASSWORD})
        browser.get("/api/me")


if __name__ == "__main__":
    with postgres.start() as cluster, redis.start() as store, tempfile.TemporaryDirectory() as scratch:
        everywhere = Place(cluster, store, scratch)
        everywhere.run("migrate", "up")
        everywhere.run("seed")
        sys.exit(cases.run(globals(), lambda test: test(everywhere)))
