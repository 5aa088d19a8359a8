/* Tests of libbackend/fiber/select.c: waiting for several sources at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <backend/sync.h>

#include "fiber/select.h"
#include "harness/aborts.h"
#include "harness/fiber_run.h"

enum {
    NOTHING = 99
};

/* A fiber that selects once, and what came of it. */
struct chooser {
    bk_source *sources[3];
    size_t count;
    uint64_t within_ms; /* its deadline; 0: none */
    bk_fiber *fiber;
    bool back;
    bk_err err;
    size_t index;
};

static bk_err choose(void *data)
{
    struct chooser *it = data;
    bk_deadline before = bk_deadline_push(it->within_ms != 0 ? it->within_ms : UINT64_MAX);

    it->fiber = bk_fiber_self();
    it->index = NOTHING;
    it->err = bk_select(it->sources, it->count, &it->index);
    it->back = true;
    bk_deadline_pop(before);
    return BK_OK;
}

static void start(struct chooser *it)
{
    assert_int_equal(bk_spawn("chooser", choose, it), BK_OK);
    settle();
}

static void assert_chose(const struct chooser *it, size_t index)
{
    assert_true(it->back);
    assert_int_equal(it->err, BK_OK);
    assert_int_equal(it->index, index);
}

static void send_now(bk_channel *channel, int item)
{
    assert_int_equal(bk_channel_try_send(channel, &item), BK_OK);
}

static int receive_now(bk_channel *channel)
{
    int item = -1;

    assert_int_equal(bk_channel_try_recv(channel, &item), BK_OK);
    return item;
}

/* Two channels, and a chooser that waits for both. */
struct pair {
    bk_channel *a, *b;
    struct chooser chooser;
};

static struct pair pair_open(size_t capacity)
{
    struct pair it = {.a = bk_channel_new(sizeof(int), capacity),
                      .b = bk_channel_new(sizeof(int), capacity)};

    it.chooser.sources[0] = bk_channel_source(it.a);
    it.chooser.sources[1] = bk_channel_source(it.b);
    it.chooser.count = 2;
    return it;
}

/* Freeing asserts that nobody selects any more. */
static void pair_close(struct pair *it)
{
    bk_channel_free(it->a);
    bk_channel_free(it->b);
}

static bk_err test_it_wakes_for_the_source_that_becomes_ready(void *data)
{
    struct pair it = pair_open(4);

    (void)data;
    start(&it.chooser);
    assert_false(it.chooser.back);
    send_now(it.b, 7);
    settle();
    assert_chose(&it.chooser, 1);
    assert_int_equal(receive_now(it.b), 7);
    pair_close(&it);
    return BK_OK;
}

static bk_err test_the_first_ready_of_the_list_is_chosen_again_and_again(void *data)
{
    struct pair it = pair_open(4);
    size_t index = NOTHING;

    (void)data;
    send_now(it.b, 1);
    send_now(it.a, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bk_select(it.chooser.sources, 2, &index), BK_OK);
        assert_int_equal(index, 0);
    }
    assert_int_equal(receive_now(it.a), 2);
    assert_int_equal(bk_select(it.chooser.sources, 2, &index), BK_OK);
    assert_int_equal(index, 1);
    pair_close(&it);
    return BK_OK;
}

static bk_err test_a_closed_channel_is_ready(void *data)
{
    struct pair it = pair_open(4);
    int item;

    (void)data;
    start(&it.chooser);
    bk_channel_close(it.b);
    settle();
    assert_chose(&it.chooser, 1);
    assert_int_equal(bk_channel_try_recv(it.b, &item), BK_ECLOSED);
    pair_close(&it);
    return BK_OK;
}

static bk_err send_three(void *data)
{
    int item = 3;

    assert_int_equal(bk_channel_send(data, &item), BK_OK);
    return BK_OK;
}

static bk_err test_a_sender_that_waits_makes_a_channel_without_room_ready(void *data)
{
    struct pair it = pair_open(0);

    (void)data;
    start(&it.chooser);
    assert_int_equal(bk_spawn("sender", send_three, it.a), BK_OK);
    settle();
    assert_chose(&it.chooser, 0);
    assert_int_equal(receive_now(it.a), 3);
    settle();
    pair_close(&it);
    return BK_OK;
}

static bk_err receive_seven(void *data)
{
    int item = 0;

    assert_int_equal(bk_channel_recv(data, &item), BK_OK);
    assert_int_equal(item, 7);
    return BK_OK;
}

static bk_err test_an_item_handed_to_a_receiver_wakes_no_one_else(void *data)
{
    struct pair it = pair_open(4);

    (void)data;
    assert_int_equal(bk_spawn("receiver", receive_seven, it.a), BK_OK);
    start(&it.chooser);
    send_now(it.a, 7);
    settle();
    assert_false(it.chooser.back);
    bk_channel_close(it.a);
    settle();
    pair_close(&it);
    return BK_OK;
}

static bk_err test_an_item_taken_by_another_is_waited_for_again(void *data)
{
    struct pair it = pair_open(4);

    (void)data;
    start(&it.chooser);
    send_now(it.a, 1);
    assert_int_equal(receive_now(it.a), 1); /* before the chooser has run */
    settle();
    assert_false(it.chooser.back);
    send_now(it.b, 2);
    settle();
    assert_chose(&it.chooser, 1);
    pair_close(&it);
    return BK_OK;
}

static bk_err test_all_who_select_are_woken(void *data)
{
    struct pair it = pair_open(4);
    struct chooser other = it.chooser;

    (void)data;
    start(&it.chooser);
    start(&other);
    send_now(it.a, 1);
    settle();
    assert_chose(&it.chooser, 0);
    assert_chose(&other, 0);
    pair_close(&it);
    return BK_OK;
}

