#!/usr/bin/env python3
"""Limits, shedding and idempotency keys over sockets, with a Redis that dies."""
import collections
import concurrent.futures
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

import cases
import redis

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "limits_server")


class Service:
    def __init__(self):
        self.redis = redis.Server()
        env = dict(os.environ, REDIS_URL=self.redis.url())
        self.process = subprocess.Popen([SERVER, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=env)
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", self.process.stdout.readline())
        self.port = int(found.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=15)
        self.redis.close()
        assert self.process.returncode == 0, errors

    def send(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        response.body = response.read().decode()
        connection.close()
        return response

    def send_at_once(self, count, *args, **headers):
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            waiting = [pool.submit(self.send, *args, **headers) for _ in range(count)]
            return [one.result() for one in waiting]


def statuses(responses):
    return dict(collections.Counter(one.status for one in responses))


def test_no_more_than_the_limit_pass():
    with Service() as service:
        responses = service.send_at_once(30, "GET", "/limited/x")
        assert statuses(responses) == {200: 10, 429: 20}, statuses(responses)
        refused = next(one for one in responses if one.status == 429)
        assert refused.getheader("content-type") == "application/problem+json"
        assert json.loads(refused.body)["detail"] == "Too many requests, please try again later."
        assert refused.getheader("ratelimit-policy") == '"default";q=10;w=60'
        assert re.fullmatch(r'"default";r=0;t=(59|60)', refused.getheader("ratelimit"))
        assert int(refused.getheader("retry-after")) in (59, 60)
        service.redis.kill()
        assert service.send("GET", "/limited/x").status == 429  # this host has counted too


def test_one_payment_however_often_it_is_sent():
    with Service() as service:
        responses = service.send_at_once(20, "POST", "/payments/x", "five", Idempotency_Key="k")
        assert statuses(responses) == {201: 1, 409: 19}, statuses(responses)
        again = service.send("POST", "/payments/x", "five", Idempotency_Key="k")
        assert (again.status, again.body) == (201, "payment 1")
        assert again.getheader("idempotent-replayed") == "true"
        assert service.send("POST", "/payments/x", "six", Idempotency_Key="k").status == 422
        service.redis.kill()
        refused = service.send("POST", "/payments/x", "five", Idempotency_Key="new")
        assert refused.status == 503, refused.status
        assert refused.getheader("retry-after") == "1"
        assert service.send("POST", "/payments/x", "five").body == "payment 2"


def test_beyond_what_it_can_bear_it_says_so_at_once():
    with Service() as service:
        before = time.monotonic()
        responses = service.send_at_once(15, "GET", "/busy/x")
        assert statuses(responses) == {200: 5, 503: 10}, statuses(responses)
        assert time.monotonic() - before < 3
        refused = next(one for one in responses if one.status == 503)
        assert refused.getheader("retry-after") == "1"
        assert json.loads(refused.body)["title"] == "Service Unavailable"
        assert service.send("GET", "/").status == 200


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
