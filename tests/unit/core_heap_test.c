#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../harness/aborts.h"
#include "core/heap.h"

#define MANY 2000

static struct bk__heap_node nodes[MANY];
static struct bk__heap heap;

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        nodes[i] = (struct bk__heap_node){0};
    bk__heap_init(&heap);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (bk__heap_first(&heap) != NULL)
        bk__heap_remove(&heap, bk__heap_first(&heap));
    bk__heap_fini(&heap);
    return 0;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void test_an_empty_heap_has_no_first(void **state)
{
    (void)state;
    assert_null(bk__heap_first(&heap));
}

static void test_nodes_come_out_by_time(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int i = 0; i < MANY; i++)
        bk__heap_insert(&heap, &nodes[i], next_random(&seed) % 500);
    uint64_t last = 0;
    for (int i = 0; i < MANY; i++) {
        struct bk__heap_node *first = bk__heap_first(&heap);
        assert_true(first->at >= last);
        last = first->at;
        bk__heap_remove(&heap, first);
    }
    assert_null(bk__heap_first(&heap));
}

static void test_equal_times_come_out_in_the_order_they_were_set(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++)
        bk__heap_insert(&heap, &nodes[i], i % 3);
    for (int at = 0; at < 3; at++) {
        for (int i = at; i < 300; i += 3) {
            assert_ptr_equal(bk__heap_first(&heap), &nodes[i]);
            bk__heap_remove(&heap, &nodes[i]);
        }
    }
}

static void test_a_node_set_anew_is_the_youngest_of_its_time(void **state)
{
    (void)state;
    bk__heap_insert(&heap, &nodes[0], 5);
    bk__heap_insert(&heap, &nodes[1], 5);
    bk__heap_remove(&heap, &nodes[0]);
    bk__heap_insert(&heap, &nodes[0], 5);
    assert_ptr_equal(bk__heap_first(&heap), &nodes[1]);
}

static void test_any_node_can_leave_and_the_rest_stay_ordered(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        struct bk__heap_node *node = &nodes[next_random(&seed) % MANY];
        if (bk__heap_linked(node))
            bk__heap_remove(&heap, node);
        else
            bk__heap_insert(&heap, node, next_random(&seed) % 100);
        assert_true(heap.count == 0 || heap.nodes[0]->index == 1);
    }
    for (size_t i = 0; i < heap.count; i++) {
        const struct bk__heap_node *parent = heap.nodes[i == 0 ? 0 : (i - 1) / 2];
        assert_int_equal(heap.nodes[i]->index, i + 1);
        assert_true(parent->at <= heap.nodes[i]->at);
    }
}

static void test_removing_a_node_that_is_in_no_heap_does_nothing(void **state)
{
    (void)state;
    bk__heap_insert(&heap, &nodes[0], 1);
    bk__heap_remove(&heap, &nodes[1]);
    assert_true(bk__heap_linked(&nodes[0]));
    bk__heap_remove(&heap, &nodes[0]);
    bk__heap_remove(&heap, &nodes[0]);
    assert_false(bk__heap_linked(&nodes[0]));
}

static void insert_twice(void)
{
    bk__heap_insert(&heap, &nodes[0], 1);
    bk__heap_insert(&heap, &nodes[0], 2);
}

static void test_inserting_twice_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(insert_twice));
}

static void finish_early(void)
{
    bk__heap_insert(&heap, &nodes[0], 1);
    bk__heap_fini(&heap);
}

static void test_finishing_a_heap_that_holds_nodes_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(finish_early));
}

#define HEAP_TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEAP_TEST(test_an_empty_heap_has_no_first),
        HEAP_TEST(test_nodes_come_out_by_time),
        HEAP_TEST(test_equal_times_come_out_in_the_order_they_were_set),
        HEAP_TEST(test_a_node_set_anew_is_the_youngest_of_its_time),
        HEAP_TEST(test_any_node_can_leave_and_the_rest_stay_ordered),
        HEAP_TEST(test_removing_a_node_that_is_in_no_heap_does_nothing),
        HEAP_TEST(test_inserting_twice_stops_the_program),
        HEAP_TEST(test_finishing_a_heap_that_holds_nodes_stops_the_program),
    };
    return cmocka_run_group_tests_name("core/heap", tests, NULL, NULL);
}
