/* Tests of libbackend/limit/table.c: one truth for several processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/str.h>

#include "core/shared.h"
#include "harness/fiber_run.h"
#include "limit/table.h"

#define START 1000000000u

enum {
    ONE_BUCKET = 2, /* keys; makes eight slots, so that all keys meet */
    LIMIT = 3,
    WINDOW = 1000
};

static struct bk__limit_table table_of(uint32_t limit, uint32_t keys)
{
    struct bk__limit_rule rule;
    struct bk__limit_table table;

    assert_null(bk__limit_rule_init(&rule, BK_LIMIT_FIXED, limit, WINDOW, limit));
    bk__limit_table_init(&table, &rule, keys);
    return table;
}

static bk_limit_result take(struct bk__limit_table *table, uint32_t number, uint64_t now_ms,
                            uint32_t cost)
{
    bk_limit_result out;
    char key[16];
    int len = snprintf(key, sizeof key, "key %u", number);

    bk__limit_table_take(table, bk_str_at(key, (size_t)len), now_ms, cost, &out);
    return out;
}

/* --- one process ------------------------------------------------------------------------------ */

static void test_each_key_has_its_own_count(void **state)
{
    struct bk__limit_table table = table_of(5, 16384); /* no bucket will be full */

    (void)state;
    for (uint32_t turn = 1; turn <= 5; turn++)
        for (uint32_t key = 0; key < 1000; key++)
            assert_int_equal(take(&table, key, START, 1).remaining, 5 - turn);
    for (uint32_t key = 0; key < 1000; key++)
        assert_false(take(&table, key, START, 1).allowed);
    assert_int_equal(table.evicted, 0);
    bk__limit_table_fini(&table);
}

static void test_looking_at_a_key_takes_no_slot(void **state)
{
    struct bk__limit_table table = table_of(5, ONE_BUCKET);

    (void)state;
    assert_true(take(&table, 100, START, 1).allowed);
    for (uint32_t key = 0; key < 50; key++)
        assert_int_equal(take(&table, key, START, 0).remaining, 5);
    assert_int_equal(take(&table, 100, START, 0).remaining, 4);
    assert_int_equal(table.evicted, 0);
    bk__limit_table_fini(&table);
}

static void test_a_full_bucket_forgets_what_would_end_first(void **state)
{
    struct bk__limit_table table = table_of(5, ONE_BUCKET);

    (void)state;
    for (uint32_t key = 0; key < 8; key++)
        take(&table, (key + 3) % 8, START + key, 5); /* key 3 is the oldest, then 4 */
    assert_int_equal(table.evicted, 0);
    take(&table, 8, START + 10, 1);
    assert_int_equal(table.evicted, 1);
    assert_int_equal(take(&table, 3, START + 10, 0).remaining, 5);
    for (uint32_t key = 0; key < 8; key++)
        if (key != 3)
            assert_int_equal(take(&table, key, START + 10, 0).remaining, 0);
    bk__limit_table_fini(&table);
}

static void test_what_has_ended_makes_room(void **state)
{
    struct bk__limit_table table = table_of(5, ONE_BUCKET);

    (void)state;
    for (uint32_t key = 0; key < 800; key++)
        assert_int_equal(take(&table, key, START + key * (WINDOW / 8), 1).remaining, 4);
    assert_int_equal(table.evicted, 0);
    bk__limit_table_fini(&table);
}

static void test_a_forgotten_key_begins_anew(void **state)
{
    struct bk__limit_table table = table_of(5, 100);

    (void)state;
    bk__limit_table_forget(&table, BK_LIT("key 1")); /* is not there */
    take(&table, 1, START, 5);
    take(&table, 2, START, 5);
    bk__limit_table_forget(&table, BK_LIT("key 1"));
    assert_int_equal(take(&table, 1, START, 1).remaining, 4);
    assert_false(take(&table, 2, START, 1).allowed);
    bk__limit_table_fini(&table);
}

/* --- several processes ------------------------------------------------------------------------ */

enum {
    WORKERS = 4,
    ROUNDS = 3000,
    KEYS = 4 /* taken from in each round */
};

struct race {
    struct bk__limit_table table;
    _Atomic uint32_t arrived;
    _Atomic uint32_t allowed[ROUNDS][KEYS];
};

/* Waits until all workers are in that round. */
static void meet(struct race *race, uint32_t round)
{
    atomic_fetch_add(&race->arrived, 1);
    while (atomic_load(&race->arrived) < (round + 1) * WORKERS)
        sched_yield();
}

typedef void (*worker_fn)(struct race *race, uint32_t round, uint32_t worker, uint64_t *seed);

/* Has forked workers do the same rounds at the same time. */
static struct race *run_race(uint32_t limit, uint32_t keys, worker_fn fn)
{
    struct race *race = bk__shared_new(sizeof *race);
    pid_t pids[WORKERS];
    int status;

