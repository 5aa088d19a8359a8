/*
 * Values against JSON Schemas: each keyword takes what it should and refuses the rest; all errors
 * are told with their places; what would take too long ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/describe.h>
#include <backend/schema.h>

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

static const bk_schema *schema_of(bk_str text)
{
    const bk_schema *schema = NULL;

    if (bk_schema_parse(arena, text, &schema) != BK_OK)
        fail_msg("%.*s: %.*s", BK_PRI(text), BK_PRI(bk_error_chain()->message));
    return schema;
}

static bk_err check_json(bk_str schema, bk_str value)
{
    bk_json *json = NULL;

    assert_int_equal(bk_json_parse(arena, value, NULL, &json), BK_OK);
    bk_error_clear();
    return bk_schema_check(schema_of(schema), json);
}

struct sample {
    const char *schema;
    const char *good[8], *bad[8]; /* values; end with NULL */
};

static void judge(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sample *it = &samples[i];
        for (size_t j = 0; it->good[j] != NULL; j++)
            if (check_json(bk_str_of(it->schema), bk_str_of(it->good[j])) != BK_OK)
                fail_msg("%s refuses %s", it->schema, it->good[j]);
        for (size_t j = 0; it->bad[j] != NULL; j++)
            if (check_json(bk_str_of(it->schema), bk_str_of(it->bad[j])) != BK_EINVAL)
                fail_msg("%s takes %s", it->schema, it->bad[j]);
    }
}

#define JUDGE(samples) judge(samples, sizeof(samples) / sizeof((samples)[0]))

static void test_any_value(void **state)
{
    static const struct sample samples[] = {
        {"true", {"1", "null", "{}"}, {NULL}},
        {"{}", {"1", "null", "{}"}, {NULL}},
        {"false", {NULL}, {"1", "null", "{}"}},
        {"{\"type\":\"null\"}", {"null"}, {"0", "false", "\"\"", "[]"}},
        {"{\"type\":\"boolean\"}", {"true", "false"}, {"0", "null", "\"true\""}},
        {"{\"type\":\"integer\"}", {"1", "1.0", "-0.0", "1e300"}, {"1.5", "\"1\"", "true"}},
        {"{\"type\":\"number\"}", {"1", "1.5"}, {"\"1\"", "null"}},
        {"{\"type\":[\"string\",\"null\"]}", {"\"a\"", "null"}, {"1", "[]"}},
        {"{\"type\":\"array\"}", {"[]"}, {"{}", "\"\""}},
        {"{\"type\":\"object\"}", {"{}"}, {"[]", "null"}},
        {"{\"enum\":[1,\"a\",[true],{\"x\":1,\"y\":2}]}",
         {"1", "1.0", "\"a\"", "[true]", "{\"y\":2.0,\"x\":1}"},
         {"2", "\"b\"", "[false]", "[1]", "{\"x\":1}", "{\"x\":1,\"z\":2}", "null"}},
        {"{\"const\":null}", {"null"}, {"0", "false", "[]"}},
        {"{\"const\":false}", {"false"}, {"0", "null"}},
        {"{\"const\":9007199254740993}",
         {"9007199254740993"},
         {"9007199254740992", "9007199254740992.0"}},
        {"{\"const\":{\"\":[{}]}}", {"{\"\":[{}]}"}, {"{\"\":[{},{}]}", "{\"\":[[]]}"}},
    };
    (void)state;
    JUDGE(samples);
}

static void test_numbers(void **state)
{
    static const struct sample samples[] = {
        {"{\"minimum\":1.1}", {"1.1", "2", "\"x\""}, {"1.0999", "-5"}},
        {"{\"maximum\":9223372036854775806}",
         {"9223372036854775806"},
         {"9223372036854775807", "1e19"}},
        {"{\"exclusiveMinimum\":0}", {"0.1", "1"}, {"0", "-0.0", "-1"}},
        {"{\"exclusiveMaximum\":3}", {"2.9"}, {"3", "3.0", "4"}},
        {"{\"multipleOf\":2}", {"0", "10", "-4", "4.0", "\"x\""}, {"7", "1.5"}},
        {"{\"multipleOf\":1.5}", {"0", "4.5"}, {"35"}},
        {"{\"multipleOf\":0.0001}", {"0.0075"}, {"0.00751"}},
        {"{\"multipleOf\":0.01}", {"19.99", "0.07", "1.1"}, {"19.999", "0.005"}},
        {"{\"multipleOf\":0.123456789}", {"0"}, {"1e308"}},
        {"{\"multipleOf\":0.5}", {"1e308"}, {"0.3"}},
        {"{\"multipleOf\":1e-8}", {"12391239123"}, {"1e-9"}},
        {"{\"type\":\"integer\",\"format\":\"int32\"}",
         {"2147483647", "-2147483648"},
         {"2147483648"}},
        {"{\"type\":\"integer\",\"format\":\"int64\"}",
         {"9223372036854775807"},
         {"9223372036854775808"}},
    };
    (void)state;
    JUDGE(samples);
}

