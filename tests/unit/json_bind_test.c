/* JSON into structs: what is taken, and what is said about the rest. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/describe.h>

#include "../harness/aborts.h"
#include "core/arena.h"
#include "json/bind.h"
#include "text.h"

static const char *const colours[] = {"red", "green", "blue", NULL};
enum {
    RED,
    GREEN,
    BLUE
};

struct point {
    int32_t x, y;
};
BK_DESCRIBE(point_desc, struct point, BK_I32(x, BK_REQUIRED), BK_I32(y, BK_DEFAULT("7")))

struct order {
    int64_t id;
    bk_str name, slug, code, secret;
    int32_t small;
    double price;
    bool ok, has_ok;
    bk_time at;
    int colour;
    bool has_colour;
    bk_str extra;
    struct point from;
    bk_array tags, numbers, points, flags, colours;
};
BK_DESCRIBE(order_desc, struct order, BK_I64(id, BK_READ_ONLY),
            BK_STR(name, BK_REQUIRED, BK_LEN(1, 5)), BK_STR(slug, BK_FORMAT(BK_FORMAT_SLUG)),
            BK_STR(code, BK_PATTERN("^[A-Z]{3}$")), BK_STR(secret, BK_KEY("pass word")),
            BK_I32(small, BK_MIN(-3), BK_MAX(3)), BK_F64(price, BK_MIN(0), BK_MAX(99.5)),
            BK_BOOL(ok, BK_HAS(has_ok)), BK_TIME(at),
            BK_ENUM(colour, colours, BK_DEFAULT("\"blue\""), BK_HAS(has_colour)), BK_JSON(extra),
            BK_STRUCT(from, point_desc), BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(1, 3)),
            BK_ARRAY(numbers, BK_TYPE_I64, BK_MIN(0)), BK_ARRAY_OF(points, point_desc),
            BK_ARRAY(flags, BK_TYPE_BOOL),
            BK_ARRAY(colours, BK_TYPE_ENUM, BK__RULE(names, colours)))

struct node {
    bk_str name;
    bk_array children;
};
BK_DESCRIBE(node_desc, struct node, BK_STR(name, BK_REQUIRED), BK_ARRAY_OF(children, node_desc))

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

static struct order bound(const char *json)
{
    struct order order;
    memset(&order, 0x5a, sizeof(order));
    bk_err err = bk_bind_json(arena, bk_str_of(json), order_desc, NULL, &order);
    assert_int_equal(err, BK_OK);
    return order;
}

static bool all_zero(const void *object, size_t size)
{
    const char *bytes = object;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* "pointer code, pointer code": the errors that binding records. */
static bk_str errors_with(const char *json, bk_desc_fn desc, const bk_bind_opts *opts)
{
    bk_buf buf = {.arena = arena};
    size_t count;
    void *object = bk_arena_alloc(arena, desc()->bytes);

    memset(object, 0x5a, desc()->bytes);
    assert_int_equal(bk_bind_json(arena, bk_str_of(json), desc, opts, object), BK_EINVAL);
    assert_true(all_zero(object, desc()->bytes));
    assert_int_equal(bk_error_chain()->code, BK_EINVAL);
    const bk_field_error *errors = bk_error_fields(&count);
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(&buf, "%s%s %s", i != 0 ? ", " : "", errors[i].pointer.ptr,
                      errors[i].code.ptr);
    return bk_buf_str(&buf);
}

static bk_str errors(const char *json)
{
    return errors_with(json, order_desc, NULL);
}

static const char *first_detail(const char *json)
{
    size_t count;
    (void)errors(json);
    return bk_error_fields(&count)->detail.ptr;
}

