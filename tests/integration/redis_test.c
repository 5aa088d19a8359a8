/* Commands, batches, scripts and connections, with a real Redis of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/redis.h>
#include <backend/testing.h>

#include "app/app.h"
#include "harness/redis.h"
#include "redis/redis.h"

/* --- a server --------------------------------------------------------------------------------- */

static struct redis server;
static char certificates[64]; /* the folder */
static int tls_port;

static void shell(const char *format, const char *folder)
{
    char line[2048];

    snprintf(line, sizeof line, format, folder);
    assert_int_equal(system(line), 0);
}

static int set_up(void **state)
{
    static const char script[] =
        "cd %s && exec 2>/dev/null && for n in ca other; do openssl req -x509 -newkey rsa:2048 "
        "-nodes -keyout $n.key -out $n.crt -days 2 -subj /CN=$n; done && openssl req -newkey "
        "rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost && "
        "echo 'subjectAltName=DNS:localhost' > ext && openssl x509 -req -in server.csr -CA ca.crt "
        "-CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile ext";
    static char port[8], files[3][96];
    static const char *const names[] = {"server.crt", "server.key", "ca.crt"};

    (void)state;
    strcpy(certificates, "/tmp/redis_test.XXXXXX");
    assert_non_null(mkdtemp(certificates));
    shell(script, certificates);
    for (size_t i = 0; i < 3; i++)
        snprintf(files[i], sizeof files[i], "%s/%s", certificates, names[i]);
    tls_port = redis_free_port();
    snprintf(port, sizeof port, "%d", tls_port);
    server = redis_start("--tls-port", port, "--tls-cert-file", files[0], "--tls-key-file",
                         files[1], "--tls-ca-cert-file", files[2], "--tls-auth-clients", "no");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_stop(&server);
    shell("rm -r %s", certificates);
    return 0;
}

/* --- an app ----------------------------------------------------------------------------------- */

struct redis_app {
    bk_app *app;
    bk_test *test;
    bk_redis *redis;
    bk_redis *admin; /* a connection beside it */
};

static struct redis_app open_app(const bk_redis_opts *opts)
{
    struct redis_app it = {.app = bk_app_new(NULL)};
    bk_redis_opts all = opts != NULL ? *opts : (bk_redis_opts){0};
    if (all.url.ptr == NULL)
        all.url = bk_str_of(server.unix_url);
    it.redis = bk_redis_new(it.app, &all);
    it.admin =
        bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server.unix_url), .name = "admin"});
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void close_app(struct redis_app *it)
{
    bk_test_settle(it->test);
    assert_int_equal(it->app->loop->fiber_count, 0);
    bk_test_free(it->test);
    bk_app_free(it->app);
}

static void run_at(struct redis_app *it, bk_err (*fn)(void *data), const char *file, int line)
{
    bk_err err = bk_test_run(it->test, fn, it);

    if (err == BK_OK)
        return;
    bk_str logs = bk_test_logs(it->test);
    print_error("%.*s\n", BK_PRI(logs));
    _assert_int_equal(err, BK_OK, file, line);
}

#define run(it, fn) run_at(it, fn, __FILE__, __LINE__)

static void run_alone(bk_err (*fn)(void *data), const bk_redis_opts *opts)
{
    struct redis_app it = open_app(opts);

    run(&it, fn);
    close_app(&it);
}

static bk_redis_stats stats_of(const bk_redis *redis)
{
    bk_redis_stats stats;

    bk_redis_get_stats(redis, &stats);
    return stats;
}

static bool says(const char *words)
{
    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        if (memmem(link->message.ptr, link->message.len, words, strlen(words)) != NULL)
            return true;
    return false;
}

static bk_err flush(bk_redis *redis)
{
    return bk_redis_run(redis, "FLUSHALL", BK_NO_ARGS, NULL);
}

static bk_err wait_until_up(bk_redis *redis)
{
    for (int i = 0; i < 1000 && !stats_of(redis).up; i++)
        BK_TRY(bk_sleep_ms(5));
    return stats_of(redis).up ? BK_OK : bk_fail(BK_EINTERNAL, "it does not come up");
}

/* --- commands --------------------------------------------------------------------------------- */

