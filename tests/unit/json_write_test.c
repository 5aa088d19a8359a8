#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "../harness/aborts.h"
#include "text.h"

static bk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk_arena_free(arena);
    return 0;
}

static void test_commas_and_colons_are_put_by_the_writer(void **state)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    (void)state;
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("a"));
    bk_json_begin_array(&w);
    bk_json_write_i64(&w, INT64_MIN);
    bk_json_write_f64(&w, 12.5);
    bk_json_write_bool(&w, true);
    bk_json_write_bool(&w, false);
    bk_json_write_null(&w);
    bk_json_write_str(&w, BK_LIT("text"));
    bk_json_write_raw(&w, BK_LIT("{\"raw\":[1]}"));
    bk_json_begin_object(&w);
    bk_json_end_object(&w);
    bk_json_begin_array(&w);
    bk_json_end_array(&w);
    bk_json_end_array(&w);
    bk_json_write_key(&w, BK_LIT("b"));
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT(""));
    bk_json_write_time(&w, 0);
    bk_json_end_object(&w);
    bk_json_write_key(&w, BK_LIT("c"));
    bk_json_write_i64(&w, 1);
    bk_json_end_object(&w);
    assert_text(bk_buf_str(&buf),
                "{\"a\":[-9223372036854775808,12.5,true,false,null,\"text\",{\"raw\":[1]},{},[]],"
                "\"b\":{\"\":\"1970-01-01T00:00:00.000Z\"},\"c\":1}");
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
}

static bk_str written(bk_str text)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};
    bk_json_write_str(&w, text);
    return bk_buf_str(&buf);
}

static void test_strings_are_escaped_where_they_must_be(void **state)
{
    (void)state;
    assert_text(written(BK_LIT("")), "\"\"");
    assert_text(written((bk_str){0}), "null");
    assert_text(written(BK_LIT("plain text that is longer than a word")),
                "\"plain text that is longer than a word\"");
    assert_text(written(BK_LIT("\"\\/\b\f\n\r\t")), "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    assert_text(written(BK_LIT("\x01\x1f\x7f")), "\"\\u0001\\u001f\x7f\"");
    assert_text(written(bk_str_at("a\0b", 3)), "\"a\\u0000b\"");
    assert_text(written(BK_LIT("h\xc3\xa9llo \xf0\x9f\x98\x80, and on it goes\n")),
                "\"h\xc3\xa9llo \xf0\x9f\x98\x80, and on it goes\\n\"");
}

static void test_bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    assert_text(written(BK_LIT("a\xff"
                               "b")),
                "\"a\xef\xbf\xbd"
                "b\"");
    assert_text(written(BK_LIT("\xc0\xaf")), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_text(written(BK_LIT("\xed\xa0\x80")), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_text(written(BK_LIT("cut \xe2\x82")), "\"cut \xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Whatever bytes are written come out as JSON, and well-formed ones come back. */
static void test_any_bytes_become_json(void **state)
{
    char bytes[40];

    (void)state;
    srand(11);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand() % sizeof(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(rand() % 4 != 0 ? 'a' + rand() % 26 : rand());
        bk_str text = bk_str_at(bytes, len), json = written(text);
        bk_json *value;
        if (memchr(bytes, '\0', len) != NULL)
            continue; /* written as \u0000, which we do not read */
        assert_int_equal(bk_json_parse(arena, json, NULL, &value), BK_OK);
        if (bk_str_utf8(text))
            assert_true(bk_str_eq(bk_json_str(value), text));
    }
}

static void test_numbers_that_json_lacks_are_null(void **state)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    (void)state;
    bk_json_begin_array(&w);
    bk_json_write_f64(&w, NAN);
    bk_json_write_f64(&w, INFINITY);
    bk_json_write_f64(&w, -INFINITY);
    bk_json_write_f64(&w, -0.0);
    bk_json_write_f64(&w, 1.7976931348623157e308);
    bk_json_end_array(&w);
    assert_text(bk_buf_str(&buf), "[null,null,null,-0,1.7976931348623157e+308]");
}

static void test_sixty_four_levels_fit(void **state)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    (void)state;
    for (int i = 0; i < 64; i++) {
        if (i % 2 == 0) {
            bk_json_begin_object(&w);
            bk_json_write_key(&w, BK_LIT("k"));
        } else {
            bk_json_begin_array(&w);
        }
    }
    for (int i = 63; i >= 0; i--)
        i % 2 == 0 ? bk_json_end_object(&w) : bk_json_end_array(&w);
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
}

/* What must not be: each is given a fresh writer. */
static bk_json_writer fresh(void)
{
    bk_buf *buf = bk_arena_zalloc(arena, sizeof(*buf));
    buf->arena = arena;
    return (bk_json_writer){.buf = buf};
}

static void write_value_without_key(void)
{
    bk_json_writer w = fresh();
    bk_json_begin_object(&w);
    bk_json_write_i64(&w, 1);
}

static void write_value_without_second_key(void)
{
    bk_json_writer w = fresh();
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("a"));
    bk_json_write_i64(&w, 1);
    bk_json_write_i64(&w, 2);
}

static void write_key_in_array(void)
{
    bk_json_writer w = fresh();
    bk_json_begin_array(&w);
    bk_json_write_key(&w, BK_LIT("a"));
}

static void write_key_at_top(void)
{
    bk_json_writer w = fresh();
    bk_json_write_key(&w, BK_LIT("a"));
}

static void write_two_keys(void)
{
    bk_json_writer w = fresh();
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("a"));
    bk_json_write_key(&w, BK_LIT("b"));
}

static void end_after_key(void)
{
    bk_json_writer w = fresh();
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("a"));
    bk_json_end_object(&w);
}

static void end_what_was_not_begun(void)
{
    bk_json_writer w = fresh();
    bk_json_begin_object(&w);
    bk_json_end_array(&w);
}

static void end_at_top(void)
{
    bk_json_writer w = fresh();
    bk_json_end_object(&w);
}

static void write_two_values(void)
{
    bk_json_writer w = fresh();
    bk_json_write_null(&w);
    bk_json_write_null(&w);
}

static void write_no_raw(void)
{
    bk_json_writer w = fresh();
    bk_json_write_raw(&w, BK_LIT(""));
}

static void nest_too_deep(void)
{
    bk_json_writer w = fresh();
    for (int i = 0; i < 65; i++)
        bk_json_begin_array(&w);
}

static void test_a_call_at_a_wrong_place_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(write_value_without_key));
    assert_true(aborts(write_value_without_second_key));
    assert_true(aborts(write_key_in_array));
    assert_true(aborts(write_key_at_top));
    assert_true(aborts(write_two_keys));
    assert_true(aborts(end_after_key));
    assert_true(aborts(end_what_was_not_begun));
    assert_true(aborts(end_at_top));
    assert_true(aborts(write_two_values));
    assert_true(aborts(write_no_raw));
    assert_true(aborts(nest_too_deep));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas_and_colons_are_put_by_the_writer),
        cmocka_unit_test(test_strings_are_escaped_where_they_must_be),
        cmocka_unit_test(test_bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(test_any_bytes_become_json),
        cmocka_unit_test(test_numbers_that_json_lacks_are_null),
        cmocka_unit_test(test_sixty_four_levels_fit),
        cmocka_unit_test(test_a_call_at_a_wrong_place_stops_the_program),
    };
    return cmocka_run_group_tests_name("json/write", tests, set_up, tear_down);
}
