/* LISTEN: who hears what, over one connection that comes back, with a gap where one was. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/pg_case.h"

/* The next event, which is to come soon. */
static bk_pg_event next_event(bk_pg_listener *listener)
{
    bk_pg_event event = {0};
    bk_deadline before = bk_deadline_push(8000);

    assert_int_equal(bk_pg_listener_next(listener, &event), BK_OK);
    bk_deadline_pop(before);
    return event;
}

static void assert_hears(bk_pg_listener *listener, const char *payload)
{
    bk_pg_event event = next_event(listener);

    assert_false(event.gap);
    if (!bk_str_eq(event.payload, bk_str_of(payload)))
        fail_msg("heard \"%.*s\" instead of \"%s\"", BK_PRI(event.payload), payload);
}

static void assert_gap(bk_pg_listener *listener)
{
    bk_pg_event event = next_event(listener);

    assert_true(event.gap);
    assert_int_equal(event.payload.len, 0);
}

/* Nothing comes, for as long as a notification may take. */
static void assert_silence(bk_pg_listener *listener)
{
    bk_pg_event event;
    bk_deadline before = bk_deadline_push(100);

    assert_int_equal(bk_pg_listener_next(listener, &event), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    bk_error_clear();
}

static int64_t connections(void)
{
    return atoll(pg_case_psql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
                              "'client backend' AND pid <> pg_backend_pid()"));
}

static bk_err test_what_is_sent_is_heard(bk_pg *db)
{
    bk_pg_listener *listener;
    char longest[7999];

    memset(longest, 'x', sizeof longest);
    BK_TRY(bk_pg_listen(db, "news", &listener));
    BK_TRY(bk_pg_notify(db, "news", BK_LIT("first")));
    int64_t backend = backend_of(db);
    bk_pg_event event = next_event(listener);
    assert_true(bk_str_eq(event.payload, BK_LIT("first")));
    assert_int_equal(event.pid, backend);
    BK_TRY(bk_pg_notify(db, "news", BK_LIT("")));
    BK_TRY(bk_pg_notify(db, "news", (bk_str){0}));
    BK_TRY(bk_pg_notify(db, "news", bk_str_at(longest, sizeof longest)));
    assert_hears(listener, "");
    assert_hears(listener, "");
    assert_int_equal(next_event(listener).payload.len, sizeof longest);
    BK_TRY(bk_pg_notify(db, "olds", BK_LIT("not for us")));
    assert_silence(listener);
    bk_pg_listener_close(listener);
    return BK_OK;
}

static bk_err test_all_listeners_share_one_connection(bk_pg *db)
{
    bk_pg_listener *listeners[4];

    BK_TRY(bk_pg_exec(db, "SELECT 1", BK_NO_ARGS, NULL)); /* its own connection is there */
    int64_t before = connections();
    BK_TRY(bk_pg_listen(db, "a", &listeners[0]));
    BK_TRY(bk_pg_listen(db, "a", &listeners[1]));
    BK_TRY(bk_pg_listen(db, "b", &listeners[2]));
    BK_TRY(bk_pg_listen(db, "b", &listeners[3]));
    assert_int_equal(connections(), before + 1);
    BK_TRY(bk_pg_notify(db, "a", BK_LIT("to a")));
    BK_TRY(bk_pg_notify(db, "b", BK_LIT("to b")));
    for (int i = 0; i < 4; i++)
        assert_hears(listeners[i], i < 2 ? "to a" : "to b");
    bk_pg_listener_close(listeners[0]);
    BK_TRY(bk_pg_notify(db, "a", BK_LIT("again")));
    assert_hears(listeners[1], "again");
    for (int i = 1; i < 4; i++)
        bk_pg_listener_close(listeners[i]);
    for (int i = 0; i < 500 && connections() != before; i++)
        BK_TRY(bk_sleep_ms(10));
    assert_int_equal(connections(), before);
    return BK_OK;
}

static bk_err test_it_counts_for_the_most_that_the_pool_may_open(bk_pg *db)
{
    bk_pg_listener *listener;

    BK_TRY(bk_pg_listen(db, "news", &listener));
    assert_int_equal(db->pool->members.extra, 1);
    bk_pg_listener_close(listener);
    for (int i = 0; i < 500 && db->pool->members.extra != 0; i++)
        BK_TRY(bk_sleep_ms(10));
    assert_int_equal(db->pool->members.extra, 0);
    return BK_OK;
}

