#!/usr/bin/env python3
"""Migrations from the command line, against a PostgreSQL of the test's own; and what embeds them."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import cases
import postgres

SERVER = os.path.join(os.environ["BUILD_ROOT"], "tests", "integration", "migrate_server")
EMBED = os.path.join(os.environ["SOURCE_ROOT"], "libbackend", "migrate", "bk-embed-migrations")


class Case:
    """A database and a folder of migrations."""
    count = 0

    def __init__(self, cluster, folder):
        Case.count += 1
        self.name = f"case{Case.count}"
        self.cluster = cluster
        self.folder = folder
        cluster.psql(f"CREATE DATABASE {self.name}")

    def write(self, **files):
        """up_1="..." is 0001_m1.up.sql."""
        for key, sql in files.items():
            way, version = key.split("_")
            (self.folder / f"{int(version):04}_m{version}.{way}.sql").write_text(sql)

    def begin(self, *words, embedded=False, url=None):
        env = {**os.environ, "DATABASE_URL": url or self.cluster.url(self.name)}
        if not embedded:
            env["MIGRATIONS"] = str(self.folder)
        return subprocess.Popen([SERVER, "migrate", *words], env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *words, **more):
        """Exit status, standard output, standard error."""
        process = self.begin(*words, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def psql(self, sql):
        return self.cluster.psql(sql, self.name)

    def applied(self):
        return self.psql("SELECT string_agg(version::text, ',' ORDER BY version) FROM bk_migrations")

    def wait_for(self, sql):
        until = time.monotonic() + 20
        while self.psql(sql) != "t":
            assert time.monotonic() < until, f"never true: {sql}"
            time.sleep(0.05)


RUNNING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%')"


def test_embedded_ones_are_applied_once_and_undone(case):
    status, out, err = case.run("up", embedded=True)
    assert status == 0 and "3 applied" in out, out + err
    assert case.psql("SELECT greet(name) FROM users") == "hello; a;b"
    status, out, err = case.run("up", embedded=True)
    assert status == 0 and "0 applied" in out, out + err
    status, out, err = case.run("down", "--to", "0", embedded=True)
    assert status == 0 and "3 undone" in out, out + err
    assert case.psql("SELECT to_regclass('users') IS NULL") == "t"
    assert case.applied() == ""


def test_status_says_by_its_exit_status_what_is_up(case):
    case.write(up_1="CREATE TABLE a ()", up_2="CREATE TABLE b ()")
    assert case.run("status")[0] == 3
    assert case.psql("SELECT to_regclass('bk_migrations') IS NULL") == "t", "status made the table"
    assert case.run("up", "--to", "1")[0] == 0
    status, out, _ = case.run("status")
    assert status == 3 and re.search(r"1 +applied .*m1\n +2 +pending .*m2\n", out), out
    assert case.run("up")[0] == 0 and case.run("status")[0] == 0
    case.write(up_2="CREATE TABLE c ()")
    assert case.run("status")[0] == 1
    assert case.run("dance")[0] == 2 and case.run("status", "--to", "1")[0] == 2
    assert case.run("up", "--to", "0")[0] == 2 and case.run("down", "x")[0] == 2


def test_a_plan_shows_the_sql_and_changes_nothing(case):
    case.write(up_1="CREATE TABLE a (); -- here", down_1="DROP TABLE a")
    status, out, err = case.run("plan")
    assert status == 0 and "CREATE TABLE a (); -- here" in out, out + err
    assert case.psql("SELECT count(*) FROM pg_class WHERE relname IN ('a', 'bk_migrations')") == "0"
    assert case.run("up")[0] == 0
    status, out, _ = case.run("down", "--dry-run")
    assert status == 0 and "DROP TABLE a" in out and case.applied() == "1"


def test_two_at_once_migrate_once(case):
    case.write(up_1="CREATE TABLE a (); SELECT pg_sleep(1)", up_2="INSERT INTO a DEFAULT VALUES")
    both = [case.begin("up"), case.begin("up")]
    outs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outs
    assert sorted(re.findall(r"(\d) applied", outs[0][0] + outs[1][0])) == ["0", "2"], outs
    assert "another instance is migrating; waiting" in outs[0][0] + outs[1][0]
    assert case.psql("SELECT count(*) FROM a") == "1"


def test_an_index_is_built_concurrently_while_another_waits(case):
    case.write(up_1="CREATE TABLE a (n int); SELECT pg_sleep(1)",
               up_2="-- no-transaction\nCREATE INDEX CONCURRENTLY i ON a (n)")
    both = [case.begin("up"), case.begin("up")]
    outs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outs
    assert case.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == "t"


def test_with_no_wait_the_second_fails_at_once(case):
    case.write(up_1="SELECT pg_sleep(2)")
    first = case.begin("up")
    case.wait_for(RUNNING)
    status, _, err = case.run("up", "--no-wait")
    assert status == 1 and "another instance is migrating" in err, err
    assert first.wait(30) == 0
    first.communicate()


def test_killed_in_the_middle_it_is_rolled_back_and_runs_again(case):
    case.write(up_1="CREATE TABLE a (); SELECT pg_sleep(3); INSERT INTO a DEFAULT VALUES")
    first = case.begin("up")
    case.wait_for(RUNNING)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    status, out, err = case.run("up")
    assert status == 0 and "1 applied" in out, out + err
    assert case.psql("SELECT count(*) FROM a") == "1"


def test_a_failing_statement_is_named_and_its_file_undone(case):
    case.write(up_1="CREATE TABLE a ();", up_2="CREATE TABLE b ();\n\n-- the next\nINSERT INTO nowhere VALUES (1);\n")
    status, out, err = case.run("up")
    assert status == 1 and "0002_m2.up.sql:4: this failed" in err and '"nowhere" does not exist' in err, err
    assert "0001_m1.up.sql" in out and case.applied() == "1"
    assert case.psql("SELECT to_regclass('b') IS NULL") == "t"


def test_nothing_runs_when_a_later_file_cannot_be_read(case):
    case.write(up_1="CREATE TABLE a ()", up_2="SELECT 1;\nSELECT 'open")
    status, _, err = case.run("up")
    assert status == 1 and "0002_m2.up.sql" in err and "line 2: a string is not closed" in err, err
    assert case.psql("SELECT to_regclass('a') IS NULL") == "t"


def test_transaction_commands_and_copy_are_refused_with_words(case):
    case.write(up_1="SELECT 1;\nCOMMIT;")
    status, _, err = case.run("up")
    assert status == 1 and "line 2: the migration is a transaction already" in err, err
    case.write(up_1="COPY a FROM stdin;")
    status, _, err = case.run("up")
    assert status == 1 and "COPY does not work" in err, err


def test_concurrently_without_the_mark_gets_a_hint(case):
    case.write(up_1="CREATE TABLE a (n int)", up_2="CREATE INDEX CONCURRENTLY i ON a (n)")
    status, _, err = case.run("up")
    assert status == 1 and 'whose first line is "-- no-transaction"' in err, err


def test_without_a_transaction_a_failure_stays_until_it_is_resolved(case):
    case.write(up_1="-- no-transaction\nCREATE TABLE a ();\nSELECT 1 / 0;\n", up_2="CREATE TABLE b ()")
    status, _, err = case.run("up")
    assert status == 1 and "0001_m1.up.sql:3: this failed" in err and "resolve 1 pending" in err, err
    status, out, _ = case.run("status")
    assert status == 1 and re.search(r"unfinished .*m1, stopped at up: 0001_m1.up.sql:3", out), out
    status, _, err = case.run("up")
    assert status == 1 and "did not finish" in err, err
    assert case.psql("SELECT to_regclass('b') IS NULL") == "t"
    assert case.run("resolve", "1", "applied")[0] == 0
    assert case.run("up")[0] == 0 and case.applied() == "1,2"
    assert case.run("resolve", "1", "pending")[0] == 1, "there was nothing to resolve"


def test_killed_without_a_transaction_it_is_unfinished(case):
    case.write(up_1="-- no-transaction\nCREATE TABLE a ();\nSELECT pg_sleep(5);\n")
    process = case.begin("up")
    case.wait_for(RUNNING)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    case.cluster.terminate_backends()
    assert case.psql("SELECT unfinished FROM bk_migrations") == "up: 0001_m1.up.sql:3"
    assert case.run("resolve", "1", "pending")[0] == 0
    assert case.run("status")[0] == 3


def test_history_is_not_rewritten(case):
    case.write(up_1="SELECT 1", up_3="SELECT 3")
    assert case.run("up")[0] == 0
    case.write(up_1="SELECT 11")
    status, _, err = case.run("up")
    assert status == 1 and "migration 1 m1 was changed after it was applied" in err, err
    (case.folder / "0001_m1.up.sql").unlink()
    status, _, err = case.run("up")
    assert status == 1 and "migration 1 m1 is applied, but the program does not have it" in err, err
    case.write(up_1="SELECT 1", up_2="SELECT 2")
    status, _, err = case.run("up")
    assert status == 1 and "migration 2 m2 is new, but one with a higher version is applied" in err, err
    assert case.run("up", "--out-of-order")[0] == 0 and case.applied() == "1,2,3"


def test_an_older_program_starts_on_a_newer_database(case):
    case.write(up_1="SELECT 1", up_2="SELECT 2")
    assert case.run("up")[0] == 0
    (case.folder / "0002_m2.up.sql").unlink()
    status, out, err = case.run("up")
    assert status == 0 and "at version 2, which is later than this program" in out, out + err
    assert case.run("status")[0] == 0
    status, _, err = case.run("down")
    assert status == 1 and "applied by a later release" in err, err


def test_down_undoes_all_or_nothing_of_what_was_asked(case):
    case.write(up_1="CREATE TABLE a ()", up_2="CREATE TABLE b ()", down_2="DROP TABLE b")
    assert case.run("up")[0] == 0
    status, _, err = case.run("down", "2")
    assert status == 1 and "migration 1 m1 cannot be undone" in err and case.applied() == "1,2", err
    assert case.run("down")[0] == 0 and case.applied() == "1"


def test_a_baseline_runs_nothing(case):
    case.write(up_1="SELECT 1 / 0", up_2="SELECT 2 / 0", up_3="CREATE TABLE c ()")
    assert case.run("baseline", "9")[0] == 1
    status, out, err = case.run("baseline", "2")
    assert status == 0 and "2 noted as applied" in out, out + err
    assert case.run("up")[0] == 0 and case.applied() == "1,2,3"


def test_a_taken_lock_is_tried_again(case):
    case.psql("CREATE TABLE a (n int)")
    case.write(up_1="SELECT set_config('lock_timeout', '200ms', true); ALTER TABLE a ADD m int")
    holder = subprocess.Popen(["psql", "-X", "-q", "-d", case.cluster.socket_url(case.name), "-c",
                               "BEGIN; LOCK TABLE a; SELECT pg_sleep(2)"], stdout=subprocess.DEVNULL)
    case.wait_for("SELECT EXISTS (SELECT FROM pg_locks WHERE granted AND relation = 'a'::regclass "
                  "AND mode = 'AccessExclusiveLock')")
    status, out, err = case.run("up")
    holder.wait(30)
    assert status == 0 and "a lock is taken; rolled back, attempt 2 of 10" in out, out + err


def test_without_a_server_it_ends_and_can_be_told_to_wait(case):
    begin = time.monotonic()
    nowhere = f"postgres://postgres@127.0.0.1:{postgres.free_port()}/x"
    status, _, err = case.run("up", url=nowhere)
    assert status == 1 and "Connection refused" in err and time.monotonic() - begin < 10, err
    case.write(up_1="SELECT 1")
    case.cluster.stop()
    process = case.begin("up", "--wait", "30")
    time.sleep(3)
    case.cluster.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "no connection yet; waiting" in out, out + err


def embed(folder, *words):
    done = subprocess.run([EMBED, folder, folder / "out.c", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_embedding_refuses_what_is_ambiguous(case):
    wrong = {
        "1_a.sql": "it should be called", "0_a.up.sql": "versions are from 1",
        "1_a.down.sql": "there is no .up.sql beside it", "1_b\u00e4.up.sql": "it should be called",
    }
    for name, words in wrong.items():
        (case.folder / name).write_text("SELECT 1")
        status, err = embed(case.folder)
        assert status == 1 and words in err, (name, err)
        (case.folder / name).unlink()
    (case.folder / "1_a.up.sql").write_text("SELECT 1;\n-- no-transaction\n")
    assert "counts in the first line only" in embed(case.folder)[1]
    (case.folder / "1_a.up.sql").write_bytes(b"SELECT '\xff'")
    assert "this is not UTF-8" in embed(case.folder)[1]
    (case.folder / "1_a.up.sql").write_text("SELECT 1")
    (case.folder / "01_b.up.sql").write_text("SELECT 1")
    assert "has the same version" in embed(case.folder)[1]
    assert embed(case.folder, "--name", "a-b")[0] == 1


def main():
    def with_case(test):
        with tempfile.TemporaryDirectory() as folder:
            test(Case(cluster, pathlib.Path(folder)))

    with postgres.start(max_connections=20) as cluster:
        return cases.run(globals(), with_case)


if __name__ == "__main__":
    sys.exit(main())
