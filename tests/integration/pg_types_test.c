/*
 * Values there and back, with the server as the judge. Each statement runs twice: the first time
 * nothing is known of its types and all travels as text, the second time most is binary. Both must
 * come to the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "harness/pg_app.h"
#include "unit/text.h"

static void run_on(void **state, bk_err (*body)(void *))
{
    for (int no_prepare = 0; no_prepare < 2; no_prepare++) {
        struct pg_app it =
            pg_app_open(*state, &(bk_pg_opts){.pool = {.max = 1}, .no_prepare = no_prepare != 0});
        pg_app_run(&it, body, &it);
        pg_app_close(&it);
    }
}

#define BOTH_WAYS for (int way_ = 0; way_ < 2; way_++)

static bk_pg *db_of(void *data)
{
    return ((struct pg_app *)data)->db;
}

/* --- what comes ------------------------------------------------------------------------------- */

/* An SQL expression, its text as PostgreSQL writes it, and its JSON. */
struct sample {
    const char *sql, *text, *json;
};

static const struct sample samples[] = {
    {"true", "t", "true"},
    {"false", "f", "false"},
    {"32767::smallint", "32767", "32767"},
    {"(-32768)::smallint", "-32768", "-32768"},
    {"(-2147483648)::int", "-2147483648", "-2147483648"},
    {"9223372036854775807::bigint", "9223372036854775807", "9223372036854775807"},
    {"(-9223372036854775808)::bigint", "-9223372036854775808", "-9223372036854775808"},
    {"4294967295::oid", "4294967295", "4294967295"},
    {"1.5::real", "1.5", "1.5"},
    {"0.1::float8", "0.1", "0.1"},
    {"'-0'::float8", "-0", "-0"},
    {"'NaN'::float8", "NaN", "null"},
    {"'-Infinity'::float8", "-Infinity", "null"},
    {"12345678901234567890.12345::numeric", "12345678901234567890.12345",
     "12345678901234567890.12345"},
    {"0.00010::numeric", "0.00010", "0.00010"},
    {"(-10000)::numeric", "-10000", "-10000"},
    {"0::numeric(10,4)", "0.0000", "0.0000"},
    {"1e30::numeric", "1000000000000000000000000000000", "1000000000000000000000000000000"},
    {"'NaN'::numeric", "NaN", "null"},
    {"'Infinity'::numeric", "Infinity", "null"},
    {"'gr\xc3\xbc\xc3\x9f \"dich\"'::text", "gr\xc3\xbc\xc3\x9f \"dich\"",
     "\"gr\xc3\xbc\xc3\x9f \\\"dich\\\"\""},
    {"''::varchar", "", "\"\""},
    {"'ab'::char(4)", "ab  ", "\"ab  \""},
    {"'pg'::name", "pg", "\"pg\""},
    {"'550e8400-e29b-41d4-a716-446655440000'::uuid", "550e8400-e29b-41d4-a716-446655440000",
     "\"550e8400-e29b-41d4-a716-446655440000\""},
    {"'{\"a\": [1, 2]}'::json", "{\"a\": [1, 2]}", "{\"a\": [1, 2]}"},
    {"'{\"b\":1,  \"a\":null}'::jsonb", "{\"a\": null, \"b\": 1}", "{\"a\": null, \"b\": 1}"},
    {"'2024-02-29'::date", "2024-02-29", NULL},
    {"'1969-12-31'::date", "1969-12-31", NULL},
    {"'2024-02-29 12:34:56.789'::timestamp", "2024-02-29 12:34:56.789", NULL},
    {"'1999-12-31 23:59:59.999999+00'::timestamptz", "1999-12-31 23:59:59.999999+00",
     "\"1999-12-31T23:59:59.999999Z\""},
    {"'1901-01-01 00:00:00.000001+00'::timestamptz", "1901-01-01 00:00:00.000001+00",
     "\"1901-01-01T00:00:00.000001Z\""},
    {"'infinity'::timestamptz", "infinity", "null"},
    {"'-infinity'::date", "-infinity", "null"},
    {"'1 day 02:03:04'::interval", "1 day 02:03:04", "\"1 day 02:03:04\""},
    {"'10.0.0.1'::inet", "10.0.0.1", "\"10.0.0.1\""},
    {"'sad'::mood", "sad", "\"sad\""},
    {"ARRAY[1,2,-3]", "{1,2,-3}", NULL},
    {"'{}'::text[]", "{}", NULL},
    {"ARRAY['a','b c','\"',NULL,'NULL','']", "{a,\"b c\",\"\\\"\",NULL,\"NULL\",\"\"}", NULL},
    {"ARRAY[[1,2],[3,4]]", "{{1,2},{3,4}}", NULL},
    {"ARRAY[true,false]", "{t,f}", NULL},
    {"ARRAY[1.5,2.25]::float8[]", "{1.5,2.25}", NULL},
};

