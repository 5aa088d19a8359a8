/* A statement's values as Bind and COPY carry them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "pg/values.h"
#include "pg_bytes.h"
#include "text.h"

static struct bk__pg_out out;

static int tear_down(void **state)
{
    (void)state;
    bk__pg_out_fini(&out);
    bk_error_clear();
    return 0;
}

/* What one value looks like in Bind: "b" or "t" for its format, then its bytes; "n": NULL. The
 * message around it is checked as well. */
static bk_str bound(bk_arg arg, uint32_t type)
{
    static char shown[1000];
    struct bk__pg_bind bind = {
        .statement = "",
        .args = bk__args_at(&arg, 1),
        .types = type != 0 ? &type : NULL,
    };

    bk__pg_out_fini(&out);
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_OK);
    struct bk__pg_reader reader = bk__pg_reader_of(waiting(&out));
    assert_memory_equal(reader.at, "B", 1);
    reader.at++;
    assert_int_equal(bk__pg_read_u32(&reader), waiting(&out).len - 1);
    assert_text(bk__pg_read_cstr(&reader), ""); /* portal */
    assert_text(bk__pg_read_cstr(&reader), ""); /* statement */
    uint16_t formats = bk__pg_read_u16(&reader);
    shown[0] = 't';
    for (uint16_t i = 0; i < formats; i++)
        shown[0] = bk__pg_read_u16(&reader) == 1 ? 'b' : 't';
    assert_int_equal(bk__pg_read_u16(&reader), 1);
    bk_str value;
    if (!bk__pg_read_value(&reader, &value)) {
        shown[0] = 'n';
        value = BK_LIT("");
    }
    assert_int_equal(bk__pg_read_u16(&reader), 0);
    assert_false(reader.bad);
    assert_ptr_equal(reader.at, reader.end);
    memcpy(shown + 1, value.ptr, value.len);
    return bk_str_at(shown, 1 + value.len);
}

static bool refused(bk_arg arg, uint32_t type, const char *words)
{
    struct bk__pg_bind bind = {
        .statement = "s",
        .args = bk__args_at(&arg, 1),
        .types = type != 0 ? &type : NULL,
    };

    bk__pg_out_fini(&out);
    bk__pg_put_sync(&out);
    if (bk__pg_put_bind(&out, &bind) != BK_EINVAL)
        return false;
    assert_bytes(waiting(&out), "S\0\0\0\x04"); /* nothing is left of it */
    return says("$1") && says(words);
}

static void test_a_whole_message(void **state)
{
    const uint32_t types[] = {BK__PG_INT4, BK__PG_NUMERIC, BK__PG_TEXT};
    const uint8_t mixed[] = {1, 0};
    struct bk__pg_bind bind = {
        .statement = "s1",
        .args = BK_ARGS(bk_i64(7), bk_i64(-1), bk_null()),
        .types = types,
        .formats = mixed,
        .format_count = 2,
    };

    (void)state;
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_OK);
    assert_bytes(waiting(&out), "B\0\0\0\x2a\0s1\0"
                                "\0\3\0\1\0\0\0\1"
                                "\0\3\0\0\0\4\0\0\0\7\0\0\0\2-1\xff\xff\xff\xff"
                                "\0\2\0\1\0\0");
}

static void test_one_format_stands_for_all(void **state)
{
    const uint32_t types[] = {BK__PG_INT4, BK__PG_INT8};
    const uint8_t binary[] = {1, 1, 1}, text[] = {0, 0};
    struct bk__pg_bind bind = {
        .statement = "",
        .args = BK_ARGS(bk_i64(1), bk_i64(2)),
        .types = types,
        .formats = binary,
        .format_count = 3,
    };

    (void)state;
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_OK);
    assert_bytes(waiting(&out), "B\0\0\0\x24\0\0"
                                "\0\1\0\1"
                                "\0\2\0\0\0\4\0\0\0\1\0\0\0\x08\0\0\0\0\0\0\0\2"
                                "\0\1\0\1");
    out.start = out.end;
    bind.args = BK_NO_ARGS;
    bind.formats = text;
    bind.format_count = 2;
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_OK);
    assert_bytes(waiting(&out), "B\0\0\0\x0c\0\0\0\0\0\0\0\0");
}

