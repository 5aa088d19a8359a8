/* Replies: what a server says, cut anywhere, and what one that is hostile says. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "redis/reply.h"

#define LIMIT 65536

static const char stream[] = "+OK\r\n:-42\r\n$-1\r\n*-1\r\n$0\r\n\r\n$5\r\na\0b\r\n\r\n"
                             "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n-ERR no\r\n*0\r\n-WRONGTYPE bad\r\n";

static void expect(struct bk__redis_reader *reader, bk_reply *reply, bk_reply_type type)
{
    assert_int_equal(bk__redis_reader_next(reader, reply), BK_OK);
    assert_int_equal(reply->type, type);
}

static void expect_one(struct bk__redis_reader *reader, size_t which)
{
    bk_reply reply;

    switch (which) {
    case 0:
        expect(reader, &reply, BK_REPLY_STATUS);
        assert_string_equal(reply.str.ptr, "OK");
        break;
    case 1:
        expect(reader, &reply, BK_REPLY_I64);
        assert_int_equal(reply.i64, -42);
        break;
    case 2:
    case 3:
        expect(reader, &reply, BK_REPLY_NIL);
        break;
    case 4:
        expect(reader, &reply, BK_REPLY_STR);
        assert_non_null(reply.str.ptr);
        assert_int_equal(reply.str.len, 0);
        break;
    case 5:
        expect(reader, &reply, BK_REPLY_STR);
        assert_int_equal(reply.str.len, 5);
        assert_memory_equal(reply.str.ptr, "a\0b\r\n", 6);
        break;
    case 6:
        expect(reader, &reply, BK_REPLY_ARRAY);
        assert_int_equal(reply.count, 3);
        assert_int_equal(reply.items[0].i64, 1);
        assert_int_equal(reply.items[1].count, 2);
        assert_string_equal(reply.items[1].items[0].str.ptr, "x");
        assert_int_equal(reply.items[1].items[1].type, BK_REPLY_ERROR);
        assert_int_equal(reply.items[2].type, BK_REPLY_ARRAY);
        assert_int_equal(reply.items[2].count, 0);
        break;
    default:
        expect(reader, &reply, BK_REPLY_ERROR);
        assert_string_equal(reply.str.ptr, "WRONGTYPE bad");
    }
}

static void test_each_kind_of_reply_is_read(void **state)
{
    struct bk__redis_reader *reader = bk__redis_reader_new(LIMIT);
    bk_reply reply;

    (void)state;
    assert_int_equal(bk__redis_reader_feed(reader, stream, sizeof stream - 1), BK_OK);
    for (size_t i = 0; i < 8; i++)
        expect_one(reader, i);
    assert_int_equal(bk__redis_reader_next(reader, &reply), BK_EAGAIN);
    bk__redis_reader_free(reader);
}

static void test_a_stream_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        struct bk__redis_reader *reader = bk__redis_reader_new(LIMIT);
        bk_reply reply;
        size_t copies = 0;
        assert_int_equal(bk__redis_reader_feed(reader, stream, cut), BK_OK);
        while (bk__redis_reader_next(reader, &reply) == BK_OK)
            copies++;
        assert_int_equal(bk__redis_reader_feed(reader, stream + cut, sizeof stream - 1 - cut),
                         BK_OK);
        while (copies < 8)
            expect_one(reader, copies++);
        assert_int_equal(bk__redis_reader_next(reader, &reply), BK_EAGAIN);
        bk__redis_reader_free(reader);
    }
}

static void test_a_stream_may_come_byte_by_byte(void **state)
{
    struct bk__redis_reader *reader = bk__redis_reader_new(LIMIT);
    bk_reply reply;
    size_t replies = 0;

    (void)state;
    for (size_t i = 0; i < sizeof stream - 1; i++) {
        assert_int_equal(bk__redis_reader_feed(reader, stream + i, 1), BK_OK);
        bk_err err = bk__redis_reader_next(reader, &reply);
        assert_true(err == BK_OK || err == BK_EAGAIN);
        replies += err == BK_OK;
    }
    assert_int_equal(replies, 8);
    bk__redis_reader_free(reader);
}

static void test_a_copy_outlives_the_reader(void **state)
{
    static const char text[] = "*2\r\n$2\r\nab\r\n*1\r\n+c\r\n";
    struct bk__redis_reader *reader = bk__redis_reader_new(LIMIT);
    bk_arena *arena = bk_arena_new();
    bk_reply reply, copy;

    (void)state;
    assert_int_equal(bk__redis_reader_feed(reader, text, sizeof text - 1), BK_OK);
    expect(reader, &reply, BK_REPLY_ARRAY);
    bk__redis_reply_copy(arena, &reply, &copy);
    bk__redis_reader_free(reader);
    assert_string_equal(copy.items[0].str.ptr, "ab");
    assert_string_equal(copy.items[1].items[0].str.ptr, "c");
    bk_arena_free(arena);
}

static void assert_hostile(const char *text, size_t len)
{
    struct bk__redis_reader *reader = bk__redis_reader_new(LIMIT);
    bk_reply reply;

    assert_int_equal(bk__redis_reader_feed(reader, text, len), BK_OK);
    if (bk__redis_reader_next(reader, &reply) != BK_EIO)
        fail_msg("\"%.40s\" is taken", text);
    assert_true(strlen(bk__redis_reader_why(reader)) > 5);
    bk__redis_reader_free(reader);
}

static void test_what_is_no_redis_is_refused(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 400 Bad\r\n", "$x\r\n", "*x\r\n", ":1x\r\n", "$-2\r\n", "*-2\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_hostile(texts[i], strlen(texts[i]));
}

static void test_a_length_reserves_no_more_than_the_limit(void **state)
{
    static const char nested[] = "*1000\r\n*1000\r\n*1000\r\n";

    (void)state;
    assert_hostile("*2147483647\r\n", 13);
    assert_hostile("*99999\r\n", 8);
    assert_hostile(nested, sizeof nested - 1); /* each is within it, all are not */
}

static void test_a_reply_that_grows_beyond_the_limit_is_refused(void **state)
{
    static const char head[] = "$1000000\r\n";
    char *text = malloc(2 * LIMIT);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 2 * LIMIT);
    memcpy(text, head, sizeof head - 1);
    assert_hostile(text, 2 * LIMIT);
    free(text);
}

static void test_many_small_replies_are_no_large_one(void **state)
{
    struct bk__redis_reader *reader = bk__redis_reader_new(16);
    bk_reply reply;

    (void)state;
    assert_int_equal(bk__redis_reader_feed(reader, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+O", 22), BK_OK);
    for (int i = 0; i < 4; i++)
        expect(reader, &reply, BK_REPLY_STATUS);
    assert_int_equal(bk__redis_reader_next(reader, &reply), BK_EAGAIN);
    bk__redis_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_reply_is_read),
        cmocka_unit_test(test_a_stream_may_be_cut_anywhere),
        cmocka_unit_test(test_a_stream_may_come_byte_by_byte),
        cmocka_unit_test(test_a_copy_outlives_the_reader),
        cmocka_unit_test(test_what_is_no_redis_is_refused),
        cmocka_unit_test(test_a_length_reserves_no_more_than_the_limit),
        cmocka_unit_test(test_a_reply_that_grows_beyond_the_limit_is_refused),
        cmocka_unit_test(test_many_small_replies_are_no_large_one),
    };

    return cmocka_run_group_tests_name("redis_reply", tests, NULL, NULL);
}