static void check_sample(bk_pg *db, const struct sample *sample)
{
    bk_rows *rows;
    bk_buf buf = {.arena = bk_fiber_arena()};
    bk_json_writer writer = {.buf = &buf};
    char sql[160], json[160];

    snprintf(sql, sizeof sql, "SELECT %s AS v, NULL::int AS none", sample->sql);
    assert_int_equal(bk_pg_query(db, sql, BK_NO_ARGS, &rows), BK_OK);
    assert_int_equal(bk_rows_count(rows), 1);
    assert_int_equal(bk_rows_columns(rows), 2);
    assert_text(bk_rows_name(rows, 0), "v");
    assert_true(bk_rows_column(rows, "none") == 1);
    assert_true(bk_rows_column(rows, "nonsense") == SIZE_MAX);
    assert_false(bk_rows_null(rows, 0, 0));
    assert_true(bk_rows_null(rows, 0, 1));
    assert_absent(bk_rows_str(rows, 0, 1));
    assert_text(bk_rows_str(rows, 0, 0), sample->text);
    if (sample->json == NULL)
        return;
    snprintf(json, sizeof json, "[{\"v\":%s,\"none\":null}]", sample->json);
    assert_int_equal(bk_pg_json(db, sql, BK_NO_ARGS, &writer), BK_OK);
    assert_text(bk_buf_str(&buf), json);
}

static bk_err check_samples(void *data)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        BOTH_WAYS
    check_sample(db_of(data), &samples[i]);
    return BK_OK;
}

static void test_values_read_as_the_server_writes_them(void **state)
{
    run_on(state, check_samples);
}

static bk_err check_bytes(void *data)
{
    bk_rows *rows;

    BOTH_WAYS
    {
        BK_TRY(bk_pg_query(db_of(data), "SELECT '\\x00ff5c0a'::bytea AS v, ''::bytea", BK_NO_ARGS,
                           &rows));
        bk_str bytes = bk_rows_str(rows, 0, 0);
        assert_int_equal(bytes.len, 4);
        assert_memory_equal(bytes.ptr, "\x00\xff\x5c\x0a", 4);
        assert_text(bk_rows_str(rows, 0, 1), "");
    }
    return BK_OK;
}

static void test_bytes_are_bytes(void **state)
{
    run_on(state, check_bytes);
}

