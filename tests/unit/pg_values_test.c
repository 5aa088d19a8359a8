/* Values between PostgreSQL's formats and C, in both formats. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "pg/values.h"
#include "pg_bytes.h"
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
    bk_error_clear();
    return 0;
}

static const char *const colours[] = {"red", "green", NULL};

struct inner {
    int64_t id;
    bk_str name;
};
BK_DESCRIBE(inner_desc, struct inner, BK_I64(id, BK_READ_ONLY, BK_MIN(100)),
            BK_STR(name, BK_REQUIRED, BK_LEN(50, 60)))

struct all {
    bk_str str, json;
    int64_t i64;
    int32_t i32;
    double f64;
    bool truth;
    bk_time time;
    int colour;
    struct inner inner;
    bk_array strs, ints, inners, colours;
};
BK_DESCRIBE(all_desc, struct all, BK_STR(str), BK_JSON(json), BK_I64(i64), BK_I32(i32), BK_F64(f64),
            BK_BOOL(truth), BK_TIME(time), BK_ENUM(colour, colours), BK_STRUCT(inner, inner_desc),
            BK_ARRAY(strs, BK_TYPE_STR), BK_ARRAY(ints, BK_TYPE_I64),
            BK_ARRAY_OF(inners, inner_desc),
            BK_ARRAY(colours, BK_TYPE_ENUM, BK__RULE(names, colours)))

static const bk_field *field(const char *member)
{
    const bk_desc *desc = all_desc();
    for (size_t i = 0; i < desc->count; i++) {
        if (strcmp(desc->fields[i].member, member) == 0)
            return &desc->fields[i];
    }
    fail();
    return NULL;
}

/* Reads @p value as the member; by the quick function as well, which must agree. */
static bk_err read_into(const struct bk__pg_value *value, const char *member, struct all *out)
{
    const bk_field *to = field(member);
    struct all again;

    memset(out, 0, sizeof(*out));
    memset(&again, 0, sizeof(again));
    bk_err err = bk__pg_to_field(value, to, arena, (char *)out + to->offset);
    if (!bk__pg_fits(value->type, to)) {
        assert_int_equal(err, BK_EINTERNAL);
        return err;
    }
    bk__pg_decode_fn decode = bk__pg_decoder(value->type, value->format, to);
    assert_int_equal(decode(value, to, arena, (char *)&again + to->offset), err);
    assert_int_equal(out->i64, again.i64);
    assert_int_equal(out->i32, again.i32);
    assert_int_equal(out->time, again.time);
    return err;
}

static int64_t i64_of(const struct bk__pg_value *value)
{
    int64_t out = 12345;
    assert_int_equal(bk__pg_to_i64(value, &out), BK_OK);
    return out;
}

static bool no_i64(const struct bk__pg_value *value, const char *words)
{
    int64_t out;
    return bk__pg_to_i64(value, &out) == BK_EINTERNAL && says(words);
}

static double f64_of(const struct bk__pg_value *value)
{
    double out = 12345;
    assert_int_equal(bk__pg_to_f64(value, &out), BK_OK);
    return out;
}

static bk_str text_of(const struct bk__pg_value *value)
{
    bk_str out = {NULL, 0};
    assert_int_equal(bk__pg_to_text(value, arena, &out), BK_OK);
    return out;
}

static bk_str json_of(const struct bk__pg_value *value)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};
    assert_int_equal(bk__pg_to_json(value, &writer), BK_OK);
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
    return bk_buf_str(&buf);
}

static bool no_json(const struct bk__pg_value *value)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};
    return bk__pg_to_json(value, &writer) == BK_EINTERNAL;
}

static void test_integers_are_exact_in_both_formats(void **state)
{
    (void)state;
    assert_int_equal(i64_of(BIN(BK__PG_INT2, "\xff\xfe")), -2);
    assert_int_equal(i64_of(BIN(BK__PG_INT4, "\x80\0\0\0")), INT32_MIN);
    assert_int_equal(i64_of(BIN(BK__PG_INT8, "\x7f\xff\xff\xff\xff\xff\xff\xff")), INT64_MAX);
    assert_int_equal(i64_of(BIN(BK__PG_OID, "\xff\xff\xff\xff")), 4294967295);
    assert_int_equal(i64_of(TXT(BK__PG_INT8, "-9223372036854775808")), INT64_MIN);
    assert_int_equal(i64_of(TXT(BK__PG_INT4, "0")), 0);
}

