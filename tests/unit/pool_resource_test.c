/*
 * bk_pool in an app: opening on fibers, loans, leaks, and the life of the app around it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "harness/aborts.h"
#include "harness/stops.h"

#include <backend/backend.h>
#include <backend/testing.h>

#include "core/task.h"
#include "fiber/loop.h"
#include "pool/pool.h"

/* What a pool under test lends, and how its opening goes. */
struct shop {
    bk_app *app;
    bk_test *test;
    bk_pool *pool;
    int opened, closed, looked;
    uint64_t takes_ms; /* to open one */
    bk_err fails_with; /* BK_OK: it does not */
    const char *words; /* of that failure; NULL: none */
    bool is_broken;    /* what is idle does not work */
    bk_err opening;    /* what the last wait in open() came to */
};

struct tool {
    int id;
    struct shop *shop;
};

static bk_err tool_open(void *data, void **resource)
{
    struct shop *shop = data;

    if (shop->takes_ms != 0) {
        shop->opening = bk_sleep_ms(shop->takes_ms);
        BK_TRY(shop->opening);
    }
    if (shop->fails_with != BK_OK && shop->words != NULL)
        return bk_fail(shop->fails_with, "%s", shop->words);
    if (shop->fails_with != BK_OK)
        return shop->fails_with;
    struct tool *tool = malloc(sizeof *tool);
    *tool = (struct tool){.id = ++shop->opened, .shop = shop};
    *resource = tool;
    return BK_OK;
}

static void tool_close(void *data, void *resource)
{
    struct shop *shop = data;

    assert_ptr_equal(((struct tool *)resource)->shop, shop);
    shop->closed++;
    free(resource);
}

static bool tool_works(void *data, void *resource)
{
    struct shop *shop = data;

    assert_ptr_equal(((struct tool *)resource)->shop, shop);
    shop->looked++;
    return !shop->is_broken;
}

static const bk_pool_type plain = {.name = "tools", .open = tool_open, .close = tool_close};
static const bk_pool_type looked_at = {
    .name = "tools", .open = tool_open, .close = tool_close, .works = tool_works};

static void shop_open(struct shop *shop, const bk_pool_type *type, const bk_pool_opts *opts)
{
    shop->app = bk_app_new(NULL);
    shop->pool = bk_pool_new(shop->app, type, opts, shop);
    shop->test = bk_test_new(shop->app, &(bk_test_opts){.virtual_clock = true});
    bk_test_settle(shop->test);
}

static void shop_close(struct shop *shop)
{
    bk_test_free(shop->test);
    bk_app_free(shop->app);
    assert_int_equal(shop->opened, shop->closed);
}

static bk_pool_stats stats_of(const struct shop *shop)
{
    bk_pool_stats stats;

    bk_pool_get_stats(shop->pool, &stats);
    return stats;
}

static bool logged(const struct shop *shop, const char *text)
{
    bk_str logs = bk_test_logs(shop->test);

    return memmem(logs.ptr, logs.len, text, strlen(text)) != NULL;
}

/* --- lending ---------------------------------------------------------------------------------- */

static bk_err borrow_two(void *data)
{
    struct shop *shop = data;
    struct tool *one, *two;

    BK_TRY(bk_pool_acquire(shop->pool, (void **)&one));
    BK_TRY(bk_pool_acquire(shop->pool, (void **)&two));
    assert_ptr_not_equal(one, two);
    assert_int_equal(stats_of(shop).held, 2);
    bk_pool_release(shop->pool, one, BK_POOL_GOOD);
    assert_int_equal(stats_of(shop).held, 1);
    bk_pool_release(shop->pool, two, BK_POOL_GOOD);
    return BK_OK;
}