    race->table = table_of(limit, keys);
    for (uint32_t i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] != 0)
            continue;
        alarm(50);
        uint64_t seed = i + 1;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            meet(race, round);
            fn(race, round, i, &seed);
        }
        _exit(0);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    return race;
}

static void end_race(struct race *race)
{
    bk__limit_table_fini(&race->table);
    bk__shared_free(race, sizeof *race);
}

/* New keys in each round; the clocks of workers differ by a millisecond, and what has ended for one
 * has not for the other. Up to eight keys live, so that none is put out. */
static void take_from_new_keys(struct race *race, uint32_t round, uint32_t worker, uint64_t *seed)
{
    for (uint32_t i = 0; i < 3 * KEYS; i++) {
        uint32_t which = random_below(seed, KEYS);
        uint64_t now = START + round * (WINDOW / 2 + 1) + worker % 2;
        race->allowed[round][which] += take(&race->table, round * KEYS + which, now, 1).allowed;
    }
    for (uint32_t which = 0; which < KEYS; which++) {
        uint64_t now = START + round * (WINDOW / 2 + 1) + worker % 2;
        while (take(&race->table, round * KEYS + which, now, 1).allowed)
            race->allowed[round][which]++;
    }
}

static void test_exactly_the_limit_is_allowed_for_keys_that_workers_add_at_once(void **state)
{
    struct race *race = run_race(LIMIT, 1000, take_from_new_keys);

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t key = 0; key < KEYS; key++)
            assert_int_equal(race->allowed[round][key], LIMIT);
    end_race(race);
}

static void test_no_more_is_allowed_where_all_fight_for_the_same_slots(void **state)
{
    struct race *race = run_race(LIMIT, ONE_BUCKET, take_from_new_keys);
    uint32_t missing = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t key = 0; key < KEYS; key++) {
            assert_in_range(race->allowed[round][key], 0, LIMIT);
            missing += LIMIT - race->allowed[round][key];
        }
    assert_in_range(missing, 0, ROUNDS * KEYS * LIMIT / 1000);
    end_race(race);
}

/* Ten keys come back again and again when their windows have ended, to a bucket of eight. */
static void take_from_old_keys(struct race *race, uint32_t round, uint32_t worker, uint64_t *seed)
{
    uint64_t now = START + round * (WINDOW + 2) + worker % 2;

    (void)seed;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t which = (i + worker) % KEYS;
        while (take(&race->table, (round + 3 * which) % 10, now, 1).allowed)
            race->allowed[round][which]++;
    }
}

static void test_no_more_is_allowed_while_slots_change_hands_and_owners_come_back(void **state)
{
    struct race *race = run_race(LIMIT, ONE_BUCKET, take_from_old_keys);
    uint32_t missing = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t key = 0; key < KEYS; key++) {
            assert_in_range(race->allowed[round][key], 0, LIMIT);
            missing += LIMIT - race->allowed[round][key];
        }
    assert_in_range(missing, 0, ROUNDS * KEYS * LIMIT / 1000);
    end_race(race);
}

static void hammer(struct race *race, uint64_t seed)
{
    for (uint64_t now = START;; now += random_below(&seed, 2))
        take(&race->table, random_below(&seed, 12), now, 1);
}

static void test_a_worker_killed_at_any_instruction_leaves_a_sound_table(void **state)
{
    struct race *race = bk__shared_new(sizeof *race);
    uint64_t seed = 5;
    int status;

    (void)state;
    race->table = table_of(LIMIT, ONE_BUCKET);
    for (uint32_t i = 1; i <= 200; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            hammer(race, i);
        usleep(500 + random_below(&seed, 1500));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        uint64_t later = (uint64_t)START * (i + 1); /* all that it has left has ended */
        for (uint32_t key = 0; key < 8; key++)
            for (uint32_t turn = 0; turn <= LIMIT; turn++)
                assert_int_equal(take(&race->table, key, later, 1).allowed, turn < LIMIT);
    }
    end_race(race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_has_its_own_count),
        cmocka_unit_test(test_looking_at_a_key_takes_no_slot),
        cmocka_unit_test(test_a_full_bucket_forgets_what_would_end_first),
        cmocka_unit_test(test_what_has_ended_makes_room),
        cmocka_unit_test(test_a_forgotten_key_begins_anew),
        cmocka_unit_test(test_exactly_the_limit_is_allowed_for_keys_that_workers_add_at_once),
        cmocka_unit_test(test_no_more_is_allowed_where_all_fight_for_the_same_slots),
        cmocka_unit_test(test_no_more_is_allowed_while_slots_change_hands_and_owners_come_back),
        cmocka_unit_test(test_a_worker_killed_at_any_instruction_leaves_a_sound_table),
    };
    return cmocka_run_group_tests_name("limit_table", tests, NULL, NULL);
}