static void test_integers_have_the_width_of_their_type(void **state)
{
    (void)state;
    assert_bytes(bound(bk_i64(-2), BK__PG_INT2), "b\xff\xfe");
    assert_bytes(bound(bk_i64(-2), BK__PG_INT4), "b\xff\xff\xff\xfe");
    assert_bytes(bound(bk_i64(-2), BK__PG_INT8), "b\xff\xff\xff\xff\xff\xff\xff\xfe");
    assert_bytes(bound(bk_i64(INT64_MIN), BK__PG_INT8), "b\x80\0\0\0\0\0\0\0");
    assert_bytes(bound(bk_i64(3), BK__PG_FLOAT8), "b\x40\x08\0\0\0\0\0\0");
    assert_bytes(bound(bk_i64(3), BK__PG_FLOAT4), "b\x40\x40\0\0");
    assert_bytes(bound(bk_i64(INT64_MIN), BK__PG_NUMERIC), "t-9223372036854775808");
    assert_bytes(bound(bk_i64(12), BK__PG_TEXT), "t12");
    assert_bytes(bound(bk_i64(12), 0), "t12");
}

static void test_an_integer_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    assert_bytes(bound(bk_i64(32767), BK__PG_INT2), "b\x7f\xff");
    assert_bytes(bound(bk_i64(INT32_MAX), BK__PG_INT4), "b\x7f\xff\xff\xff");
    assert_true(refused(bk_i64(32768), BK__PG_INT2, "smallint"));
    assert_true(refused(bk_i64(-32769), BK__PG_INT2, "smallint"));
    assert_true(refused(bk_i64(2147483648), BK__PG_INT4, "integer"));
    assert_true(refused(bk_i64(-2147483649), BK__PG_INT4, "integer"));
}

static void test_the_parameter_is_named(void **state)
{
    const uint32_t types[] = {BK__PG_INT4, BK__PG_INT2};
    struct bk__pg_bind bind = {
        .statement = "", .args = BK_ARGS(bk_i64(1), bk_i64(99999)), .types = types};

    (void)state;
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_EINVAL);
    assert_true(says("$2"));
    assert_int_equal(waiting(&out).len, 0);
}

static void test_numbers_and_booleans(void **state)
{
    (void)state;
    assert_bytes(bound(bk_f64(-2), BK__PG_FLOAT8), "b\xc0\0\0\0\0\0\0\0");
    assert_bytes(bound(bk_f64(0.5), BK__PG_FLOAT4), "b\x3f\0\0\0");
    assert_bytes(bound(bk_f64(0.1), BK__PG_NUMERIC), "t0.1");
    assert_bytes(bound(bk_f64(NAN), BK__PG_NUMERIC), "tNaN");
    assert_bytes(bound(bk_f64(-INFINITY), 0), "t-Infinity");
    assert_bytes(bound(bk_f64(INFINITY), BK__PG_FLOAT4), "b\x7f\x80\0\0");
    assert_true(refused(bk_f64(1e39), BK__PG_FLOAT4, "real"));
    assert_true(refused(bk_f64(NAN), BK__PG_INT4, "not finite"));
    assert_true(refused(bk_f64(INFINITY), BK__PG_JSONB, "not finite"));
    assert_bytes(bound(bk_bool(true), BK__PG_BOOL), "b\1");
    assert_bytes(bound(bk_bool(false), BK__PG_BOOL), "b\0");
    assert_bytes(bound(bk_bool(true), 0), "tt");
}

