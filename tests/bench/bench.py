#!/usr/bin/env python3
"""Runs wrk against every peer in turn, round after round, and prints the medians.

Needs wrk and Python 3.9+. Sends load to 127.0.0.1 only; each run lasts --seconds.

  bench.py --peers peers.json --out results.jsonl [--only express,go] [--work plaintext,product]
  bench.py --report results.jsonl

Each run appends one line of JSON: requests/s, p50 and p99 (ms), failures, memory (MiB), and the CPU
seconds that the server, PostgreSQL, Redis and wrk used per 1,000 requests. `other` is the share of
the machine that some other program took meanwhile; a run with more than --other is tried again.
"""
import argparse, collections, fcntl, json, os, re, resource, signal, socket, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}


def children(root):
    parents = collections.defaultdict(list)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])].append(int(pid))
        except (OSError, IndexError):
            pass
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += parents[pid]
    return found


def cpu(pids):
    """CPU seconds of these processes, with those of children they have already waited for."""
    total = 0
    for pid in pids:
        try:
            f = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            total += sum(map(int, f[11:15]))
        except OSError:
            pass
    return total / TICK


def memory(pids):
    out = {"rss": 0, "pss": 0}
    for pid in pids:
        try:
            for line in open(f"/proc/{pid}/smaps_rollup"):
                for key in out:
                    if line.lower().startswith(key + ":"):
                        out[key] += int(line.split()[1]) / 1024
        except OSError:
            pass
    return out


