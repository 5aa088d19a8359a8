/* Tests of libbackend/session/data.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>

#include "session/data.h"

/* The text is in memory of just its size, so that a step beyond it is seen. */
static bool reads(bk_arena *arena, const char *text, struct bk__session_data *data)
{
    char *exact = bk_arena_alloc(arena, strlen(text) + 1);

    memcpy(exact, text, strlen(text));
    *data = (struct bk__session_data){.arena = arena};
    return bk__session_data_read(data, bk_str_at(exact, strlen(text)));
}

static void assert_prints(const struct bk__session_data *data, const char *want)
{
    bk_buf buf = {.arena = data->arena};

    bk__session_data_print(data, &buf);
    bk_buf_add_char(&buf, '\0');
    assert_string_equal(buf.ptr, want);
}

static void assert_value(const struct bk__session_data *data, const char *key, const char *want)
{
    bk_str got = bk__session_data_get(data, bk_str_of(key));

    assert_true(bk_str_present(got));
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void test_members_are_told_apart(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct bk__session_data data;
    assert_true(
        reads(arena,
              "{\"cookie\":{\"expires\":null,\"path\":\"/\"},\"a\":1,\"b\":[1,{\"x\":\"},\"}],"
              "\"c\":\"quote \\\" and \\\\\",\"d\":true}",
              &data));
    assert_int_equal(data.count, 5);
    assert_value(&data, "cookie", "{\"expires\":null,\"path\":\"/\"}");
    assert_value(&data, "a", "1");
    assert_value(&data, "b", "[1,{\"x\":\"},\"}]");
    assert_value(&data, "c", "\"quote \\\" and \\\\\"");
    assert_value(&data, "d", "true");
    assert_false(bk_str_present(bk__session_data_get(&data, BK_LIT("expires"))));
    bk_arena_free(arena);
}

static void test_what_others_wrote_is_written_back_byte_by_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"a\":1.50e+1,\"b\":\"\\u0000\\ud800\",\"c\":\"\xff\"}",
        "{\"\\u0061\":1,\"\":2,\"a\":[[[[]]]]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bk_arena *arena = bk_arena_new();
        struct bk__session_data data;
        assert_true(reads(arena, texts[i], &data));
        assert_prints(&data, texts[i]);
        bk_arena_free(arena);
    }
}

static void test_blanks_between_members_go(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct bk__session_data data;
    assert_true(reads(arena, " { \"a\" :\t1 ,\r\n\"b\": [ 2 ] } \n", &data));
    assert_prints(&data, "{\"a\":1,\"b\":[ 2 ]}");
    assert_true(reads(arena, " { } ", &data));
    assert_prints(&data, "{}");
    bk_arena_free(arena);
}

static void test_what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "1",
        "\"{}\"",
        "{\"",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":\"x}",
        "{\"a\":[1}",
        "{\"a\":{\"b\":1}",
        "{\"a\":1}}",
        "{\"a\":1}x",
        "{}{}",
        "{\"a\":1 \"b\":2}x",
        "{,}",
        "{\"a\":1]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bk_arena *arena = bk_arena_new();
        struct bk__session_data data;
        if (reads(arena, wrong[i], &data))
            fail_msg("taken for an object: %s", wrong[i]);
        bk_arena_free(arena);
    }
}

static void test_members_are_put_replaced_and_taken_away(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct bk__session_data data;
    assert_true(reads(arena, "{\"a\":1,\"b\":2,\"c\":3}", &data));
    bk__session_data_set(&data, BK_LIT("b"), BK_LIT("\"two\""));
    bk__session_data_set(&data, BK_LIT("d"), BK_LIT("4"));
    bk__session_data_unset(&data, BK_LIT("a"));
    bk__session_data_unset(&data, BK_LIT("none"));
    assert_prints(&data, "{\"b\":\"two\",\"c\":3,\"d\":4}");
    for (const char *key = "bcd"; *key != '\0'; key++)
        bk__session_data_unset(&data, bk_str_at(key, 1));
    assert_prints(&data, "{}");
    bk_arena_free(arena);
}

static void test_many_members_fit(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    struct bk__session_data data = {.arena = arena};
    for (int i = 0; i < 1000; i++)
        bk__session_data_set(&data, bk_arena_printf(arena, "key%d", i),
                             bk_arena_printf(arena, "%d", i));
    assert_int_equal(data.count, 1000);
    assert_value(&data, "key0", "0");
    assert_value(&data, "key999", "999");
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_are_told_apart),
        cmocka_unit_test(test_what_others_wrote_is_written_back_byte_by_byte),
        cmocka_unit_test(test_blanks_between_members_go),
        cmocka_unit_test(test_what_is_no_object_is_refused),
        cmocka_unit_test(test_members_are_put_replaced_and_taken_away),
        cmocka_unit_test(test_many_members_fit),
    };
    return cmocka_run_group_tests_name("session_data", tests, NULL, NULL);
}