static void test_times_count_from_2000(void **state)
{
    const bk_time day = 86400000000, epoch = 946684800000000;

    (void)state;
    assert_bytes(bound(bk_timestamp(epoch + 1), BK__PG_TIMESTAMPTZ), "b\0\0\0\0\0\0\0\1");
    assert_bytes(bound(bk_timestamp(epoch - 1), BK__PG_TIMESTAMP),
                 "b\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_bytes(bound(bk_timestamp(epoch + day), BK__PG_DATE), "b\0\0\0\1");
    assert_bytes(bound(bk_timestamp(epoch - 1), BK__PG_DATE), "b\xff\xff\xff\xff");
    assert_bytes(bound(bk_timestamp(epoch - day), BK__PG_DATE), "b\xff\xff\xff\xff");
    assert_bytes(bound(bk_timestamp(0), 0), "t1970-01-01T00:00:00.000Z");
    assert_bytes(bound(bk_timestamp(-62135596800000001), 0), "t0001-12-31T23:59:59.999999Z BC");
    assert_bytes(bound(bk_timestamp(-62167219200000001), 0), "t0002-12-31T23:59:59.999999Z BC");
    assert_bytes(bound(bk_timestamp(300000000000000000), 0), "t11476-08-15T05:20:00.000Z");
    assert_true(refused(bk_timestamp(INT64_MIN), BK__PG_TIMESTAMPTZ, "4714 BC"));
    /* what would be -infinity */
    assert_true(refused(bk_timestamp(INT64_MIN + epoch), BK__PG_TIMESTAMPTZ, "4714 BC"));
}

static void test_text_and_bytes(void **state)
{
    (void)state;
    assert_bytes(bound(bk_text(BK_LIT("h\xc3\xa9")), BK__PG_TEXT), "bh\xc3\xa9");
    assert_bytes(bound(bk_text(BK_LIT("")), BK__PG_VARCHAR), "b");
    assert_bytes(bound(bk_text(BK_LIT("17")), BK__PG_INT4), "t17");
    assert_bytes(bound(bk_text(BK_LIT("{}")), BK__PG_JSON), "b{}");
    assert_bytes(bound(bk_text(BK_LIT("{}")), BK__PG_JSONB), "b\1{}");
    assert_bytes(bound(bk_text(BK_LIT("x")), 600), "tx");
    assert_bytes(bound(bk_text(NULL_VALUE), BK__PG_TEXT), "n");
    assert_bytes(bound(bk_bytes(RAW("\0\xff")), BK__PG_BYTEA), "b\0\xff");
    assert_bytes(bound(bk_bytes(RAW("\0\xff")), 0), "t\\x00ff");
    assert_bytes(bound(bk_bytes(BK_LIT("")), 0), "t\\x");
    assert_bytes(bound(bk_bytes(NULL_VALUE), BK__PG_BYTEA), "n");
}

static void test_text_must_be_utf8_without_nul(void **state)
{
    (void)state;
    assert_true(refused(bk_text(RAW("a\0b")), BK__PG_TEXT, "UTF-8"));
    assert_true(refused(bk_text(RAW("\xff")), BK__PG_JSONB, "UTF-8"));
    assert_true(refused(bk_text(RAW("\xc3")), BK__PG_INT4, "UTF-8"));
    assert_true(refused(bk_text(RAW("a\0")), 0, "UTF-8"));
}

static void test_a_uuid_is_binary_in_its_usual_form(void **state)
{
    (void)state;
    assert_bytes(bound(bk_text(BK_LIT("00112233-4455-6677-8899-AAbbCCddEEff")), BK__PG_UUID),
                 "b\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
    assert_bytes(bound(bk_text(BK_LIT("00112233445566778899aabbccddeeff")), BK__PG_UUID),
                 "t00112233445566778899aabbccddeeff");
    assert_bytes(bound(bk_text(BK_LIT("00112233-4455-6677-8899-AAbbCCddEEfg")), BK__PG_UUID),
                 "t00112233-4455-6677-8899-AAbbCCddEEfg");
    assert_bytes(bound(bk_text(BK_LIT("0011223304455-6677-8899-AAbbCCddEEff")), BK__PG_UUID),
                 "t0011223304455-6677-8899-AAbbCCddEEff");
}

static void test_arrays_of_integers(void **state)
{
    const int64_t wide[] = {1, -1};
    const int32_t narrow[] = {5};
    const int64_t far[] = {1, 99999};

    (void)state;
    assert_bytes(bound(bk_array_of(BK_TYPE_I64, wide, 2), BK__PG_INT4_ARRAY),
                 "b\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1"
                 "\0\0\0\4\0\0\0\1\0\0\0\4\xff\xff\xff\xff");
    assert_bytes(bound(bk_array_of(BK_TYPE_I32, narrow, 1), BK__PG_INT8_ARRAY),
                 "b\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\x08\0\0\0\0\0\0\0\5");
    assert_bytes(bound(bk_array_of(BK_TYPE_I64, NULL, 0), BK__PG_INT4_ARRAY),
                 "b\0\0\0\0\0\0\0\0\0\0\0\x17");
    assert_bytes(bound(bk_array_of(BK_TYPE_I64, wide, 2), BK__PG_NUMERIC_ARRAY), "t{1,-1}");
    assert_bytes(bound(bk_array_of(BK_TYPE_I64, wide, 2), 0), "t{1,-1}");
    assert_bytes(bound(bk_array_of(BK_TYPE_I64, NULL, 0), 0), "t{}");
    assert_true(refused(bk_array_of(BK_TYPE_I64, far, 2), BK__PG_INT2_ARRAY, "smallint"));
}

static void test_arrays_of_other_items(void **state)
{
    const bk_str texts[] = {BK_LIT("a"), NULL_VALUE, BK_LIT("\"\\,{")};
    const bk_str bad[] = {BK_LIT("a"), BK_LIT("\xff")};
    const bool bools[] = {true, false};
    const double doubles[] = {0.5, NAN};
    const bk_time times[] = {0};
    const bk_str uuids[] = {BK_LIT("00112233-4455-6677-8899-aabbccddeeff"), BK_LIT("no")};

    (void)state;
    assert_bytes(bound(bk_array_of(BK_TYPE_STR, texts, 3), BK__PG_TEXT_ARRAY),
                 "b\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
                 "\0\0\0\1a\xff\xff\xff\xff\0\0\0\4\"\\,{");
    assert_bytes(bound(bk_array_of(BK_TYPE_STR, texts, 3), 0), "t{\"a\",NULL,\"\\\"\\\\,{\"}");
    assert_true(refused(bk_array_of(BK_TYPE_STR, bad, 2), BK__PG_TEXT_ARRAY, "UTF-8"));
    assert_true(refused(bk_array_of(BK_TYPE_STR, bad, 2), 0, "UTF-8"));
    assert_bytes(bound(bk_array_of(BK_TYPE_BOOL, bools, 2), 0), "t{t,f}");
    assert_bytes(bound(bk_array_of(BK_TYPE_F64, doubles, 2), 0), "t{0.5,NaN}");
    assert_bytes(bound(bk_array_of(BK_TYPE_TIME, times, 1), 0), "t{1970-01-01T00:00:00.000Z}");
    /* one item that is no UUID makes it text, so that the server says so */
    assert_bytes(bound(bk_array_of(BK_TYPE_STR, uuids, 2), BK__PG_UUID_ARRAY),
                 "t{\"00112233-4455-6677-8899-aabbccddeeff\",\"no\"}");
}

static void test_too_many_values_are_refused(void **state)
{
    bk_arg *many = calloc(65536, sizeof(*many));
    struct bk__pg_bind bind = {.statement = "", .args = {many, 65536}};

    (void)state;
    assert_non_null(many);
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_EINVAL);
    assert_true(says("65536"));
    assert_int_equal(out.end, 0);
    bind.args.count = 65535;
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_OK);
    free(many);
}

