/* Tests of libbackend/cache/stored.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/arena.h>

#include "cache/stored.h"

static struct bk__stored example(void)
{
    struct bk__stored stored = {
        .born_ms = INT64_C(1795489744230),
        .ttl_ms = 60000,
        .stale_ms = 1,
        .error_ms = UINT32_MAX,
        .marker = {"0123456789abcdef"},
        .tags = {{BK_LIT("users"), {"aaaaaaaaaaaaaaaa"}}, {BK_LIT(""), {"bbbbbbbbbbbbbbbb"}}},
        .tag_count = 2,
        .payload = BK_LIT("the value"),
    };

    return stored;
}

static bk_str write_it(bk_arena *arena, const struct bk__stored *stored)
{
    bk_buf buf = {.arena = arena};

    bk__stored_write(&buf, stored);
    return bk_buf_str(&buf);
}

static void test_it_reads_what_it_wrote(void **state)
{
    bk_arena *arena = bk_arena_new();
    struct bk__stored stored = example(), read;

    (void)state;
    assert_true(bk__stored_read(write_it(arena, &stored), &read));
    assert_false(read.absent);
    assert_int_equal(read.born_ms, stored.born_ms);
    assert_int_equal(read.ttl_ms, 60000);
    assert_int_equal(read.stale_ms, 1);
    assert_int_equal(read.error_ms, UINT32_MAX);
    assert_memory_equal(&read.marker, &stored.marker, sizeof read.marker);
    assert_int_equal(read.tag_count, 2);
    assert_true(bk_str_eq(read.tags[0].name, BK_LIT("users")));
    assert_memory_equal(&read.tags[1].version, "bbbbbbbbbbbbbbbb", BK__NONCE_BYTES);
    assert_true(bk_str_eq(read.payload, BK_LIT("the value")));
    bk_arena_free(arena);
}

static void test_that_there_is_none_is_a_value(void **state)
{
    bk_arena *arena = bk_arena_new();
    struct bk__stored stored = {.absent = true}, read;

    (void)state;
    assert_true(bk__stored_read(write_it(arena, &stored), &read));
    assert_true(read.absent);
    assert_int_equal(read.payload.len, 0);
    bk_arena_free(arena);
}

static void test_what_is_cut_off_is_no_value(void **state)
{
    bk_arena *arena = bk_arena_new();
    struct bk__stored stored = example(), read;
    bk_str bytes = write_it(arena, &stored);

    (void)state;
    for (size_t len = 0; len < bytes.len - stored.payload.len; len++)
        assert_false(bk__stored_read(bk_str_at(bytes.ptr, len), &read));
    bk_arena_free(arena);
}

static void test_another_format_is_no_value(void **state)
{
    static const bk_str wrong[] = {BK_LIT(""), BK_LIT("{\"id\":1}"),
                                   BK_LIT("C2aaaaaaaaaaaaaaaaaaaaaaa")};
    bk_arena *arena = bk_arena_new();
    struct bk__stored stored = example(), read;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(bk__stored_read(wrong[i], &read));
    bk_str bytes = write_it(arena, &stored);
    char *copy = bk_arena_alloc(arena, bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    copy[2] = 2; /* a flag that we do not know */
    assert_false(bk__stored_read(bk_str_at(copy, bytes.len), &read));
    copy[2] = 0;
    copy[3] = BK__TAGS_MAX + 1;
    assert_false(bk__stored_read(bk_str_at(copy, bytes.len), &read));
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_reads_what_it_wrote),
        cmocka_unit_test(test_that_there_is_none_is_a_value),
        cmocka_unit_test(test_what_is_cut_off_is_no_value),
        cmocka_unit_test(test_another_format_is_no_value),
    };
    return cmocka_run_group_tests_name("cache_stored", tests, NULL, NULL);
}
