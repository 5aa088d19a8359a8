/* Cancel requests; to a real server, one that is stopped, and none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/pg_links.h"

struct cancelled {
    bool done, sent;
};

static void on_cancelled(bool sent, void *data)
{
    struct cancelled *cancelled = data;

    assert_false(cancelled->done);
    *cancelled = (struct cancelled){.done = true, .sent = sent};
}

static struct cancelled cancel_and_wait(const struct bk__pg_link *link)
{
    struct cancelled cancelled = {0};
    struct bk_loop *loop = open_loop();

    assert_non_null(bk__pg_cancel_begin(link, on_cancelled, &cancelled));
    turn_until(&cancelled.done);
    fiber_run_close(loop);
    return cancelled;
}

static void test_a_running_statement_is_cancelled(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *links[] = {open_url(servers->main.url), open_url(servers->main.socket_url),
                                   open_tls(&servers->main)};
    char body[512];

    for (size_t i = 0; i < 3; i++) {
        send_query(links[i], "SELECT pg_sleep(30)");
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        assert_true(cancel_and_wait(links[i]).sent);
        size_t len = read_until(links[i], 'E', body, sizeof body);
        assert_non_null(memmem(body, len, "C57014", 7));
        read_until(links[i], 'Z', body, sizeof body);
        assert_in_sync(links[i]);
        bk__pg_link_close(links[i]);
    }
}

static void test_cancelling_at_a_stopped_server_is_given_up(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_url(servers->main.url);

    postgres_do(&servers->main, "pause");
    uint64_t start = bk_now_ns();
    assert_false(cancel_and_wait(link).sent);
    assert_in_range((bk_now_ns() - start) / 1000000, 4900, 5000 + SOON_MS);
    postgres_do(&servers->main, "resume");
    assert_in_sync(link);
    bk__pg_link_close(link);
}

static void test_cancelling_at_a_server_that_is_gone_fails(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_url(servers->main.url);
    struct bk__pg_link *local = open_url(servers->main.socket_url);
    struct bk_loop *loop;

    postgres_do(&servers->main, "kill");
    assert_false(cancel_and_wait(link).sent);
    loop = open_loop();
    assert_null(bk__pg_cancel_begin(local, on_cancelled, NULL));
    local->has_key = false;
    assert_null(bk__pg_cancel_begin(local, on_cancelled, NULL));
    fiber_run_close(loop);
    bk__pg_link_close(link);
    bk__pg_link_close(local);
    postgres_do(&servers->main, "start");
}

static void test_an_abandoned_cancel_tells_nobody(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_url(servers->main.url);
    struct cancelled cancelled = {0};
    struct bk_loop *loop = open_loop();

    for (int turns = 0; turns < 3; turns++) {
        struct bk__pg_cancel *cancel = bk__pg_cancel_begin(link, on_cancelled, &cancelled);
        assert_non_null(cancel);
        for (int i = 0; i < turns && !cancelled.done; i++)
            bk__loop_turn(loop, 0);
        if (!cancelled.done)
            bk__pg_cancel_abandon(cancel);
        cancelled.done = false;
        bk__loop_turn(loop, 10);
        assert_false(cancelled.done);
    }
    bk__pg_cancel_abandon(NULL);
    fiber_run_close(loop);
    bk__pg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_running_statement_is_cancelled),
        cmocka_unit_test(test_cancelling_at_a_stopped_server_is_given_up),
        cmocka_unit_test(test_cancelling_at_a_server_that_is_gone_fails),
        cmocka_unit_test(test_an_abandoned_cancel_tells_nobody),
    };

    return cmocka_run_group_tests_name("pg/cancel", tests, start_servers, stop_servers);
}