static void test_a_message_behind_another_keeps_its_length(void **state)
{
    struct bk__pg_bind bind = {.statement = "", .args = BK_ARGS(bk_i64(1))};
    const uint32_t type = BK__PG_INT4;

    (void)state;
    bind.types = &type;
    memset(bk__pg_out_take(&out, 4090), 'x', 4090);
    out.start = 4089; /* so that growing moves the beginning */
    assert_int_equal(bk__pg_put_bind(&out, &bind), BK_OK);
    assert_bytes(waiting(&out), "xB\0\0\0\x16\0\0\0\1\0\1\0\1\0\0\0\4\0\0\0\1\0\0");
}

static bk_str copied(bk_args args)
{
    bk__pg_out_fini(&out);
    assert_int_equal(bk__pg_put_copy_row(&out, args), BK_OK);
    struct bk__pg_reader reader = bk__pg_reader_of(waiting(&out));
    assert_memory_equal(reader.at, "d", 1);
    reader.at++;
    assert_int_equal(bk__pg_read_u32(&reader), waiting(&out).len - 1);
    return bk_str_at(reader.at, (size_t)(reader.end - reader.at));
}

static void test_a_row_of_copy(void **state)
{
    const bk_str texts[] = {BK_LIT("a\"b")};

    (void)state;
    assert_bytes(copied(BK_ARGS(bk_i64(1), bk_null(), bk_text(BK_LIT("")), bk_bool(true))),
                 "1\t\\N\t\tt\n");
    assert_bytes(copied(BK_ARGS(bk_text(BK_LIT("a\tb\nc\\d\re\bf\vg\fh")))),
                 "a\\tb\\nc\\\\d\\re\\bf\\vg\\fh\n");
    assert_bytes(copied(BK_ARGS(bk_text(BK_LIT("\\N")), bk_text(BK_LIT("\\.")))), "\\\\N\t\\\\.\n");
    assert_bytes(copied(BK_ARGS(bk_bytes(RAW("\0\1")))), "\\\\x0001\n");
    assert_bytes(copied(BK_ARGS(bk_array_of(BK_TYPE_STR, texts, 1))), "{\"a\\\\\"b\"}\n");
    assert_bytes(copied(BK_ARGS(bk_timestamp(0), bk_f64(-0.5))),
                 "1970-01-01T00:00:00.000Z\t-0.5\n");
}