static void test_what_is_given_back_is_lent_again(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 2});
    for (int i = 0; i < 3; i++)
        assert_int_equal(bk_test_run(shop.test, borrow_two, &shop), BK_OK);
    bk_pool_stats stats = stats_of(&shop);
    assert_int_equal(stats.opened, 2);
    assert_int_equal(stats.acquired, 6);
    assert_int_equal(stats.idle, 2);
    assert_int_equal(stats.max, 2);
    assert_int_equal(shop.looked, 0);
    shop_close(&shop);
}

static void test_min_is_there_when_a_worker_has_started(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, NULL);
    assert_int_equal(stats_of(&shop).idle, 5);
    assert_int_equal(shop.opened, 5);
    shop_close(&shop);
}

static bk_err break_one(void *data)
{
    struct shop *shop = data;
    struct tool *tool;

    BK_TRY(bk_pool_acquire(shop->pool, (void **)&tool));
    int id = tool->id;
    bk_pool_release(shop->pool, tool, BK_POOL_BROKEN);
    assert_int_equal(shop->closed, 1);
    BK_TRY(bk_pool_acquire(shop->pool, (void **)&tool));
    assert_int_not_equal(tool->id, id);
    bk_pool_release(shop->pool, tool, BK_POOL_GOOD);
    return BK_OK;
}

static void test_a_broken_one_is_closed_and_replaced(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1});
    assert_int_equal(bk_test_run(shop.test, break_one, &shop), BK_OK);
    assert_int_equal(stats_of(&shop).lost, 1);
    assert_int_equal(stats_of(&shop).opened, 2);
    shop_close(&shop);
}

static bk_err borrow_one(void *data)
{
    struct shop *shop = data;
    struct tool *tool;

    BK_TRY(bk_pool_acquire(shop->pool, (void **)&tool));
    bk_pool_release(shop->pool, tool, BK_POOL_GOOD);
    return BK_OK;
}

static void test_an_idle_one_is_looked_at_before_it_is_lent(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &looked_at, &(bk_pool_opts){.max = 2});
    assert_int_equal(bk_test_run(shop.test, borrow_one, &shop), BK_OK);
    assert_int_equal(shop.looked, 0); /* opened just now */
    bk_test_advance(shop.test, 1);
    assert_int_equal(bk_test_run(shop.test, borrow_one, &shop), BK_OK);
    assert_int_equal(shop.looked, 1);
    shop.is_broken = true;
    bk_test_advance(shop.test, 1);
    assert_int_equal(bk_test_run(shop.test, borrow_one, &shop), BK_OK); /* of a third */
    assert_int_equal(shop.looked, 3);
    assert_int_equal(shop.closed, 2);
    assert_int_equal(stats_of(&shop).lost, 2);
    shop_close(&shop);
}

static bk_err borrow_often(void *data)
{
    struct shop *shop = data;

    BK_TRY(borrow_one(shop));
    size_t used = bk_arena_used(bk_fiber_arena());
    for (int i = 0; i < 10000; i++)
        BK_TRY(borrow_one(shop));
    assert_int_equal(bk_arena_used(bk_fiber_arena()), used);
    return BK_OK;
}

static void test_borrowing_often_does_not_fill_the_fibers_arena(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1});
    assert_int_equal(bk_test_run(shop.test, borrow_often, &shop), BK_OK);
    shop_close(&shop);
}

static bk_err crowd_member(void *data)
{
    struct shop *shop = data;
    struct tool *tool;

    for (int i = 0; i < 3; i++) {
        BK_TRY(bk_pool_acquire(shop->pool, (void **)&tool));
        bk_err err = bk_yield();
        bk_pool_release(shop->pool, tool, BK_POOL_GOOD);
        BK_TRY(err);
    }
    return BK_OK;
}

static bk_err crowd(void *data)
{
    bk_group *group = bk_group_open();

    for (int i = 0; i < 500; i++)
        bk_group_spawn(group, "crowd", crowd_member, data);
    return bk_group_wait(group);
}