static void test_each_type_reaches_its_member(void **state)
{
    struct order order =
        bound("{\"name\":\"ab\",\"small\":-3,\"price\":1.25e1,\"ok\":true,"
              "\"at\":\"1970-01-01T00:00:01.5Z\",\"colour\":\"green\",\"extra\":{\"a\": [1, 2]},"
              "\"from\":{\"x\":1,\"y\":2},\"tags\":[\"a\",\"b\"],\"numbers\":[9223372036854775807],"
              "\"points\":[{\"x\":3},{\"y\":5,\"x\":4}],\"flags\":[true,false,true],"
              "\"colours\":[\"blue\",\"red\"],\"pass word\":\"s\"}");
    const struct point *points = order.points.items;

    (void)state;
    assert_text(order.name, "ab");
    assert_absent(order.slug);
    assert_text(order.secret, "s");
    assert_int_equal(order.small, -3);
    assert_true(order.price == 12.5);
    assert_true(order.ok && order.has_ok);
    assert_int_equal(order.at, 1500000);
    assert_int_equal(order.colour, GREEN);
    assert_true(order.has_colour);
    assert_text(order.extra, "{\"a\": [1, 2]}");
    assert_int_equal(order.from.x, 1);
    assert_int_equal(order.from.y, 2);
    assert_int_equal(order.tags.count, 2);
    assert_text(((bk_str *)order.tags.items)[1], "b");
    assert_int_equal(order.numbers.count, 1);
    assert_true(*(int64_t *)order.numbers.items == INT64_MAX);
    assert_int_equal(order.points.count, 2);
    assert_int_equal(points[0].x, 3);
    assert_int_equal(points[0].y, 7);
    assert_int_equal(points[1].x, 4);
    assert_int_equal(points[1].y, 5);
    assert_int_equal(order.flags.count, 3);
    assert_true(((bool *)order.flags.items)[2]);
    assert_int_equal(((int *)order.colours.items)[0], BLUE);
}

static void test_what_is_absent_is_zero_or_its_default(void **state)
{
    struct order order = bound("{\"name\":\"x\"}");

    (void)state;
    assert_absent(order.slug);
    assert_false(order.has_ok);
    assert_int_equal(order.colour, BLUE);
    assert_false(order.has_colour); /* it was not there */
    assert_null(order.tags.items);
    assert_int_equal(order.from.y, 0); /* a nested struct that is absent is zeroed */
}

static void test_null_is_absent_and_a_required_value_must_not_be(void **state)
{
    struct order order = bound("{\"name\":\"x\",\"ok\":null,\"slug\":null,\"colour\":null,"
                               "\"from\":null,\"tags\":null,\"extra\":null}");

    (void)state;
    assert_false(order.has_ok);
    assert_int_equal(order.colour, BLUE);
    assert_null(order.tags.items);
    assert_absent(order.extra);
    assert_text(errors("{\"name\":null}"), "/name required");
}

static void test_an_empty_array_is_present(void **state)
{
    struct order order = bound("{\"name\":\"x\",\"numbers\":[]}");

    (void)state;
    assert_non_null(order.numbers.items);
    assert_int_equal(order.numbers.count, 0);
}

static void test_strings_point_into_the_input_unless_escaped(void **state)
{
    const char *json = "{\"name\":\"abc\",\"slug\":\"\\u0061\",\"\\u0063ode\":\"ABC\"}";
    size_t before = bk_arena_used(arena);
    struct order order = bound("{\"name\":\"abc\",\"price\":1,\"ok\":false}");

    (void)state;
    assert_int_equal(bk_arena_used(arena), before); /* a flat object costs no memory */
    order = bound(json);
    assert_ptr_equal(order.name.ptr, json + 9);
    assert_text(order.slug, "a");
    assert_text(order.code, "ABC");
}

static void test_the_order_of_keys_does_not_matter(void **state)
{
    struct order order = bound("{\"ok\":true,\"price\":2,\"name\":\"x\",\"small\":1}");

    (void)state;
    assert_true(order.ok);
    assert_text(order.name, "x");
    assert_int_equal(order.small, 1);
}