static bk_err each_call(void *data)
{
    bk_redis *redis = ((struct redis_app *)data)->redis;
    bk_reply reply;
    bk_str text;
    int64_t n;

    BK_TRY(flush(redis));
    BK_TRY(bk_redis_i64(redis, "INCR $1", BK_ARGS(bk_text(BK_LIT("a b"))), &n));
    assert_int_equal(n, 1);
    BK_TRY(bk_redis_i64(redis, "GET $1", BK_ARGS(bk_text(BK_LIT("a b"))), &n));
    assert_int_equal(n, 1);
    BK_TRY(bk_redis_str(redis, "SET k $1", BK_ARGS(bk_text(BK_LIT("x\r\n\0y"))), &text));
    assert_string_equal(text.ptr, "OK");
    BK_TRY(bk_redis_str(redis, "GET k", BK_NO_ARGS, &text));
    assert_int_equal(text.len, 5);
    assert_memory_equal(text.ptr, "x\r\n\0y", 6);
    assert_int_equal(bk_redis_str(redis, "GET none", BK_NO_ARGS, &text), BK_ENOTFOUND);
    assert_false(bk_str_present(text));
    assert_int_equal(bk_redis_i64(redis, "GET none", BK_NO_ARGS, &n), BK_ENOTFOUND);
    assert_int_equal(bk_redis_i64(redis, "GET k", BK_NO_ARGS, &n), BK_EINTERNAL);
    assert_int_equal(bk_redis_str(redis, "STRLEN k", BK_NO_ARGS, &text), BK_EINTERNAL);
    bk_error_clear();
    bk_str items[] = {BK_LIT("x"), BK_LIT("y")};
    BK_TRY(bk_redis_run(redis, "RPUSH l $1", BK_ARGS(bk_array_of(BK_TYPE_STR, items, 2)), NULL));
    BK_TRY(bk_redis_run(redis, "LRANGE l 0 -1", BK_NO_ARGS, &reply));
    assert_int_equal(reply.type, BK_REPLY_ARRAY);
    assert_int_equal(reply.count, 2);
    assert_string_equal(reply.items[1].str.ptr, "y");
    return BK_OK;
}

static void test_each_call_gives_its_type(void **state)
{
    (void)state;
    run_alone(each_call, NULL);
}

static bk_err wrong_command(void *data)
{
    bk_redis *redis = ((struct redis_app *)data)->redis;

    BK_TRY(flush(redis));
    BK_TRY(bk_redis_run(redis, "SET k v", BK_NO_ARGS, NULL));
    assert_string_equal(bk_redis_error_code(), "");
    assert_int_equal(bk_redis_run(redis, "LPUSH k x", BK_NO_ARGS, NULL), BK_EINTERNAL);
    assert_string_equal(bk_redis_error_code(), "WRONGTYPE");
    assert_true(says("WRONGTYPE Operation"));
    bk_error_clear();
    assert_string_equal(bk_redis_error_code(), "");
    assert_int_equal(bk_redis_run(redis, "BLPOP k 0", BK_NO_ARGS, NULL), BK_EINVAL);
    assert_string_equal(bk_redis_error_code(), "");
    bk_error_clear();
    assert_int_equal(stats_of(redis).errors, 1);
    return bk_redis_run(redis, "PING", BK_NO_ARGS, NULL);
}

static void test_a_wrong_command_is_told_in_the_servers_words(void **state)
{
    (void)state;
    run_alone(wrong_command, NULL);
}

static bk_err out_of_memory(void *data)
{
    bk_redis *redis = ((struct redis_app *)data)->redis;

    BK_TRY(flush(redis));
    BK_TRY(bk_redis_run(redis, "CONFIG SET maxmemory 1", BK_NO_ARGS, NULL));
    bk_err err = bk_redis_run(redis, "SET k v", BK_NO_ARGS, NULL);
    assert_string_equal(bk_redis_error_code(), "OOM");
    bk_error_clear();
    BK_TRY(bk_redis_run(redis, "CONFIG SET maxmemory 0", BK_NO_ARGS, NULL));
    assert_int_equal(err, BK_EUNAVAILABLE);
    assert_int_equal(stats_of(redis).disconnects, 0);
    return BK_OK;
}

static void test_a_server_that_is_full_is_unavailable(void **state)
{
    (void)state;
    run_alone(out_of_memory, NULL);
}

struct crowd {
    bk_redis *redis;
    int64_t seen, done;
};