static void test_each_fiber_of_a_crowd_gets_its_turns(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 7});
    assert_int_equal(bk_test_run(shop.test, crowd, &shop), BK_OK);
    assert_int_equal(stats_of(&shop).acquired, 1500);
    assert_int_equal(stats_of(&shop).idle, 7);
    assert_int_equal(stats_of(&shop).lost, 0);
    assert_false(logged(&shop, "pool.leak"));
    shop_close(&shop);
}

/* --- leaks ------------------------------------------------------------------------------------ */

static int leak_line;

static bk_err leak(void *data)
{
    struct shop *shop = data;
    struct tool *tool, *kept;

    BK_TRY(bk_pool_acquire(shop->pool, (void **)&tool));
    leak_line = __LINE__ + 1;
    BK_TRY(bk_pool_acquire(shop->pool, (void **)&kept));
    bk_pool_release(shop->pool, tool, BK_POOL_GOOD);
    return BK_OK;
}

static void test_a_leak_is_closed_and_logged_with_its_place(void **state)
{
    struct shop shop = {0};
    char place[64];

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 2});
    assert_int_equal(bk_test_run(shop.test, leak, &shop), BK_OK);
    assert_int_equal(shop.closed, 1);
    assert_int_equal(stats_of(&shop).held, 0);
    bk_test_settle(shop.test);
    assert_int_equal(stats_of(&shop).idle, 2); /* it was replaced */
    assert_true(logged(&shop, "\"msg\":\"pool.leak\""));
    assert_true(logged(&shop, "\"pool\":\"tools\""));
    assert_true(logged(&shop, "pool_resource_test.c\""));
    snprintf(place, sizeof place, "\"line\":%d", leak_line);
    assert_true(logged(&shop, place));
    shop_close(&shop);
}

static bk_err leak_all(void *data)
{
    struct shop *shop = data;
    void *tool;

    for (int i = 0; i < 2; i++)
        BK_TRY(bk_pool_acquire(shop->pool, &tool));
    return BK_OK;
}

static void test_who_waits_is_served_after_a_leak(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 2});
    for (int i = 0; i < 3; i++)
        assert_int_equal(bk_test_run(shop.test, leak_all, &shop), BK_OK);
    assert_int_equal(bk_test_run(shop.test, borrow_two, &shop), BK_OK);
    assert_int_equal(stats_of(&shop).lost, 6);
    shop_close(&shop);
}

struct pair {
    struct shop *shop;
    void *tool;
};

static bk_err release_anothers(void *data)
{
    struct pair *pair = data;

    bk_pool_release(pair->shop->pool, pair->tool, BK_POOL_GOOD);
    return BK_OK;
}

static bk_err lend_to_another(void *data)
{
    struct pair pair = {.shop = data};
    bk_group *group = bk_group_open();

    BK_TRY(bk_pool_acquire(pair.shop->pool, &pair.tool));
    bk_group_spawn(group, "another", release_anothers, &pair);
    return bk_group_wait(group);
}

static bk_err release_twice(void *data)
{
    struct shop *shop = data;
    void *tool;

    BK_TRY(bk_pool_acquire(shop->pool, &tool));
    bk_pool_release(shop->pool, tool, BK_POOL_GOOD);
    bk_pool_release(shop->pool, tool, BK_POOL_GOOD);
    return BK_OK;
}

static void run_lend_to_another(void)
{
    struct shop shop = {0};

    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1});
    (void)!bk_test_run(shop.test, lend_to_another, &shop);
}

static void run_release_twice(void)
{
    struct shop shop = {0};

    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1});
    (void)!bk_test_run(shop.test, release_twice, &shop);
}

static void test_only_the_borrower_gives_back_and_once(void **state)
{
    (void)state;
    assert_true(aborts(run_lend_to_another));
    assert_true(aborts(run_release_twice));
}

/* --- failures to open ------------------------------------------------------------------------- */

static bk_err try_one(void *data)
{
    struct pair *pair = data;
    bk_err err = bk_pool_acquire(pair->shop->pool, &pair->tool);
    const bk_error_link *why = bk_error_chain();

    if (err == BK_OK)
        bk_pool_release(pair->shop->pool, pair->tool, BK_POOL_GOOD);
    else if (why != NULL)
        pair->tool = strndup(why->message.ptr, why->message.len);
    return err;
}

