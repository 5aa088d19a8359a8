/*
 * Spans: what is kept of them, for whom, and what is dropped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/str.h>
#include <backend/trace.h>

#include "core/span.h"
#include "core/task.h"
#include "text.h"

static struct bk__trace trace;
static struct bk__task task;

static int set_up(void **state)
{
    (void)state;
    bk__trace_new(&trace);
    bk__trace_set_sampled(&trace, true);
    task = (struct bk__task){.trace = &trace};
    bk__arena_init(&task.arena, NULL, 0);
    bk__task_current = &task;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk__arena_reset(&task.arena);
    bk__task_current = NULL;
    bk__spans_close();
    return 0;
}

static bk_str text_of(const struct bk__span *span, int index)
{
    assert_true(span->attrs[index].is_text);
    return bk_str_at(span->text + span->attrs[index].text_at, span->attrs[index].text_len);
}

static void test_a_span_stands_in_the_one_around_it(void **state)
{
    (void)state;
    struct bk__span spans[4];
    char outer_id[16], inner_id[16];

    bk__spans_open(8);
    bk_span *outer = bk_span_begin("outer", BK_SPAN_INTERNAL);
    memcpy(outer_id, bk_trace_span_id().ptr, 16);
    assert_memory_not_equal(outer_id, trace.log.span, 16);
    bk_span *inner = bk_span_begin("inner", BK_SPAN_CLIENT);
    memcpy(inner_id, bk_trace_span_id().ptr, 16);
    bk_span_str(inner, "db.system.name", BK_LIT("postgresql"));
    bk_span_i64(inner, "rows", -7);
    bk_span_end(inner, BK_ETIMEDOUT);
    assert_memory_equal(bk_trace_span_id().ptr, outer_id, 16);
    bk_span_end(outer, BK_OK);
    assert_ptr_equal(task.trace, &trace);

    assert_int_equal(bk__spans_take(spans, 4), 2);
    assert_text(bk_str_at(spans[0].name, spans[0].name_len), "inner");
    assert_memory_equal(spans[0].trace_id, trace.log.id, 32);
    assert_memory_equal(spans[0].span_id, inner_id, 16);
    assert_memory_equal(spans[0].parent_id, outer_id, 16);
    assert_int_equal(spans[0].kind, BK_SPAN_CLIENT);
    assert_int_equal(spans[0].err, BK_ETIMEDOUT);
    assert_true(spans[0].begun > 0);
    assert_int_equal(spans[0].attr_count, 2);
    assert_string_equal(spans[0].attrs[0].key, "db.system.name");
    assert_text(text_of(&spans[0], 0), "postgresql");
    assert_string_equal(spans[0].attrs[1].key, "rows");
    assert_false(spans[0].attrs[1].is_text);
    assert_int_equal(spans[0].attrs[1].i64, -7);
    assert_memory_equal(spans[1].span_id, outer_id, 16);
    assert_memory_equal(spans[1].parent_id, trace.log.span, 16);
    assert_true(spans[1].duration_ns >= spans[0].duration_ns);
    assert_int_equal(bk__spans_take(spans, 4), 0);
}

static void test_nothing_is_kept_unless_somebody_exports_what_is_sampled(void **state)
{
    (void)state;
    struct bk__span span;

    assert_false(bk__spans_want(&trace));
    bk_span *unwanted = bk_span_begin("unwanted", BK_SPAN_INTERNAL);
    assert_non_null(unwanted);
    bk_span_str(unwanted, "a", BK_LIT("b"));
    bk_span_end(unwanted, BK_OK);

    bk__spans_open(2);
    assert_true(bk__spans_want(&trace));
    bk__trace_set_sampled(&trace, false);
    assert_false(bk__spans_want(&trace));
    bk_span_end(bk_span_begin("not sampled", BK_SPAN_INTERNAL), BK_OK);
    assert_int_equal(bk__spans_take(&span, 1), 0);
    assert_int_equal(bk__spans_dropped(), 0);
}

static void test_spans_one_after_another_take_no_more_memory(void **state)
{
    (void)state;
    struct bk__span span;
    size_t used = 0;

    bk__spans_open(4);
    for (int i = 0; i < 1000; i++) {
        bk_span *outer = bk_span_begin("outer", BK_SPAN_INTERNAL);
        bk_span *inner = bk_span_begin("inner", BK_SPAN_INTERNAL);
        bk_span_i64(inner, "i", i);
        bk_span_end(inner, BK_OK);
        bk_span_end(outer, BK_OK);
        assert_int_equal(bk__spans_take(&span, 1), 1);
        assert_int_equal(span.attr_count, 1);
        assert_int_equal(span.attrs[0].i64, i);
        assert_int_equal(bk__spans_take(&span, 1), 1);
        assert_int_equal(span.attr_count, 0);
        if (i == 0)
            used = bk_arena_used(&task.arena);
    }
    assert_int_equal(bk_arena_used(&task.arena), used);
}

static void test_outside_a_trace_there_are_no_spans(void **state)
{
    (void)state;
    task.trace = NULL;
    bk_span *span = bk_span_begin("nowhere", BK_SPAN_INTERNAL);
    assert_null(span);
    bk_span_str(span, "a", BK_LIT("b"));
    bk_span_i64(span, "c", 1);
    bk_span_end(span, BK_OK);
    bk__task_current = NULL;
    assert_null(bk_span_begin("nobody", BK_SPAN_INTERNAL));
}

static void put(int64_t n)
{
    struct bk__span span;

    bk__span_init(&span, &trace, BK_LIT("x"), BK_SPAN_SERVER);
    bk__span_add_i64(&span, "n", n);
    bk__spans_put(&span);
}

static void test_what_does_not_fit_is_dropped_and_counted(void **state)
{
    (void)state;
    struct bk__span spans[4];

    bk__spans_open(3);
    for (int i = 0; i < 5; i++)
        put(i);
    assert_int_equal(bk__spans_dropped(), 2);
    assert_int_equal(bk__spans_take(spans, 2), 2);
    assert_int_equal(spans[1].attrs[0].i64, 1);
    put(5);
    put(6);
    assert_int_equal(bk__spans_dropped(), 2);
    put(7);
    assert_int_equal(bk__spans_dropped(), 3);
    assert_int_equal(bk__spans_take(spans, 4), 3);
    assert_int_equal(spans[0].attrs[0].i64, 2);
    assert_int_equal(spans[1].attrs[0].i64, 5);
    assert_int_equal(spans[2].attrs[0].i64, 6);
    bk__spans_close();
    put(8); /* nobody is there any more */
}