static void test_strings(void **state)
{
    static const struct sample samples[] = {
        {"{\"minLength\":2}", {"\"ab\"", "1"}, {"\"a\"", "\"\xf0\x9f\x98\x80\""}},
        {"{\"maxLength\":2.0}", {"\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"", "\"\""}, {"\"abc\""}},
        {"{\"pattern\":\"^a*$\"}", {"\"aaa\"", "\"\"", "true"}, {"\"ab\"", "\"a\\n\""}},
        {"{\"pattern\":\"b\"}", {"\"abc\""}, {"\"ac\""}},
        {"{\"format\":\"email\"}", {"\"a@b.c\"", "5"}, {"\"a\"", "\"@\""}},
        {"{\"format\":\"uuid\"}", {"\"2eb8aa08-aa98-11ea-b4aa-73b441d16380\""}, {"\"2eb8aa08\""}},
        {"{\"format\":\"date-time\"}", {"\"1963-06-19T08:30:06.28Z\""}, {"\"1963-06-19\""}},
        {"{\"format\":\"date\"}", {"\"2020-02-29\""}, {"\"2021-02-29\""}},
        {"{\"format\":\"uri\"}", {"\"http://a/b?c\""}, {"\"/abc\""}},
        {"{\"format\":\"ipv4\"}", {"\"127.0.0.1\""}, {"\"127.0.0.0.1\"", "\"256.0.0.1\""}},
        {"{\"format\":\"ipv6\"}", {"\"::1\""}, {"\"12345::\"", "\"1::2::3\""}},
        {"{\"format\":\"password\"}", {"\"\""}, {NULL}},
    };
    (void)state;
    JUDGE(samples);
}

static void test_arrays(void **state)
{
    static const struct sample samples[] = {
        {"{\"items\":{\"type\":\"integer\"}}", {"[]", "[1,2]", "{\"0\":\"x\"}"}, {"[1,\"x\"]"}},
        {"{\"items\":false}", {"[]"}, {"[null]"}},
        {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
         {"[1,\"a\"]", "[1]", "[]", "[1,\"a\",true]"},
         {"[\"a\",1]", "[1,1]"}},
        {"{\"prefixItems\":[true],\"items\":false}", {"[1]", "[]"}, {"[1,2]"}},
        {"{\"prefixItems\":[{}],\"items\":{\"type\":\"null\"}}", {"[1,null]"}, {"[null,1]"}},
        {"{\"minItems\":1}", {"[1]", "\"\""}, {"[]"}},
        {"{\"maxItems\":1}", {"[1]", "[]"}, {"[1,2]"}},
        {"{\"uniqueItems\":true}",
         {"[]", "[1,2]", "[1,true]", "[0,false]", "[[1],[true]]", "[\"a\",\"A\"]",
          "[{\"a\":1},{\"a\":2}]"},
         {"[1,1]", "[1.0,1]", "[[],[]]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", "[0,-0.0]"}},
        {"{\"uniqueItems\":false}", {"[1,1]"}, {NULL}},
        {"{\"uniqueItems\":true}",
         {"[1,2,3,4,5,6,7,8,9,\"9\",null,true,[],[[]],{}]"},
         {"[1,2,3,4,5,6,7,8,9,1.0]", "[1,2,3,4,5,6,7,8,0,-0.0]",
          "[1,2,3,4,5,6,7,8,{\"a\":1,\"b\":[]},{\"b\":[],\"a\":1}]",
          "[1,2,3,4,5,6,7,8,[{}],[{}]]"}},
    };
    (void)state;
    JUDGE(samples);
}

