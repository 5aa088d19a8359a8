/* Descriptions that cannot be used, and what is said about them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/describe.h>

#include "text.h"

static const char *const colours[] = {"red", "green", NULL};
static const char *const none[] = {NULL};
static const char *const same[] = {"red", "red", NULL};

struct point {
    int32_t x, y;
};
BK_DESCRIBE(point_desc, struct point, BK_I32(x, BK_REQUIRED), BK_I32(y, BK_DEFAULT("1")))

struct thing {
    int64_t id;
    bk_str name, code;
    double price;
    int colour;
    bool ok, has_ok;
    bk_time at;
    struct point place;
    bk_array tags, children;
};
BK_DESCRIBE(thing_desc, struct thing, BK_I64(id, BK_READ_ONLY, BK_REQUIRED),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 9)), BK_STR(code, BK_PATTERN("^[a-z]{2}$")),
            BK_F64(price, BK_MIN(0.5), BK_MAX(9)),
            BK_ENUM(colour, colours, BK_DEFAULT("\"green\"")), BK_BOOL(ok, BK_HAS(has_ok)),
            BK_TIME(at), BK_STRUCT(place, point_desc, BK_DEFAULT("{\"x\":1}")),
            BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(0, 3), BK_DEFAULT("[]")),
            BK_ARRAY_OF(children, thing_desc))

static void test_a_good_description_passes(void **state)
{
    (void)state;
    assert_int_equal(bk_desc_check(thing_desc), BK_OK);
    assert_int_equal(bk_desc_check(point_desc), BK_OK);
}

/* Defines a test's description of struct thing with the fields given. */
#define WRONG(fn, ...) BK_DESCRIBE(fn, struct thing, __VA_ARGS__)

WRONG(twice_desc, BK_STR(name), BK_STR(code, BK_KEY("name")))
WRONG(over_desc, BK_STR(name), BK_STR(name, BK_KEY("other")))
WRONG(has_over_desc, BK_BOOL(ok, BK_HAS(has_ok)), BK_BOOL(has_ok))
WRONG(has_itself_desc, BK_BOOL(ok, BK_HAS(ok)))
WRONG(two_has_desc, BK_BOOL(ok, BK_HAS(has_ok)), BK_STR(name, BK_HAS(has_ok)))
WRONG(empty_key_desc, BK_STR(name, BK_KEY("")))
WRONG(latin_key_desc, BK_STR(name, BK_KEY("\xe9")))
WRONG(min_on_text_desc, BK_STR(name, BK_MIN(1)))
WRONG(min_above_max_desc, BK_I64(id, BK_MIN(3), BK_MAX(2)))
WRONG(f64_min_above_max_desc, BK_F64(price, BK_MIN(0.75), BK_MAX(0.5)))
WRONG(fraction_desc, BK_I64(id, BK_MAX(2.5)))
WRONG(len_on_number_desc, BK_I64(id, BK_LEN(1, 2)))
WRONG(len_turned_desc, BK_STR(name, BK_LEN(2, 1)))
WRONG(format_on_number_desc, BK_I64(id, BK_FORMAT(BK_FORMAT_UUID)))
WRONG(pattern_on_bool_desc, BK_BOOL(ok, BK_PATTERN("x")))
WRONG(bad_pattern_desc, BK_STR(name, BK_PATTERN("(x")))
WRONG(no_names_desc, BK_ENUM(colour, none))
WRONG(null_names_desc, BK_ENUM(colour, NULL))
WRONG(same_names_desc, BK_ENUM(colour, same))
WRONG(array_of_arrays_desc, BK_ARRAY(tags, BK_TYPE_ARRAY))
WRONG(no_desc_desc, BK_STRUCT(place, NULL))
WRONG(no_item_desc_desc, BK_ARRAY_OF(children, NULL))
WRONG(other_struct_desc, BK_STRUCT(place, thing_desc))
WRONG(neither_desc, BK_STR(name, BK_READ_ONLY, BK_WRITE_ONLY))
WRONG(required_default_desc, BK_STR(name, BK_REQUIRED, BK_DEFAULT("\"x\"")))
WRONG(read_only_default_desc, BK_STR(name, BK_READ_ONLY, BK_DEFAULT("\"x\"")))
WRONG(no_json_desc, BK_STR(name, BK_DEFAULT("x")))
WRONG(default_type_desc, BK_STR(name, BK_DEFAULT("1")))
WRONG(default_null_desc, BK_STR(name, BK_DEFAULT("null")))
WRONG(default_rule_desc, BK_STR(name, BK_LEN(2, 3), BK_DEFAULT("\"x\"")))
WRONG(default_enum_desc, BK_ENUM(colour, colours, BK_DEFAULT("\"pink\"")))
WRONG(default_inside_desc, BK_STRUCT(place, point_desc, BK_DEFAULT("{}")))
WRONG(endless_desc, BK_ARRAY_OF(children, endless_desc, BK_DEFAULT("[{}]")))
WRONG(leads_to_wrong_desc, BK_ARRAY_OF(children, no_json_desc))