static void test_damaged_integers_are_errors(void **state)
{
    (void)state;
    assert_true(no_i64(BIN(BK__PG_INT4, "\0\0\0"), "no INT4"));
    assert_true(no_i64(BIN(BK__PG_INT4, "\0\0\0\0\0"), "no INT4"));
    assert_true(no_i64(BIN(BK__PG_INT8, ""), "no INT8"));
    assert_true(no_i64(TXT(BK__PG_INT4, ""), "no INT4"));
    assert_true(no_i64(TXT(BK__PG_INT4, "1 "), "no INT4"));
    assert_true(no_i64(TXT(BK__PG_INT4, "x"), "no INT4"));
    assert_true(no_i64(TXT(BK__PG_TEXT, "1"), "TEXT is no integer"));
    assert_true(no_i64(TXT(BK__PG_FLOAT8, "1"), "FLOAT8 is no integer"));
}

static void test_a_numeric_is_an_integer_where_it_has_no_fraction(void **state)
{
    (void)state;
    assert_int_equal(i64_of(TXT(BK__PG_NUMERIC, "5.00")), 5);
    assert_int_equal(i64_of(TXT(BK__PG_NUMERIC, "-9223372036854775808.0")), INT64_MIN);
    assert_int_equal(i64_of(BIN(BK__PG_NUMERIC, "\0\2\0\1\x40\0\0\0\0\1\x23\x28")), -19000);
    assert_int_equal(i64_of(BIN(BK__PG_NUMERIC, "\0\0\0\0\0\0\0\0")), 0);
    assert_true(no_i64(TXT(BK__PG_NUMERIC, "5.5"), "fraction"));
    assert_true(no_i64(TXT(BK__PG_NUMERIC, "9223372036854775808"), "64 bits"));
    assert_true(no_i64(TXT(BK__PG_NUMERIC, "NaN"), "no NUMERIC"));
    assert_true(no_i64(BIN(BK__PG_NUMERIC, "\0\1\xff\xff\0\0\0\1\x13\x88"), "fraction"));
}

static void test_a_binary_numeric_is_its_text(void **state)
{
    (void)state;
    assert_text(text_of(BIN(BK__PG_NUMERIC, "\0\2\0\0\0\0\0\3\x04\xd2\x16\x2e")), "1234.567");
    assert_text(text_of(BIN(BK__PG_NUMERIC, "\0\1\xff\xfe\x40\0\0\5\x03\xe8")), "-0.00001");
    assert_text(text_of(BIN(BK__PG_NUMERIC, "\0\1\0\2\0\0\0\0\0\7")), "700000000");
    assert_text(text_of(BIN(BK__PG_NUMERIC, "\0\0\0\0\0\0\0\2")), "0.00");
    assert_text(text_of(BIN(BK__PG_NUMERIC, "\0\0\0\0\xc0\0\0\0")), "NaN");
    assert_text(text_of(BIN(BK__PG_NUMERIC, "\0\0\0\0\xf0\0\0\0")), "-Infinity");
}

static void test_a_damaged_numeric_is_an_error(void **state)
{
    bk_str out;

    (void)state;
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_NUMERIC, "\0\1\0\0\0\0\0\0"), arena, &out),
                     BK_EINTERNAL);
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_NUMERIC, "\0\1\0\0\0\0\0\0\x27\x10"), arena, &out),
                     BK_EINTERNAL); /* a digit of 10,000 */
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_NUMERIC, "\0\0\0\0\x12\0\0\0"), arena, &out),
                     BK_EINTERNAL); /* no such sign */
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_NUMERIC, "\0\0\0\0\0\0\x40\0"), arena, &out),
                     BK_EINTERNAL); /* more decimals than there can be */
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_NUMERIC, "\0\0\0"), arena, &out), BK_EINTERNAL);
}

