/*
 * What docs/guide/jobs.md shows does what it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../examples/guide/jobs.h"
#include "harness/postgres.h"
#include "harness/redis.h"
#include <backend/testing.h>

#define PATIENCE_MS 20000

static struct redis server;
static struct postgres database;

/* Waits until so many mails are sent. */
static bk_err sent_is(void *data)
{
    struct office *office = data;

    for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
        if (office->sent == 4)
            return BK_OK;
        BK_TRY(bk_sleep_ms(5));
    }
    return bk_fail(BK_ETIMEDOUT, "%d were sent", office->sent);
}

/* The relay counts what it has moved when that is known to the database, too. */
static bk_err users_are_moved(void *data)
{
    const struct office *office = data;
    bk_outbox_stats stats = {0};

    for (int ms = 0; ms < PATIENCE_MS && stats.moved != 2; ms += 5) {
        bk_outbox_get_stats(office->outbox, &stats);
        BK_TRY(bk_sleep_ms(5));
    }
    assert_int_equal(stats.moved, 2);
    assert_int_equal(stats.known, 0);
    return BK_OK;
}

static bk_err one_has_failed(void *data)
{
    struct office *office = data;
    bk_job_counts counts = {0};

    for (int ms = 0; ms < PATIENCE_MS && counts.failed != 1; ms += 5) {
        BK_TRY(bk_queue_counts(office->mails, &counts));
        BK_TRY(bk_sleep_ms(5));
    }
    return counts.failed == 1 ? BK_OK : BK_ETIMEDOUT;
}

static bk_err report_is_made(void *data)
{
    struct office *office = data;

    BK_TRY(bk_jobs_add_json(office->reports, "yearly", BK_LIT("{}"), NULL, NULL));
    for (int ms = 0; ms < PATIENCE_MS && office->computed == 0; ms += 5)
        BK_TRY(bk_sleep_ms(5));
    return office->computed == 1 ? BK_OK : BK_ETIMEDOUT;
}

static void post(bk_test *test, const char *target, int status)
{
    assert_int_equal(bk_test_status(bk_test_post_json(test, target, "{}")), status);
}

static void test_the_guide_does_what_it_says(void **state)
{
    struct office office = {0};
    bk_app *app = bk_app_new(&(bk_app_opts){.data = &office});

    (void)state;
    jobs_declare(app, &office, server.url, database.socket_url);
    jobs_routes(app);
    bk_test *test = bk_test_new(app, NULL);
    post(test, "/reminders/7", 202);
    post(test, "/digests/7", 202);
    post(test, "/users", 204);
    post(test, "/users", 204);
    assert_int_equal(bk_test_run(test, sent_is, &office), BK_OK);
    assert_int_equal(bk_test_run(test, users_are_moved, &office), BK_OK);
    assert_int_equal(bk_test_run(test, report_is_made, &office), BK_OK);
    post(test, "/digests/404", 202);
    assert_int_equal(bk_test_run(test, one_has_failed, &office), BK_OK);
    bk_str body = bk_test_body(bk_test_get(test, "/failed"));
    assert_true(bk_str_eq(body, BK_LIT("[\"there is no user 404\"]")));
    post(test, "/failed/retry", 204);
    assert_int_equal(bk_test_run(test, one_has_failed, &office), BK_OK);
    bk_test_free(test);
    bk_app_free(app);
}

/* --- what else an outbox does ------------------------------------------------------------------- */

struct other {
    bk_pg *db;
    bk_outbox *outbox;
    bk_queue *queue, *elsewhere;
};

struct note {
    bk_str text;
};

BK_DESCRIBE(note_desc, struct note, BK_STR(text))

static bk_err add_and_roll_back(bk_pg *tx, void *data)
{
    struct other *other = data;
    struct note note = {BK_LIT("hello")};
    bk_str id;

    BK_TRY(bk_jobs_add_tx(tx, other->outbox, other->queue, "x", note_desc, &note,
                          &(bk_job_opts){.id = BK_LIT("own")}, &id));
    assert_true(bk_str_eq(id, BK_LIT("own")));
    BK_TRY(bk_jobs_add_tx_json(tx, other->outbox, other->queue, "x", BK_LIT("1"), NULL, &id));
    assert_int_equal(id.len, 36);
    assert_int_equal(
        bk_jobs_add_tx_json(tx, other->outbox, other->queue, "x", BK_LIT("{"), NULL, NULL),
        BK_EINVAL);
    assert_int_equal(
        bk_jobs_add_tx_json(tx, other->outbox, other->elsewhere, "x", BK_LIT("1"), NULL, NULL),
        BK_EINVAL);
    return bk_fail(BK_ECONFLICT, "it was not to be");
}

