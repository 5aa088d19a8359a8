/*
 * The limit, put before services that are simulated millisecond by millisecond: which of them are
 * left alone, and which are held at what they can bear.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "middleware/adaptive.h"

enum {
    MOST_REQUESTS = 60000
};

/* A service in front of something with so many places, first come, first served. */
struct service {
    struct bk__adaptive limit;
    uint32_t places;
    uint32_t rate;                      /* requests that come in a second */
    uint32_t (*takes_ms)(uint32_t nth); /* a place, for the nth request */
    uint64_t now, owed;                 /* owed: thousandths of a request */
    uint32_t nth;
    uint32_t shed, served, slow; /* slow: longer than slow_ms, of those served */
    uint64_t slow_ms;
    uint64_t began[MOST_REQUESTS], ends[MOST_REQUESTS]; /* at work; ends 0: waits for a place */
    uint32_t needs[MOST_REQUESTS];
    uint32_t count, busy;
};

static struct service *new_service(uint32_t places, uint32_t rate,
                                   uint32_t (*takes_ms)(uint32_t nth))
{
    struct service *it = calloc(1, sizeof *it);

    assert_non_null(it);
    it->places = places;
    it->rate = rate;
    it->takes_ms = takes_ms;
    it->slow_ms = UINT64_MAX;
    bk__adaptive_init(&it->limit, 20, 10000);
    return it;
}

static void serve(struct service *it)
{
    static const char route;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < it->count; i++) {
        if (it->ends[i] != 0 && it->ends[i] <= it->now) {
            uint64_t took = it->now - it->began[i];
            bk__adaptive_sample(&it->limit, &route, it->began[i], took);
            it->busy--;
            it->served++;
            it->slow += took > it->slow_ms;
            continue;
        }
        it->began[kept] = it->began[i];
        it->needs[kept] = it->needs[i];
        it->ends[kept++] = it->ends[i];
    }
    it->count = kept;
    for (uint32_t i = 0; i < it->count && it->busy < it->places; i++)
        if (it->ends[i] == 0) {
            it->ends[i] = it->now + it->needs[i];
            it->busy++;
        }
}

static void arrive(struct service *it)
{
    for (it->owed += it->rate; it->owed >= 1000; it->owed -= 1000) {
        if (it->count >= it->limit.limit) {
            it->shed++;
            continue;
        }
        assert_true(it->count < MOST_REQUESTS);
        it->began[it->count] = it->now;
        it->ends[it->count] = 0;
        it->needs[it->count++] = it->takes_ms(it->nth++);
        bk__adaptive_at_work(&it->limit, it->count);
    }
}

static void pass(struct service *it, uint32_t seconds)
{
    for (uint64_t end = it->now + seconds * 1000; it->now < end; it->now++) {
        arrive(it);
        serve(it);
        if (it->now % BK__ADAPTIVE_TICK_MS == 0)
            bk__adaptive_tick(&it->limit, it->now, it->count);
    }
}

/* What happened lately is forgotten. */
static void count_anew(struct service *it)
{
    it->shed = it->served = it->slow = 0;
}

static uint32_t scatter(uint32_t nth)
{
    nth = (nth ^ nth >> 16) * 0x85ebca6bu;
    nth = (nth ^ nth >> 13) * 0xc2b2ae35u;
    return nth ^ nth >> 16;
}

static uint32_t takes_50(uint32_t nth)
{
    (void)nth;
    return 50;
}

static uint32_t takes_150(uint32_t nth)
{
    (void)nth;
    return 150;
}

static uint32_t takes_2000(uint32_t nth)
{
    (void)nth;
    return 2000;
}

static uint32_t takes_10_or_1000(uint32_t nth)
{
    return scatter(nth) % 2 == 0 ? 10 : 1000;
}

static uint32_t seldom_takes_1000(uint32_t nth)
{
    return scatter(nth) % 100 == 0 ? 1000 : 10;
}

static uint32_t seldom_takes_5000(uint32_t nth)
{
    return scatter(nth) % 200 == 0 ? 5000 : 10;
}

static uint32_t takes_1000(uint32_t nth)
{
    (void)nth;
    return 1000;
}

static void test_a_service_that_is_slow_by_nature_sheds_nobody(void **state)
{
    static uint32_t (*const services[])(uint32_t) = {takes_50, takes_2000, takes_10_or_1000,
                                                     seldom_takes_1000, seldom_takes_5000};

    (void)state;
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        struct service *it = new_service(5000, 500, services[i]);
        pass(it, 60);
        assert_int_equal(it->shed, 0);
        it->rate = 1500; /* that more come is no reason as long as they can be served */
        pass(it, 60);
        assert_int_equal(it->shed, 0);
        assert_true(it->served > 100000);
        free(it);
    }
}

static void test_a_burst_at_the_start_is_let_in(void **state)
{
    struct service *it = new_service(5000, 4000, takes_2000);

    (void)state;
    pass(it, 1);
    it->rate = 1;
    pass(it, 5);
    assert_int_equal(it->shed, 0);
    free(it);
}