static bk_err test_a_pool_of_one_cannot_listen(bk_pg *db)
{
    bk_pg_listener *listener = NULL;

    assert_int_equal(bk_pg_listen(db, "news", &listener), BK_EINTERNAL);
    assert_null(listener);
    return BK_OK;
}

static bk_err test_a_channel_without_listeners_is_not_listened_to(bk_pg *db)
{
    bk_pg_listener *kept, *closed;

    BK_TRY(bk_pg_listen(db, "kept", &kept));
    BK_TRY(bk_pg_listen(db, "closed", &closed));
    bk_pg_listener_close(closed);
    BK_TRY(bk_pg_listen(db, "closed", &closed)); /* behind UNLISTEN */
    BK_TRY(bk_pg_notify(db, "closed", BK_LIT("back")));
    assert_hears(closed, "back");
    bk_pg_listener_close(closed);
    BK_TRY(bk_sleep_ms(50));
    assert_string_equal(pg_case_psql("SELECT query FROM pg_stat_activity WHERE query ~ 'LISTEN' "
                                     "AND pid <> pg_backend_pid()"),
                        "UNLISTEN \"closed\"");
    bk_pg_listener_close(kept);
    return BK_OK;
}

static bk_err notify_twice(bk_pg *tx, void *data)
{
    BK_TRY(bk_pg_notify(tx, "news", BK_LIT("one")));
    BK_TRY(bk_pg_notify(tx, "news", BK_LIT("two")));
    return *(bool *)data ? bk_fail(BK_ECONFLICT, "no") : BK_OK;
}

static bk_err test_a_transaction_is_heard_when_it_commits(bk_pg *db)
{
    bk_pg_listener *listener;
    bool fails = true;

    BK_TRY(bk_pg_listen(db, "news", &listener));
    assert_int_equal(bk_pg_tx(db, notify_twice, &fails), BK_ECONFLICT);
    bk_error_clear();
    assert_silence(listener);
    fails = false;
    BK_TRY(bk_pg_tx(db, notify_twice, &fails));
    assert_hears(listener, "one");
    assert_hears(listener, "two");
    bk_pg_listener_close(listener);
    return BK_OK;
}

static bk_err test_names_are_taken_as_they_are(bk_pg *db)
{
    static const char *const names[] = {
        "News",     "two words",
        "a\"b",     "x'; DROP TABLE y; --",
        "\xc3\xa4", "0123456789012345678901234567890123456789012345678901234567890ab"};
    bk_pg_listener *listener;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        BK_TRY(bk_pg_listen(db, names[i], &listener));
        BK_TRY(bk_pg_notify(db, "news", BK_LIT("another")));
        BK_TRY(bk_pg_notify(db, names[i], bk_str_of(names[i])));
        assert_hears(listener, names[i]);
        bk_pg_listener_close(listener);
    }
    return BK_OK;
}

static bk_err test_what_cannot_be_is_refused(bk_pg *db)
{
    static const char too_long[] =
        "0123456789012345678901234567890123456789012345678901234567890abc";
    char payload[8000];
    bk_pg_listener *listener = NULL;

    assert_int_equal(strlen(too_long), 64);
    memset(payload, 'x', sizeof payload);
    assert_int_equal(bk_pg_listen(db, "", &listener), BK_EINVAL);
    assert_int_equal(bk_pg_listen(db, too_long, &listener), BK_EINVAL);
    assert_null(listener);
    assert_int_equal(bk_pg_notify(db, "", BK_LIT("x")), BK_EINVAL);
    assert_int_equal(bk_pg_notify(db, too_long, BK_LIT("x")), BK_EINVAL);
    assert_int_equal(bk_pg_notify(db, "news", bk_str_at(payload, sizeof payload)), BK_EINVAL);
    bk_pg_listener_close(NULL);
    return BK_OK;
}

static bk_err test_a_lost_connection_comes_back_with_a_gap(bk_pg *db)
{
    bk_pg_listener *news, *other;

    BK_TRY(bk_pg_listen(db, "news", &news));
    BK_TRY(bk_pg_listen(db, "other", &other));
    for (int round = 0; round < 3; round++) {
        BK_TRY(bk_pg_notify(db, "news", BK_LIT("before")));
        BK_TRY(bk_sleep_ms(20));
        postgres_do(&pg_case_server, "terminate_backends");
        assert_hears(news, "before");
        assert_gap(news);
        assert_gap(other);
        BK_TRY(bk_pg_notify(db, "news", BK_LIT("after")));
        assert_hears(news, "after");
        assert_silence(other);
    }
    bk_pg_listener_close(news);
    bk_pg_listener_close(other);
    return BK_OK;
}

