"""The claim that nearly all requests are answered as they should be, whatever happens to workers and Redis, that a
database that restarts makes no request hang, and that nothing acknowledged is lost.
"""
import os
import pathlib
import random
import signal
import time

import claims_common as common
from claims_common import Mix, conclude, errors, table

KILL_EVERY_S, RELOAD_EVERY_S = 10, 60
DATABASE_GONE_S = 3
DEADLINE_S = 30  # of the service's handlers
JOBS_PATIENCE_S = 180
MIX = Mix(get=79.98, list=10, me=5, create=4, change=1, report=0.02)


def befall(events):
    """Lets each event come at its time, in this thread: servers end with the thread that started them. Returns how
    often each came."""
    begin, done = time.monotonic(), {}
    for at, what in sorted(events, key=lambda event: event[0]):
        time.sleep(max(begin + at - time.monotonic(), 0))
        what()
        done[what.__name__] = done.get(what.__name__, 0) + 1
    return done


def workers_and_redis(place, one, seconds):
    """Events: a worker killed every ten seconds, a reload each minute, both Redis killed in the middle."""
    dice = random.Random(1)

    def kill_a_worker():
        os.kill(dice.choice(sorted(one.pids(state="ready"))), signal.SIGKILL)

    def reload():
        one.signal(signal.SIGHUP)

    def restart_redis():
        for server in place.cache, place.jobs:
            server.kill()
        for server in place.cache, place.jobs:
            server.start()

    reload_every = min(RELOAD_EVERY_S, seconds / 2)
    return [*((at, kill_a_worker) for at in range(KILL_EVERY_S // 2, seconds, KILL_EVERY_S)),
            *((reload_every * (n + 0.9), reload) for n in range(int(seconds / reload_every))),
            (seconds / 2, restart_redis)]


def database(place, seconds):
    def restart_postgres():
        place.pg.stop("fast")
        time.sleep(DATABASE_GONE_S)
        place.pg.start()

    return [(seconds / 3, restart_postgres)]


def loaded(place, target, opts, name, seconds, events):
    """The load with its troubles: (result, what was done, the file of notes)."""
    notes = pathlib.Path(place.folder) / f"{name}.notes"
    run = common.Run(place, target, MIX, connections=max(opts.connections // 10, 10), rate=opts.rate, seconds=seconds,
                     notes=notes, deadline=DEADLINE_S + 1)
    done = befall(events)
    return run.result(), done, notes


def acknowledged(files):
    """What the service has promised: numbers of products, ids of reports."""
    skus, reports = set(), set()
    for path in files:
        for line in path.read_text().splitlines():
            words = line.split(" ")
            if words[0] == "create":
                skus.add(f"L-{words[1]}")
            elif words[0] == "report":
                reports.add(int(words[3].rsplit("/", 1)[1]))
    return skus, reports


def lost_products(place, skus):
    there = set(place.pg.psql("SELECT sku FROM products WHERE sku LIKE 'L-%'").split())
    return skus - there


def reports_done(place):
    return set(map(int, place.pg.psql("SELECT id FROM reports WHERE state = 'done'").split()))


def lost_reports(place, reports):
    """Those that are not made when nothing more happens. A job whose worker was killed waits until its lock ends."""
    end = time.monotonic() + JOBS_PATIENCE_S
    while (rest := reports - reports_done(place)) and time.monotonic() < end:
        time.sleep(1)
    return rest


def show(rows):
    table(["", "sent", "right", "refused", "wrong", "no answer", "sent again", "mean ms", "p99", "max", "what happened"],
          [(name, f'{r["sent"]:,}', f'{r["good"]:,}', r["refused"], r["wrong"], r["failed"] + r["unsent"],
            r["retried"] + r["resent"], *(f'{r["latency_ms"][point]:.1f}' for point in ("mean", "p99", "max")),
            ", ".join(f"{word.replace('_', ' ')} {count}" for word, count in done.items())) for name, r, done in rows])


def uptime(place, opts):
    shorter = max(min(30, opts.seconds), 12)
    with common.running(place) as (one, target):
        common.Run(place, target, Mix(), connections=100, rate=opts.rate, seconds=3).result()
        main, done, notes = loaded(place, target, opts, "main", opts.seconds,
                                   workers_and_redis(place, one, opts.seconds))
        apart, restarts, more = loaded(place, target, opts, "apart", shorter, database(place, shorter))
        skus, reports = acknowledged([notes, more])
        lost, undone = lost_products(place, skus), lost_reports(place, reports)
    show([("workers and Redis", main, done), ("PostgreSQL", apart, restarts)])

    sent = main["sent"] + main["unsent"]
    share, at_once = 1 - errors(main) / sent, 1 - (errors(main) + main["retried"] + main["resent"]) / sent
    unclear = apart["wrong"] + apart["failed"] + apart["unsent"]
    return conclude("uptime", [
        ("answered as they should, GETs asked again once when a connection broke", "99.99 % or more", f"{share:.4%}",
         share >= 0.9999),
        ("the same without asking again", "no goal", f"{at_once:.4%}", True),
        ("while PostgreSQL restarts: neither right nor refused as 503 within the deadline", 0, unclear, unclear == 0),
        (f"acknowledged writes lost, of {len(skus):,}", 0, len(lost), not lost),
        (f"acknowledged jobs lost, of {len(reports):,}", 0, len(undone), bool(reports) and not undone),
    ], {"main": main, "done": done, "apart": apart, "restarts": restarts,
        "lost": sorted(lost), "undone": sorted(undone)})