static bk_err one_of_many(void *data)
{
    struct crowd *crowd = data;
    int64_t n, twice;
    int64_t number = crowd->seen++;

    BK_TRY(bk_redis_i64(crowd->redis, "ECHO $1", BK_ARGS(bk_i64(number)), &n));
    BK_TRY(bk_redis_i64(crowd->redis, "ECHO $1", BK_ARGS(bk_i64(2 * number)), &twice));
    crowd->done += n == number && twice == 2 * number;
    return BK_OK;
}

static bk_err many_fibers(void *data)
{
    struct crowd crowd = {.redis = ((struct redis_app *)data)->redis};
    uint64_t before = stats_of(crowd.redis).writes;

    for (int i = 0; i < 1000; i++)
        BK_TRY(bk_spawn("one", one_of_many, &crowd));
    for (int i = 0; i < 2000 && crowd.done < 1000; i++)
        BK_TRY(bk_sleep_ms(2));
    assert_int_equal(crowd.done, 1000);
    assert_true(stats_of(crowd.redis).writes - before < 100);
    return BK_OK;
}

static void test_a_thousand_fibers_share_few_writes_and_get_each_their_own(void **state)
{
    (void)state;
    run_alone(many_fibers, NULL);
}

/* --- batches ---------------------------------------------------------------------------------- */

static bk_err pipeline(void *data)
{
    bk_redis *redis = ((struct redis_app *)data)->redis;
    bk_redis_batch *batch = bk_redis_batch_open(redis);
    bk_reply a, b, c;

    BK_TRY(flush(redis));
    uint64_t writes = stats_of(redis).writes;
    bk_redis_batch_add(batch, "SET k $1", BK_ARGS(bk_i64(41)), &a);
    bk_redis_batch_add(batch, "INCR k", BK_NO_ARGS, &b);
    bk_redis_batch_add(batch, "GET k", BK_NO_ARGS, NULL);
    BK_TRY(bk_redis_batch_run(batch));
    assert_int_equal(stats_of(redis).writes - writes, 1);
    assert_string_equal(a.str.ptr, "OK");
    assert_int_equal(b.i64, 42);
    bk_redis_batch_add(batch, "LPUSH k x", BK_NO_ARGS, &a);
    bk_redis_batch_add(batch, "INCR k", BK_NO_ARGS, &c);
    assert_int_equal(bk_redis_batch_run(batch), BK_EINTERNAL);
    assert_string_equal(bk_redis_error_code(), "WRONGTYPE");
    assert_int_equal(a.type, BK_REPLY_ERROR);
    assert_int_equal(c.i64, 43);
    bk_error_clear();
    bk_redis_batch_add(batch, "INCR k", BK_NO_ARGS, NULL);
    bk_redis_batch_add(batch, "BLPOP k 0", BK_NO_ARGS, NULL);
    assert_int_equal(bk_redis_batch_run(batch), BK_EINVAL);
    bk_error_clear();
    BK_TRY(bk_redis_batch_run(batch)); /* it is empty */
    BK_TRY(bk_redis_i64(redis, "GET k", BK_NO_ARGS, &b.i64));
    assert_int_equal(b.i64, 43);
    return BK_OK;
}

static void test_a_batch_leaves_in_one_write_and_each_has_its_reply(void **state)
{
    (void)state;
    run_alone(pipeline, NULL);
}

static bk_err transaction(void *data)
{
    bk_redis *redis = ((struct redis_app *)data)->redis;
    bk_redis_batch *batch = bk_redis_batch_open(redis);
    bk_reply a, b;
    int64_t n;

    BK_TRY(flush(redis));
    BK_TRY(bk_redis_batch_run_atomic(batch));
    bk_redis_batch_add(batch, "SET k 1", BK_NO_ARGS, &a);
    bk_redis_batch_add(batch, "INCR k", BK_NO_ARGS, &b);
    BK_TRY(bk_redis_batch_run_atomic(batch));
    assert_string_equal(a.str.ptr, "OK");
    assert_int_equal(b.i64, 2);
    /* An error when it runs leaves the others; one before EXEC leaves nothing. */
    bk_redis_batch_add(batch, "LPUSH k x", BK_NO_ARGS, &a);
    bk_redis_batch_add(batch, "INCR k", BK_NO_ARGS, &b);
    assert_int_equal(bk_redis_batch_run_atomic(batch), BK_EINTERNAL);
    assert_string_equal(bk_redis_error_code(), "WRONGTYPE");
    assert_int_equal(a.type, BK_REPLY_ERROR);
    assert_int_equal(b.i64, 3);
    bk_error_clear();
    bk_redis_batch_add(batch, "INCR k", BK_NO_ARGS, NULL);
    bk_redis_batch_add(batch, "INCR", BK_NO_ARGS, NULL);
    assert_int_equal(bk_redis_batch_run_atomic(batch), BK_EINTERNAL);
    assert_true(says("wrong number of arguments"));
    bk_error_clear();
    BK_TRY(bk_redis_i64(redis, "GET k", BK_NO_ARGS, &n));
    assert_int_equal(n, 3);
    return BK_OK;
}

