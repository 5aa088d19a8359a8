/* What of a client's input reaches h2o: http/http2_frames.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "http/http2_frames.h"

enum {
    DATA,
    HEADERS,
    PRIORITY,
    CONTINUATION = 9,
    PRIORITY_UPDATE = 16
};
enum {
    END_STREAM = 0x1,
    END_HEADERS = 0x4,
    PADDED = 0x8,
    PRIORITIZED = 0x20
};

static const struct bk__h2_frames_limits limits = {.block_bytes = 100, .block_fields = 10};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct input {
    uint8_t bytes[40000];
    size_t len;
};

static void add(struct input *input, const void *bytes, size_t len)
{
    memcpy(input->bytes + input->len, bytes, len);
    input->len += len;
}

static void add_frame(struct input *input, uint8_t type, uint8_t flags, uint32_t stream,
                      const char *payload, size_t len)
{
    uint8_t head[9] = {(uint8_t)(len >> 16),
                       (uint8_t)(len >> 8),
                       (uint8_t)len,
                       type,
                       flags,
                       (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16),
                       (uint8_t)(stream >> 8),
                       (uint8_t)stream};

    add(input, head, sizeof head);
    add(input, payload, len);
}

#define FRAME(input, type, flags, stream, literal)                                                 \
    add_frame(input, type, flags, stream, literal, sizeof(literal) - 1)

static const char *filter(struct bk__h2_frames *frames, struct input *input)
{
    return bk__h2_frames_filter(frames, &limits, input->bytes, &input->len);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void test_known_frames_pass_unchanged(void **state)
{
    struct bk__h2_frames frames = {0};
    struct input input = {.len = 0}, before;

    (void)state;
    add(&input, preface, 24);
    for (uint8_t type = 0; type < CONTINUATION; type++)
        FRAME(&input, type, END_HEADERS | END_STREAM, 1, "payload");
    before = input;
    assert_null(filter(&frames, &input));
    assert_int_equal(input.len, before.len);
    assert_memory_equal(input.bytes, before.bytes, before.len);
    assert_int_equal(frames.passed, 9);
}

static void test_unknown_frames_are_taken_out(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0}, expected = {.len = 0};

    (void)state;
    FRAME(&input, PRIORITY_UPDATE, 0, 0, "u=1");
    FRAME(&input, DATA, 0, 1, "one");
    FRAME(&input, 0xff, 0xff, 0x7fffffff, "");
    FRAME(&input, 10, 0, 0, "alt");
    FRAME(&input, DATA, 0, 1, "two");
    add(&input, "\0\0\7\0", 4); /* and the beginning of one that is not yet here */
    FRAME(&expected, DATA, 0, 1, "one");
    FRAME(&expected, DATA, 0, 1, "two");
    add(&expected, "\0\0\7\0", 4);
    assert_null(filter(&frames, &input));
    assert_int_equal(input.len, expected.len);
    assert_memory_equal(input.bytes, expected.bytes, expected.len);
    assert_int_equal(frames.passed, 5);
}

static void test_nothing_may_be_left(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    assert_null(filter(&frames, &input));
    FRAME(&input, PRIORITY_UPDATE, 0, 0, "u=1");
    assert_null(filter(&frames, &input));
    assert_int_equal(input.len, 0);
}

static void test_the_preface_is_waited_for(void **state)
{
    struct bk__h2_frames frames = {0};
    struct input input = {.len = 0};

    (void)state;
    add(&input, preface, 23);
    assert_null(filter(&frames, &input));
    assert_false(frames.greeted);
    add(&input, preface + 23, 1);
    assert_null(filter(&frames, &input));
    assert_true(frames.greeted);
    assert_int_equal(input.len, 24);
}

static void test_a_frame_that_is_not_whole_stays(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input whole = {.len = 0}, input;

    (void)state;
    FRAME(&whole, PRIORITY_UPDATE, 0, 0, "u=1");
    for (size_t len = 0; len < whole.len; len++) {
        input = whole;
        input.len = len;
        assert_null(filter(&frames, &input));
        assert_int_equal(input.len, len);
        assert_int_equal(frames.passed, 0);
    }
}