static void test_read_only_keys_are_known_and_ignored(void **state)
{
    const bk_bind_opts strict = {.unknown = BK_UNKNOWN_REFUSED};
    struct order order;

    (void)state;
    assert_int_equal(
        bk_bind_json(arena, BK_LIT("{\"id\":[{}],\"name\":\"x\"}"), order_desc, &strict, &order),
        BK_OK);
    assert_int_equal(order.id, 0);
    assert_text(errors("{\"id\":1,\"name\":\"x\",\"id\":2}"), "/id duplicate");
}

static void test_unknown_keys_are_ignored_or_refused(void **state)
{
    const bk_bind_opts strict = {.unknown = BK_UNKNOWN_REFUSED};

    (void)state;
    (void)bound("{\"zzz\":{\"name\":[1,{\"a\":null}]},\"name\":\"x\",\"Name\":1}");
    assert_text(errors_with("{\"a/b~c\":1,\"name\":\"x\",\"from\":{\"x\":1,\"z\":[]}}", order_desc,
                            &strict),
                "/a~1b~0c unknown, /from/z unknown");
}

static void test_duplicates_are_refused_known_or_not(void **state)
{
    (void)state;
    assert_text(errors("{\"name\":\"x\",\"ok\":true,\"name\":\"y\"}"), "/name duplicate");
    assert_text(errors("{\"name\":\"x\",\"ok\":null,\"ok\":null}"), "/ok duplicate");
    assert_text(errors("{\"name\":\"x\",\"zz\":1,\"zz\":2}"), "/zz duplicate");
    assert_text(errors("{\"name\":\"x\",\"from\":{\"x\":1,\"\\u0078\":2}}"), "/from/x duplicate");
    assert_text(errors("{\"name\":\"x\",\"extra\":{\"a\":1,\"a\":2}}"), "");
    assert_text(bk_error_chain()->message, "invalid JSON: duplicate key at byte 27");
}

static void test_all_errors_are_told_with_their_places(void **state)
{
    (void)state;
    assert_text(
        errors("{\"name\":\"toolong\",\"slug\":\"A b\",\"code\":\"abc\",\"small\":4,"
               "\"price\":-1,\"ok\":1,\"at\":\"noon\",\"colour\":\"pink\",\"from\":{\"x\":1.5},"
               "\"tags\":[],\"numbers\":[1,-1,\"x\"],\"points\":[{\"x\":1},{},7]}"),
        "/name maxLength, /slug format, /code pattern, /small maximum, /price minimum, "
        "/ok type, /at format, /colour enum, /from/x type, /tags minItems, "
        "/numbers/1 minimum, /numbers/2 type, /points/1/x required, /points/2 type");
    assert_text(errors("{}"), "/name required");
    assert_text(
        errors("{\"name\":\"\",\"small\":-4,\"price\":100,\"tags\":[\"a\",\"b\",\"c\",\"d\",5]}"),
        "/name minLength, /small minimum, /price maximum, /tags maxItems");
}

static void test_each_type_is_insisted_on(void **state)
{
    (void)state;
    assert_text(errors("{\"name\":1,\"small\":\"1\",\"price\":true,\"ok\":\"true\",\"at\":1,"
                       "\"colour\":1,\"from\":[],\"tags\":{},\"points\":[null],\"flags\":[0]}"),
                "/name type, /small type, /price type, /ok type, /at type, /colour type, "
                "/from type, /tags type, /points/0 type, /flags/0 type");
    assert_text(errors("[]"), " type");
    assert_text(errors("\"name\""), " type");
    assert_text(errors("null"), " type");
}

static void test_numbers_that_do_not_fit_are_out_of_range(void **state)
{
    (void)state;
    assert_text(errors("{\"name\":\"x\",\"small\":2147483648,\"price\":1e999,"
                       "\"numbers\":[9223372036854775808,1e40]}"),
                "/small range, /price range, /numbers/0 range, /numbers/1 range");
    assert_text(errors("{\"name\":\"x\",\"extra\":1e999}"), "");
    assert_text(bk_error_chain()->message, "invalid JSON: number out of range at byte 20");
}

static void test_length_counts_code_points(void **state)
{
    (void)state;
    (void)bound("{\"name\":\"\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac\\ud83d\\ude00\"}");
    assert_text(errors("{\"name\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}"),
                "/name maxLength");
}