static void test_overload_is_held_at_what_can_be_borne(void **state)
{
    struct service *it = new_service(100, 1000, takes_50); /* bears 2000 a second */

    (void)state;
    it->slow_ms = 300;
    pass(it, 10);
    assert_int_equal(it->shed, 0);
    it->rate = 6000;
    pass(it, 10);
    count_anew(it);
    pass(it, 30);
    assert_true(it->served > 30 * 1900);      /* as much as it can do */
    assert_true(it->slow < it->served / 100); /* and in good time */
    assert_true(it->limit.limit < 700);
    it->rate = 1000;
    pass(it, 10);
    count_anew(it);
    pass(it, 10);
    assert_int_equal(it->shed, 0);
    assert_int_equal(it->slow, 0);
    free(it);
}

static void test_after_a_cut_it_waits_for_what_comes_of_it(void **state)
{
    struct service *it = new_service(200, 150, takes_1000);

    (void)state;
    pass(it, 40);
    it->rate = 800;
    for (int i = 0; i < 40; i++) {
        pass(it, 1);
        assert_true(it->limit.limit > 150);
    }
    count_anew(it);
    pass(it, 30);
    assert_true(it->served > 30 * 190);
    free(it);
}

static void test_a_limit_in_overload_does_not_drift_away(void **state)
{
    struct service *it = new_service(100, 1000, takes_50);

    (void)state;
    it->slow_ms = 500;
    pass(it, 10);
    it->rate = 4000;
    pass(it, 120);
    count_anew(it);
    pass(it, 30);
    assert_true(it->served > 30 * 1900);
    assert_true(it->slow < it->served / 20);
    free(it);
}

static void test_a_route_that_becomes_slower_for_good_is_served_again_soon(void **state)
{
    struct service *it = new_service(5000, 2000, takes_50);

    (void)state;
    pass(it, 20);
    assert_int_equal(it->shed, 0);
    it->takes_ms = takes_150; /* 300 at once */
    pass(it, 20);
    count_anew(it);
    pass(it, 60);
    assert_int_equal(it->shed, 0);
    free(it);
}

static void test_a_route_that_becomes_faster_is_measured_by_that(void **state)
{
    struct service *it = new_service(5000, 1000, takes_1000);

    (void)state;
    pass(it, 20);
    it->takes_ms = takes_50;
    pass(it, 60);
    assert_int_equal(it->shed, 0);
    it->places = 100;
    it->rate = 6000;
    it->slow_ms = 300;
    pass(it, 10);
    count_anew(it);
    pass(it, 20);
    assert_true(it->slow < it->served / 100);
    free(it);
}

static void test_at_the_floor_latency_is_no_reason(void **state)
{
    struct service *it = new_service(1, 60, takes_50); /* bears 20 a second */

    (void)state;
    it->limit.least = 200;
    pass(it, 4);
    assert_int_equal(it->shed, 0);
    assert_true(it->count > 100);
    free(it);
}

static void test_one_long_pause_is_no_reason(void **state)
{
    struct service *it = new_service(5000, 2000, takes_50);

    (void)state;
    pass(it, 20);
    it->now += 1500; /* nobody is served; a hundred have waited */
    pass(it, 20);
    assert_int_equal(it->shed, 0);
    free(it);
}

static void test_more_routes_than_there_are_places_for_do_no_harm(void **state)
{
    static const char routes[16 * 1000];
    struct bk__adaptive *it = malloc(sizeof *it);

    (void)state;
    assert_non_null(it);
    bk__adaptive_init(it, 20, 10000);
    for (uint64_t now = 0; now < 5000; now += BK__ADAPTIVE_TICK_MS) {
        for (size_t i = 0; i < 1000; i++)
            for (size_t n = 0; n < 40; n++)
                bk__adaptive_sample(it, &routes[16 * i], now, 30);
        bk__adaptive_at_work(it, 500);
        bk__adaptive_tick(it, now, 500);
    }
    assert_true(it->limit == 10000);
    free(it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_service_that_is_slow_by_nature_sheds_nobody),
        cmocka_unit_test(test_a_burst_at_the_start_is_let_in),
        cmocka_unit_test(test_overload_is_held_at_what_can_be_borne),
        cmocka_unit_test(test_after_a_cut_it_waits_for_what_comes_of_it),
        cmocka_unit_test(test_a_limit_in_overload_does_not_drift_away),
        cmocka_unit_test(test_a_route_that_becomes_slower_for_good_is_served_again_soon),
        cmocka_unit_test(test_a_route_that_becomes_faster_is_measured_by_that),
        cmocka_unit_test(test_at_the_floor_latency_is_no_reason),
        cmocka_unit_test(test_one_long_pause_is_no_reason),
        cmocka_unit_test(test_more_routes_than_there_are_places_for_do_no_harm),
    };

    return cmocka_run_group_tests_name("middleware_adaptive", tests, NULL, NULL);
}
