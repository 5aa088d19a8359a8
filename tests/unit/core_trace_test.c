/*
 * W3C Trace Context: what is read, what is refused, what is passed on.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>
#include <backend/trace.h>

#include "core/task.h"
#include "core/trace.h"
#include "text.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static bool reads(const char *header, struct bk__trace *out)
{
    memset(out, 0x55, sizeof *out);
    return bk__trace_continue(bk_str_of(header), out);
}

static void test_a_traceparent_is_gone_on_with(void **state)
{
    (void)state;
    struct bk__trace trace;
    char header[BK__TRACE_HEADER];

    assert_true(reads("00-" TRACE "-" SPAN "-01", &trace));
    assert_memory_equal(trace.log.id, TRACE, BK__TRACE_ID);
    assert_memory_equal(trace.parent, SPAN, BK__SPAN_ID);
    assert_memory_not_equal(trace.log.span, SPAN, BK__SPAN_ID);
    assert_true(bk__trace_is_sampled(&trace));
    assert_false(bk_str_present(trace.state));
    bk__trace_header(&trace, header);
    assert_memory_equal(header, "00-" TRACE "-", 36);
    assert_memory_equal(header + 36, trace.log.span, BK__SPAN_ID);
    assert_memory_equal(header + 52, "-01", 3);
}

static void test_only_the_first_flag_counts(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef";
    char header[] = "00-" TRACE "-" SPAN "-00";
    struct bk__trace trace;

    for (int i = 0; i < 16; i++) {
        header[54] = digits[i];
        assert_true(reads(header, &trace));
        assert_int_equal(bk__trace_is_sampled(&trace), i % 2);
        assert_memory_equal(trace.log.flags, i % 2 ? "01" : "00", 2);
    }
    assert_true(reads("00-" TRACE "-" SPAN "-fe", &trace));
    assert_memory_equal(trace.log.flags, "00", 2);
}

static void test_a_later_version_is_read_as_far_as_it_is_known(void **state)
{
    (void)state;
    struct bk__trace trace;

    assert_true(reads("01-" TRACE "-" SPAN "-01", &trace));
    assert_true(reads("cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", &trace));
    assert_false(reads("cc-" TRACE "-" SPAN "-01.what", &trace));
    assert_false(reads("cc-" TRACE "-" SPAN "-0", &trace));
}

static void test_what_is_no_traceparent_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-1",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01 ",
        " 00-" TRACE "-" SPAN "-01",
        "ff-" TRACE "-" SPAN "-01",
        "0g-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00-" TRACE "-" SPAN "-0A",
        "00-" TRACE "-" SPAN "-0x",
        "00-" TRACE "_" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033310-01",
        "00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01",
    };
    struct bk__trace trace, before;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (reads(bad[i], &trace))
            fail_msg("taken: %s", bad[i]);
        memset(&before, 0x55, sizeof before);
        assert_memory_equal(&trace, &before, sizeof trace);
    }
    assert_false(bk__trace_continue((bk_str){NULL, 0}, &trace));
}

static void test_new_traces_differ(void **state)
{
    (void)state;
    struct bk__trace a, b, child;

    bk__trace_new(&a);
    bk__trace_new(&b);
    assert_memory_not_equal(a.log.id, b.log.id, BK__TRACE_ID);
    assert_memory_not_equal(a.log.span, b.log.span, BK__SPAN_ID);
    assert_memory_equal(a.parent, "0000000000000000", BK__SPAN_ID);
    assert_false(bk__trace_is_sampled(&a));
    bk__trace_set_sampled(&a, true);
    bk__trace_child(&a, &child);
    assert_memory_equal(child.log.id, a.log.id, BK__TRACE_ID);
    assert_memory_equal(child.parent, a.log.span, BK__SPAN_ID);
    assert_memory_not_equal(child.log.span, a.log.span, BK__SPAN_ID);
    assert_true(bk__trace_is_sampled(&child));
}

static void test_sampling_goes_by_the_id(void **state)
{
    (void)state;
    struct bk__trace trace;
    int sampled = 0;

    assert_true(reads("00-0af7651916cd43dd8448eb210000000a-" SPAN "-01", &trace));
    assert_true(bk__trace_is_one_of(&trace, 1));
    assert_true(bk__trace_is_one_of(&trace, 10));
    assert_false(bk__trace_is_one_of(&trace, 3));
    for (int i = 0; i < 10000; i++) {
        bk__trace_new(&trace);
        sampled += bk__trace_is_one_of(&trace, 10);
    }
    assert_in_range(sampled, 800, 1200); /* six standard deviations */
}