static void test_a_transaction_runs_whole_or_not_at_all(void **state)
{
    (void)state;
    run_alone(transaction, NULL);
}

static bk_err too_much(void *data)
{
    bk_redis *redis = ((struct redis_app *)data)->redis;
    bk_redis_batch *batch = bk_redis_batch_open(redis);
    int64_t n;

    BK_TRY(bk_redis_run(redis, "DEL big", BK_NO_ARGS, NULL));
    for (int i = 0; i < 9; i++)
        bk_redis_batch_add(batch, "INCR big", BK_NO_ARGS, NULL);
    assert_int_equal(bk_redis_batch_run_atomic(batch), BK_EUNAVAILABLE); /* MULTI, EXEC: 11 */
    bk_error_clear();
    assert_int_equal(bk_redis_i64(redis, "GET big", BK_NO_ARGS, &n), BK_ENOTFOUND);
    bk_error_clear();
    for (int i = 0; i < 11; i++)
        bk_redis_batch_add(batch, "INCR big", BK_NO_ARGS, NULL);
    assert_int_equal(bk_redis_batch_run(batch), BK_EUNAVAILABLE);
    bk_error_clear();
    BK_TRY(bk_redis_i64(redis, "GET big", BK_NO_ARGS, &n));
    assert_int_equal(n, 10);
    return BK_OK;
}

static void test_what_exceeds_the_queue_fails_at_once(void **state)
{
    (void)state;
    run_alone(too_much, &(bk_redis_opts){.pending = 10});
}

/* --- scripts ---------------------------------------------------------------------------------- */

static bk_err scripts(void *data)
{
    static const char script[] = "return {KEYS[1], ARGV[1], #KEYS, #ARGV}";
    bk_redis *redis = ((struct redis_app *)data)->redis;
    bk_reply reply;

    for (int i = 0; i < 3; i++) {
        if (i != 1)
            BK_TRY(bk_redis_run(redis, "SCRIPT FLUSH", BK_NO_ARGS, NULL));
        BK_TRY(bk_redis_eval(redis, script, BK_ARGS(bk_text(BK_LIT("k"))),
                             BK_ARGS(bk_i64(77), bk_i64(78)), &reply));
        assert_int_equal(reply.count, 4);
        assert_string_equal(reply.items[0].str.ptr, "k");
        assert_string_equal(reply.items[1].str.ptr, "77");
        assert_int_equal(reply.items[2].i64, 1);
        assert_int_equal(reply.items[3].i64, 2);
    }
    assert_int_equal(stats_of(redis).errors, 2); /* NOSCRIPT, once for each FLUSH */
    assert_int_equal(bk_redis_eval(redis, "return redis.error_reply('MINE it is')", BK_NO_ARGS,
                                   BK_NO_ARGS, NULL),
                     BK_EINTERNAL);
    assert_string_equal(bk_redis_error_code(), "MINE");
    bk_error_clear();
    return BK_OK;
}

static void test_a_script_is_sent_again_when_the_server_forgot_it(void **state)
{
    (void)state;
    run_alone(scripts, NULL);
}

/* --- time and cancel --------------------------------------------------------------------------- */

static bk_err late(void *data)
{
    struct redis_app *it = data;
    uint64_t before = bk_now_ns();

    assert_int_equal(bk_redis_run(it->redis, "DEBUG SLEEP 0.6", BK_NO_ARGS, NULL), BK_EUNAVAILABLE);
    assert_true(bk_now_ns() - before < 500000000);
    assert_true(says("in time"));
    bk_error_clear();
    assert_int_equal(stats_of(it->redis).disconnects, 1);
    BK_TRY(bk_sleep_ms(700));
    BK_TRY(wait_until_up(it->redis));
    return bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL);
}