static void test_doubles_come_from_all_numbers(void **state)
{
    (void)state;
    assert_true(f64_of(BIN(BK__PG_FLOAT8, "\x3f\xb9\x99\x99\x99\x99\x99\x9a")) == 0.1);
    assert_true(f64_of(TXT(BK__PG_FLOAT8, "0.1")) == 0.1);
    assert_true(f64_of(TXT(BK__PG_FLOAT8, "1e-300")) == 1e-300);
    assert_true(f64_of(BIN(BK__PG_FLOAT4, "\x3d\xcc\xcc\xcd")) == (double)0.1f);
    assert_true(f64_of(TXT(BK__PG_FLOAT4, "0.1")) == (double)0.1f);
    assert_true(f64_of(BIN(BK__PG_INT2, "\0\3")) == 3);
    assert_true(f64_of(TXT(BK__PG_INT8, "-3")) == -3);
    assert_true(f64_of(TXT(BK__PG_NUMERIC, "2.5")) == 2.5);
    assert_true(isnan(f64_of(TXT(BK__PG_NUMERIC, "NaN"))));
    assert_true(f64_of(TXT(BK__PG_FLOAT8, "-Infinity")) == -INFINITY);
    double out;
    assert_int_equal(bk__pg_to_f64(TXT(BK__PG_FLOAT8, "1,5"), &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_f64(BIN(BK__PG_FLOAT8, "\0\0\0\0"), &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_f64(TXT(BK__PG_TEXT, "1"), &out), BK_EINTERNAL);
}

static void test_booleans(void **state)
{
    bool out;

    (void)state;
    assert_int_equal(bk__pg_to_bool(TXT(BK__PG_BOOL, "t"), &out), BK_OK);
    assert_true(out);
    assert_int_equal(bk__pg_to_bool(BIN(BK__PG_BOOL, "\0"), &out), BK_OK);
    assert_false(out);
    assert_int_equal(bk__pg_to_bool(BIN(BK__PG_BOOL, "\2"), &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_bool(TXT(BK__PG_BOOL, "true"), &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_bool(BIN(BK__PG_BOOL, ""), &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_bool(BIN(BK__PG_INT4, "\0\0\0\1"), &out), BK_EINTERNAL);
}

static void test_text_of_what_came_as_binary(void **state)
{
    (void)state;
    assert_text(text_of(BIN(BK__PG_INT4, "\xff\xff\xff\xff")), "-1");
    assert_text(text_of(BIN(BK__PG_BOOL, "\1")), "t");
    assert_text(text_of(BIN(BK__PG_FLOAT8, "\x3f\xb9\x99\x99\x99\x99\x99\x9a")), "0.1");
    assert_text(text_of(BIN(BK__PG_FLOAT4, "\x3d\xcc\xcc\xcd")), "0.1");
    assert_text(text_of(BIN(BK__PG_FLOAT4, "\x7f\xc0\0\0")), "NaN");
    assert_text(text_of(BIN(BK__PG_DATE, "\0\0\0\0")), "2000-01-01");
    assert_text(text_of(BIN(BK__PG_DATE, "\x80\0\0\0")), "-infinity");
    assert_text(text_of(BIN(BK__PG_TIMESTAMPTZ, "\0\0\0\0\0\0\0\1")),
                "2000-01-01 00:00:00.000001+00");
    assert_text(text_of(BIN(BK__PG_TIMESTAMP, "\0\0\0\0\0\x01\x86\xa0")), "2000-01-01 00:00:00.1");
    assert_text(text_of(BIN(BK__PG_TIMESTAMP, "\0\0\0\0\0\0\0\0")), "2000-01-01 00:00:00");
    assert_text(text_of(BIN(BK__PG_TIMESTAMP, "\xff\x1f\xe2\xff\xc5\x9c\x5f\xff")),
                "0001-12-31 23:59:59.999999 BC");
    assert_text(text_of(BIN(BK__PG_UUID,
                            "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")),
                "00112233-4455-6677-8899-aabbccddeeff");
    assert_text(text_of(BIN(BK__PG_JSONB, "\1{}")), "{}");
    assert_text(text_of(BIN(BK__PG_TEXT, "abc")), "abc");
    bk_str out;
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_JSONB, "\2{}"), arena, &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_text(BIN(BK__PG_UUID, "short"), arena, &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_text(BIN(600, "point"), arena, &out), BK_EINTERNAL);
}

static void test_bytea_is_its_bytes(void **state)
{
    bk_str out;

    (void)state;
    assert_bytes(text_of(BIN(BK__PG_BYTEA, "\0\xff")), "\0\xff");
    assert_bytes(text_of(TXT(BK__PG_BYTEA, "\\x00ff")), "\0\xff");
    assert_bytes(text_of(TXT(BK__PG_BYTEA, "\\x")), "");
    assert_non_null(text_of(TXT(BK__PG_BYTEA, "\\x")).ptr);
    assert_int_equal(bk__pg_to_text(TXT(BK__PG_BYTEA, "\\x0"), arena, &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_text(TXT(BK__PG_BYTEA, "\\x0g"), arena, &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_text(TXT(BK__PG_BYTEA, ""), arena, &out), BK_EINTERNAL);
    assert_int_equal(bk__pg_to_text(TXT(BK__PG_BYTEA, "abcd"), arena, &out), BK_EINTERNAL);
}

static void test_strings_are_copied(void **state)
{
    char input[] = "abc";
    struct bk__pg_value value = {BK__PG_TEXT, 0, false, {input, 3}};

    (void)state;
    bk_str out = text_of(&value);
    input[0] = 'x';
    assert_text(out, "abc");
    assert_int_equal(out.ptr[3], 0);
}

static void test_members_get_what_fits(void **state)
{
    struct all all;

    (void)state;
    assert_int_equal(read_into(BIN(BK__PG_INT4, "\0\0\0\7"), "i32", &all), BK_OK);
    assert_int_equal(all.i32, 7);
    assert_int_equal(read_into(BIN(BK__PG_INT4, "\xff\xff\xff\xfe"), "i64", &all), BK_OK);
    assert_int_equal(all.i64, -2);
    assert_int_equal(read_into(BIN(BK__PG_INT8, "\0\0\0\0\0\0\0\7"), "i32", &all), BK_OK);
    assert_int_equal(all.i32, 7);
    assert_int_equal(read_into(BIN(BK__PG_INT8, "\0\0\0\0\x80\0\0\0"), "i32", &all), BK_EINTERNAL);
    assert_true(says("32 bits"));
    assert_int_equal(read_into(BIN(BK__PG_INT2, "\0\7"), "i64", &all), BK_OK);
    assert_int_equal(all.i64, 7);
    assert_int_equal(read_into(TXT(BK__PG_NUMERIC, "1.5"), "f64", &all), BK_OK);
    assert_true(all.f64 == 1.5);
    assert_int_equal(read_into(BIN(BK__PG_BOOL, "\1"), "truth", &all), BK_OK);
    assert_true(all.truth);
    assert_int_equal(read_into(BIN(BK__PG_DATE, "\0\0\0\0"), "time", &all), BK_OK);
    assert_int_equal(all.time, 946684800000000);
    assert_int_equal(read_into(TXT(BK__PG_INT4, "17"), "str", &all), BK_OK);
    assert_text(all.str, "17");
    assert_int_equal(read_into(BIN(BK__PG_JSONB, "\1[1]"), "json", &all), BK_OK);
    assert_text(all.json, "[1]");
    assert_int_equal(read_into(BIN(BK__PG_JSONB, "\1"), "json", &all), BK_EINTERNAL);
    assert_int_equal(read_into(TXT(BK__PG_JSON, ""), "json", &all), BK_EINTERNAL);
    assert_int_equal(read_into(TXT(BK__PG_TEXT, "1"), "i64", &all), BK_EINTERNAL);
    assert_true(says("TEXT does not fit"));
}

static void test_damage_is_told_by_the_quick_functions_as_well(void **state)
{
    struct all all;

    (void)state;
    assert_int_equal(read_into(BIN(BK__PG_INT4, "\0\0\7"), "i32", &all), BK_EINTERNAL);
    assert_int_equal(read_into(BIN(BK__PG_INT4, "\0\0\0\0\7"), "i64", &all), BK_EINTERNAL);
    assert_int_equal(read_into(BIN(BK__PG_INT8, "\0\0\0\7"), "i64", &all), BK_EINTERNAL);
    assert_int_equal(read_into(BIN(BK__PG_TIMESTAMPTZ, ""), "time", &all), BK_EINTERNAL);
}

static void test_enums_are_names_or_numbers(void **state)
{
    struct all all;

    (void)state;
    assert_int_equal(read_into(TXT(BK__PG_TEXT, "green"), "colour", &all), BK_OK);
    assert_int_equal(all.colour, 1);
    assert_int_equal(read_into(TXT(16999, "red"), "colour", &all), BK_OK);
    assert_int_equal(all.colour, 0);
    assert_int_equal(read_into(BIN(BK__PG_INT2, "\0\1"), "colour", &all), BK_OK);
    assert_int_equal(all.colour, 1);
    assert_int_equal(read_into(TXT(BK__PG_TEXT, "Red"), "colour", &all), BK_EINTERNAL);
    assert_true(says("\"Red\" is none"));
    assert_int_equal(read_into(BIN(BK__PG_INT2, "\0\2"), "colour", &all), BK_EINTERNAL);
    assert_int_equal(read_into(BIN(BK__PG_INT2, "\xff\xff"), "colour", &all), BK_EINTERNAL);
    const bk_field *to = field("colours");
    assert_int_equal(read_into(TXT(16998, "{green,\"red\"}"), "colours", &all), BK_OK);
    assert_int_equal(all.colours.count, 2);
    assert_int_equal(((int *)all.colours.items)[0], 1);
    assert_int_equal(((int *)all.colours.items)[1], 0);
    assert_int_equal(bk__pg_format_for_field(16998, to), 0);
}

static void test_structs_come_from_json_without_the_rules_for_clients(void **state)
{
    struct all all;

    (void)state;
    assert_int_equal(
        read_into(BIN(BK__PG_JSONB, "\1{\"id\": 5, \"name\": \"a\\nb\"}"), "inner", &all), BK_OK);
    assert_int_equal(all.inner.id, 5);
    assert_text(all.inner.name, "a\nb");
    assert_int_equal(
        read_into(TXT(BK__PG_JSON, "{\"id\":6,\"name\":null,\"more\":1}"), "inner", &all), BK_OK);
    assert_int_equal(all.inner.id, 6);
    assert_absent(all.inner.name);
    assert_int_equal(
        read_into(TXT(BK__PG_JSON, "[{\"id\":1},{\"id\":2,\"name\":\"x\"}]"), "inners", &all),
        BK_OK);
    assert_int_equal(all.inners.count, 2);
    assert_int_equal(((struct inner *)all.inners.items)[1].id, 2);
    assert_int_equal(read_into(TXT(BK__PG_JSON, "null"), "inners", &all), BK_OK);
    assert_null(all.inners.items);
}

static void test_json_of_another_kind_is_an_error_and_leaves_zeros(void **state)
{
    struct all all;
    static const struct inner zero;

    (void)state;
    assert_int_equal(read_into(TXT(BK__PG_JSON, "{\"name\":\"x\",\"id\":\"5\"}"), "inner", &all),
                     BK_EINTERNAL);
    assert_true(says("/id"));
    assert_memory_equal(&all.inner, &zero, sizeof(zero));
    assert_int_equal(read_into(TXT(BK__PG_JSON, "[]"), "inner", &all), BK_EINTERNAL);
    assert_int_equal(read_into(TXT(BK__PG_JSON, "{"), "inner", &all), BK_EINTERNAL);
    assert_true(says("no JSON"));
    assert_int_equal(read_into(TXT(BK__PG_JSON, "{}x"), "inner", &all), BK_EINTERNAL);
    assert_int_equal(read_into(TXT(BK__PG_JSON, "{}"), "inners", &all), BK_EINTERNAL);
    size_t count;
    (void)bk_error_fields(&count);
    assert_int_equal(count, 0); /* those are for clients */
}

#define INTS_BINARY                                                                                \
    "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1\0\0\0\4\0\0\0\5\0\0\0\4\xff\xff\xff\xfa"

static void test_arrays_in_both_formats(void **state)
{
    bk_array array;

    (void)state;
    assert_int_equal(
        bk__pg_to_array(BIN(BK__PG_INT4_ARRAY, INTS_BINARY), BK_TYPE_I64, arena, &array), BK_OK);
    assert_int_equal(array.count, 2);
    assert_int_equal(((int64_t *)array.items)[0], 5);
    assert_int_equal(((int64_t *)array.items)[1], -6);
    assert_int_equal(bk__pg_to_array(TXT(BK__PG_INT4_ARRAY, "{5,-6}"), BK_TYPE_I32, arena, &array),
                     BK_OK);
    assert_int_equal(array.count, 2);
    assert_int_equal(((int32_t *)array.items)[1], -6);
    assert_int_equal(
        bk__pg_to_array(TXT(BK__PG_INT4_ARRAY, "[0:1]={5,-6}"), BK_TYPE_F64, arena, &array), BK_OK);
    assert_true(((double *)array.items)[1] == -6);
    assert_int_equal(
        bk__pg_to_array(TXT(BK__PG_TEXT_ARRAY, "{a,\"b\\\"c\",\"d\\\\\",\"\",\"NULL\",\"x,}\"}"),
                        BK_TYPE_STR, arena, &array),
        BK_OK);
    const char *want[] = {"a", "b\"c", "d\\", "", "NULL", "x,}"};
    assert_int_equal(array.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_text(((bk_str *)array.items)[i], want[i]);
    assert_int_equal(bk__pg_to_array(TXT(BK__PG_TIMESTAMPTZ_ARRAY, "{\"1970-01-01 00:00:01+00\"}"),
                                     BK_TYPE_TIME, arena, &array),
                     BK_OK);
    assert_int_equal(((bk_time *)array.items)[0], 1000000);
    assert_int_equal(bk__pg_to_array(TXT(BK__PG_BOOL_ARRAY, "{t,f}"), BK_TYPE_BOOL, arena, &array),
                     BK_OK);
    assert_true(((bool *)array.items)[0]);
    assert_false(((bool *)array.items)[1]);
}

static void test_an_empty_array_is_present(void **state)
{
    bk_array array;

    (void)state;
    assert_int_equal(bk__pg_to_array(TXT(BK__PG_INT4_ARRAY, "{}"), BK_TYPE_I64, arena, &array),
                     BK_OK);
    assert_int_equal(array.count, 0);
    assert_non_null(array.items);
    assert_int_equal(bk__pg_to_array(BIN(BK__PG_INT4_ARRAY, "\0\0\0\0\0\0\0\0\0\0\0\x17"),
                                     BK_TYPE_I64, arena, &array),
                     BK_OK);
    assert_int_equal(array.count, 0);
}

static bool no_array(const struct bk__pg_value *value, const char *words)
{
    bk_array array = {NULL, 77};
    return bk__pg_to_array(value, BK_TYPE_I64, arena, &array) == BK_EINTERNAL && says(words) &&
           array.count == 77;
}

static void test_arrays_that_are_refused(void **state)
{
    (void)state;
    assert_true(no_array(TXT(BK__PG_INT4_ARRAY, "{1,NULL}"), "NULL"));
    assert_true(no_array(TXT(BK__PG_INT4_ARRAY, "{{1},{2}}"), "dimension"));
    assert_true(no_array(BIN(BK__PG_INT4_ARRAY, "\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\1\0\0\0\1"
                                                "\xff\xff\xff\xff"),
                         "NULL"));
    assert_true(no_array(TXT(BK__PG_INT4, "{1}"), "INT4 is no array"));
    assert_true(no_array(TXT(BK__PG_TEXT_ARRAY, "{1}"), "TEXT[] is no array of such items"));
    static const char *const damaged[] = {"",     "{",      "}",    "{1",   "{1,",      "{1,}",
                                          "{,1}", "{\"",    "{\"1", "{1}x", "{1\"2\"}", "[0:1]",
                                          "1",    "{\"1\\", "{x}",  "{1}}", "{1{2}}"};
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        struct bk__pg_value value = {BK__PG_INT4_ARRAY, 0, false,
                                     bk_str_at(damaged[i], strlen(damaged[i]))};
        bk_array array;
        if (bk__pg_to_array(&value, BK_TYPE_I64, arena, &array) != BK_EINTERNAL)
            fail_msg("\"%s\" was read", damaged[i]);
    }
}

static void test_damaged_binary_arrays_are_refused(void **state)
{
    char bytes[] = INTS_BINARY;
    struct bk__pg_value value = {BK__PG_INT4_ARRAY, 1, false, {bytes, sizeof(bytes) - 1}};
    size_t whole = value.bytes.len;

    (void)state;
    for (size_t len = 0; len < whole; len++) {
        value.bytes.len = len;
        assert_true(no_array(&value, "INT4[]"));
    }
    value.bytes.len = whole;
    bytes[11] = 0x14; /* items of another type */
    assert_true(no_array(&value, "INT4[]"));
    bytes[11] = 0x17;
    memcpy(bytes + 12, "\x7f\xff\xff\xff", 4); /* more than the bytes can hold */
    assert_true(no_array(&value, "INT4[]"));
    memcpy(bytes + 12, "\0\0\0\1", 4); /* bytes are left over */
    assert_true(no_array(&value, "INT4[]"));
    memcpy(bytes + 12, "\0\0\0\2", 4);
    bytes[3] = 7; /* dimensions */
    assert_true(no_array(&value, "INT4[]"));
}

static void test_the_text_of_a_binary_array(void **state)
{
    (void)state;
    assert_text(text_of(BIN(BK__PG_INT4_ARRAY, INTS_BINARY)), "{5,-6}");
    assert_text(text_of(BIN(BK__PG_TEXT_ARRAY, "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\4\0\0\0\1"
                                               "\0\0\0\1a\xff\xff\xff\xff\0\0\0\0\0\0\0\3\" \\")),
                "{a,NULL,\"\",\"\\\" \\\\\"}");
    assert_text(text_of(BIN(BK__PG_INT2_ARRAY, "\0\0\0\2\0\0\0\0\0\0\0\x15"
                                               "\0\0\0\2\0\0\0\1\0\0\0\1\0\0\0\1"
                                               "\0\0\0\2\0\1\0\0\0\2\0\2")),
                "{{1},{2}}");
}

static void test_json_of_each_type(void **state)
{
    (void)state;
    assert_text(json_of(TXT(BK__PG_INT8, "9223372036854775807")), "9223372036854775807");
    assert_text(json_of(BIN(BK__PG_INT4, "\0\0\0\5")), "5");
    assert_text(json_of(TXT(BK__PG_NUMERIC, "12345678901234567890.10")), "12345678901234567890.10");
    assert_text(json_of(TXT(BK__PG_FLOAT8, "1e+20")), "1e+20");
    assert_text(json_of(TXT(BK__PG_FLOAT8, "NaN")), "null");
    assert_text(json_of(TXT(BK__PG_NUMERIC, "-Infinity")), "null");
    assert_text(json_of(BIN(BK__PG_FLOAT8, "\x7f\xf0\0\0\0\0\0\0")), "null");
    assert_text(json_of(TXT(BK__PG_BOOL, "t")), "true");
    assert_text(json_of(BIN(BK__PG_BOOL, "\0")), "false");
    assert_text(json_of(TXT(BK__PG_TEXT, "a\"\n")), "\"a\\\"\\n\"");
    assert_text(json_of(TXT(BK__PG_TEXT, "")), "\"\"");
    assert_text(json_of(TXT(BK__PG_JSON, "{\"a\": 1}")), "{\"a\": 1}");
    assert_text(json_of(BIN(BK__PG_JSONB, "\1[]")), "[]");
    assert_text(json_of(TXT(BK__PG_BYTEA, "\\x00ff")), "\"\\\\x00ff\"");
    assert_text(json_of(BIN(BK__PG_BYTEA, "\0\xff")), "\"\\\\x00ff\"");
    assert_text(json_of(BIN(BK__PG_TIMESTAMPTZ, "\0\0\0\0\0\0\0\0")),
                "\"2000-01-01T00:00:00.000Z\"");
    assert_text(json_of(TXT(BK__PG_TIMESTAMP, "2000-01-01 00:00:00")),
                "\"2000-01-01T00:00:00.000Z\"");
    assert_text(json_of(BIN(BK__PG_DATE, "\0\0\0\1")), "\"2000-01-02\"");
    assert_text(json_of(TXT(BK__PG_DATE, "infinity")), "null");
    assert_text(json_of(BIN(BK__PG_TIMESTAMPTZ, "\x80\0\0\0\0\0\0\0")), "null");
    assert_text(json_of(TXT(600, "(1,2)")), "\"(1,2)\"");
    assert_text(json_of(&(struct bk__pg_value){.type = BK__PG_INT4, .null = true}), "null");
}

static void test_arrays_are_json_arrays(void **state)
{
    (void)state;
    assert_text(json_of(TXT(BK__PG_INT4_ARRAY, "{1,NULL,3}")), "[1,null,3]");
    assert_text(json_of(TXT(BK__PG_INT4_ARRAY, "{}")), "[]");
    assert_text(json_of(TXT(BK__PG_INT4_ARRAY, "{{1,2},{3,4}}")), "[[1,2],[3,4]]");
    assert_text(json_of(TXT(BK__PG_TEXT_ARRAY, "{a,\"b\\\"\",NULL,\"NULL\"}")),
                "[\"a\",\"b\\\"\",null,\"NULL\"]");
    assert_text(json_of(BIN(BK__PG_INT4_ARRAY, INTS_BINARY)), "[5,-6]");
    assert_text(json_of(TXT(BK__PG_JSONB_ARRAY, "{\"{\\\"a\\\": 1}\"}")), "[{\"a\": 1}]");
}

static void test_damage_never_becomes_json(void **state)
{
    (void)state;
    assert_true(no_json(TXT(BK__PG_INT4, "1,\"x\":2")));
    assert_true(no_json(TXT(BK__PG_INT4, "")));
    assert_true(no_json(TXT(BK__PG_FLOAT8, "nan")));
    assert_true(no_json(TXT(BK__PG_BOOL, "true")));
    assert_true(no_json(TXT(BK__PG_JSON, "")));
    assert_true(no_json(BIN(BK__PG_JSONB, "")));
    assert_true(no_json(BIN(BK__PG_UUID, "x")));
    assert_true(no_json(TXT(BK__PG_TIMESTAMP, "yesterday")));
    assert_true(no_json(TXT(BK__PG_INT4_ARRAY, "{1")));
    assert_true(no_json(BIN(600, "x")));
}

static void test_what_fits_a_member(void **state)
{
    (void)state;
    assert_true(bk__pg_fits(600, field("str")));
    assert_true(bk__pg_fits(BK__PG_INT4_ARRAY, field("str")));
    assert_true(bk__pg_fits(BK__PG_NUMERIC, field("i64")));
    assert_false(bk__pg_fits(BK__PG_FLOAT8, field("i64")));
    assert_false(bk__pg_fits(BK__PG_TEXT, field("i64")));
    assert_true(bk__pg_fits(BK__PG_INT8, field("f64")));
    assert_false(bk__pg_fits(BK__PG_INT4, field("truth")));
    assert_false(bk__pg_fits(BK__PG_TEXT, field("time")));
    assert_true(bk__pg_fits(BK__PG_INT4, field("colour")));
    assert_false(bk__pg_fits(BK__PG_UUID, field("colour")));
    assert_false(bk__pg_fits(BK__PG_TEXT, field("json")));
    assert_false(bk__pg_fits(BK__PG_JSONB_ARRAY, field("inners")));
    assert_true(bk__pg_fits(BK__PG_INT2_ARRAY, field("ints")));
    assert_true(bk__pg_fits(BK__PG_INT2_ARRAY, field("strs")));
    assert_false(bk__pg_fits(BK__PG_TEXT_ARRAY, field("ints")));
    assert_false(bk__pg_fits(BK__PG_INT4, field("ints")));
    assert_false(bk__pg_fits(16999, field("ints")));
}

static void test_the_format_asked_for_is_one_that_is_read(void **state)
{
    (void)state;
    assert_int_equal(bk__pg_format_for_field(BK__PG_INT4, field("i64")), 1);
    assert_int_equal(bk__pg_format_for_field(BK__PG_INT4, field("str")), 0);
    assert_int_equal(bk__pg_format_for_field(BK__PG_NUMERIC, field("f64")), 0);
    assert_int_equal(bk__pg_format_for_field(BK__PG_TEXT, field("str")), 1);
    assert_int_equal(bk__pg_format_for_field(BK__PG_BYTEA, field("str")), 1);
    assert_int_equal(bk__pg_format_for_field(600, field("str")), 0);
    assert_int_equal(bk__pg_format_for_field(BK__PG_INT4_ARRAY, field("ints")), 1);
    assert_int_equal(bk__pg_format_for_field(BK__PG_INT4_ARRAY, field("strs")), 0);
    assert_int_equal(bk__pg_format_for_field(BK__PG_INT4_ARRAY, field("str")), 0);
    assert_int_equal(bk__pg_format_for_rows(BK__PG_BYTEA), 1);
    assert_int_equal(bk__pg_format_for_rows(BK__PG_INT4), 0);
    assert_int_equal(bk__pg_format_for_json(BK__PG_TIMESTAMPTZ_ARRAY), 1);
    assert_int_equal(bk__pg_format_for_json(600), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_exact_in_both_formats),
        cmocka_unit_test(test_damaged_integers_are_errors),
        cmocka_unit_test(test_a_numeric_is_an_integer_where_it_has_no_fraction),
        cmocka_unit_test(test_a_binary_numeric_is_its_text),
        cmocka_unit_test(test_a_damaged_numeric_is_an_error),
        cmocka_unit_test(test_doubles_come_from_all_numbers),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_text_of_what_came_as_binary),
        cmocka_unit_test(test_bytea_is_its_bytes),
        cmocka_unit_test(test_strings_are_copied),
        cmocka_unit_test(test_members_get_what_fits),
        cmocka_unit_test(test_damage_is_told_by_the_quick_functions_as_well),
        cmocka_unit_test(test_enums_are_names_or_numbers),
        cmocka_unit_test(test_structs_come_from_json_without_the_rules_for_clients),
        cmocka_unit_test(test_json_of_another_kind_is_an_error_and_leaves_zeros),
        cmocka_unit_test(test_arrays_in_both_formats),
        cmocka_unit_test(test_an_empty_array_is_present),
        cmocka_unit_test(test_arrays_that_are_refused),
        cmocka_unit_test(test_damaged_binary_arrays_are_refused),
        cmocka_unit_test(test_the_text_of_a_binary_array),
        cmocka_unit_test(test_json_of_each_type),
        cmocka_unit_test(test_arrays_are_json_arrays),
        cmocka_unit_test(test_damage_never_becomes_json),
        cmocka_unit_test(test_what_fits_a_member),
        cmocka_unit_test(test_the_format_asked_for_is_one_that_is_read),
    };
    return cmocka_run_group_tests_name("pg/values", tests, set_up, tear_down);
}