static void test_a_frame_that_is_too_long_is_left_to_h2o(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};
    static const char zeros[16385];

    (void)state;
    add_frame(&input, PRIORITY_UPDATE, 0, 0, zeros, sizeof zeros);
    FRAME(&input, PRIORITY_UPDATE, 0, 0, "u=1");
    size_t len = input.len;
    assert_null(filter(&frames, &input));
    assert_int_equal(input.len, len);
}

static void test_bodies_are_noticed(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, END_HEADERS | END_STREAM, 1, "\x82");
    assert_null(filter(&frames, &input));
    assert_false(frames.has_bodies);
    input.len = 0;
    FRAME(&input, HEADERS, END_HEADERS, 3, "\x83");
    assert_null(filter(&frames, &input));
    assert_true(frames.has_bodies);
    input.len = 0;
    assert_null(filter(&frames, &input));
    assert_false(frames.has_bodies);
    FRAME(&input, DATA, 0, 3, "body");
    assert_null(filter(&frames, &input));
    assert_true(frames.has_bodies);
}

/* --- header blocks ---------------------------------------------------------------------------- */

static void test_a_block_in_parts_is_followed_to_its_end(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, 0, 5, "\x82");
    assert_null(filter(&frames, &input));
    assert_int_equal(frames.block, 5);
    input.len = 0;
    FRAME(&input, CONTINUATION, 0, 5, "\x84");
    FRAME(&input, CONTINUATION, END_HEADERS, 5, "\x87");
    assert_null(filter(&frames, &input));
    assert_int_equal(frames.block, 0);
    assert_int_equal(frames.block_fields, 3);
    assert_int_equal(frames.block_bytes, 3);
}

static void test_a_continuation_of_another_stream_is_refused(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, 0, 5, "\x82");
    FRAME(&input, CONTINUATION, END_HEADERS, 3, "\x84");
    assert_non_null(filter(&frames, &input));
}

static void test_unknown_frames_within_a_block_are_left_to_h2o(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, 0, 5, "\x82");
    FRAME(&input, PRIORITY_UPDATE, 0, 0, "u=1");
    size_t len = input.len;
    assert_null(filter(&frames, &input));
    assert_int_equal(input.len, len);
}

static void test_padding_and_priority_are_no_block(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, "\3\0\0\0\1\xff\x82\x84\0\0\0");
    assert_null(filter(&frames, &input));
    assert_int_equal(frames.block_bytes, 2);
    assert_int_equal(frames.block_fields, 2);
}

static void test_wrong_padding_is_left_to_h2o(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, END_HEADERS | PADDED, 1, "\3\x82\x84");
    FRAME(&input, HEADERS, PADDED, 3, "");
    FRAME(&input, HEADERS, PRIORITIZED, 5, "\0\0\0\1");
    assert_null(filter(&frames, &input));
    assert_int_equal(frames.block_fields, 0);
}

static void test_a_block_with_too_many_fields_is_refused(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};

    (void)state;
    FRAME(&input, HEADERS, END_HEADERS, 1, "\x82\x82\x82\x82\x82\x82\x82\x82\x82\x82");
    FRAME(&input, HEADERS, 0, 3, "\x82\x82\x82\x82\x82");
    FRAME(&input, CONTINUATION, 0, 3, "\x82\x82\x82\x82\x82");
    assert_null(filter(&frames, &input));
    input.len = 0;
    FRAME(&input, CONTINUATION, END_HEADERS, 3, "\x82");
    assert_non_null(filter(&frames, &input));
}

static void test_a_block_that_is_too_long_is_refused(void **state)
{
    struct bk__h2_frames frames = {.greeted = true};
    struct input input = {.len = 0};
    char block[100] = {0, 1, 'x', 95};

    (void)state;
    add_frame(&input, HEADERS, 0, 1, block, sizeof block);
    assert_null(filter(&frames, &input));
    assert_int_equal(frames.block_fields, 2);
    input.len = 0;
    FRAME(&input, CONTINUATION, END_HEADERS, 1, "\0");
    assert_non_null(filter(&frames, &input));
}