static bk_err use_outbox(void *data)
{
    struct other *other = data;
    int64_t left;

    BK_TRY(bk_pg_exec(other->db, bk_arena_cstr(bk_fiber_arena(), bk_outbox_sql(other->outbox)),
                      BK_NO_ARGS, NULL));
    assert_int_equal(bk_pg_tx(other->db, add_and_roll_back, other), BK_ECONFLICT);
    bk_error_clear();
    BK_TRY(bk_pg_exec(other->db, "SELECT 1 FROM own_outbox", BK_NO_ARGS, &left));
    assert_int_equal(left, 0);
    return BK_OK;
}

static void test_what_is_rolled_back_is_not_added(void **state)
{
    struct other other;
    bk_app *app = bk_app_new(NULL);
    bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    bk_redis *second = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(server.url)});

    (void)state;
    other.db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(database.socket_url)});
    other.outbox = bk_outbox_new(app, &(bk_outbox_opts){.db = other.db,
                                                        .redis = redis,
                                                        .table = "own_outbox",
                                                        .no_create = true,
                                                        .no_relay = true});
    other.queue = bk_queue_new(app, &(bk_queue_opts){.name = "q", .redis = redis});
    other.elsewhere = bk_queue_new(app, &(bk_queue_opts){.name = "q", .redis = second});
    bk_test *test = bk_test_new(app, NULL);
    assert_int_equal(bk_test_run(test, use_outbox, &other), BK_OK);
    bk_test_free(test);
    bk_app_free(app);
}

static bk_err add_one(bk_pg *tx, void *data)
{
    struct other *other = data;

    return bk_jobs_add_tx_json(tx, other->outbox, other->queue, "x", BK_LIT("1"),
                               &(bk_job_opts){.id = BK_LIT("own")}, NULL);
}

static bk_err add_directly(void *data)
{
    const struct other *other = data;

    return bk_jobs_add_json(other->queue, "x", BK_LIT("1"), &(bk_job_opts){.id = BK_LIT("own")},
                            NULL);
}

static bk_err add_and_wait(void *data)
{
    struct other *other = data;
    bk_outbox_stats stats = {0};

    BK_TRY(bk_pg_tx(other->db, add_one, other));
    for (int ms = 0; ms < PATIENCE_MS && stats.moved == 0; ms += 5) {
        bk_outbox_get_stats(other->outbox, &stats);
        BK_TRY(bk_sleep_ms(5));
    }
    return stats.moved == 1 ? BK_OK : bk_fail(BK_ETIMEDOUT, "it was not moved");
}

/* Adds a job to the queue @p name, which has settings of its own. */
static void add_to_one_with_opts(const char *name, bool by_outbox)
{
    struct other other = {0};
    bk_app *app = bk_app_new(NULL);
    bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    bk_queue_opts opts = {
        .name = name,
        .redis = redis,
        .events = 77,
        .job = {.attempts = 4, .delay_ms = 60000, .keep_logs = 5},
    };

    other.db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(database.socket_url)});
    other.outbox = bk_outbox_new(
        app, &(bk_outbox_opts){.db = other.db, .redis = redis, .table = "queue_opts_outbox"});
    other.queue = bk_queue_new(app, &opts);
    bk_test *test = bk_test_new(app, NULL);
    assert_int_equal(bk_test_run(test, by_outbox ? add_and_wait : add_directly, &other), BK_OK);
    bk_test_free(test);
    bk_app_free(app);
}

static void test_an_outbox_keeps_to_the_settings_of_the_queue(void **state)
{
    char key[2][40];
    char *told[2][2];

    (void)state;
    for (int by_outbox = 0; by_outbox < 2; by_outbox++) {
        const char *name = by_outbox ? "moved" : "direct";
        add_to_one_with_opts(name, by_outbox);
        snprintf(key[0], sizeof key[0], "bull:%s:meta", name);
        snprintf(key[1], sizeof key[1], "bull:%s:own", name);
        told[by_outbox][0] = strdup(redis_cli(&server, "HGET", key[0], "opts.maxLenEvents"));
        told[by_outbox][1] = strdup(redis_cli(&server, "HGET", key[1], "opts"));
    }
    assert_string_equal(told[0][0], "77");
    assert_non_null(strstr(told[0][1], "60000"));
    for (int i = 0; i < 2; i++) {
        assert_string_equal(told[0][i], told[1][i]);
        free(told[0][i]);
        free(told[1][i]);
    }
}

static int start_servers(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    database = postgres_start("max_connections=40");
    postgres_do(&database, "psql", "CREATE TABLE users (id bigserial PRIMARY KEY)");
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    postgres_stop(&database);
    redis_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
        cmocka_unit_test(test_what_is_rolled_back_is_not_added),
        cmocka_unit_test(test_an_outbox_keeps_to_the_settings_of_the_queue),
    };

    return cmocka_run_group_tests_name("jobs_guide", tests, start_servers, stop_servers);
}
