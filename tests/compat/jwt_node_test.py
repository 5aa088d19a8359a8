#!/usr/bin/env python3
"""Tokens of npm jsonwebtoken and jose are taken here, and ours there, by each algorithm and spelling of a key."""
import json
import os
import subprocess
import sys
import time

import cases
import node

OURS = [os.path.join(os.environ["BUILD_ROOT"], "tests", "compat", "jwt_probe")]
THEIRS = node.command("jwt_peer.js")

ALL = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LIBRARIES = {"jose": ALL, "jsonwebtoken": ALL[:-1]}  # jsonwebtoken 9 knows no EdDSA
CLAIMS = {"sub": "ann", "name": "\u00e9\u4e2d \"x\" \U0001f600", "level": 9007199254740991, "tags": ["a", {"b": None}], "ok": True}


class Peer:
    """A program that answers commands, ours or theirs."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def try_to(self, verb, **command):
        self.process.stdin.write(json.dumps({"do": verb, **command}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"it has ended with {self.process.wait()}"
        return json.loads(line)

    def __call__(self, verb, **command):
        answer = self.try_to(verb, **command)
        assert "result" in answer, (verb, command, answer)
        return answer["result"]

    def refuses(self, verb, **command):
        answer = self.try_to(verb, **command)
        assert "error" in answer, (verb, command, answer)
        return answer["error"]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()


def spellings(key, public=False):
    """The key as a secret or in PEM, and as a JWK."""
    if "secret" in key:
        return [{"secret": key["secret"]}, {"jwk": key["jwk"]}]
    return [{"pem": key["publicPem"]}, {"jwk": key["publicJwk"]}] if public else [{"pem": key["pem"]}, {"jwk": key["jwk"]}]


def theirs_of(library, key, public=False):
    """In the one spelling that a library takes."""
    return spellings(key, public)[library == "jose"]


def each(theirs):
    """Each library with each of its algorithms and a key for it."""
    for library, algs in LIBRARIES.items():
        for alg in algs:
            yield library, alg, theirs("key", alg=alg)


def check_claims(got):
    now = time.time()
    assert now - 60 < got.pop("iat") <= now + 1 and now + 3500 < got.pop("exp") < now + 3700
    assert got == CLAIMS, got


def test_their_tokens_are_taken_here(ours, theirs):
    for library, alg, key in each(theirs):
        token = theirs("sign", library=library, alg=alg, claims=CLAIMS, **theirs_of(library, key))
        for spelling in spellings(key, public=True) + spellings(key):
            check_claims(ours("verify", alg=alg, token=token, **spelling))


def test_our_tokens_are_taken_there(ours, theirs):
    for library, alg, key in each(theirs):
        for spelling in spellings(key):
            token = ours("sign", alg=alg, claims=CLAIMS, **spelling)
            check_claims(theirs("verify", library=library, alg=alg, token=token, **theirs_of(library, key, public=True)))


def test_a_key_goes_through_both_unchanged(ours, theirs):
    for alg in ALL[3:]:
        key = theirs("key", alg=alg)
        for spelling in spellings(key):
            [published] = ours("public", alg=alg, kid="one", **spelling)["keys"]
            assert published == {**key["publicJwk"], "use": "sig", "alg": alg, "kid": "one"}


def test_a_set_of_keys_serves_both(ours, theirs):
    algs = ["RS256", "PS384", "ES256", "ES512", "EdDSA"]
    keys = [{**theirs("key", alg=alg)["jwk"], "alg": alg, "kid": f"key {alg}"} for alg in algs]
    private = {"keys": keys}
    public = ours("public", jwk=private)
    assert [key["kid"] for key in public["keys"]] == [key["kid"] for key in keys]
    for key in keys:
        token = theirs("sign", library="jose", alg=key["alg"], kid=key["kid"], claims=CLAIMS, jwk=key)
        check_claims(ours("verify", token=token, jwk=public))
        token = ours("sign", claims=CLAIMS, jwk={"keys": [key] + keys})
        check_claims(theirs("verify", library="jose", token=token, jwk=public))
        others = {"keys": [it for it in public["keys"] if it["kid"] != key["kid"]]}
        ours.refuses("verify", token=token, jwk=others)
        theirs.refuses("verify", library="jose", token=token, jwk=others)


def test_both_refuse_a_token_that_was_changed(ours, theirs):
    for library, alg, key in each(theirs):
        token = ours("sign", alg=alg, claims=CLAIMS, **spellings(key)[0])
        head, body, sign = token.split(".")
        for wrong in (f"{head}.{body}x.{sign}", f"{head}.{body}.{'B' if sign[0] == 'A' else 'A'}{sign[1:]}", f"{head}.{body}."):
            ours.refuses("verify", alg=alg, token=wrong, **spellings(key, public=True)[0])
            theirs.refuses("verify", library=library, alg=alg, token=wrong, **theirs_of(library, key, public=True))


def test_both_say_the_same_of_times_and_parties(ours, theirs):
    key = theirs("key", alg="HS256")
    now = int(time.time())
    rules = {"issuer": "https://a.example", "audience": "shop"}
    good = {"iss": "https://a.example", "aud": ["bank", "shop"], "exp": now + 600}
    for change, taken in (({}, True), ({"aud": "shop"}, True), ({"aud": "bank"}, False), ({"aud": []}, False),
                          ({"iss": "https://b.example"}, False), ({"exp": now - 600}, False), ({"nbf": now + 600}, False),
                          ({"nbf": now - 600}, True), ({"exp": now + 600.5}, True)):
        for library in LIBRARIES:
            token = theirs("sign", library=library, alg="HS256", claims={**good, **change}, expires=None, **theirs_of(library, key))
            for peer, more in ((ours, {}), (theirs, {"library": library})):
                answer = peer.try_to("verify", alg="HS256", token=token, **rules, **more, **theirs_of(library, key))
                assert ("result" in answer) == taken, (change, more, answer)


def test_the_token_of_the_benchmark_is_taken(ours, theirs):
    """jsonwebtoken signs a subject that is a number."""
    key = theirs("key", alg="HS256")
    token = theirs("sign", library="jsonwebtoken", alg="HS256", claims={"sub": 1, "email": "user1@example.test"}, **key)
    assert ours("verify", token=token, secret=key["secret"])["sub"] == 1


def main():
    node.need()
    ours, theirs = Peer(OURS), Peer(THEIRS)
    failed = cases.run(globals(), lambda test: test(ours, theirs))
    ours.close()
    theirs.close()
    return failed


if __name__ == "__main__":
    sys.exit(main())