def everything():
    """CPU seconds of every process that is not a kernel thread, by pid."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            f = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            if f[1] != "2":
                out[int(pid)] = (int(f[11]) + int(f[12])) / TICK
        except OSError:
            pass
    return out


def system():
    f = [int(x) / TICK for x in open("/proc/stat").readline().split()[1:9]]
    return {"idle": f[3] + f[4], "softirq": f[5] + f[6], "steal": f[7]}


def wait_for(server, port, seconds=15):
    end = time.time() + seconds
    while time.time() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def stop(server):
    """First a word to the first process, so that it can end its workers; then no more words."""
    pids = children(server.pid)
    for signal_, pause in ((signal.SIGTERM, 2), (signal.SIGKILL, 1)):
        for pid in pids[:1] if signal_ == signal.SIGTERM else pids:
            try:
                os.kill(pid, signal_)
            except ProcessLookupError:
                pass
        try:
            server.wait(pause)
            time.sleep(0.3)
        except subprocess.TimeoutExpired:
            pass


def wrk(port, work, connections, seconds):
    cmd = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    if work.get("script"):
        cmd += ["-s", os.path.join(HERE, "wrk", work["script"])]
    if work.get("token"):
        cmd += ["-H", "Authorization: Bearer " + os.environ.get("TOKEN", "")]
    cmd += [f"http://127.0.0.1:{port}{work['path']}"]
    if work.get("args"):
        cmd += ["--"] + work["args"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = subprocess.run(cmd, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def find(pattern, default=0.0):
        m = re.search(pattern, text)
        return float(m.group(1)) if m else default

    out = {"rps": find(r"Requests/sec:\s+([\d.]+)"), "requests": find(r"(\d+) requests in"),
           "non2xx": find(r"Non-2xx or 3xx responses: (\d+)"),
           "errors": sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))}
    for name, mark in (("p50", "50%"), ("p99", "99%")):
        m = re.search(rf"{mark}\s+([\d.]+)(us|ms|s|m)\b", text)
        out[name] = float(m.group(1)) * UNITS[m.group(2)] if m else None
    return out, used


def visit(name, peer, works, opts, extra, round_, out):
    env = dict(os.environ, PORT=str(peer["port"]), HOST="127.0.0.1", **peer.get("env", {}))
    cwd = os.path.join(os.path.dirname(os.path.abspath(opts.peers)), peer.get("cwd", "."))
    log = open(os.path.join(opts.logs, name + ".log"), "ab")
    server = subprocess.Popen(["/bin/sh", "-c", "exec " + peer["cmd"]], cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        if not wait_for(server, peer["port"]):
            print(name, "did not start", file=sys.stderr)
            return
        time.sleep(1)
        pids = children(server.pid)
        idle = memory(pids)
        for key in peer["work"]:
            if key not in works:
                continue
            work = works[key]
            wrk(peer["port"], work, 64, work.get("warm", 1))
            for connections in work.get("connections", [64]):
                for attempt in range(2):
                    pids = children(server.pid)
                    others = {k: children(p) for k, p in extra.items()}
                    c0, o0, s0, t0 = cpu(pids), {k: cpu(p) for k, p in others.items()}, system(), time.time()
                    e0 = everything()
                    r, used = wrk(peer["port"], work, connections, opts.seconds)
                    s1, took, e1 = system(), time.time() - t0, everything()
                    spent = cpu(children(server.pid)) - c0
                    o1 = {k: cpu(children(p)) - o0[k] for k, p in extra.items()}
                    ours = set(children(server.pid)).union(*map(children, extra.values()))
                    foreign = sum(t - e0.get(p, 0) for p, t in e1.items() if p not in ours)
                    per = 1000 / max(r["requests"], 1)
                    r.update(peer=name, work=key, connections=connections, round=round_, mem_idle=idle, mem=memory(pids),
                             cpu=spent * per, cpu_wrk=used * per, cpu_other={k: v * per for k, v in o1.items()},
                             busy=spent / took, other=foreign / took / os.cpu_count(),
                             **{k: (s1[k] - s0[k]) / took for k in s1})
                    if r["other"] <= opts.other:
                        break
                    print(f"{name} {key} c{connections}: other load {r['other']:.0%}, again", file=sys.stderr)
                out.write(json.dumps(r) + "\n")
                out.flush()
    finally:
        stop(server)
        if opts.after:
            subprocess.run(opts.after, shell=True, stdout=log, stderr=log)


def report(path):
    runs = collections.defaultdict(list)
    for line in open(path):
        r = json.loads(line)
        runs[r["work"], r["connections"], r["peer"]].append(r)
    for key, rs in runs.items():  # runs that other programs disturbed, where there are better ones
        runs[key] = [r for r in rs if r["other"] <= 0.1] or rs
    med = lambda rs, f: statistics.median([f(r) for r in rs if f(r) is not None] or [float("nan")])
    groups = collections.OrderedDict()
    for (work, c, peer), rs in runs.items():
        groups.setdefault((work, c), []).append((peer, rs))
    for (work, c), peers in groups.items():
        print(f"\n### {work}, {c} connections\n")
        print("| peer | req/s | min–max | p50 ms | p99 ms | server CPU ms/1k | DB CPU ms/1k | Redis CPU ms/1k | wrk CPU ms/1k | cores | RSS MiB | PSS MiB | non-2xx | errors | rounds |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
        for peer, rs in sorted(peers, key=lambda p: -med(p[1], lambda r: r["rps"])):
            m = lambda f: med(rs, f)
            rps = [r["rps"] for r in rs]
            print(f"| {peer} | {m(lambda r: r['rps']):,.0f} | {min(rps):,.0f}–{max(rps):,.0f} | {m(lambda r: r['p50']):.2f} | {m(lambda r: r['p99']):.1f} "
                  f"| {m(lambda r: r['cpu'] * 1e3):.1f} | {m(lambda r: r['cpu_other'].get('pg', 0) * 1e3):.1f} | {m(lambda r: r['cpu_other'].get('redis', 0) * 1e3):.1f} "
                  f"| {m(lambda r: r['cpu_wrk'] * 1e3):.1f} | {m(lambda r: r['busy']):.2f} | {m(lambda r: r['mem']['rss']):.0f} | {m(lambda r: r['mem']['pss']):.0f} "
                  f"| {sum(r['non2xx'] for r in rs):.0f} | {sum(r['errors'] for r in rs):.0f} | {len(rs)} |")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--peers", default=os.path.join(HERE, "peers.json"))
    a.add_argument("--out", default="results.jsonl")
    a.add_argument("--report", metavar="FILE")
    a.add_argument("--only", default="")
    a.add_argument("--work", default="")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--seconds", type=int, default=10)
    a.add_argument("--other", type=float, default=0.05, help="run again when other programs took more of the machine")
    a.add_argument("--logs", default=".")
    a.add_argument("--lock", help="a file to flock for each visit to a peer")
    a.add_argument("--pg-pid", type=int)
    a.add_argument("--redis-pid", type=int)
    a.add_argument("--after", help="shell command to run after each visit (clean up rows, flush Redis)")
    opts = a.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if opts.report:
        return report(opts.report)
    peers = json.load(open(opts.peers))
    works = json.load(open(os.path.join(HERE, "workloads.json")))
    works = {k: v for k, v in works.items() if not opts.work or k in opts.work.split(",")}
    names = [n for n in peers if not opts.only or n in opts.only.split(",")]
    extra = {k: p for k, p in (("pg", opts.pg_pid), ("redis", opts.redis_pid)) if p}
    with open(opts.out, "a") as out:
        for round_ in range(opts.rounds):
            for name in names:
                lock = open(opts.lock, "w") if opts.lock else None
                if lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                print(time.strftime("%H:%M:%S"), "round", round_ + 1, name, file=sys.stderr, flush=True)
                visit(name, peers[name], works, opts, extra, round_, out)
                if lock:
                    lock.close()


if __name__ == "__main__":
    main()