static void test_details_are_words_for_a_person(void **state)
{
    (void)state;
    assert_string_equal(first_detail("{\"name\":\"\"}"), "must have at least 1 character");
    assert_string_equal(first_detail("{\"name\":\"123456\"}"), "must have at most 5 characters");
    assert_string_equal(first_detail("{\"name\":\"x\",\"colour\":\"\"}"),
                        "must be one of: red, green, blue");
    assert_string_equal(first_detail("{\"name\":\"x\",\"price\":99.6}"), "must be at most 99.5");
    assert_string_equal(first_detail("{\"name\":\"x\",\"small\":9}"), "must be at most 3");
    assert_string_equal(first_detail("{\"name\":7}"), "must be a string");
    assert_string_equal(first_detail("{}"), "is missing");
}

static void test_malformed_json_is_one_error_with_its_byte(void **state)
{
    static const char *const cases[] = {
        "",
        "{",
        "{\"name\":\"x\"",
        "{\"name\":\"x\"}}",
        "{\"name\" \"x\"}",
        "{\"small\":99,}",
        "{\"name\":\"x\xff\"}",
        "{\"zz\":[1,}",
        "{\"extra\":[1,2}",
        "{\"name\":\"\\u0000\"}",
        "[",
        "{\"points\":[{\"x\":1},",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_text(errors(cases[i]), "");
        assert_non_null(strstr(bk_error_chain()->message.ptr, "invalid JSON: "));
        assert_non_null(strstr(bk_error_chain()->message.ptr, " at byte "));
    }
    (void)errors("{\"small\":99,}");
    assert_text(bk_error_chain()->message, "invalid JSON: expected a key in quotes at byte 12");
}

static void test_partial_wants_nothing_and_fills_in_nothing(void **state)
{
    const bk_bind_opts partial = {.partial = true};
    struct order order;

    (void)state;
    assert_int_equal(
        bk_bind_json(arena, BK_LIT("{\"price\":3,\"from\":{}}"), order_desc, &partial, &order),
        BK_OK);
    assert_absent(order.name);
    assert_int_equal(order.colour, RED);
    assert_int_equal(order.from.y, 0);
    assert_text(errors_with("{\"name\":null,\"price\":-1}", order_desc, &partial),
                "/name required, /price minimum");
}

static void test_errors_stop_at_a_hundred(void **state)
{
    bk_buf buf = {.arena = arena};
    size_t count;
    struct order order;

    (void)state;
    bk_buf_add(&buf, BK_LIT("{\"numbers\":["));
    for (int i = 0; i < 500; i++)
        bk_buf_add(&buf, BK_LIT("-1,"));
    bk_buf_add(&buf, BK_LIT("1]}"));
    assert_int_equal(bk_bind_json(arena, bk_buf_str(&buf), order_desc, NULL, &order), BK_EINVAL);
    const bk_field_error *all = bk_error_fields(&count);
    assert_int_equal(count, 100);
    assert_text(all[99].pointer, "/numbers/99");
}

static void test_errors_of_an_earlier_call_are_forgotten(void **state)
{
    (void)state;
    assert_text(errors("{\"name\":1}"), "/name type");
    assert_text(errors("{\"name\":\"x\",\"small\":77}"), "/small maximum");
}

static void test_long_arrays_grow(void **state)
{
    bk_buf buf = {.arena = arena};
    struct order order;

    (void)state;
    bk_buf_add(&buf, BK_LIT("{\"name\":\"x\",\"numbers\":["));
    for (int i = 0; i < 5000; i++)
        bk_buf_printf(&buf, "%s%d", i != 0 ? "," : "", i);
    bk_buf_add(&buf, BK_LIT("],\"points\":["));
    for (int i = 0; i < 5000; i++)
        bk_buf_printf(&buf, "%s{\"x\":%d}", i != 0 ? "," : "", i);
    bk_buf_add(&buf, BK_LIT("]}"));
    assert_int_equal(bk_bind_json(arena, bk_buf_str(&buf), order_desc, NULL, &order), BK_OK);
    assert_int_equal(order.numbers.count, 5000);
    assert_int_equal(order.points.count, 5000);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(((int64_t *)order.numbers.items)[i], i);
        assert_int_equal(((struct point *)order.points.items)[i].x, i);
        assert_int_equal(((struct point *)order.points.items)[i].y, 7);
    }
}