static void test_names_and_attributes_are_bounded(void **state)
{
    (void)state;
    char much[300];
    struct bk__span span;

    memset(much, 'x', sizeof much);
    bk__span_init(&span, &trace, bk_str_at(much, sizeof much), BK_SPAN_SERVER);
    assert_int_equal(span.name_len, BK__SPAN_NAME);
    bk__span_add_str(&span, "all", bk_str_at(much, BK__SPAN_TEXT - 1));
    bk__span_add_str(&span, "too much", bk_str_at(much, 2));
    bk__span_add_str(&span, "fits", bk_str_at(much, 1));
    bk__span_add_str(&span, "empty", (bk_str){NULL, 0});
    assert_int_equal(span.attr_count, 3);
    for (int i = 0; i < 10; i++)
        bk__span_add_i64(&span, "n", i);
    assert_int_equal(span.attr_count, BK__SPAN_ATTRS);
}

#define SPAN_TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

static void count_call(void *data)
{
    (*(int *)data)++;
}

static void test_half_a_ring_calls_for_somebody(void **state)
{
    (void)state;
    struct bk__span spans[5];
    int calls = 0;

    assert_int_equal(bk__spans_waiting(), 0);
    bk__spans_open(5);
    bk__spans_on_half(count_call, &calls);
    for (int i = 0; i < 2; i++)
        put(i);
    assert_int_equal(calls, 0);
    put(2);
    assert_int_equal(calls, 1);
    put(3);
    assert_int_equal(bk__spans_waiting(), 4);
    assert_int_equal(calls, 1);
    assert_int_equal(bk__spans_take(spans, 5), 4);
    for (int i = 0; i < 9; i++)
        put(i);
    assert_int_equal(calls, 2);
    bk__spans_close();
    assert_int_equal(bk__spans_waiting(), 0);
    bk__spans_open(1); /* nobody is called by a new one */
    put(0);
    assert_int_equal(calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPAN_TEST(test_a_span_stands_in_the_one_around_it),
        SPAN_TEST(test_nothing_is_kept_unless_somebody_exports_what_is_sampled),
        SPAN_TEST(test_spans_one_after_another_take_no_more_memory),
        SPAN_TEST(test_outside_a_trace_there_are_no_spans),
        SPAN_TEST(test_what_does_not_fit_is_dropped_and_counted),
        SPAN_TEST(test_half_a_ring_calls_for_somebody),
        SPAN_TEST(test_names_and_attributes_are_bounded),
    };
    return cmocka_run_group_tests_name("core/span", tests, NULL, NULL);
}
