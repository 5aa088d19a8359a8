/* Forms and queries into structs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/arena.h>
#include <backend/describe.h>

#include "text.h"

static const char *const orders[] = {"asc", "desc", NULL};

struct point {
    int32_t x;
};
BK_DESCRIBE(point_desc, struct point, BK_I32(x))

struct query {
    int64_t id;
    bk_str q, email, filter;
    int32_t limit;
    double ratio;
    bool all, has_all;
    bk_time since;
    int order;
    bk_array tags, ids, points;
    bool has_tags;
    struct point at;
};
BK_DESCRIBE(query_desc, struct query, BK_I64(id, BK_READ_ONLY),
            BK_STR(q, BK_REQUIRED, BK_LEN(0, 8)), BK_STR(email, BK_FORMAT(BK_FORMAT_EMAIL)),
            BK_JSON(filter), BK_I32(limit, BK_MIN(1), BK_MAX(100), BK_DEFAULT("20")), BK_F64(ratio),
            BK_BOOL(all, BK_HAS(has_all)), BK_TIME(since), BK_ENUM(order, orders),
            BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(1, 2), BK_HAS(has_tags)), BK_ARRAY(ids, BK_TYPE_I64),
            BK_ARRAY_OF(points, point_desc), BK_STRUCT(at, point_desc))

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

static struct query bound(const char *form)
{
    struct query query;
    memset(&query, 0x5a, sizeof(query));
    assert_int_equal(bk_bind_form(arena, bk_str_of(form), query_desc, NULL, &query), BK_OK);
    return query;
}

/* "name code, name code": the errors that binding records. */
static bk_str errors_with(const char *form, const bk_bind_opts *opts)
{
    static const struct query zero;
    bk_buf buf = {.arena = arena};
    struct query query;
    size_t count;

    memset(&query, 0x5a, sizeof(query));
    assert_int_equal(bk_bind_form(arena, bk_str_of(form), query_desc, opts, &query), BK_EINVAL);
    assert_memory_equal(&query, &zero, sizeof(query));
    const bk_field_error *errors = bk_error_fields(&count);
    for (size_t i = 0; i < count; i++)
        bk_buf_printf(&buf, "%s%s %s", i != 0 ? ", " : "", errors[i].pointer.ptr,
                      errors[i].code.ptr);
    return bk_buf_str(&buf);
}

static bk_str errors(const char *form)
{
    return errors_with(form, NULL);
}

static void test_text_becomes_the_members_type(void **state)
{
    struct query query =
        bound("q=a+b%26%c3%a9&email=a%40b.c&filter=%7B%22a%22%3A1%7D&limit=50&ratio=-1.5e1&all=true"
              "&since=1970-01-01T00:00:01%2b00:00&order=desc&tags=x&tags=y&ids=1&ids=-2&ids=3&");

    (void)state;
    assert_text(query.q, "a b&\xc3\xa9");
    assert_text(query.email, "a@b.c");
    assert_text(query.filter, "{\"a\":1}");
    assert_int_equal(query.limit, 50);
    assert_true(query.ratio == -15);
    assert_true(query.all && query.has_all);
    assert_int_equal(query.since, 1000000);
    assert_int_equal(query.order, 1);
    assert_int_equal(query.tags.count, 2);
    assert_true(query.has_tags);
    assert_text(((bk_str *)query.tags.items)[1], "y");
    assert_int_equal(query.ids.count, 3);
    assert_int_equal(((int64_t *)query.ids.items)[1], -2);
}

static void test_absent_members_are_zero_or_their_default(void **state)
{
    struct query query = bound("q");

    (void)state;
    assert_text(query.q, "");
    assert_int_equal(query.limit, 20);
    assert_false(query.has_all);
    assert_absent(query.email);
    assert_null(query.tags.items);
    assert_text(errors(""), "q required");
}

static void test_an_empty_value_is_absent_where_the_type_is_no_text(void **state)
{
    struct query query = bound("q=&limit=&ratio=&all=&since=&order=&ids=&ids=4");

    (void)state;
    assert_text(query.q, "");
    assert_int_equal(query.limit, 20);
    assert_false(query.has_all);
    assert_int_equal(query.ids.count, 1);
    assert_text(errors("q=&email="), "email format");
}

