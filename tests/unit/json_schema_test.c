/* Descriptions as JSON Schema. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/describe.h>
#include <backend/json.h>

#include "json/reach.h"
#include "text.h"

#define HEAD "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":"

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

static void assert_schema(bk_desc_fn desc, const char *want)
{
    bk_buf buf = {.arena = arena};
    bk_write_schema(&buf, desc);
    assert_text(bk_buf_str(&buf), want);
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
}

struct product {
    int64_t id;
    bk_str name, mail, code, slug, both, secret, any;
    int32_t small;
    double price;
    bool ok;
    bk_time at;
};
BK_DESCRIBE(product_desc, struct product, BK_I64(id, BK_READ_ONLY, BK_REQUIRED),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 200), BK_DOC("What it is called.")),
            BK_STR(mail, BK_FORMAT(BK_FORMAT_EMAIL)), BK_STR(code, BK_PATTERN("^\\d+$")),
            BK_STR(slug, BK_FORMAT(BK_FORMAT_SLUG), BK_LEN(0, SIZE_MAX)),
            BK_STR(both, BK_FORMAT(BK_FORMAT_SLUG), BK_PATTERN("x")),
            BK_STR(secret, BK_WRITE_ONLY, BK_KEY("pass word")), BK_JSON(any),
            BK_I32(small, BK_MIN(-1), BK_DEFAULT("20")), BK_F64(price, BK_MIN(0), BK_MAX(9.5)),
            BK_BOOL(ok), BK_TIME(at))

static void test_types_and_rules_have_their_keywords(void **state)
{
    (void)state;
    assert_schema(
        product_desc,
        HEAD "\"product\",\"type\":\"object\",\"properties\":{"
             "\"id\":{\"type\":\"integer\",\"format\":\"int64\",\"readOnly\":true},"
             "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200,"
             "\"description\":\"What it is called.\"},"
             "\"mail\":{\"type\":\"string\",\"format\":\"email\"},"
             "\"code\":{\"type\":\"string\",\"pattern\":\"^\\\\d+$\"},"
             "\"slug\":{\"type\":\"string\",\"minLength\":0,"
             "\"pattern\":\"^[a-z0-9]+(?:-[a-z0-9]+)*$\"},"
             "\"both\":{\"type\":\"string\",\"pattern\":\"x\","
             "\"allOf\":[{\"pattern\":\"^[a-z0-9]+(?:-[a-z0-9]+)*$\"}]},"
             "\"pass word\":{\"type\":\"string\",\"writeOnly\":true},"
             "\"any\":{},"
             "\"small\":{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":-1,\"default\":20},"
             "\"price\":{\"type\":\"number\",\"minimum\":0,\"maximum\":9.5},"
             "\"ok\":{\"type\":\"boolean\"},"
             "\"at\":{\"type\":\"string\",\"format\":\"date-time\"}},"
             "\"required\":[\"id\",\"name\"]}");
}

static const char *const colours[] = {"red", "green", NULL};

struct point {
    int32_t x;
};
BK_DESCRIBE(point_desc, struct point, BK_I32(x))

typedef struct point also_point;
static const bk_desc *other_point_desc(void)
{
    static const bk_field fields[] = {{.member = "y", .type = BK_TYPE_I32, .item_bytes = 4}};
    static const bk_desc desc = {"struct point", sizeof(also_point), fields, 1};
    return &desc;
}

struct node {
    int colour;
    struct point at;
    also_point other;
    bk_array children, tags, points;
};
BK_DESCRIBE(node_desc, struct node, BK_ENUM(colour, colours), BK_STRUCT(at, point_desc),
            BK_STRUCT(other, other_point_desc), BK_ARRAY_OF(children, node_desc),
            BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(1, 9), BK_PATTERN("^a")),
            BK_ARRAY_OF(points, point_desc))

static void test_others_are_referred_to_and_circles_end(void **state)
{
    (void)state;
    assert_schema(node_desc,
                  HEAD "\"node\",\"type\":\"object\",\"properties\":{"
                       "\"colour\":{\"type\":\"string\",\"enum\":[\"red\",\"green\"]},"
                       "\"at\":{\"$ref\":\"#/$defs/point\"},"
                       "\"other\":{\"$ref\":\"#/$defs/point.2\"},"
                       "\"children\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}},"
                       "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\","
                       "\"pattern\":\"^a\"},\"minItems\":1,\"maxItems\":9},"
                       "\"points\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/point\"}}},"
                       "\"$defs\":{\"point\":{\"type\":\"object\",\"properties\":{\"x\":{"
                       "\"type\":\"integer\",\"format\":\"int32\"}}},"
                       "\"point.2\":{\"type\":\"object\",\"properties\":{\"y\":{"
                       "\"type\":\"integer\",\"format\":\"int32\"}}}}}");
}

static const bk_desc *oddly_named_desc(void)
{
    static const bk_field fields[] = {{.member = "x", .type = BK_TYPE_I32, .item_bytes = 4}};
    static const bk_desc desc = {"shop::point<1>", sizeof(struct point), fields, 1};
    return &desc;
}

static void test_names_need_no_escape_in_a_reference(void **state)
{
    (void)state;
    assert_schema(oddly_named_desc,
                  HEAD "\"shop__point_1_\",\"type\":\"object\",\"properties\":{\"x\":{"
                       "\"type\":\"integer\",\"format\":\"int32\"}}}");
}

static void test_all_that_a_description_leads_to_is_listed_once(void **state)
{
    struct bk__reach reach;

    (void)state;
    bk__reach_init(&reach, arena, node_desc());
    assert_int_equal(reach.count, 3);
    assert_ptr_equal(reach.items[0], node_desc());
    assert_int_equal(bk__reach_index(&reach, point_desc()), 1);
    assert_int_equal(bk__reach_index(&reach, other_point_desc()), 2);
    assert_int_equal(bk__reach_index(&reach, product_desc()), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_and_rules_have_their_keywords),
        cmocka_unit_test(test_others_are_referred_to_and_circles_end),
        cmocka_unit_test(test_names_need_no_escape_in_a_reference),
        cmocka_unit_test(test_all_that_a_description_leads_to_is_listed_once),
    };
    return cmocka_run_group_tests_name("json/schema", tests, set_up, tear_down);
}