static void test_a_tracestate_is_passed_on_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const good[] = {
        "rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=1 , b=2\t,, c= 3",
        "0tenant@vendor_-*/x=a b:c\"~", "a=1,"};
    static const char *const bad[] = {"",     ",",          "a",     "a=",     "=1",
                                      "A=1",  "a=1=2",      "a b=1", "a=\x7f", "a=1,b",
                                      "-a=1", "a=\xc3\xa9", "a\t=1"};
    char text[600];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!bk__trace_state_fits(bk_str_of(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (bk__trace_state_fits(bk_str_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_false(bk__trace_state_fits((bk_str){NULL, 0}));

    memset(text, 'v', sizeof text);
    memcpy(text, "a=", 2);
    assert_true(bk__trace_state_fits(bk_str_at(text, 258)));
    assert_false(bk__trace_state_fits(bk_str_at(text, 259)));
    for (size_t i = 0; i < sizeof text; i += 4)
        memcpy(text + i, "a=1,", 4);
    assert_true(bk__trace_state_fits(bk_str_at(text, 32 * 4)));
    assert_false(bk__trace_state_fits(bk_str_at(text, 33 * 4)));
    memset(text, ' ', sizeof text);
    memcpy(text, "a=1", 3);
    assert_true(bk__trace_state_fits(bk_str_at(text, 512)));
    assert_false(bk__trace_state_fits(bk_str_at(text, 513)));
}

static void test_the_running_fibers_trace_is_handed_on(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct bk__trace trace;
    struct bk__task task = {.trace = &trace};

    assert_false(bk_str_present(bk_trace_id()));
    assert_false(bk_str_present(bk_trace_span_id()));
    assert_false(bk_str_present(bk_trace_header(arena)));
    assert_false(bk_str_present(bk_trace_state()));
    assert_false(bk_trace_sampled());

    assert_true(reads("00-" TRACE "-" SPAN "-01", &trace));
    trace.state = BK_LIT("a=1");
    bk__task_current = &task;
    assert_text(bk_trace_id(), TRACE);
    assert_int_equal(bk_trace_span_id().len, 16);
    assert_text(bk_trace_state(), "a=1");
    assert_true(bk_trace_sampled());
    bk_str header = bk_trace_header(arena);
    assert_int_equal(header.len, 55);
    assert_true(bk_str_starts(header, BK_LIT("00-" TRACE "-")));
    assert_true(bk_str_eq(bk_str_at(header.ptr + 36, 16), bk_trace_span_id()));
    bk__task_current = NULL;
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_traceparent_is_gone_on_with),
        cmocka_unit_test(test_only_the_first_flag_counts),
        cmocka_unit_test(test_a_later_version_is_read_as_far_as_it_is_known),
        cmocka_unit_test(test_what_is_no_traceparent_is_refused),
        cmocka_unit_test(test_new_traces_differ),
        cmocka_unit_test(test_sampling_goes_by_the_id),
        cmocka_unit_test(test_a_tracestate_is_passed_on_whole_or_not_at_all),
        cmocka_unit_test(test_the_running_fibers_trace_is_handed_on),
    };
    return cmocka_run_group_tests_name("core/trace", tests, NULL, NULL);
}
