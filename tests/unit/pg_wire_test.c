/* Messages as bytes: what is sent, and what is read of what came. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pg_bytes.h"
#include "text.h"

static void assert_sent(struct bk__pg_out *out, bk_str want, const char *file, int line)
{
    check_bytes(waiting(out), want, file, line);
    out->start = out->end;
}
#define assert_sends(out, want) assert_sent(out, RAW(want), __FILE__, __LINE__)

static void test_each_message_has_its_bytes(void **state)
{
    struct bk__pg_out out = {0};

    (void)state;
    bk__pg_put_parse(&out, "s1", "SELECT 1", "");
    assert_sends(&out, "P\0\0\0\x12s1\0SELECT 1\0\0\0");
    bk__pg_put_parse(&out, "", "SELECT 1", " /*a*/");
    assert_sends(&out, "P\0\0\0\x16\0SELECT 1 /*a*/\0\0\0");
    bk__pg_put_describe(&out, "s1");
    assert_sends(&out, "D\0\0\0\x08Ss1\0");
    bk__pg_put_describe_portal(&out);
    assert_sends(&out, "D\0\0\0\x06P\0");
    bk__pg_put_execute(&out);
    assert_sends(&out, "E\0\0\0\x09\0\0\0\0\0");
    bk__pg_put_close(&out, "s1");
    assert_sends(&out, "C\0\0\0\x08Ss1\0");
    bk__pg_put_sync(&out);
    assert_sends(&out, "S\0\0\0\x04");
    bk__pg_put_copy_data(&out, BK_LIT("a\tb\n"));
    assert_sends(&out, "d\0\0\0\x08"
                       "a\tb\n");
    bk__pg_put_copy_data(&out, NULL_VALUE);
    assert_sends(&out, "d\0\0\0\x04");
    bk__pg_put_copy_done(&out);
    assert_sends(&out, "c\0\0\0\x04");
    bk__pg_put_copy_fail(&out, "no");
    assert_sends(&out, "f\0\0\0\x07no\0");
    bk__pg_out_fini(&out);
}

static void test_a_buffer_keeps_what_waits_when_it_grows(void **state)
{
    struct bk__pg_out out = {0};

    (void)state;
    memset(bk__pg_out_take(&out, 3000), 'a', 3000);
    out.start += 2999;
    memset(bk__pg_out_take(&out, 1000), 'b', 1000);
    memset(bk__pg_out_take(&out, 3000), 'c', 3000); /* fits where the first ones were */
    assert_int_equal(out.cap, 4096);
    memset(bk__pg_out_take(&out, 100000), 'd', 100000);
    bk_str all = waiting(&out);
    assert_int_equal(all.len, 1 + 1000 + 3000 + 100000);
    assert_int_equal(all.ptr[0], 'a');
    assert_int_equal(all.ptr[1], 'b');
    assert_int_equal(all.ptr[1000], 'b');
    assert_int_equal(all.ptr[1001], 'c');
    assert_int_equal(all.ptr[4001], 'd');
    assert_int_equal(all.ptr[all.len - 1], 'd');
    bk__pg_out_fini(&out);
    assert_null(out.ptr);
}

static void test_a_dropped_message_leaves_those_before_it(void **state)
{
    struct bk__pg_out out = {0};

    (void)state;
    bk__pg_put_sync(&out);
    size_t mark = bk__pg_begin_message(&out, 'd');
    memset(bk__pg_out_take(&out, 100000), 'x', 100000);
    bk__pg_drop_message(&out, mark);
    assert_bytes(waiting(&out), "S\0\0\0\x04");
    mark = bk__pg_begin_message(&out, 'd');
    bk__pg_put_bytes(&out, BK_LIT("xy"));
    bk__pg_end_message(&out, mark);
    assert_bytes(waiting(&out), "S\0\0\0\x04"
                                "d\0\0\0\x06xy");
    bk__pg_out_fini(&out);
}

static void test_a_message_is_read_once_it_is_whole(void **state)
{
    bk_str input = RAW("Z\0\0\0\x05I"
                       "C");
    struct bk__pg_message message;
    size_t wanted;

    (void)state;
    for (size_t len = 0; len < 5; len++) {
        assert_int_equal(bk__pg_read_message(input.ptr, len, 100, &message, &wanted), 0);
        assert_int_equal(wanted, 0);
    }
    assert_int_equal(bk__pg_read_message(input.ptr, 5, 100, &message, &wanted), 0);
    assert_int_equal(wanted, 6);
    for (size_t len = 6; len <= input.len; len++) {
        assert_int_equal(bk__pg_read_message(input.ptr, len, 100, &message, &wanted), 6);
        assert_int_equal(message.type, 'Z');
        assert_ptr_equal(message.body, input.ptr + 5);
        assert_int_equal(message.len, 1);
    }
}

