/* Described structs to JSON, and there and back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/describe.h>
#include <backend/json.h>

#include "../harness/aborts.h"
#include "text.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

struct point {
    int32_t x;
    bool has_x;
    double y;
};
BK_DESCRIBE(point_desc, struct point, BK_I32(x, BK_HAS(has_x)), BK_F64(y))

struct order {
    int64_t id;
    bk_str name, note, secret, extra;
    bool ok, has_ok;
    bk_time at;
    int colour;
    struct point from;
    bk_array tags, numbers, points;
};
BK_DESCRIBE(order_desc, struct order, BK_I64(id), BK_STR(name, BK_REQUIRED), BK_STR(note),
            BK_STR(secret, BK_WRITE_ONLY), BK_JSON(extra), BK_BOOL(ok, BK_HAS(has_ok)), BK_TIME(at),
            BK_ENUM(colour, colours, BK_KEY("the \"colour\"")), BK_STRUCT(from, point_desc),
            BK_ARRAY(tags, BK_TYPE_STR, BK_REQUIRED), BK_ARRAY(numbers, BK_TYPE_F64),
            BK_ARRAY_OF(points, point_desc))

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

static bk_str written(bk_desc_fn desc, const void *object)
{
    bk_buf buf = {.arena = arena};
    bk_write_json(&buf, desc, object);
    return bk_buf_str(&buf);
}

static void test_what_is_absent_is_left_out(void **state)
{
    const struct order order = {.name = BK_LIT("n"), .secret = BK_LIT("s")};

    (void)state;
    assert_text(written(order_desc, &order),
                "{\"id\":0,\"name\":\"n\",\"at\":\"1970-01-01T00:00:00.000Z\","
                "\"the \\\"colour\\\"\":\"red\",\"from\":{\"y\":0},\"tags\":[]}");
}

static void test_every_type_is_written(void **state)
{
    bk_str tags[] = {BK_LIT("a"), BK_LIT("\n"), {0}};
    double numbers[] = {0.5, NAN};
    struct point points[] = {{.x = -1, .has_x = true}, {.y = 2.5}};
    const struct order order = {
        .id = INT64_MIN,
        .name = BK_LIT(""),
        .note = BK_LIT("h\xc3\xa9"),
        .extra = BK_LIT("[1, {}]"),
        .has_ok = true,
        .at = 1,
        .colour = 2,
        .from = {.x = 3, .has_x = true, .y = 1e300},
        .tags = {tags, 3},
        .numbers = {numbers, 2},
        .points = {points, 2},
    };

    (void)state;
    assert_text(written(order_desc, &order),
                "{\"id\":-9223372036854775808,\"name\":\"\",\"note\":\"h\xc3\xa9\","
                "\"extra\":[1, {}],\"ok\":false,\"at\":\"1970-01-01T00:00:00.000001Z\","
                "\"the \\\"colour\\\"\":\"blue\",\"from\":{\"x\":3,\"y\":1e+300},"
                "\"tags\":[\"a\",\"\\n\",null],\"numbers\":[0.5,null],"
                "\"points\":[{\"x\":-1,\"y\":0},{\"y\":2.5}]}");
}

static void test_an_empty_array_is_written_when_present(void **state)
{
    const struct order order = {.name = BK_LIT("n"), .numbers = {arena, 0}};

    (void)state;
    const char *text = bk_arena_cstr(arena, written(order_desc, &order));
    assert_non_null(strstr(text, "\"numbers\":[]"));
}

static void write_colour(int colour)
{
    const struct order order = {.name = BK_LIT("n"), .colour = colour};
    (void)written(order_desc, &order);
}

static void write_colour_3(void)
{
    write_colour(3);
}

static void write_colour_below_0(void)
{
    write_colour(-1);
}

static void test_an_index_without_name_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(write_colour_3));
    assert_true(aborts(write_colour_below_0));
}

/* Structs made at random. */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static bk_str any_text(uint64_t *seed)
{
    static const char *const pieces[] = {
        "a", "word", "\"",  "\\", "\n", "\x01", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "/", "~",    "\x7f"};
    bk_buf buf = {.arena = arena};
    for (uint64_t n = next_random(seed) % 12; n > 0; n--)
        bk_buf_add(&buf, bk_str_of(pieces[next_random(seed) % 12]));
    return bk_buf_str(&buf);
}

static double any_number(uint64_t *seed)
{
    uint64_t bits = next_random(seed);
    double value;
    if (bits % 3 == 0)
        return (double)(int64_t)(bits >> 40) / 100;
    memcpy(&value, &bits, sizeof(value));
    return isfinite(value) ? value : 0.5;
}

static struct point any_point(uint64_t *seed)
{
    struct point point = {.y = any_number(seed), .has_x = next_random(seed) % 2 == 0};
    if (point.has_x)
        point.x = (int32_t)next_random(seed);
    return point;
}