static bk_err test_a_deadline_ends_it_and_names_nothing(void *data)
{
    struct pair it = pair_open(4);
    uint64_t begun = bk_now_ms();

    (void)data;
    it.chooser.within_ms = 50;
    start(&it.chooser);
    assert_int_equal(bk_sleep_ms(60), BK_OK);
    assert_true(it.chooser.back);
    assert_int_equal(it.chooser.err, BK_ETIMEDOUT);
    assert_int_equal(it.chooser.index, NOTHING);
    assert_in_range(bk_now_ms() - begun, 60, 70);
    pair_close(&it);
    return BK_OK;
}

static bk_err test_a_cancel_ends_it_unless_something_is_ready(void *data)
{
    struct pair idle = pair_open(4);
    struct pair ready = pair_open(4);

    (void)data;
    start(&idle.chooser);
    start(&ready.chooser);
    bk_fiber_cancel(idle.chooser.fiber);
    bk_fiber_cancel(ready.chooser.fiber);
    send_now(ready.b, 1);
    settle();
    assert_int_equal(idle.chooser.err, BK_ECANCELED);
    assert_int_equal(idle.chooser.index, NOTHING);
    assert_chose(&ready.chooser, 1);
    pair_close(&idle);
    pair_close(&ready);
    return BK_OK;
}

static bk_err test_a_source_may_stand_twice_in_the_list(void *data)
{
    struct pair it = pair_open(4);

    (void)data;
    it.chooser.sources[2] = it.chooser.sources[0];
    it.chooser.count = 3;
    start(&it.chooser);
    send_now(it.a, 1);
    settle();
    assert_chose(&it.chooser, 0);
    pair_close(&it);
    return BK_OK;
}

struct lamp {
    bk_source source;
    bool lit;
};

static bool is_lit(const bk_source *source)
{
    return bk__container_of(source, struct lamp, source)->lit;
}

static bk_err test_an_owner_of_its_own_says_when_it_is_ready(void *data)
{
    struct lamp lamp = {.lit = false};
    struct chooser chooser = {.sources = {&lamp.source}, .count = 1};

    (void)data;
    bk__source_init(&lamp.source, is_lit);
    start(&chooser);
    bk__source_signal(&lamp.source); /* one too many */
    settle();
    assert_false(chooser.back);
    lamp.lit = true;
    bk__source_signal(&lamp.source);
    settle();
    assert_chose(&chooser, 0);
    bk__source_fini(&lamp.source);
    return BK_OK;
}

static void select_of_none(void)
{
    size_t index;

    (void)!bk_select(NULL, 0, &index);
}

static void select_of_seventeen(void)
{
    bk_source *sources[17] = {NULL};
    size_t index;

    (void)!bk_select(sources, 17, &index);
}

static void test_none_and_more_than_sixteen_are_mistakes(void **state)
{
    (void)state;
    assert_true(aborts(select_of_none));
    assert_true(aborts(select_of_seventeen));
}

/* Every item is taken once by fibers that select, whoever is faster. */
struct crowd {
    struct pair pair;
    int taken;
};

static bk_err take_what_comes(void *data)
{
    struct crowd *crowd = data;
    bk_channel *channels[] = {crowd->pair.a, crowd->pair.b};
    size_t index;
    int item;

    for (;;) {
        BK_TRY(bk_select(crowd->pair.chooser.sources, 2, &index));
        bk_err err = bk_channel_try_recv(channels[index], &item);
        if (err == BK_ECLOSED)
            return BK_OK;
        crowd->taken += err == BK_OK;
    }
}

static bk_err test_a_crowd_takes_each_item_once(void *data)
{
    enum {
        FIBERS = 20,
        ITEMS = 500
    };
    struct crowd crowd = {.pair = pair_open(2)};
    uint64_t seed = 42;

    (void)data;
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(bk_spawn("taker", take_what_comes, &crowd), BK_OK);
    for (int i = 0; i < ITEMS; i++) {
        bk_channel *to = random_below(&seed, 2) == 0 ? crowd.pair.a : crowd.pair.b;
        assert_int_equal(bk_channel_send(to, &i), BK_OK);
        if (random_below(&seed, 3) == 0)
            assert_int_equal(bk_yield(), BK_OK);
    }
    settle();
    assert_int_equal(crowd.taken, ITEMS);
    bk_channel_close(crowd.pair.a);
    settle();
    pair_close(&crowd.pair);
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fiber_unit_test(test_it_wakes_for_the_source_that_becomes_ready),
        fiber_unit_test(test_the_first_ready_of_the_list_is_chosen_again_and_again),
        fiber_unit_test(test_a_closed_channel_is_ready),
        fiber_unit_test(test_a_sender_that_waits_makes_a_channel_without_room_ready),
        fiber_unit_test(test_an_item_handed_to_a_receiver_wakes_no_one_else),
        fiber_unit_test(test_an_item_taken_by_another_is_waited_for_again),
        fiber_unit_test(test_all_who_select_are_woken),
        fiber_unit_test(test_a_deadline_ends_it_and_names_nothing),
        fiber_unit_test(test_a_cancel_ends_it_unless_something_is_ready),
        fiber_unit_test(test_a_source_may_stand_twice_in_the_list),
        fiber_unit_test(test_an_owner_of_its_own_says_when_it_is_ready),
        fiber_unit_test(test_a_crowd_takes_each_item_once),
        cmocka_unit_test(test_none_and_more_than_sixteen_are_mistakes),
    };
    return cmocka_run_group_tests_name("fiber_select", tests, NULL, NULL);
}