static void test_an_items_string_has_a_limit(void **state)
{
    bk_buf buf = {.arena = arena};
    struct order order;

    (void)state;
    bk_buf_add(&buf, BK_LIT("{\"name\":\"x\",\"tags\":[\""));
    size_t begin = buf.len;
    memset(bk_buf_reserve(&buf, 65537), 'a', 65537);
    buf.len = begin + 65536;
    bk_buf_add(&buf, BK_LIT("\"]}"));
    assert_int_equal(bk_bind_json(arena, bk_buf_str(&buf), order_desc, NULL, &order), BK_OK);
    buf.len = begin + 65536;
    bk_buf_add(&buf, BK_LIT("a\"]}"));
    assert_text(errors(bk_arena_cstr(arena, bk_buf_str(&buf))), "/tags/0 maxLength");
}

/* {"name":"n","children":[{...}]}, @p levels objects deep, and so 2 * levels - 1 levels. */
static const char *family(int levels)
{
    bk_buf buf = {.arena = arena};
    for (int i = 0; i < levels; i++)
        bk_buf_add(&buf,
                   i != 0 ? BK_LIT(",\"children\":[{\"name\":\"n\"") : BK_LIT("{\"name\":\"n\""));
    for (int i = 0; i < levels; i++)
        bk_buf_add(&buf, i != 0 ? BK_LIT("]}") : BK_LIT("}"));
    return bk_arena_cstr(arena, bk_buf_str(&buf));
}

static void test_descriptions_may_go_in_circles_and_depth_is_bounded(void **state)
{
    const bk_bind_opts five = {.max_depth = 5}, hundred = {.max_depth = 100};
    struct node node;

    (void)state;
    assert_int_equal(bk_bind_json(arena, bk_str_of(family(32)), node_desc, NULL, &node), BK_OK);
    const struct node *it = &node;
    for (int i = 0; i < 31; i++) {
        assert_int_equal(it->children.count, 1);
        it = it->children.items;
    }
    assert_null(it->children.items);
    assert_text(errors_with(family(33), node_desc, NULL), "");
    assert_non_null(strstr(bk_error_chain()->message.ptr, "nested too deep"));
    assert_text(errors_with(family(33), node_desc, &hundred), "");
    assert_int_equal(bk_bind_json(arena, bk_str_of(family(3)), node_desc, &five, &node), BK_OK);
    assert_text(errors_with(family(4), node_desc, &five), "");
}

static void test_an_error_deep_inside_has_its_whole_pointer(void **state)
{
    (void)state;
    assert_text(errors_with("{\"name\":\"n\",\"children\":[{\"name\":\"m\",\"children\":"
                            "[{\"name\":\"o\"},{\"name\":1}]}]}",
                            node_desc, NULL),
                "/children/0/children/1/name type");
}

static void test_the_number_of_values_is_bounded(void **state)
{
    const bk_bind_opts few = {.max_nodes = 4};

    (void)state;
    struct order order;
    assert_int_equal(
        bk_bind_json(arena, BK_LIT("{\"name\":\"x\",\"flags\":[true]}"), order_desc, &few, &order),
        BK_OK);
    assert_text(errors_with("{\"name\":\"x\",\"flags\":[true,true]}", order_desc, &few), "");
    assert_non_null(strstr(bk_error_chain()->message.ptr, "too many values"));
}

struct wrong_default {
    int32_t n;
};
BK_DESCRIBE(wrong_default_desc, struct wrong_default, BK_I32(n, BK_MAX(3), BK_DEFAULT("4")))