static const bk_desc *outside_desc(void)
{
    static const bk_field fields[] = {
        {.member = "x", .type = BK_TYPE_I64, .offset = 4, .item_bytes = 8}};
    static const bk_desc desc = {"struct point", sizeof(struct point), fields, 1};
    return &desc;
}

static const bk_desc *no_member_desc(void)
{
    static const bk_field fields[] = {{.type = BK_TYPE_I32, .item_bytes = 4}};
    static const bk_desc desc = {"struct point", sizeof(struct point), fields, 1};
    return &desc;
}

static const bk_desc *no_fields_desc(void)
{
    static const bk_desc desc = {"struct point", sizeof(struct point), NULL, 0};
    return &desc;
}

static const bk_desc *too_many_desc(void)
{
    static bk_field fields[257];
    static const bk_desc desc = {"struct point", sizeof(struct point), fields, 257};
    return &desc;
}

static void test_each_mistake_is_named(void **state)
{
    static const struct {
        bk_desc_fn desc;
        const char *words;
    } cases[] = {
        {twice_desc, "struct thing: field code: the key \"name\" is there twice"},
        {over_desc, "struct thing: field name: lies over field name"},
        {has_over_desc, "field has_ok: lies over field ok"},
        {has_itself_desc, "field ok: does not lie in the struct"},
        {two_has_desc, "field name: lies over field ok"},
        {empty_key_desc, "the key is empty or not UTF-8"},
        {latin_key_desc, "the key is empty or not UTF-8"},
        {min_on_text_desc, "only numbers have a least and a greatest value"},
        {min_above_max_desc, "field id: the least value is above the greatest"},
        {f64_min_above_max_desc, "the least value is above the greatest"},
        {fraction_desc, "the bounds of an integer are integers"},
        {len_on_number_desc, "only strings and arrays have a length"},
        {len_turned_desc, "the least length is above the greatest"},
        {format_on_number_desc, "only strings have a format or a pattern"},
        {pattern_on_bool_desc, "only strings have a format or a pattern"},
        {bad_pattern_desc, "the pattern (x: missing closing parenthesis"},
        {no_names_desc, "an enum needs names"},
        {null_names_desc, "an enum needs names"},
        {same_names_desc, "the name \"red\" is there twice"},
        {array_of_arrays_desc, "arrays of arrays cannot be described"},
        {no_desc_desc, "a struct needs its description"},
        {no_item_desc_desc, "a struct needs its description"},
        {other_struct_desc, "the description is of another struct (struct thing)"},
        {neither_desc, "is neither read nor written"},
        {required_default_desc, "a default is for what may be absent on input"},
        {read_only_default_desc, "a default is for what may be absent on input"},
        {no_json_desc, "field name: the default x is no JSON"},
        {default_type_desc, "the default 1: /name must be a string"},
        {default_null_desc, "the default null: /name must be a string"},
        {default_rule_desc, "/name must have at least 2 characters"},
        {default_enum_desc, "/colour must be one of: red, green"},
        {default_inside_desc, "the default {}: /place/x is missing"},
        {endless_desc, "has itself inside"},
        {leads_to_wrong_desc, "struct thing: field name: the default x is no JSON"},
        {outside_desc, "does not lie in the struct"},
        {no_member_desc, "needs a member"},
        {no_fields_desc, "a description needs a name and fields"},
        {too_many_desc, "struct point: more than 256 fields"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (bk_desc_check(cases[i].desc) != BK_EINVAL)
            fail_msg("passed, but should say: %s", cases[i].words);
        if (strstr(bk_error_chain()->message.ptr, cases[i].words) == NULL)
            fail_msg("says \"%s\", not: %s", bk_error_chain()->message.ptr, cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_description_passes),
        cmocka_unit_test(test_each_mistake_is_named),
    };
    return cmocka_run_group_tests_name("json/desc_check", tests, NULL, NULL);
}