static void test_the_words_of_a_bool(void **state)
{
    (void)state;
    assert_true(bound("q=&all=1").all);
    assert_true(bound("q=&all=on").all);
    assert_false(bound("q=&all=0").all);
    assert_false(bound("q=&all=off").all);
    assert_true(bound("q=&all=false").has_all);
    assert_text(errors("q=&all=TRUE"), "all type");
}

static void test_all_errors_are_told_by_their_parameter(void **state)
{
    (void)state;
    assert_text(errors("q=123456789&email=x&filter=%7B&limit=0&ratio=1.&all=2&since=now&order=up"
                       "&ids=1&ids=x&ids=1.5&tags=a&tags=b&tags=c&tags=d&at=1&points=2"),
                "q maxLength, email format, filter type, limit minimum, ratio type, all type, "
                "since format, order enum, ids type, ids type, tags maxItems, at type, "
                "points type");
    assert_text(errors("limit=2147483648"), "limit range, q required");
    assert_text(errors("q=&limit=%2B1"), "limit type");
    assert_text(errors("q=&limit=01"), "limit type");
    assert_text(errors("q=&limit=1%20"), "limit type");
}

static void test_a_repeated_key_fills_an_array_only(void **state)
{
    (void)state;
    assert_text(errors("q=a&limit=1&q=b&limit="), "q duplicate, limit duplicate");
}

static void test_unknown_and_read_only_keys(void **state)
{
    const bk_bind_opts strict = {.unknown = BK_UNKNOWN_REFUSED};
    struct query query = bound("q=a&zz=1&zz=2&id=x&id=y");

    (void)state;
    assert_int_equal(query.id, 0);
    assert_text(errors_with("q=a&z%7a=1&id=2", &strict), "zz unknown");
}

static void test_partial_wants_nothing(void **state)
{
    const bk_bind_opts partial = {.partial = true};
    struct query query;

    (void)state;
    assert_int_equal(bk_bind_form(arena, BK_LIT("ratio=1"), query_desc, &partial, &query), BK_OK);
    assert_int_equal(query.limit, 0);
}

static void test_percent_signs_alone_stay(void **state)
{
    (void)state;
    assert_text(bound("q=100%").q, "100%");
    assert_text(bound("q=%4&limit=1").q, "%4");
    assert_text(bound("q=%zz%41").q, "%zzA");
    assert_text(bound("q=a=b").q, "a=b");
}

static void test_values_are_borrowed_where_nothing_was_encoded(void **state)
{
    const char *form = "q=abc";
    assert_ptr_equal(bound(form).q.ptr, form + 2);
    (void)state;
}

static void test_what_is_no_text_is_refused_with_its_byte(void **state)
{
    (void)state;
    assert_text(errors("q=a&q=%ff"), "");
    assert_text(bk_error_chain()->message, "the form is not UTF-8 at byte 4");
    assert_text(errors("%00=a"), "");
    assert_text(errors("q=\xc0\xaf"), "");
}

static void test_the_number_of_values_is_bounded(void **state)
{
    const bk_bind_opts two = {.max_nodes = 2};
    struct query query;

    (void)state;
    assert_int_equal(bk_bind_form(arena, BK_LIT("q=&&ids=1"), query_desc, &two, &query), BK_OK);
    assert_text(errors_with("q=&ids=1&ids=2", &two), "");
    assert_text(bk_error_chain()->message, "the form has too many values");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_becomes_the_members_type),
        cmocka_unit_test(test_absent_members_are_zero_or_their_default),
        cmocka_unit_test(test_an_empty_value_is_absent_where_the_type_is_no_text),
        cmocka_unit_test(test_the_words_of_a_bool),
        cmocka_unit_test(test_all_errors_are_told_by_their_parameter),
        cmocka_unit_test(test_a_repeated_key_fills_an_array_only),
        cmocka_unit_test(test_unknown_and_read_only_keys),
        cmocka_unit_test(test_partial_wants_nothing),
        cmocka_unit_test(test_percent_signs_alone_stay),
        cmocka_unit_test(test_values_are_borrowed_where_nothing_was_encoded),
        cmocka_unit_test(test_what_is_no_text_is_refused_with_its_byte),
        cmocka_unit_test(test_the_number_of_values_is_bounded),
    };
    return cmocka_run_group_tests_name("json/bind_form", tests, set_up, tear_down);
}