static bk_err check_typed_rows(void *data)
{
    static const char sql[] =
        "SELECT 7::smallint, 8::bigint, 2.5::real, 2.25::numeric, true, 'x'::text, "
        "'1960-01-01 00:00:00.5'::timestamp, '2000-01-02'::date, ARRAY[1,2,3]::bigint[], "
        "ARRAY['a','b'], ARRAY[1,NULL], ARRAY[[1,2],[3,4]], 'infinity'::timestamptz, NULL::bigint[]";
    bk_rows *rows;
    int64_t n = 5;
    double f = 5;
    bool yes = false;
    bk_time time = 5;
    bk_array array;

    BOTH_WAYS
    {
        BK_TRY(bk_pg_query(db_of(data), sql, BK_NO_ARGS, &rows));
        BK_TRY(bk_rows_i64(rows, 0, 0, &n));
        assert_int_equal(n, 7);
        BK_TRY(bk_rows_i64(rows, 0, 1, &n));
        assert_int_equal(n, 8);
        assert_int_equal(bk_rows_i64(rows, 0, 5, &n), BK_EINTERNAL);
        assert_int_equal(bk_rows_i64(rows, 0, 2, &n), BK_EINTERNAL);
        BK_TRY(bk_rows_f64(rows, 0, 2, &f));
        assert_true(f == 2.5);
        BK_TRY(bk_rows_f64(rows, 0, 3, &f));
        assert_true(f == 2.25);
        assert_int_equal(bk_rows_f64(rows, 0, 5, &f), BK_EINTERNAL);
        BK_TRY(bk_rows_bool(rows, 0, 4, &yes));
        assert_true(yes);
        assert_int_equal(bk_rows_bool(rows, 0, 1, &yes), BK_EINTERNAL);
        BK_TRY(bk_rows_time(rows, 0, 6, &time));
        assert_int_equal(time, INT64_C(-315619199500000));
        BK_TRY(bk_rows_time(rows, 0, 7, &time));
        assert_int_equal(time, INT64_C(946771200000000));
        assert_int_equal(bk_rows_time(rows, 0, 1, &time), BK_EINTERNAL);
        assert_int_equal(bk_rows_time(rows, 0, 12, &time), BK_EINTERNAL);
        BK_TRY(bk_rows_array(rows, 0, 8, BK_TYPE_I64, &array));
        assert_int_equal(array.count, 3);
        assert_int_equal(((const int64_t *)array.items)[2], 3);
        BK_TRY(bk_rows_array(rows, 0, 9, BK_TYPE_STR, &array));
        assert_text(((const bk_str *)array.items)[1], "b");
        assert_int_equal(bk_rows_array(rows, 0, 10, BK_TYPE_I64, &array), BK_EINTERNAL);
        assert_int_equal(bk_rows_array(rows, 0, 11, BK_TYPE_I64, &array), BK_EINTERNAL);
        assert_int_equal(bk_rows_array(rows, 0, 9, BK_TYPE_I64, &array), BK_EINTERNAL);
        BK_TRY(bk_rows_array(rows, 0, 13, BK_TYPE_I64, &array));
        assert_int_equal(array.count, 0);
    }
    return BK_OK;
}

static void test_rows_give_typed_values(void **state)
{
    run_on(state, check_typed_rows);
}

/* --- structs ---------------------------------------------------------------------------------- */

static const char *const moods[] = {"sad", "ok", "happy", NULL};

struct inner {
    int64_t a;
};

BK_DESCRIBE(inner_desc, struct inner, BK_I64(a))

struct wide {
    bk_str s, json;
    int64_t i64;
    int32_t i32;
    double f64;
    bool yes;
    bk_time at;
    int mood;
    struct inner inner;
    bk_array texts, numbers, floats, flags, times, inners;
    bool has_s, has_i64, has_at, has_mood, has_numbers, has_yes;
};

BK_DESCRIBE(wide_desc, struct wide, BK_STR(s, BK_HAS(has_s)), BK_JSON(json),
            BK_I64(i64, BK_HAS(has_i64)), BK_I32(i32), BK_F64(f64), BK_BOOL(yes, BK_HAS(has_yes)),
            BK_TIME(at, BK_HAS(has_at)), BK_ENUM(mood, moods, BK_HAS(has_mood)),
            BK_STRUCT(inner, inner_desc), BK_ARRAY(texts, BK_TYPE_STR),
            BK_ARRAY(numbers, BK_TYPE_I64, BK_HAS(has_numbers)), BK_ARRAY(floats, BK_TYPE_F64),
            BK_ARRAY(flags, BK_TYPE_BOOL), BK_ARRAY(times, BK_TYPE_TIME),
            BK_ARRAY_OF(inners, inner_desc))

