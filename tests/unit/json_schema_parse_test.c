/* Which JSON Schemas are taken, and what is said of the others. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/schema.h>

#include "text.h"

static bk_err parse(bk_str text)
{
    const bk_schema *schema = NULL;
    bk_arena *arena = bk_arena_new();

    bk_error_clear();
    bk_err err = bk_schema_parse(arena, text, &schema);
    assert_true((schema != NULL) == (err == BK_OK));
    bk_arena_free(arena);
    return err;
}

static void assert_refused(const char *schema, const char *why)
{
    if (parse(bk_str_of(schema)) != BK_EINVAL)
        fail_msg("%s is taken", schema);
    assert_text(bk_error_chain()->message, why);
}

static void test_unknown_keywords_are_refused_with_their_places(void **state)
{
    (void)state;
    assert_refused("{\"minimal\":1}",
                   "the schema's \"/minimal\" is a keyword that is not known here");
    assert_refused("{\"properties\":{\"a/b\":{\"allOf\":[true,{\"contains\":{}}]}}}",
                   "the schema's \"/properties/a~1b/allOf/1/contains\" is a keyword that is not "
                   "known here");
    assert_refused("{\"$defs\":{\"unused\":{\"unevaluatedItems\":false}}}",
                   "the schema's \"/$defs/unused/unevaluatedItems\" is a keyword that is not known "
                   "here");
}

static void test_annotations_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(
        parse(BK_LIT("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                     "\"$id\":\"https://x.example/s\",\"$comment\":\"c\",\"title\":\"t\","
                     "\"description\":\"d\",\"default\":{\"any\":1},\"examples\":[1],"
                     "\"deprecated\":true,\"readOnly\":false,\"writeOnly\":false}")),
        BK_OK);
    /* A property's name is no keyword. */
    assert_int_equal(parse(BK_LIT("{\"properties\":{\"minimal\":{},\"$ref\":{}}}")), BK_OK);
}

static void test_values_of_keywords_are_checked(void **state)
{
    static const char *const wrong[] = {
        "1",
        "[]",
        "null",
        "\"\"",
        "{\"type\":\"str\"}",
        "{\"type\":[]}",
        "{\"type\":[\"null\",1]}",
        "{\"type\":null}",
        "{\"enum\":[]}",
        "{\"enum\":{}}",
        "{\"minimum\":\"1\"}",
        "{\"multipleOf\":0}",
        "{\"multipleOf\":-1}",
        "{\"minLength\":-1}",
        "{\"maxLength\":1.5}",
        "{\"minItems\":\"1\"}",
        "{\"maxItems\":1e300}",
        "{\"pattern\":1}",
        "{\"pattern\":\"(\"}",
        "{\"format\":\"color\"}",
        "{\"format\":null}",
        "{\"uniqueItems\":1}",
        "{\"items\":[]}",
        "{\"prefixItems\":[]}",
        "{\"prefixItems\":{}}",
        "{\"properties\":[]}",
        "{\"properties\":{\"a\":1}}",
        "{\"patternProperties\":{\"[\":{}}}",
        "{\"required\":\"a\"}",
        "{\"required\":[1]}",
        "{\"required\":[\"a\",\"a\"]}",
        "{\"dependentRequired\":[]}",
        "{\"dependentRequired\":{\"a\":\"b\"}}",
        "{\"allOf\":[]}",
        "{\"anyOf\":{}}",
        "{\"not\":1}",
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
        "{\"items\":{\"$id\":\"x\"}}",
        "{\"title\":1}",
        "{\"$ref\":1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (parse(bk_str_of(wrong[i])) != BK_EINVAL)
            fail_msg("%s is taken", wrong[i]);
    assert_int_equal(parse(BK_LIT("{\"type\":")), BK_EINVAL);
    assert_int_equal(parse(BK_LIT("{\"type\":\"null\",\"type\":\"null\"}")), BK_EINVAL);
    assert_refused("{\"pattern\":\"a)\"}",
                   "the schema's \"/pattern\" is no pattern: unmatched closing parenthesis");
}

static void test_references_must_lead_to_a_schema_inside(void **state)
{
    (void)state;
    assert_refused("{\"$ref\":\"#/$defs/a\"}",
                   "the schema's $ref \"#/$defs/a\" leads to no schema");
    assert_refused("{\"$ref\":\"#/title\",\"title\":\"t\"}",
                   "the schema's $ref \"#/title\" leads to no schema");
    assert_refused("{\"$ref\":\"other.json\"}", "the schema's \"/$ref\" must point into the same "
                                                "schema, as \"#/$defs/name\" does");
}

static void test_circles_for_one_value_are_refused(void **state)
{
    static const char why[] = "the schema refers to itself for one value, or has more than 32 "
                              "schemas in each other for it";
    (void)state;
    assert_refused("{\"$ref\":\"#\"}", why);
    assert_refused("{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", why);
    assert_refused("{\"$defs\":{\"a\":{\"not\":{\"$ref\":\"#/$defs/b\"}},"
                   "\"b\":{\"if\":true,\"then\":{\"$ref\":\"#/$defs/a\"}}}}",
                   why);
    assert_int_equal(
        parse(BK_LIT("{\"items\":{\"$ref\":\"#\"},\"properties\":{\"a\":{\"$ref\":\"#\"}}}")),
        BK_OK);
}

/* `not` in `not`, @p levels of them. */
static bk_err parse_nested(int levels)
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};

    for (int i = 0; i < levels; i++)
        bk_buf_add(&buf, BK_LIT("{\"not\":"));
    bk_buf_add(&buf, BK_LIT("{}"));
    for (int i = 0; i < levels; i++)
        bk_buf_add_char(&buf, '}');
    bk_err err = parse(bk_buf_str(&buf));
    bk_arena_free(arena);
    return err;
}

static void test_schemas_for_one_value_are_not_too_deep(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(32), BK_OK);
    assert_int_equal(parse_nested(33), BK_EINVAL);
}

static void test_a_schema_tells_its_json(void **state)
{
    static const char text[] = "{\"type\":\"string\",\"title\":\"t\"}";
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};
    const bk_schema *schema;

    (void)state;
    assert_int_equal(bk_schema_parse(arena, bk_str_of(text), &schema), BK_OK);
    bk_json_print(&buf, bk_schema_json(schema));
    assert_text(bk_buf_str(&buf), text);
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_keywords_are_refused_with_their_places),
        cmocka_unit_test(test_annotations_are_passed_over),
        cmocka_unit_test(test_values_of_keywords_are_checked),
        cmocka_unit_test(test_references_must_lead_to_a_schema_inside),
        cmocka_unit_test(test_circles_for_one_value_are_refused),
        cmocka_unit_test(test_schemas_for_one_value_are_not_too_deep),
        cmocka_unit_test(test_a_schema_tells_its_json),
    };
    return cmocka_run_group_tests_name("json_schema_parse", tests, NULL, NULL);
}