static uint32_t fields(const char *block, size_t len)
{
    struct bk__hpack_scan scan = {0};

    return bk__hpack_scan(&scan, (const uint8_t *)block, len);
}

#define FIELDS(literal) fields(literal, sizeof(literal) - 1)

static void test_every_kind_of_field_is_counted(void **state)
{
    (void)state;
    assert_int_equal(FIELDS(""), 0);
    assert_int_equal(FIELDS("\x82\xbe"), 2);         /* indexed */
    assert_int_equal(FIELDS("\xff\x80\x01\x82"), 2); /* with a long index */
    assert_int_equal(FIELDS("\x41\3abc\x82"), 2);    /* literal, name indexed */
    assert_int_equal(FIELDS("\x40\1a\2bc\x82"), 2);  /* literal, new name */
    assert_int_equal(FIELDS("\x7f\x01\1a\x82"), 2);  /* literal, long index */
    assert_int_equal(FIELDS("\x0f\x0d\1"
                            "5\x82"),
                     2);                              /* not indexed */
    assert_int_equal(FIELDS("\x10\1a\x82xy\x82"), 2); /* never indexed, Huffman */
    assert_int_equal(FIELDS("\x40\0\0\x82"), 2);      /* empty strings */
    assert_int_equal(FIELDS("\x3f\xe1\x1f\x82"), 2);  /* table size update */
}

static void test_long_strings_are_passed_over(void **state)
{
    char block[400] = {0x40, 0x7f, 0x01}; /* a name of 128 bytes */

    (void)state;
    memset(block + 3, '\x82', sizeof block - 3);
    block[3 + 128] = 0; /* an empty value */
    block[3 + 128 + 1] = '\x82';
    assert_int_equal(fields(block, 3 + 128 + 2), 2);
}

static void test_a_block_may_be_cut_anywhere(void **state)
{
    static const char block[] = "\x82\xff\x80\x01\x40\1a\2bc\x7f\x01\1a\x0f\x0d\x7f\x00";
    size_t len = sizeof block - 1;

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        struct bk__hpack_scan scan = {0};
        uint32_t count = bk__hpack_scan(&scan, (const uint8_t *)block, cut);
        count += bk__hpack_scan(&scan, (const uint8_t *)block + cut, len - cut);
        assert_int_equal(count, 5);
    }
}

static void test_behind_an_endless_length_nothing_is_counted(void **state)
{
    (void)state;
    assert_int_equal(FIELDS("\x40\xff\xff\xff\xff\xff\xff\x82\x82\x82"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_frames_pass_unchanged),
        cmocka_unit_test(test_unknown_frames_are_taken_out),
        cmocka_unit_test(test_nothing_may_be_left),
        cmocka_unit_test(test_the_preface_is_waited_for),
        cmocka_unit_test(test_a_frame_that_is_not_whole_stays),
        cmocka_unit_test(test_a_frame_that_is_too_long_is_left_to_h2o),
        cmocka_unit_test(test_bodies_are_noticed),
        cmocka_unit_test(test_a_block_in_parts_is_followed_to_its_end),
        cmocka_unit_test(test_a_continuation_of_another_stream_is_refused),
        cmocka_unit_test(test_unknown_frames_within_a_block_are_left_to_h2o),
        cmocka_unit_test(test_padding_and_priority_are_no_block),
        cmocka_unit_test(test_wrong_padding_is_left_to_h2o),
        cmocka_unit_test(test_a_block_with_too_many_fields_is_refused),
        cmocka_unit_test(test_a_block_that_is_too_long_is_refused),
        cmocka_unit_test(test_every_kind_of_field_is_counted),
        cmocka_unit_test(test_long_strings_are_passed_over),
        cmocka_unit_test(test_a_block_may_be_cut_anywhere),
        cmocka_unit_test(test_behind_an_endless_length_nothing_is_counted),
    };

    return cmocka_run_group_tests_name("http2_frames", tests, NULL, NULL);
}