static bk_err check_wide(void *data)
{
    static const char sql[] =
        "SELECT 'ein Wort'::varchar AS s, '{\"a\":1}'::jsonb AS json, 5::smallint AS i64, "
        "(-7)::bigint AS i32, 1.25::numeric AS f64, true AS yes, "
        "'1969-07-20 20:17:40+00'::timestamptz AS at, 'happy'::mood AS mood, "
        "'{\"a\":42}'::json AS inner, ARRAY['x','y z',''] AS texts, ARRAY[1,2]::int[] AS numbers, "
        "ARRAY[0.5]::real[] AS floats, ARRAY[true,false] AS flags, "
        "ARRAY['2000-01-01'::timestamptz] AS times, '[{\"a\":1},{\"a\":2}]'::jsonb AS inners, "
        "1 AS more, 'x' AS \"S\"";
    struct wide wide;

    BOTH_WAYS
    {
        BK_TRY(bk_pg_one(db_of(data), sql, BK_NO_ARGS, wide_desc, &wide));
        assert_text(wide.s, "ein Wort");
        assert_text(wide.json, "{\"a\": 1}");
        assert_int_equal(wide.i64, 5);
        assert_int_equal(wide.i32, -7);
        assert_true(wide.f64 == 1.25);
        assert_true(wide.yes && wide.has_yes && wide.has_s && wide.has_i64 && wide.has_at);
        assert_int_equal(wide.at, INT64_C(-14182940000000));
        assert_int_equal(wide.mood, 2);
        assert_int_equal(wide.inner.a, 42);
        assert_int_equal(wide.texts.count, 3);
        assert_text(((const bk_str *)wide.texts.items)[1], "y z");
        assert_text(((const bk_str *)wide.texts.items)[2], "");
        assert_int_equal(wide.numbers.count, 2);
        assert_int_equal(((const int64_t *)wide.numbers.items)[1], 2);
        assert_true(((const double *)wide.floats.items)[0] == 0.5);
        assert_true(((const bool *)wide.flags.items)[0] && !((const bool *)wide.flags.items)[1]);
        assert_int_equal(((const bk_time *)wide.times.items)[0], INT64_C(946684800000000));
        assert_int_equal(wide.inners.count, 2);
        assert_int_equal(((const struct inner *)wide.inners.items)[1].a, 2);
    }
    return BK_OK;
}

static void test_every_member_type_is_filled(void **state)
{
    run_on(state, check_wide);
}

static bk_err check_nulls(void *data)
{
    struct wide wide, zero;

    memset(&zero, 0, sizeof zero);
    BOTH_WAYS
    {
        BK_TRY(bk_pg_one(db_of(data),
                         "SELECT NULL::text AS s, NULL::jsonb AS json, NULL::int AS i64, NULL::int "
                         "AS i32, NULL::numeric AS f64, NULL::bool AS yes, NULL::date AS at, "
                         "NULL::mood AS mood, NULL::json AS inner, NULL::text[] AS texts, "
                         "NULL::bigint[] AS numbers, NULL::jsonb AS inners",
                         BK_NO_ARGS, wide_desc, &wide));
        assert_memory_equal(&wide, &zero, sizeof wide);
        BK_TRY(bk_pg_one(db_of(data), "SELECT 1 AS none_of_them", BK_NO_ARGS, wide_desc, &wide));
        assert_memory_equal(&wide, &zero, sizeof wide);
    }
    return BK_OK;
}

static void test_nulls_and_missing_columns_are_zero(void **state)
{
    run_on(state, check_nulls);
}

struct misfit {
    const char *sql, *words;
};