static void test_objects(void **state)
{
    static const struct sample samples[] = {
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":false}}",
         {"{}", "{\"a\":1}", "{\"c\":2}", "[]"},
         {"{\"a\":\"x\"}", "{\"b\":1}"}},
        {"{\"required\":[\"a\"]}", {"{\"a\":null}", "[]", "5"}, {"{}", "{\"A\":1}"}},
        {"{\"required\":[]}", {"{}"}, {NULL}},
        {"{\"properties\":{\"a\":{}},\"patternProperties\":{\"^v\":{}},\"additionalProperties\":false}",
         {"{\"a\":1,\"vx\":2}", "{}"},
         {"{\"b\":1}"}},
        {"{\"additionalProperties\":{\"type\":\"boolean\"}}", {"{\"x\":true}"}, {"{\"x\":1}"}},
        {"{\"patternProperties\":{\"f.*o\":{\"type\":\"integer\"}}}",
         {"{\"foo\":1,\"bar\":\"\"}", "{\"foooooo\":1}"},
         {"{\"foo\":\"x\"}"}},
        {"{\"propertyNames\":{\"maxLength\":3}}", {"{\"abc\":1}", "{}"}, {"{\"abcd\":1}"}},
        {"{\"minProperties\":1}", {"{\"a\":1}", "[]"}, {"{}"}},
        {"{\"maxProperties\":1}", {"{\"a\":1}"}, {"{\"a\":1,\"b\":1}"}},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}",
         {"{}", "{\"b\":1}", "{\"a\":1,\"b\":1}", "[\"a\"]"},
         {"{\"a\":1}"}},
    };
    (void)state;
    JUDGE(samples);
}

static void test_schemas_for_the_same_value(void **state)
{
    static const struct sample samples[] = {
        {"{\"allOf\":[{\"minimum\":3},{\"multipleOf\":2}]}", {"4", "\"x\""}, {"2", "5"}},
        {"{\"anyOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", {"1", "2.5", "3"}, {"1.5"}},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", {"1", "2.5"}, {"3", "1.5"}},
        {"{\"not\":{\"type\":\"integer\"}}", {"\"a\"", "1.5"}, {"1"}},
        {"{\"not\":{\"not\":{\"type\":\"integer\"}}}", {"1"}, {"\"a\""}},
        {"{\"not\":{\"required\":[\"a\"]}}", {"{}", "{\"b\":1}"}, {"{\"a\":1}"}},
        {"{\"if\":{\"exclusiveMaximum\":0},\"then\":{\"minimum\":-10},\"else\":{\"multipleOf\":2}}",
         {"-1", "4"},
         {"-100", "3"}},
        {"{\"then\":false,\"else\":false}", {"1"}, {NULL}},
        {"{\"$ref\":\"#/$defs/a~1b\",\"$defs\":{\"a/b\":{\"type\":\"integer\"}},\"maximum\":5}",
         {"5"},
         {"6", "\"x\""}},
        {"{\"properties\":{\"foo\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
         {"{\"foo\":{\"foo\":{}}}"},
         {"{\"bar\":1}", "{\"foo\":{\"bar\":1}}"}},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"$ref\":\"#/properties/a\"}}}",
         {"{\"b\":1}"},
         {"{\"b\":\"x\"}"}},
    };
    (void)state;
    JUDGE(samples);
}

static void assert_errors(bk_str schema, bk_str value, const char *want)
{
    bk_buf buf = {.arena = arena};
    size_t count;

    assert_int_equal(check_json(schema, value), BK_EINVAL);
    const bk_field_error *errors = bk_error_fields(&count);
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(&buf, "%.*s %.*s: %.*s\n", BK_PRI(errors[i].pointer), BK_PRI(errors[i].code),
                      BK_PRI(errors[i].detail));
    assert_text(bk_buf_str(&buf), want);
}

static void test_all_errors_are_told_with_their_places(void **state)
{
    (void)state;
    assert_errors(
        BK_LIT("{\"type\":\"object\",\"required\":[\"id\",\"n~\"],\"additionalProperties\":false,"
               "\"properties\":{\"a/b\":{\"items\":{\"minimum\":0.5,\"type\":\"number\"}},"
               "\"t\":{\"type\":[\"null\",\"integer\"]},\"k\":{\"enum\":[1,\"x\"]}}}"),
        BK_LIT("{\"a/b\":[1,0,\"x\"],\"t\":\"\",\"k\":2,\"more\":{\"deep\":1}}"),
        "/a~1b/1 minimum: must be at least 0.5\n"
        "/a~1b/2 type: must be a number\n"
        "/t type: must be null, or an integer\n"
        "/k enum: must be one of: [1,\"x\"]\n"
        "/more unknown: is not known here\n"
        "/id required: is missing\n"
        "/n~0 required: is missing\n");
    assert_errors(BK_LIT("{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":9}],\"not\":{\"const\":1}}"),
                  BK_LIT("1"),
                  " anyOf: fits none of the 2 forms that are allowed\n"
                  " not: has a form that is not allowed\n");
}