static void test_a_late_reply_closes_the_connection_which_comes_back(void **state)
{
    (void)state;
    run_alone(late, &(bk_redis_opts){.command_ms = 200});
}

static bk_err deadline(void *data)
{
    struct redis_app *it = data;
    int64_t n = 0;

    BK_TRY(bk_redis_run(it->admin, "CLIENT PAUSE 200 ALL", BK_NO_ARGS, NULL));
    bk_deadline own = bk_deadline_push(50);
    bk_err err = bk_redis_i64(it->redis, "ECHO 1", BK_NO_ARGS, &n);
    bk_deadline_pop(own);
    assert_int_equal(err, BK_ETIMEDOUT);
    bk_error_clear();
    /* Its reply is still to come, and is not taken for the next one's. */
    BK_TRY(bk_redis_i64(it->redis, "ECHO 2", BK_NO_ARGS, &n));
    assert_int_equal(n, 2);
    assert_int_equal(stats_of(it->redis).disconnects, 0);
    return BK_OK;
}

static void test_a_fiber_that_gives_up_leaves_the_connection_whole(void **state)
{
    (void)state;
    run_alone(deadline, NULL);
}

struct victim {
    bk_redis *redis;
    bk_err err;
    bool over;
};

static bk_err wait_in_vain(void *data)
{
    struct victim *victim = data;
    bk_redis_batch *batch = bk_redis_batch_open(victim->redis);

    bk_redis_batch_add(batch, "INCR v", BK_NO_ARGS, NULL);
    bk_redis_batch_add(batch, "INCR v", BK_NO_ARGS, NULL);
    victim->err = bk_redis_batch_run_atomic(batch);
    victim->over = true;
    return victim->err;
}

static bk_err canceled(void *data)
{
    struct redis_app *it = data;
    struct victim victim = {.redis = it->redis};
    bk_group *group = bk_group_open();
    int64_t n = 0;

    BK_TRY(bk_redis_run(it->redis, "DEL v", BK_NO_ARGS, NULL));
    BK_TRY(bk_redis_run(it->admin, "CLIENT PAUSE 100 ALL", BK_NO_ARGS, NULL));
    bk_group_spawn(group, "victim", wait_in_vain, &victim);
    BK_TRY(bk_sleep_ms(20));
    bk_group_cancel(group);
    (void)!bk_group_wait(group);
    assert_true(victim.over);
    assert_int_equal(victim.err, BK_ECANCELED);
    bk_error_clear();
    BK_TRY(bk_redis_i64(it->redis, "ECHO 5", BK_NO_ARGS, &n));
    assert_int_equal(n, 5);
    BK_TRY(bk_redis_i64(it->redis, "GET v", BK_NO_ARGS, &n)); /* it had been sent */
    assert_int_equal(n, 2);
    assert_int_equal(stats_of(it->redis).disconnects, 0);
    return BK_OK;
}

static void test_a_canceled_transaction_keeps_its_place_in_the_replies(void **state)
{
    (void)state;
    run_alone(canceled, NULL);
}

static void never(struct bk__redis_call *call, bk_err err)
{
    fail_msg("an abandoned call is done: %d, %d", err, call->reply.type);
}

static bk_err abandoned(void *data)
{
    struct bk__redis_link *link = ((struct redis_app *)data)->redis->link;
    struct bk__redis_call call = {.done = never};
    bk_str ping = BK_LIT("PING");
    int64_t n;

    BK_TRY(bk__redis_link_send(link, &ping, 1, &call));
    bk__redis_link_abandon(link, &call);
    bk__redis_link_abandon(link, &call); /* harmless */
    BK_TRY(bk_redis_i64(((struct redis_app *)data)->redis, "ECHO 3", BK_NO_ARGS, &n));
    assert_int_equal(n, 3);
    return BK_OK;
}

static void test_an_abandoned_call_is_never_done(void **state)
{
    (void)state;
    run_alone(abandoned, NULL);
}

/* --- losing it --------------------------------------------------------------------------------- */