/* Starts try_one() and lets so much time pass. */
static bk_err done_err;
static bk_err note(void *data)
{
    done_err = try_one(data);
    return BK_OK;
}

static bk_err begin(void *data)
{
    return bk_spawn("try", note, data);
}

static void try_for(struct pair *pair, uint64_t ms)
{
    done_err = BK_EAGAIN;
    assert_int_equal(bk_test_run(pair->shop->test, begin, pair), BK_OK);
    bk_test_settle(pair->shop->test);
    bk_test_advance(pair->shop->test, ms);
}

static void test_why_opening_fails_is_in_the_words(void **state)
{
    struct shop shop = {.fails_with = BK_EIO, .words = "the door is shut"};
    struct pair pair = {.shop = &shop};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1, .acquire_ms = 50});
    try_for(&pair, 60);
    assert_int_equal(done_err, BK_EUNAVAILABLE);
    assert_non_null(strstr(pair.tool, "the door is shut"));
    free(pair.tool);
    assert_true(logged(&shop, "pool.open_failed"));
    assert_false(logged(&shop, "fiber.failed")); /* said once */
    shop.words = NULL;
    bk_test_advance(shop.test, 1000);
    try_for(&pair, 60);
    assert_non_null(strstr(pair.tool, bk_err_text(BK_EIO)));
    free(pair.tool);
    assert_true(stats_of(&shop).open_failed > 2);
    assert_int_equal(stats_of(&shop).timed_out, 2);
    shop_close(&shop);
}

static void test_who_waits_is_served_when_opening_works_again(void **state)
{
    struct shop shop = {.fails_with = BK_EIO};
    struct pair pair = {.shop = &shop};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1});
    try_for(&pair, 500);
    assert_int_equal(done_err, BK_EAGAIN);
    shop.fails_with = BK_OK;
    bk_test_advance(shop.test, 2000);
    assert_int_equal(done_err, BK_OK);
    shop_close(&shop);
}

static void test_opening_ends_after_connect_ms(void **state)
{
    struct shop shop = {.takes_ms = 1000};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1, .connect_ms = 300});
    assert_int_equal(stats_of(&shop).opening, 1);
    bk_test_advance(shop.test, 301);
    assert_int_equal(shop.opening, BK_ETIMEDOUT);
    assert_int_equal(stats_of(&shop).open_failed, 1);
    shop.takes_ms = 0;
    bk_test_advance(shop.test, 1000);
    assert_int_equal(stats_of(&shop).idle, 1);
    shop_close(&shop);
}

static bk_err open_slowly(void *data)
{
    struct pair *pair = data;
    bk_deadline before = bk_deadline_push(10);
    bk_err err = bk_pool_acquire(pair->shop->pool, &pair->tool);

    bk_deadline_pop(before);
    done_err = err;
    return BK_OK;
}

static bk_err begin_slowly(void *data)
{
    return bk_spawn("slow", open_slowly, data);
}

static void test_who_leaves_does_not_end_the_opening(void **state)
{
    struct shop shop = {.takes_ms = 200};
    struct pair pair = {.shop = &shop};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 1, .lazy = true});
    assert_int_equal(bk_test_run(shop.test, begin_slowly, &pair), BK_OK);
    bk_test_settle(shop.test);
    bk_test_advance(shop.test, 20);
    assert_int_equal(done_err, BK_ETIMEDOUT);
    assert_int_equal(stats_of(&shop).opening, 1);
    bk_test_advance(shop.test, 300);
    assert_int_equal(stats_of(&shop).idle, 1);
    shop_close(&shop);
}

/* --- the app's life --------------------------------------------------------------------------- */