static bk_err check_misfits(void *data)
{
    static const struct misfit misfits[] = {
        {"SELECT 2147483648::bigint AS i32", "\"i32\""},
        {"SELECT (-2147483649)::bigint AS i32", "\"i32\""},
        {"SELECT 9223372036854775808::numeric AS i64", "\"i64\""},
        {"SELECT 1.5::numeric AS i64", "\"i64\""},
        {"SELECT 'x'::text AS i64", "TEXT"},
        {"SELECT 'x'::text AS at", "TEXT"},
        {"SELECT 1.5::float8 AS i64", "FLOAT8"},
        {"SELECT 1 AS yes", "INT4"},
        {"SELECT 'infinity'::timestamptz AS at", "\"at\""},
        {"SELECT '-infinity'::date AS at", "\"at\""},
        {"SELECT 'furious'::text AS mood", "\"mood\""},
        {"SELECT 3 AS mood", "\"mood\""},
        {"SELECT ARRAY[1,NULL] AS numbers", "\"numbers\""},
        {"SELECT ARRAY[[1,2],[3,4]] AS numbers", "\"numbers\""},
        {"SELECT ARRAY['x'] AS numbers", "\"numbers\""},
        {"SELECT '[1]'::jsonb AS inner", "\"inner\""},
        {"SELECT true AS f64", "BOOL"},
    };
    struct wide wide, zero;

    memset(&zero, 0, sizeof zero);
    for (size_t i = 0; i < sizeof misfits / sizeof misfits[0]; i++) {
        BOTH_WAYS
        {
            memset(&wide, 1, sizeof wide);
            bk_err err = bk_pg_one(db_of(data), misfits[i].sql, BK_NO_ARGS, wide_desc, &wide);
            if (err != BK_EINTERNAL)
                fail_msg("%s: %d", misfits[i].sql, err);
            assert_error_says(misfits[i].words);
            assert_error_says(misfits[i].sql);
            assert_memory_equal(&wide, &zero, sizeof wide);
        }
    }
    return BK_OK;
}

static void test_what_does_not_fit_is_refused_with_the_name_of_the_column(void **state)
{
    run_on(state, check_misfits);
}

static bk_err check_json(void *data)
{
    bk_buf buf = {.arena = bk_fiber_arena()};
    bk_json_writer writer = {.buf = &buf};

    bk_json_begin_object(&writer);
    bk_json_write_key(&writer, BK_LIT("none"));
    BK_TRY(bk_pg_json(db_of(data), "SELECT 1 AS a WHERE false", BK_NO_ARGS, &writer));
    bk_json_write_key(&writer, BK_LIT("two"));
    BK_TRY(bk_pg_json(db_of(data), "SELECT g AS a, 'b' || g AS b FROM generate_series(1,2) g",
                      BK_NO_ARGS, &writer));
    bk_json_write_key(&writer, BK_LIT("after"));
    assert_int_equal(bk_pg_json(db_of(data), "SELECT 1/0", BK_NO_ARGS, &writer), BK_EINTERNAL);
    bk_json_write_null(&writer);
    bk_json_end_object(&writer);
    assert_text(bk_buf_str(&buf), "{\"none\":[],\"two\":[{\"a\":1,\"b\":\"b1\"},"
                                  "{\"a\":2,\"b\":\"b2\"}],\"after\":null}");
    return BK_OK;
}

static void test_json_is_written_where_the_writer_stands(void **state)
{
    run_on(state, check_json);
}

/* --- what goes -------------------------------------------------------------------------------- */

/* The server's own words for an argument of a type. */
static void goes_as(bk_pg *db, const char *type, bk_arg arg, const char *want)
{
    bk_rows *rows;
    char sql[80];

    snprintf(sql, sizeof sql, "SELECT ($1::%s)::text", type);
    BOTH_WAYS
    {
        bk_err err = bk_pg_query(db, sql, BK_ARGS(arg), &rows);
        if (err != BK_OK)
            fail_msg("%s: %.*s", type, BK_PRI(bk_error_chain()->cause->message));
        assert_text(bk_rows_str(rows, 0, 0), want);
    }
}

static void is_refused(bk_pg *db, const char *type, bk_arg arg)
{
    char sql[80];

    snprintf(sql, sizeof sql, "SELECT ($1::%s)::text", type);
    BOTH_WAYS
    {
        bk_err err = bk_pg_exec(db, sql, BK_ARGS(arg), NULL);
        if (err != BK_EINVAL)
            fail_msg("%s: %d", type, err);
    }
    goes_as(db, type, bk_null(), NULL); /* and now with its type known for sure */
    assert_int_equal(bk_pg_exec(db, sql, BK_ARGS(arg), NULL), BK_EINVAL);
}

