#!/usr/bin/env python3
"""The OpenAPI document of a service: a validator takes it, and the service does what it says."""
import http.client
import json
import os
import re
import signal
import subprocess
import sys

import cases
import node

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "compat", "openapi_server")
VALIDATOR = node.command("openapi_validator.js")

# A good request for each route that has parameters or a body.
PARAMS = {"id": "7", "path": "a/b"}
BODIES = {
    ("/api/products", "post"): {"name": "chair", "price": 9.5, "parts": [{"name": "leg", "count": 4}]},
    ("/api/files/{path}", "put"): [{"at": "2026-11-24T12:00:00Z"}],
}
BAD_BODIES = {
    ("/api/products", "post"): ({"price": -1}, {"/name", "/price"}),
    ("/api/files/{path}", "put"): ([{"at": "noon"}, {}], {"/0/at", "/1/at"}),
}


class Service:
    def __init__(self):
        self.process = subprocess.Popen([SERVER, "--port", "0"], stdout=subprocess.PIPE, text=True)
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)$", self.process.stdout.readline())
        self.port = int(found.group(1))

    def ask(self, method, target, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        head = {"content-type": "application/json"} if body is not None else {}
        connection.request(method.upper(), target, json.dumps(body) if body is not None else None, head)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, json.loads(text) if text else None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0
        self.process.stdout.close()


def is_valid(document):
    return subprocess.run(VALIDATOR, input=json.dumps(document), text=True, timeout=60,
                          stderr=subprocess.DEVNULL).returncode == 0


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def target_of(path):
    return re.sub(r"\{(\w+)\}", lambda name: PARAMS[name.group(1)], path)


def test_a_validator_takes_the_document(service, document):
    assert is_valid(document)


def test_the_validator_refuses_what_is_none(service, document):
    broken = json.loads(json.dumps(document))
    del broken["info"]["title"]
    assert not is_valid(broken)


def test_every_route_is_in_it(service, document):
    assert {(path, method) for path, method, _ in operations(document)} == {
        ("/api/products", "get"), ("/api/products", "post"), ("/api/products/{id}", "get"),
        ("/api/products/{id}", "delete"), ("/api/files/{path}", "put")}


def test_every_route_answers_as_documented(service, document):
    for path, method, operation in operations(document):
        answer, _ = service.ask(method, target_of(path), BODIES.get((path, method)))
        assert str(answer.status) in operation["responses"], (path, method, answer.status)


def test_what_is_not_as_documented_is_a_problem(service, document):
    for (path, method), (body, pointers) in BAD_BODIES.items():
        answer, problem = service.ask(method, target_of(path), body)
        assert answer.status == 400 and answer.headers["content-type"] == "application/problem+json"
        assert {error["pointer"] for error in problem["errors"]} == pointers, problem
        schema = document["components"]["schemas"]["Problem.rfc9457"]
        assert set(schema["required"]) <= set(problem) <= set(schema["properties"])
    for target in ("/api/products/0", "/api/products/x", "/api/products?size=101"):
        answer, problem = service.ask("get", target)
        assert answer.status == 400 and len(problem["errors"]) == 1, problem


def main():
    node.need()
    service = Service()
    document = service.ask("get", "/openapi.json")[1]
    failed = cases.run(globals(), lambda test: test(service, document))
    service.stop()
    return failed


if __name__ == "__main__":
    sys.exit(main())