static bk_err killed(void *data)
{
    struct redis_app *it = data;
    int64_t id, n;

    for (int i = 0; i < 3; i++) {
        BK_TRY(bk_redis_i64(it->redis, "CLIENT ID", BK_NO_ARGS, &id));
        BK_TRY(bk_redis_i64(it->admin, "CLIENT KILL ID $1", BK_ARGS(bk_i64(id)), &n));
        assert_int_equal(n, 1);
        for (int k = 0; k < 500 && stats_of(it->redis).disconnects == (uint64_t)i; k++)
            BK_TRY(bk_sleep_ms(2));
        assert_int_equal(stats_of(it->redis).disconnects, i + 1);
        BK_TRY(bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL)); /* waits for the new one */
    }
    assert_int_equal(stats_of(it->redis).connects, 4);
    return BK_OK;
}

static void test_a_connection_that_was_cut_is_made_again_at_once(void **state)
{
    (void)state;
    run_alone(killed, NULL);
}

static bk_err outage(void *data)
{
    struct redis_app *it = data;

    BK_TRY(bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL));
    redis_signal(&server, SIGKILL);
    (void)!bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL);
    for (int i = 0; i < 500 && stats_of(it->redis).up; i++)
        BK_TRY(bk_sleep_ms(2));
    BK_TRY(bk_sleep_ms(100));
    bk_error_clear();
    uint64_t before = bk_now_ns();
    for (int i = 0; i < 100; i++)
        assert_int_equal(bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL), BK_EUNAVAILABLE);
    assert_true(bk_now_ns() - before < 100000000);
    bk_error_clear();
    redis_again(&server);
    BK_TRY(wait_until_up(it->redis));
    return bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL);
}

static void test_an_outage_fails_at_once_and_ends_by_itself(void **state)
{
    (void)state;
    run_alone(outage, NULL);
}

static bk_err oversized(void *data)
{
    struct redis_app *it = data;

    BK_TRY(bk_redis_run(it->admin, "SETRANGE large 200000 x", BK_NO_ARGS, NULL));
    BK_TRY(bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL));
    assert_int_equal(bk_redis_run(it->redis, "GET large", BK_NO_ARGS, NULL), BK_EUNAVAILABLE);
    assert_true(says("too large"));
    bk_error_clear();
    BK_TRY(wait_until_up(it->redis));
    bk_reply reply;
    BK_TRY(bk_redis_run(it->admin, "GET large", BK_NO_ARGS, &reply));
    assert_int_equal(reply.str.len, 200001);
    return bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL);
}

static void test_a_reply_beyond_the_limit_closes_the_connection(void **state)
{
    (void)state;
    run_alone(oversized, &(bk_redis_opts){.reply_bytes = 100000});
}

/* --- connecting -------------------------------------------------------------------------------- */

static bk_err whoami_is_anna(void *data)
{
    struct redis_app *it = data;
    bk_str text;

    BK_TRY(bk_redis_str(it->redis, "ACL WHOAMI", BK_NO_ARGS, &text));
    assert_string_equal(text.ptr, "anna");
    BK_TRY(bk_redis_str(it->redis, "CLIENT INFO", BK_NO_ARGS, &text));
    assert_non_null(strstr(text.ptr, " db=3 "));
    assert_non_null(strstr(text.ptr, " name=books "));
    return BK_OK;
}

static bk_err add_user(void *data)
{
    struct redis_app *it = data;

    return bk_redis_run(it->admin, "ACL SETUSER anna on >$hush ~* +@all", BK_NO_ARGS, NULL);
}

static void test_the_preamble_logs_in_and_selects(void **state)
{
    char url[128];

    (void)state;
    run_alone(add_user, NULL);
    snprintf(url, sizeof url, "redis://anna:$hush@127.0.0.1:%d/3", server.port);
    run_alone(whoami_is_anna, &(bk_redis_opts){.url = bk_str_of(url), .name = "books"});
}

static bk_err is_down(void *data)
{
    struct redis_app *it = data;

    assert_int_equal(bk_redis_run(it->redis, "PING", BK_NO_ARGS, NULL), BK_EUNAVAILABLE);
    bk_error_clear();
    assert_false(stats_of(it->redis).up);
    bk_str logs = bk_test_logs(it->test);
    assert_non_null(memmem(logs.ptr, logs.len, "redis.unreachable", 17));
    assert_null(memmem(logs.ptr, logs.len, "sesame", 6));
    return BK_OK;
}