static void test_a_wrong_row_of_copy_leaves_nothing(void **state)
{
    (void)state;
    bk__pg_put_sync(&out);
    bk_args args = BK_ARGS(bk_i64(1), bk_text(BK_LIT("\xff")));
    assert_int_equal(bk__pg_put_copy_row(&out, args), BK_EINVAL);
    assert_true(says("$2"));
    assert_bytes(waiting(&out), "S\0\0\0\x04");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_whole_message, tear_down),
        cmocka_unit_test_teardown(test_one_format_stands_for_all, tear_down),
        cmocka_unit_test_teardown(test_integers_have_the_width_of_their_type, tear_down),
        cmocka_unit_test_teardown(test_an_integer_that_does_not_fit_is_refused, tear_down),
        cmocka_unit_test_teardown(test_the_parameter_is_named, tear_down),
        cmocka_unit_test_teardown(test_numbers_and_booleans, tear_down),
        cmocka_unit_test_teardown(test_times_count_from_2000, tear_down),
        cmocka_unit_test_teardown(test_text_and_bytes, tear_down),
        cmocka_unit_test_teardown(test_text_must_be_utf8_without_nul, tear_down),
        cmocka_unit_test_teardown(test_a_uuid_is_binary_in_its_usual_form, tear_down),
        cmocka_unit_test_teardown(test_arrays_of_integers, tear_down),
        cmocka_unit_test_teardown(test_arrays_of_other_items, tear_down),
        cmocka_unit_test_teardown(test_too_many_values_are_refused, tear_down),
        cmocka_unit_test_teardown(test_a_message_behind_another_keeps_its_length, tear_down),
        cmocka_unit_test_teardown(test_a_row_of_copy, tear_down),
        cmocka_unit_test_teardown(test_a_wrong_row_of_copy_leaves_nothing, tear_down),
    };
    return cmocka_run_group_tests_name("pg/args", tests, NULL, NULL);
}