static bk_err listen_in_child(void *data)
{
    bk_pg_listener *listener;
    bk_pg *db = data;

    BK_TRY(bk_pg_listen(db, "late", &listener));
    assert_silence(listener); /* it has missed nothing: no gap */
    bk_pg_listener_close(listener);
    return BK_OK;
}

static bk_err test_a_server_that_was_away_is_found_again(bk_pg *db)
{
    bk_pg_listener *listener;
    bk_group *group = bk_group_open();

    BK_TRY(bk_pg_listen(db, "news", &listener));
    postgres_do(&pg_case_server, "stop");
    BK_TRY(bk_sleep_ms(300)); /* some attempts fail */
    bk_group_spawn(group, "late", listen_in_child, db);
    BK_TRY(bk_sleep_ms(50));
    postgres_do(&pg_case_server, "start");
    assert_gap(listener);
    BK_TRY(bk_group_wait(group));
    BK_TRY(bk_pg_notify(db, "news", BK_LIT("after")));
    assert_hears(listener, "after");
    bk_pg_listener_close(listener);
    return BK_OK;
}

static bk_err test_without_a_server_listening_fails_in_time(bk_pg *db)
{
    bk_pg_listener *listener = NULL;

    postgres_do(&pg_case_server, "stop");
    uint64_t begin = bk_now_ms();
    assert_int_equal(bk_pg_listen(db, "news", &listener), BK_EUNAVAILABLE);
    assert_in_range(bk_now_ms() - begin, 2900, 4000); /* acquire_ms */
    assert_true(error_says("Connection refused"));
    bk_deadline before = bk_deadline_push(50);
    assert_int_equal(bk_pg_listen(db, "news", &listener), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    postgres_do(&pg_case_server, "start");
    assert_null(listener);
    return BK_OK;
}

static bk_err test_a_server_that_does_not_answer_is_noticed(bk_pg *db)
{
    bk_pg_listener *listener = NULL;

    postgres_do(&pg_case_server, "pause");
    bk_deadline before = bk_deadline_push(100);
    assert_int_equal(bk_pg_listen(db, "news", &listener), BK_ETIMEDOUT);
    bk_deadline_pop(before);
    postgres_do(&pg_case_server, "resume");
    BK_TRY(bk_pg_listen(db, "news", &listener));
    BK_TRY(bk_pg_notify(db, "news", BK_LIT("here")));
    assert_hears(listener, "here");
    bk_pg_listener_close(listener);
    return BK_OK;
}

/* How many events come until there is a gap. */
static size_t hear_until_gap(bk_pg_listener *listener)
{
    size_t count = 0;

    while (!next_event(listener).gap)
        count++;
    return count;
}

static bk_err test_a_slow_listener_gets_a_gap_instead_of_too_many(bk_pg *db)
{
    bk_pg_listener *slow, *quick;
    size_t count = 0;

    BK_TRY(bk_pg_listen(db, "news", &slow));
    BK_TRY(bk_pg_listen(db, "news", &quick));
    for (int part = 0; part < 11; part++) {
        BK_TRY(bk_pg_exec(db,
                          "SELECT pg_notify('news', $1 || i) FROM generate_series(1, 1000) AS i",
                          BK_ARGS(bk_text(BK_LIT("event "))), NULL));
        BK_TRY(bk_sleep_ms(10));
        for (int i = 0; i < 1000; i++, count++)
            assert_false(next_event(quick).gap);
    }
    assert_int_equal(count, 11000);
    assert_int_equal(hear_until_gap(slow), 0); /* what was before it is gone */
    for (int i = 0; i < 999; i++)
        assert_false(next_event(slow).gap);
    assert_silence(slow);
    bk_pg_listener_close(slow);
    bk_pg_listener_close(quick);
    return BK_OK;
}

static bk_err test_many_bytes_are_a_gap_too(bk_pg *db)
{
    bk_pg_listener *slow;

    BK_TRY(bk_pg_listen(db, "news", &slow));
    BK_TRY(bk_pg_exec(db,
                      "SELECT pg_notify('news', repeat('x', 7000) || i) "
                      "FROM generate_series(1, 200) AS i",
                      BK_NO_ARGS, NULL));
    BK_TRY(bk_sleep_ms(200));
    assert_int_equal(hear_until_gap(slow), 0);
    BK_TRY(bk_pg_notify(db, "news", BK_LIT("still here")));
    for (;;) {
        bk_pg_event event = next_event(slow);
        assert_false(event.gap);
        if (bk_str_eq(event.payload, BK_LIT("still here")))
            break;
    }
    bk_pg_listener_close(slow);
    return BK_OK;
}

static bk_err wait_for_event(void *data)
{
    bk_pg_event event;

    return bk_pg_listener_next(data, &event);
}

static bk_err test_a_cancelled_wait_takes_nothing(bk_pg *db)
{
    bk_pg_listener *listener;
    bk_group *group = bk_group_open();

    BK_TRY(bk_pg_listen(db, "news", &listener));
    bk_group_spawn(group, "waits", wait_for_event, listener);
    BK_TRY(bk_sleep_ms(10));
    bk_group_cancel(group);
    assert_int_equal(bk_group_wait(group), BK_ECANCELED);
    bk_error_clear();
    BK_TRY(bk_pg_notify(db, "news", BK_LIT("kept")));
    assert_hears(listener, "kept");
    bk_pg_listener_close(listener);
    return BK_OK;
}

static bk_pg_listener *left_open;

static bk_err leave_open(void *data)
{
    const struct pg_app *it = data;

    BK_TRY(bk_pg_listen(it->db, "news", &left_open));
    BK_TRY(bk_pg_notify(it->db, "news", BK_LIT("the last")));
    return bk_sleep_ms(100);
}

static void test_a_pool_that_closes_ends_its_listeners(void **state)
{
    struct pg_app it = pg_case_open(3);
    bk_pg_event event;

    (void)state;
    assert_int_equal(bk_test_run(it.test, leave_open, &it), BK_OK);
    bk_test_free(it.test);
    assert_int_equal(bk_pg_listener_next(left_open, &event), BK_OK);
    assert_true(bk_str_eq(event.payload, BK_LIT("the last")));
    assert_int_equal(bk_pg_listener_next(left_open, &event), BK_ECLOSED);
    bk_pg_listener_close(left_open);
    bk_error_clear();
    bk_app_free(it.app);
}

static void test_an_app_stops_while_its_listener_has_no_server(void **state)
{
    struct pg_app it = pg_case_open(3);

    (void)state;
    assert_int_equal(bk_test_run(it.test, leave_open, &it), BK_OK);
    postgres_do(&pg_case_server, "stop");
    for (int i = 0; i < 20; i++)
        bk__loop_turn(bk__loop_current, 20);
    bk_test_free(it.test);
    postgres_do(&pg_case_server, "start");
    bk_pg_listener_close(left_open);
    bk_app_free(it.app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pg_unit_test(test_what_is_sent_is_heard, 2),
        pg_unit_test(test_all_listeners_share_one_connection, 3),
        pg_unit_test(test_it_counts_for_the_most_that_the_pool_may_open, 2),
        pg_unit_test(test_a_pool_of_one_cannot_listen, 1),
        pg_unit_test(test_a_channel_without_listeners_is_not_listened_to, 2),
        pg_unit_test(test_a_transaction_is_heard_when_it_commits, 2),
        pg_unit_test(test_names_are_taken_as_they_are, 2),
        pg_unit_test(test_what_cannot_be_is_refused, 2),
        pg_unit_test(test_a_lost_connection_comes_back_with_a_gap, 2),
        pg_unit_test(test_a_server_that_was_away_is_found_again, 2),
        pg_unit_test(test_without_a_server_listening_fails_in_time, 2),
        pg_unit_test(test_a_server_that_does_not_answer_is_noticed, 2),
        pg_unit_test(test_a_slow_listener_gets_a_gap_instead_of_too_many, 2),
        pg_unit_test(test_many_bytes_are_a_gap_too, 2),
        pg_unit_test(test_a_cancelled_wait_takes_nothing, 2),
        cmocka_unit_test(test_a_pool_that_closes_ends_its_listeners),
        cmocka_unit_test(test_an_app_stops_while_its_listener_has_no_server),
    };
    return cmocka_run_group_tests_name("pg_listen", tests, pg_case_group_open, pg_case_group_close);
}