static void test_a_wrong_password_is_told_and_not_shown(void **state)
{
    char url[128];

    (void)state;
    run_alone(add_user, NULL);
    snprintf(url, sizeof url, "redis://anna:sesame@127.0.0.1:%d", server.port);
    run_alone(is_down, &(bk_redis_opts){.url = bk_str_of(url)});
}

static bk_err big_values(void *data)
{
    struct redis_app *it = data;
    size_t len = 3 * 1024 * 1024;
    bk_str out;
    char *text = bk_arena_alloc(bk_fiber_arena(), len);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 7 + i / 251);
    BK_TRY(bk_redis_run(it->redis, "SET large $1", BK_ARGS(bk_text(bk_str_at(text, len))), NULL));
    BK_TRY(bk_redis_str(it->redis, "GET large", BK_NO_ARGS, &out));
    assert_int_equal(out.len, len);
    assert_memory_equal(out.ptr, text, len);
    return bk_redis_run(it->redis, "DEL large", BK_NO_ARGS, NULL);
}

static void test_large_values_go_both_ways_with_tls_and_without(void **state)
{
    char url[256];

    (void)state;
    run_alone(big_values, NULL);
    snprintf(url, sizeof url, "rediss://localhost:%d?ca=%s/ca.crt", tls_port, certificates);
    run_alone(big_values, &(bk_redis_opts){.url = bk_str_of(url)});
    run_alone(many_fibers, &(bk_redis_opts){.url = bk_str_of(url)});
}

static void test_tls_checks_who_answers(void **state)
{
    char url[256];
    const char *folder = certificates;
    int port = tls_port;

    (void)state;
    snprintf(url, sizeof url, "rediss://localhost:%d?ca=%s/other.crt", port, folder);
    run_alone(is_down, &(bk_redis_opts){.url = bk_str_of(url)});
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d?ca=%s/ca.crt", port, folder);
    run_alone(is_down, &(bk_redis_opts){.url = bk_str_of(url)});
    snprintf(url, sizeof url, "rediss://localhost:%d?ca=%s/none.crt", port, folder);
    run_alone(is_down, &(bk_redis_opts){.url = bk_str_of(url)});
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d?ca=%s/ca.crt&server_name=localhost", port,
             folder);
    run_alone(many_fibers, &(bk_redis_opts){.url = bk_str_of(url)});
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d?verify=none", port);
    run_alone(many_fibers, &(bk_redis_opts){.url = bk_str_of(url)});
}

static void test_memory_is_no_connection(void **state)
{
    bk_app *app = bk_app_new(NULL);

    (void)state;
    assert_null(bk_redis_new(app, &(bk_redis_opts){.url = BK_LIT("memory://")}));
    bk_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_gives_its_type),
        cmocka_unit_test(test_a_wrong_command_is_told_in_the_servers_words),
        cmocka_unit_test(test_a_server_that_is_full_is_unavailable),
        cmocka_unit_test(test_a_thousand_fibers_share_few_writes_and_get_each_their_own),
        cmocka_unit_test(test_a_batch_leaves_in_one_write_and_each_has_its_reply),
        cmocka_unit_test(test_a_transaction_runs_whole_or_not_at_all),
        cmocka_unit_test(test_what_exceeds_the_queue_fails_at_once),
        cmocka_unit_test(test_a_script_is_sent_again_when_the_server_forgot_it),
        cmocka_unit_test(test_a_late_reply_closes_the_connection_which_comes_back),
        cmocka_unit_test(test_a_fiber_that_gives_up_leaves_the_connection_whole),
        cmocka_unit_test(test_a_canceled_transaction_keeps_its_place_in_the_replies),
        cmocka_unit_test(test_an_abandoned_call_is_never_done),
        cmocka_unit_test(test_a_connection_that_was_cut_is_made_again_at_once),
        cmocka_unit_test(test_an_outage_fails_at_once_and_ends_by_itself),
        cmocka_unit_test(test_a_reply_beyond_the_limit_closes_the_connection),
        cmocka_unit_test(test_the_preamble_logs_in_and_selects),
        cmocka_unit_test(test_a_wrong_password_is_told_and_not_shown),
        cmocka_unit_test(test_large_values_go_both_ways_with_tls_and_without),
        cmocka_unit_test(test_tls_checks_who_answers),
        cmocka_unit_test(test_memory_is_no_connection),
    };

    return cmocka_run_group_tests_name("redis", tests, set_up, tear_down);
}