static void test_impossible_lengths_are_no_message(void **state)
{
    struct bk__pg_message message;
    size_t wanted;

    (void)state;
    assert_true(bk__pg_read_message("Z\0\0\0\3", 5, 100, &message, &wanted) == SIZE_MAX);
    assert_true(bk__pg_read_message("Z\0\0\0\x65", 5, 100, &message, &wanted) == SIZE_MAX);
    assert_true(bk__pg_read_message("Z\xff\xff\xff\xff", 5, 100, &message, &wanted) == SIZE_MAX);
    assert_int_equal(bk__pg_read_message("Z\0\0\0\x64", 5, 100, &message, &wanted), 0);
    assert_int_equal(wanted, 101);
    assert_int_equal(bk__pg_read_message("Z\0\0\0\4", 5, 100, &message, &wanted), 5);
    assert_int_equal(message.len, 0);
}

static void test_reading_beyond_the_end_gives_zeros_and_is_noted(void **state)
{
    struct bk__pg_reader reader = bk__pg_reader_of(RAW("\1\2\3\4\5\6\7\x08"));
    bk_str value = BK_LIT("untouched");

    (void)state;
    assert_true(bk__pg_read_u64(&reader) == 0x0102030405060708);
    assert_false(reader.bad);
    assert_int_equal(bk__pg_read_u16(&reader), 0);
    assert_true(reader.bad);

    reader = bk__pg_reader_of(RAW("\1\2\3"));
    assert_int_equal(bk__pg_read_u32(&reader), 0);
    assert_true(reader.bad);
    assert_int_equal(bk__pg_read_u64(&reader), 0);

    reader = bk__pg_reader_of(RAW("\0\0\0\3ab"));
    assert_false(bk__pg_read_value(&reader, &value));
    assert_true(reader.bad);
    assert_text(value, "untouched");
}

static void test_a_null_is_not_an_empty_value(void **state)
{
    struct bk__pg_reader reader = bk__pg_reader_of(RAW("\xff\xff\xff\xff\0\0\0\0\0\0\0\1x"));
    bk_str value = {NULL, 0};

    (void)state;
    assert_false(bk__pg_read_value(&reader, &value));
    assert_true(bk__pg_read_value(&reader, &value));
    assert_text(value, "");
    assert_true(bk__pg_read_value(&reader, &value));
    assert_text(value, "x");
    assert_false(reader.bad);
    assert_ptr_equal(reader.at, reader.end);
}

static void test_strings_end_with_nul(void **state)
{
    struct bk__pg_reader reader = bk__pg_reader_of(RAW("ab\0\0cd"));

    (void)state;
    assert_text(bk__pg_read_cstr(&reader), "ab");
    assert_text(bk__pg_read_cstr(&reader), "");
    assert_false(reader.bad);
    assert_absent(bk__pg_read_cstr(&reader));
    assert_true(reader.bad);
}

static void test_a_tag_ends_with_its_count(void **state)
{
    (void)state;
    assert_int_equal(bk__pg_tag_count(BK_LIT("INSERT 0 5")), 5);
    assert_int_equal(bk__pg_tag_count(BK_LIT("SELECT 12")), 12);
    assert_int_equal(bk__pg_tag_count(BK_LIT("COPY 9999999999")), 9999999999);
    assert_int_equal(bk__pg_tag_count(BK_LIT("BEGIN")), 0);
    assert_int_equal(bk__pg_tag_count(BK_LIT("CREATE TABLE")), 0);
    assert_int_equal(bk__pg_tag_count(BK_LIT("SELECT 99999999999999999999")), 0);
    assert_int_equal(bk__pg_tag_count(BK_LIT("SELECT -1")), 0);
    assert_int_equal(bk__pg_tag_count(BK_LIT("7")), 0);
    assert_int_equal(bk__pg_tag_count(BK_LIT("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_message_has_its_bytes),
        cmocka_unit_test(test_a_buffer_keeps_what_waits_when_it_grows),
        cmocka_unit_test(test_a_dropped_message_leaves_those_before_it),
        cmocka_unit_test(test_a_message_is_read_once_it_is_whole),
        cmocka_unit_test(test_impossible_lengths_are_no_message),
        cmocka_unit_test(test_reading_beyond_the_end_gives_zeros_and_is_noted),
        cmocka_unit_test(test_a_null_is_not_an_empty_value),
        cmocka_unit_test(test_strings_end_with_nul),
        cmocka_unit_test(test_a_tag_ends_with_its_count),
    };
    return cmocka_run_group_tests_name("pg/wire", tests, NULL, NULL);
}