static bk_err check_args(void *data)
{
    bk_pg *db = db_of(data);
    static const char *const nullable[] = {"text",        "int",   "bool",    "bytea",
                                           "timestamptz", "uuid",  "numeric", "int[]",
                                           "mood",        "jsonb", "float8"};

    for (size_t i = 0; i < sizeof nullable / sizeof nullable[0]; i++)
        goes_as(db, nullable[i], bk_null(), NULL);
    goes_as(db, "text", bk_text(BK_LIT("gr\xc3\xbc\xc3\x9f' \\ $1 \"")),
            "gr\xc3\xbc\xc3\x9f' \\ $1 \"");
    goes_as(db, "text", bk_text(BK_LIT("")), "");
    goes_as(db, "text", bk_text((bk_str){0}), NULL);
    goes_as(db, "varchar(3)", bk_text(BK_LIT("abc")), "abc");
    goes_as(db, "uuid", bk_text(BK_LIT("550E8400-e29b-41d4-a716-446655440000")),
            "550e8400-e29b-41d4-a716-446655440000");
    goes_as(db, "numeric", bk_text(BK_LIT("12.340")), "12.340");
    goes_as(db, "jsonb", bk_text(BK_LIT("{\"a\":1}")), "{\"a\": 1}");
    goes_as(db, "json", bk_text(BK_LIT("[1]")), "[1]");
    goes_as(db, "mood", bk_text(BK_LIT("ok")), "ok");
    goes_as(db, "int", bk_text(BK_LIT(" 12 ")), "12");
    goes_as(db, "inet", bk_text(BK_LIT("10.0.0.1/32")), "10.0.0.1/32");
    goes_as(db, "smallint", bk_i64(-32768), "-32768");
    goes_as(db, "int", bk_i64(INT32_MAX), "2147483647");
    goes_as(db, "bigint", bk_i64(INT64_MIN), "-9223372036854775808");
    goes_as(db, "numeric", bk_i64(INT64_MAX), "9223372036854775807");
    goes_as(db, "float8", bk_i64(3), "3");
    goes_as(db, "real", bk_i64(3), "3");
    goes_as(db, "oid", bk_i64(4294967295), "4294967295");
    goes_as(db, "text", bk_i64(-5), "-5");
    goes_as(db, "float8", bk_f64(0.1), "0.1");
    goes_as(db, "float8", bk_f64(-HUGE_VAL), "-Infinity");
    goes_as(db, "float8", bk_f64(NAN), "NaN");
    goes_as(db, "real", bk_f64(1.5), "1.5");
    goes_as(db, "numeric", bk_f64(0.1), "0.1");
    goes_as(db, "bool", bk_bool(true), "true");
    goes_as(db, "bool", bk_bool(false), "false");
    goes_as(db, "timestamptz", bk_timestamp(INT64_C(-14182940000000)), "1969-07-20 20:17:40+00");
    goes_as(db, "timestamptz", bk_timestamp(INT64_C(946684799999999)),
            "1999-12-31 23:59:59.999999+00");
    goes_as(db, "timestamp", bk_timestamp(0), "1970-01-01 00:00:00");
    goes_as(db, "date", bk_timestamp(INT64_C(86400000000)), "1970-01-02");
    goes_as(db, "date", bk_timestamp(-1), "1969-12-31");
    goes_as(db, "bytea", bk_bytes(bk_str_at("\0\xff\\\n", 4)), "\\x00ff5c0a");
    goes_as(db, "bytea", bk_bytes(BK_LIT("")), "\\x");
    return BK_OK;
}

static void test_arguments_arrive_as_they_are(void **state)
{
    run_on(state, check_args);
}