static void use_wrong_default(void)
{
    struct wrong_default out;
    (void)!bk_bind_json(arena, BK_LIT("{}"), wrong_default_desc, NULL, &out);
}

static void test_a_wrong_default_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(use_wrong_default));
}

struct rich_defaults {
    bk_array numbers;
    struct point point;
    bk_str text, json;
    bk_time at;
};
BK_DESCRIBE(rich_defaults_desc, struct rich_defaults,
            BK_ARRAY(numbers, BK_TYPE_I64, BK_DEFAULT("[1,2,3]")),
            BK_STRUCT(point, point_desc, BK_DEFAULT("{\"x\":5}")),
            BK_STR(text, BK_DEFAULT("\"a\\nb\"")), BK_JSON(json, BK_DEFAULT("{\"k\":[]}")),
            BK_TIME(at, BK_DEFAULT("\"1970-01-01T00:00:02Z\"")))

static void test_a_default_may_be_any_json(void **state)
{
    struct rich_defaults out;

    (void)state;
    assert_int_equal(bk_bind_json(arena, BK_LIT("{\"text\":null}"), rich_defaults_desc, NULL, &out),
                     BK_OK);
    assert_int_equal(out.numbers.count, 3);
    assert_int_equal(((int64_t *)out.numbers.items)[2], 3);
    assert_int_equal(out.point.x, 5);
    assert_int_equal(out.point.y, 7); /* a default in a default */
    assert_text(out.text, "a\nb");
    assert_text(out.json, "{\"k\":[]}");
    assert_int_equal(out.at, 2000000);
}

static const bk_field *order_field(const char *member)
{
    const bk_desc *desc = order_desc();
    for (size_t i = 0; i < desc->count; i++) {
        if (strcmp(desc->fields[i].member, member) == 0)
            return &desc->fields[i];
    }
    return NULL;
}

struct holder {
    struct order order;
};
BK_DESCRIBE(holder_desc, struct holder, BK_STRUCT(order, order_desc))

static void test_what_was_stored_is_bound_without_the_rules_for_clients(void **state)
{
    const bk_field *field = &holder_desc()->fields[0];
    struct order order;

    (void)state;
    memset(&order, 0x5a, sizeof(order));
    bk_str json = BK_LIT("{\"id\":9,\"name\":\"far too long\",\"slug\":\"NO SLUG\",\"code\":\"x\","
                         "\"small\":99,\"price\":-1,\"tags\":[\"1\",\"2\",\"3\",\"4\"]}");
    assert_int_equal(bk__bind_stored(arena, json, field, &order), BK_OK);
    assert_int_equal(order.id, 9);
    assert_text(order.name, "far too long");
    assert_text(order.slug, "NO SLUG");
    assert_text(order.code, "x");
    assert_int_equal(order.small, 99);
    assert_true(order.price == -1);
    assert_int_equal(order.tags.count, 4);
    assert_false(order.has_colour); /* nor are there defaults */
    assert_int_equal(bk__bind_stored(arena, BK_LIT("{\"name\":null}"), field, &order), BK_OK);
    assert_absent(order.name);
    assert_int_equal(bk__bind_stored(arena, BK_LIT("{}"), field, &order), BK_OK);
}

static void test_what_was_stored_must_have_the_types(void **state)
{
    const bk_field *field = &holder_desc()->fields[0];
    struct order order;
    bk_array tags = {&order, 7};
    size_t count;

    (void)state;
    memset(&order, 0x5a, sizeof(order));
    assert_int_equal(bk__bind_stored(arena, BK_LIT("{\"id\":\"9\"}"), field, &order), BK_EINTERNAL);
    assert_true(all_zero(&order, sizeof(order)));
    assert_non_null(strstr(bk_error_chain()->message.ptr, "/id"));
    (void)bk_error_fields(&count);
    assert_int_equal(count, 0); /* those are for clients */
    assert_int_equal(bk__bind_stored(arena, BK_LIT("{"), field, &order), BK_EINTERNAL);
    assert_non_null(strstr(bk_error_chain()->message.ptr, "no JSON"));
    assert_int_equal(bk__bind_stored(arena, BK_LIT("{}{}"), field, &order), BK_EINTERNAL);
    assert_int_equal(bk__bind_stored(arena, BK_LIT("{}"), order_field("tags"), &tags),
                     BK_EINTERNAL);
    assert_null(tags.items);
}