static void test_stopping_ends_what_is_being_opened(void **state)
{
    struct shop shop = {.takes_ms = 4000};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 3});
    assert_int_equal(stats_of(&shop).opening, 3);
    bk_test_free(shop.test);
    assert_int_equal(shop.opening, BK_ECANCELED);
    assert_int_equal(stats_of(&shop).opening, 0);
    assert_int_equal(shop.opened, 0);
    bk_app_free(shop.app);
}

static void test_a_pool_opens_again_with_its_app(void **state)
{
    struct shop shop = {0};

    (void)state;
    shop_open(&shop, &plain, &(bk_pool_opts){.max = 2});
    bk_test_free(shop.test);
    assert_int_equal(shop.closed, 2);
    assert_int_equal(stats_of(&shop).open, 0);
    shop.test = bk_test_new(shop.app, &(bk_test_opts){.virtual_clock = true});
    bk_test_settle(shop.test);
    assert_int_equal(stats_of(&shop).idle, 2);
    assert_int_equal(stats_of(&shop).opened, 2); /* counted since this start */
    assert_int_equal(bk_test_run(shop.test, borrow_two, &shop), BK_OK);
    shop_close(&shop);
}

static void make_a_senseless_pool(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_pool_new(app, &plain, &(bk_pool_opts){.min = 3, .max = 2}, NULL);
}

static void test_wrong_options_name_the_pool(void **state)
{
    char words[256];

    (void)state;
    assert_true(stops(make_a_senseless_pool, words, sizeof words));
    assert_string_equal(words, "tools:0: min is 3, more than max, which is 2\n");
}

static bk_err borrow_in_a_full_app(void *data)
{
    struct pair *pair = data;

    done_err = try_one(pair);
    return BK_OK;
}

static void test_an_app_without_room_for_a_fiber_is_a_failure_to_open(void **state)
{
    struct shop shop = {0};
    struct pair pair = {.shop = &shop};

    (void)state;
    shop.app = bk_app_new(&(bk_app_opts){.limits.fibers = 1});
    shop.pool = bk_pool_new(shop.app, &plain,
                            &(bk_pool_opts){.max = 1, .acquire_ms = 50, .lazy = true}, &shop);
    shop.test = bk_test_new(shop.app, NULL); /* real time: it runs while the fiber waits */
    assert_int_equal(bk_test_run(shop.test, borrow_in_a_full_app, &pair), BK_OK);
    assert_int_equal(done_err, BK_EUNAVAILABLE);
    assert_non_null(strstr(pair.tool, "the app has as many fibers as it may"));
    free(pair.tool);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_given_back_is_lent_again),
        cmocka_unit_test(test_min_is_there_when_a_worker_has_started),
        cmocka_unit_test(test_a_broken_one_is_closed_and_replaced),
        cmocka_unit_test(test_an_idle_one_is_looked_at_before_it_is_lent),
        cmocka_unit_test(test_borrowing_often_does_not_fill_the_fibers_arena),
        cmocka_unit_test(test_each_fiber_of_a_crowd_gets_its_turns),
        cmocka_unit_test(test_a_leak_is_closed_and_logged_with_its_place),
        cmocka_unit_test(test_who_waits_is_served_after_a_leak),
        cmocka_unit_test(test_only_the_borrower_gives_back_and_once),
        cmocka_unit_test(test_why_opening_fails_is_in_the_words),
        cmocka_unit_test(test_who_waits_is_served_when_opening_works_again),
        cmocka_unit_test(test_opening_ends_after_connect_ms),
        cmocka_unit_test(test_who_leaves_does_not_end_the_opening),
        cmocka_unit_test(test_stopping_ends_what_is_being_opened),
        cmocka_unit_test(test_a_pool_opens_again_with_its_app),
        cmocka_unit_test(test_wrong_options_name_the_pool),
        cmocka_unit_test(test_an_app_without_room_for_a_fiber_is_a_failure_to_open),
    };
    return cmocka_run_group_tests_name("pool_resource", tests, NULL, NULL);
}