static bk_err check_arrays(void *data)
{
    bk_pg *db = db_of(data);
    static const int64_t longs[] = {1, -2, 300};
    static const int32_t ints[] = {7, -8};
    static const double doubles[] = {0.5, -1.25};
    static const bool bools[] = {true, false};
    static const bk_time times[] = {0, -1};
    const bk_str texts[] = {
        BK_LIT("a"), {NULL, 0}, BK_LIT(""), BK_LIT("b,\"c\\{}"), BK_LIT("NULL")};

    goes_as(db, "bigint[]", bk_array_of(BK_TYPE_I64, longs, 3), "{1,-2,300}");
    goes_as(db, "int[]", bk_array_of(BK_TYPE_I64, longs, 3), "{1,-2,300}");
    goes_as(db, "smallint[]", bk_array_of(BK_TYPE_I64, longs, 3), "{1,-2,300}");
    goes_as(db, "int[]", bk_array_of(BK_TYPE_I32, ints, 2), "{7,-8}");
    goes_as(db, "numeric[]", bk_array_of(BK_TYPE_I32, ints, 2), "{7,-8}");
    goes_as(db, "float8[]", bk_array_of(BK_TYPE_F64, doubles, 2), "{0.5,-1.25}");
    goes_as(db, "bool[]", bk_array_of(BK_TYPE_BOOL, bools, 2), "{t,f}");
    goes_as(db, "timestamptz[]", bk_array_of(BK_TYPE_TIME, times, 2),
            "{\"1970-01-01 00:00:00+00\",\"1969-12-31 23:59:59.999999+00\"}");
    goes_as(db, "text[]", bk_array_of(BK_TYPE_STR, texts, 5),
            "{a,NULL,\"\",\"b,\\\"c\\\\{}\",\"NULL\"}");
    goes_as(db, "text[]", bk_array_of(BK_TYPE_STR, NULL, 0), "{}");
    goes_as(db, "bigint[]", bk_array_of(BK_TYPE_I64, NULL, 0), "{}");
    int64_t n = 0;
    BOTH_WAYS
    {
        BK_TRY(ask_number(db,
                          "SELECT count(*) AS n FROM generate_series(1, 400) g "
                          "WHERE g = ANY($1)",
                          BK_ARGS(bk_array_of(BK_TYPE_I64, longs, 3)), &n));
        assert_int_equal(n, 2);
    }
    return BK_OK;
}

static void test_arrays_arrive_as_they_are(void **state)
{
    run_on(state, check_arrays);
}

static bk_err check_refusals(void *data)
{
    bk_pg *db = db_of(data);
    const bk_str bad[] = {BK_LIT("a"), BK_LIT("\xff")};
    const int64_t big[] = {1, 40000};

    is_refused(db, "text", bk_text(BK_LIT("a\0b")));
    is_refused(db, "text", bk_text(BK_LIT("\xc3(")));
    is_refused(db, "text[]", bk_array_of(BK_TYPE_STR, bad, 2));
    is_refused(db, "smallint", bk_i64(32768));
    is_refused(db, "int", bk_i64(INT64_C(2147483648)));
    is_refused(db, "int", bk_i64(INT64_C(-2147483649)));
    is_refused(db, "smallint[]", bk_array_of(BK_TYPE_I64, big, 2));
    is_refused(db, "uuid", bk_text(BK_LIT("550e8400")));
    is_refused(db, "int", bk_text(BK_LIT("twelve")));
    is_refused(db, "mood", bk_text(BK_LIT("furious")));
    is_refused(db, "jsonb", bk_text(BK_LIT("{")));
    return BK_OK;
}

static void test_what_the_type_cannot_hold_is_refused(void **state)
{
    run_on(state, check_refusals);
}

static int start(void **state)
{
    pg_app_start_server(state);
    postgres_do(*state, "psql", "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_read_as_the_server_writes_them),
        cmocka_unit_test(test_bytes_are_bytes),
        cmocka_unit_test(test_rows_give_typed_values),
        cmocka_unit_test(test_every_member_type_is_filled),
        cmocka_unit_test(test_nulls_and_missing_columns_are_zero),
        cmocka_unit_test(test_what_does_not_fit_is_refused_with_the_name_of_the_column),
        cmocka_unit_test(test_json_is_written_where_the_writer_stands),
        cmocka_unit_test(test_arguments_arrive_as_they_are),
        cmocka_unit_test(test_arrays_arrive_as_they_are),
        cmocka_unit_test(test_what_the_type_cannot_hold_is_refused),
    };

    return cmocka_run_group_tests_name("pg/types", tests, start, pg_app_stop_server);
}