static void test_at_most_a_hundred_errors_are_kept(void **state)
{
    bk_buf buf = {.arena = arena};
    size_t count;

    (void)state;
    bk_buf_add(&buf, BK_LIT("[0"));
    for (int i = 0; i < 300; i++)
        bk_buf_add(&buf, BK_LIT(",0"));
    bk_buf_add(&buf, BK_LIT("]"));
    assert_int_equal(check_json(BK_LIT("{\"items\":{\"minimum\":1}}"), bk_buf_str(&buf)),
                     BK_EINVAL);
    (void)bk_error_fields(&count);
    assert_int_equal(count, 100);
}

/* Each of ten definitions asks twice for the next, and the last for the first, of the items. */
static void test_what_would_take_forever_is_stopped(void **state)
{
    bk_buf buf = {.arena = arena};

    (void)state;
    bk_buf_add(&buf, BK_LIT("{\"not\":{\"$ref\":\"#/$defs/0\"},\"$defs\":{"));
    for (int i = 0; i < 10; i++)
        bk_buf_printf(&buf,
                      "\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"},{\"$ref\":\"#/$defs/%d\"}]},",
                      i, i + 1, i + 1);
    bk_buf_add(&buf, BK_LIT("\"10\":{\"items\":{\"$ref\":\"#/$defs/0\"}}}}"));
    assert_errors(bk_buf_str(&buf), BK_LIT("[[[1]]]"), " limit: takes too long to check\n");
}

static void test_many_items_are_compared_in_time(void **state)
{
    bk_buf buf = {.arena = arena};

    (void)state;
    bk_buf_add(&buf, BK_LIT("[[]"));
    for (int i = 0; i < 40000; i++)
        bk_buf_printf(&buf, ",[%d]", i);
    bk_buf_add_char(&buf, ']');
    assert_int_equal(check_json(BK_LIT("{\"uniqueItems\":true}"), bk_buf_str(&buf)), BK_OK);
    buf.len--;
    bk_buf_add(&buf, BK_LIT(",[39999.0]]"));
    assert_errors(BK_LIT("{\"uniqueItems\":true}"), bk_buf_str(&buf),
                  " uniqueItems: must not have an item twice\n");
}

static void test_deep_values_are_checked_or_refused(void **state)
{
    static const char schema[] = "{\"items\":{\"allOf\":[{\"$ref\":\"#\"}]}}";
    char deep[130];

    (void)state;
    memset(deep, '[', 64);
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    assert_errors(bk_str_of(schema), bk_str_of(deep), " limit: is too deep to check\n");
    assert_int_equal(check_json(BK_LIT("{\"items\":{\"$ref\":\"#\"}}"), bk_str_of(deep)), BK_OK);
}

struct inner {
    bk_str name;
};
BK_DESCRIBE(inner_desc, struct inner, BK_STR(name, BK_REQUIRED, BK_LEN(1, 4), BK_PATTERN("^a")))
struct outer {
    int64_t id;
    bk_array inner;
    bk_time at;
};
BK_DESCRIBE(outer_desc, struct outer, BK_I64(id, BK_MIN(1), BK_DEFAULT("5")),
            BK_ARRAY_OF(inner, inner_desc, BK_LEN(1, 2)), BK_TIME(at))

static void test_the_schema_of_a_description_refuses_as_the_description(void **state)
{
    static const char *const values[] = {"{}",
                                         "{\"id\":0}",
                                         "{\"id\":1.5}",
                                         "{\"inner\":[]}",
                                         "{\"inner\":[{\"name\":\"a\"}]}",
                                         "{\"inner\":[{\"name\":\"b\"}]}",
                                         "{\"inner\":[{}]}",
                                         "{\"at\":\"now\"}",
                                         "[]",
                                         "{\"at\":\"2026-01-01T00:00:00Z\"}"};
    bk_buf buf = {.arena = arena};
    struct outer outer;

    (void)state;
    bk_write_schema(&buf, outer_desc);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(check_json(bk_buf_str(&buf), bk_str_of(values[i])),
                         bk_bind_json(arena, bk_str_of(values[i]), outer_desc, NULL, &outer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_value),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_schemas_for_the_same_value),
        cmocka_unit_test(test_all_errors_are_told_with_their_places),
        cmocka_unit_test(test_at_most_a_hundred_errors_are_kept),
        cmocka_unit_test(test_what_would_take_forever_is_stopped),
        cmocka_unit_test(test_many_items_are_compared_in_time),
        cmocka_unit_test(test_deep_values_are_checked_or_refused),
        cmocka_unit_test(test_the_schema_of_a_description_refuses_as_the_description),
    };
    return cmocka_run_group_tests_name("json_schema_check", tests, set_up, tear_down);
}