struct visit {
    bk_time at, since;
    bk_array all;
};
BK_DESCRIBE(visit_desc, struct visit, BK_TIME(at, BK_REQUIRED),
            BK_TIME(since, BK_DEFAULT("\"1970-01-01T00:00:02Z\"")), BK_ARRAY(all, BK_TYPE_TIME))

static void test_times_can_be_numbers_of_seconds(void **state)
{
    (void)state;
    const bk_bind_opts numeric = {.numeric_time = true};
    struct visit visit;

    assert_int_equal(bk_bind_json(arena, BK_LIT("{\"at\":1600000000.25,\"all\":[-1,1e3]}"),
                                  visit_desc, &numeric, &visit),
                     BK_OK);
    assert_int_equal(visit.at, INT64_C(1600000000250000));
    assert_int_equal(visit.since, 2000000);
    assert_int_equal(((bk_time *)visit.all.items)[0], -1000000);
    assert_int_equal(((bk_time *)visit.all.items)[1], 1000000000);
    for (const char *const *json = (const char *const[]){"{\"at\":\"1970-01-01T00:00:02Z\"}",
                                                         "{\"at\":1e13}", "{}", NULL};
         *json != NULL; json++)
        assert_int_equal(bk_bind_json(arena, bk_str_of(*json), visit_desc, &numeric, &visit),
                         BK_EINVAL);
    assert_int_equal(bk_bind_json(arena, BK_LIT("{\"at\":1}"), visit_desc, NULL, &visit),
                     BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_reaches_its_member),
        cmocka_unit_test(test_times_can_be_numbers_of_seconds),
        cmocka_unit_test(test_what_is_absent_is_zero_or_its_default),
        cmocka_unit_test(test_null_is_absent_and_a_required_value_must_not_be),
        cmocka_unit_test(test_an_empty_array_is_present),
        cmocka_unit_test(test_strings_point_into_the_input_unless_escaped),
        cmocka_unit_test(test_the_order_of_keys_does_not_matter),
        cmocka_unit_test(test_read_only_keys_are_known_and_ignored),
        cmocka_unit_test(test_unknown_keys_are_ignored_or_refused),
        cmocka_unit_test(test_duplicates_are_refused_known_or_not),
        cmocka_unit_test(test_all_errors_are_told_with_their_places),
        cmocka_unit_test(test_each_type_is_insisted_on),
        cmocka_unit_test(test_numbers_that_do_not_fit_are_out_of_range),
        cmocka_unit_test(test_length_counts_code_points),
        cmocka_unit_test(test_details_are_words_for_a_person),
        cmocka_unit_test(test_malformed_json_is_one_error_with_its_byte),
        cmocka_unit_test(test_partial_wants_nothing_and_fills_in_nothing),
        cmocka_unit_test(test_errors_stop_at_a_hundred),
        cmocka_unit_test(test_errors_of_an_earlier_call_are_forgotten),
        cmocka_unit_test(test_long_arrays_grow),
        cmocka_unit_test(test_an_items_string_has_a_limit),
        cmocka_unit_test(test_descriptions_may_go_in_circles_and_depth_is_bounded),
        cmocka_unit_test(test_an_error_deep_inside_has_its_whole_pointer),
        cmocka_unit_test(test_the_number_of_values_is_bounded),
        cmocka_unit_test(test_a_wrong_default_stops_the_program),
        cmocka_unit_test(test_a_default_may_be_any_json),
        cmocka_unit_test(test_what_was_stored_is_bound_without_the_rules_for_clients),
        cmocka_unit_test(test_what_was_stored_must_have_the_types),
    };
    return cmocka_run_group_tests_name("json/bind", tests, set_up, tear_down);
}