static struct order any_order(uint64_t *seed)
{
    struct order order = {
        .id = (int64_t)next_random(seed),
        .name = any_text(seed),
        .has_ok = next_random(seed) % 2 == 0,
        .at = (int64_t)(next_random(seed) % 4102444800000000),
        .colour = (int)(next_random(seed) % 3),
        .from = any_point(seed),
    };
    if (next_random(seed) % 2 == 0)
        order.note = any_text(seed);
    if (next_random(seed) % 2 == 0)
        order.extra = BK_LIT("{\"a\":[1,2.50,\"x\"]}");
    order.ok = order.has_ok && next_random(seed) % 2 == 0;

    size_t count = next_random(seed) % 9;
    bk_str *tags = bk_arena_alloc(arena, count * sizeof(*tags));
    double *numbers = bk_arena_alloc(arena, count * sizeof(*numbers));
    struct point *points = bk_arena_alloc(arena, count * sizeof(*points));
    for (size_t i = 0; i < count; i++) {
        tags[i] = any_text(seed);
        numbers[i] = any_number(seed);
        points[i] = any_point(seed);
    }
    order.tags = (bk_array){tags, count};
    order.numbers = (bk_array){numbers, count};
    if (next_random(seed) % 2 == 0)
        order.points = (bk_array){points, count};
    return order;
}

static void assert_same_text(bk_str a, bk_str b)
{
    assert_int_equal(bk_str_present(a), bk_str_present(b));
    assert_true(bk_str_eq(a, b));
}

static void assert_same_number(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof(a));
}

static void assert_same_point(struct point a, struct point b)
{
    assert_int_equal(a.has_x, b.has_x);
    assert_int_equal(a.x, b.x);
    assert_same_number(a.y, b.y);
}

static void assert_same_order(const struct order *a, const struct order *b)
{
    assert_true(a->id == b->id && a->at == b->at);
    assert_same_text(a->name, b->name);
    assert_same_text(a->note, b->note);
    assert_same_text(a->extra, b->extra);
    assert_int_equal(a->has_ok, b->has_ok);
    assert_int_equal(a->ok, b->ok);
    assert_int_equal(a->colour, b->colour);
    assert_same_point(a->from, b->from);
    assert_int_equal(a->tags.count, b->tags.count);
    assert_int_equal(a->numbers.count, b->numbers.count);
    assert_int_equal(a->points.count, b->points.count);
    for (size_t i = 0; i < a->tags.count; i++)
        assert_same_text(((bk_str *)a->tags.items)[i], ((bk_str *)b->tags.items)[i]);
    for (size_t i = 0; i < a->numbers.count; i++)
        assert_same_number(((double *)a->numbers.items)[i], ((double *)b->numbers.items)[i]);
    for (size_t i = 0; i < a->points.count; i++)
        assert_same_point(((struct point *)a->points.items)[i],
                          ((struct point *)b->points.items)[i]);
}

static void test_what_is_written_is_bound_to_the_same_struct(void **state)
{
    uint64_t seed = 0x2545f4914f6cdd1d;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct order order = any_order(&seed), again;
        bk_str json = written(order_desc, &order);
        assert_int_equal(bk_json_check(json, NULL), BK_OK);
        assert_int_equal(bk_bind_json(arena, json, order_desc, NULL, &again), BK_OK);
        assert_same_order(&order, &again);
        assert_true(bk_str_eq(written(order_desc, &again), json));
        if (round % 500 == 0) {
            bk_arena_free(arena);
            arena = bk_arena_new();
        }
    }
}

/* The tree that is parsed from the same text holds the same values. */
static void test_binding_and_parsing_agree(void **state)
{
    uint64_t seed = 99;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct order order = any_order(&seed);
        bk_json *tree;
        int64_t id, x;
        double y;
        bk_str json = written(order_desc, &order);
        assert_int_equal(bk_json_parse(arena, json, NULL, &tree), BK_OK);
        assert_int_equal(bk_json_i64(bk_json_get(tree, BK_LIT("id")), &id), BK_OK);
        assert_true(id == order.id);
        assert_same_text(bk_json_str(bk_json_get(tree, BK_LIT("note"))), order.note);
        assert_int_equal(bk_json_f64(bk_json_at(tree, BK_LIT("/from/y")), &y), BK_OK);
        assert_same_number(y, order.from.y);
        if (order.from.has_x) {
            assert_int_equal(bk_json_i64(bk_json_at(tree, BK_LIT("/from/x")), &x), BK_OK);
            assert_int_equal(x, order.from.x);
        }
        assert_int_equal(bk_json_len(bk_json_get(tree, BK_LIT("tags"))), order.tags.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_absent_is_left_out),
        cmocka_unit_test(test_every_type_is_written),
        cmocka_unit_test(test_an_empty_array_is_written_when_present),
        cmocka_unit_test(test_an_index_without_name_stops_the_program),
        cmocka_unit_test(test_what_is_written_is_bound_to_the_same_struct),
        cmocka_unit_test(test_binding_and_parsing_agree),
    };
    return cmocka_run_group_tests_name("json/write_desc", tests, set_up, tear_down);
}
