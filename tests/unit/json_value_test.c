/* Values of unknown shape: parsed, read, built, printed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "../harness/aborts.h"
#include "text.h"

#ifndef BK_SOURCE_ROOT
#define BK_SOURCE_ROOT "."
#endif

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

static bk_json *parse(const char *text)
{
    bk_json *value = NULL;
    assert_int_equal(bk_json_parse(arena, bk_str_of(text), NULL, &value), BK_OK);
    return value;
}

static bk_str print(const bk_json *value)
{
    bk_buf buf = {.arena = arena};
    bk_json_print(&buf, value);
    return bk_buf_str(&buf);
}

static void test_members_and_items_are_walked_in_their_order(void **state)
{
    const bk_json *object = parse("{\"b\":[1,\"two\",null],\"a\":true,\"\":{}}");
    const bk_json *it = bk_json_first(object);

    (void)state;
    assert_int_equal(bk_json_type_of(object), BK_JSON_OBJECT);
    assert_int_equal(bk_json_len(object), 3);
    assert_text(bk_json_key(it), "b");
    assert_int_equal(bk_json_type_of(it), BK_JSON_ARRAY);
    assert_int_equal(bk_json_len(it), 3);
    const bk_json *item = bk_json_first(it);
    assert_int_equal(bk_json_type_of(item), BK_JSON_NUMBER);
    assert_absent(bk_json_key(item));
    item = bk_json_next(item);
    assert_text(bk_json_str(item), "two");
    item = bk_json_next(item);
    assert_int_equal(bk_json_type_of(item), BK_JSON_NULL);
    assert_null(bk_json_next(item));
    it = bk_json_next(it);
    assert_text(bk_json_key(it), "a");
    assert_true(bk_json_bool(it));
    it = bk_json_next(it);
    assert_text(bk_json_key(it), "");
    assert_null(bk_json_first(it));
    assert_null(bk_json_next(it));
}

static void test_look_ups_can_be_chained_over_what_is_not_there(void **state)
{
    const bk_json *none = bk_json_get(bk_json_get(parse("{\"a\":1}"), BK_LIT("x")), BK_LIT("y"));
    int64_t number = 7;
    double real = 7;

    (void)state;
    assert_null(none);
    assert_int_equal(bk_json_type_of(none), BK_JSON_NULL);
    assert_int_equal(bk_json_len(none), 0);
    assert_null(bk_json_first(none));
    assert_null(bk_json_next(none));
    assert_absent(bk_json_key(none));
    assert_absent(bk_json_str(none));
    assert_false(bk_json_bool(none));
    assert_int_equal(bk_json_i64(none, &number), BK_EINVAL);
    assert_int_equal(bk_json_f64(none, &real), BK_EINVAL);
    assert_int_equal(number, 7);
    assert_text(print(none), "null");
}

static void test_keys_are_found_by_case_and_by_all_their_bytes(void **state)
{
    const bk_json *object = parse("{\"Name\":1,\"name\":2,\"names\":3,\"n\\u0061m\":4}");
    int64_t number;

    (void)state;
    assert_int_equal(bk_json_i64(bk_json_get(object, BK_LIT("name")), &number), BK_OK);
    assert_int_equal(number, 2);
    assert_int_equal(bk_json_i64(bk_json_get(object, BK_LIT("nam")), &number), BK_OK);
    assert_int_equal(number, 4);
    assert_null(bk_json_get(object, BK_LIT("NAME")));
    assert_null(bk_json_get(object, BK_LIT("")));
    assert_null(bk_json_get(bk_json_first(object), BK_LIT("name")));
}

static void test_integers_keep_all_64_bits(void **state)
{
    const bk_json *array = parse("[9007199254740993,-9223372036854775808,9223372036854775807,"
                                 "1.0,1e3,9223372036854775808,1.5]");
    static const int64_t want[] = {9007199254740993, INT64_MIN, INT64_MAX, 1, 1000};
    const bk_json *it = bk_json_first(array);
    int64_t number = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++, it = bk_json_next(it)) {
        assert_int_equal(bk_json_i64(it, &number), BK_OK);
        assert_true(number == want[i]);
    }
    assert_int_equal(bk_json_i64(it, &number), BK_EINVAL);
    assert_int_equal(bk_json_i64(bk_json_next(it), &number), BK_EINVAL);
    assert_text(print(array), "[9007199254740993,-9223372036854775808,9223372036854775807,"
                              "1,1000,9223372036854776000,1.5]");
}

static void test_a_wrong_type_is_named_with_its_key(void **state)
{
    const bk_json *object = parse("{\"id\":\"x\",\"big\":1e30}");
    int64_t number;
    double real;

    (void)state;
    assert_int_equal(bk_json_i64(bk_json_get(object, BK_LIT("id")), &number), BK_EINVAL);
    assert_text(bk_error_chain()->message, "\"id\" must be an integer");
    assert_int_equal(bk_json_i64(bk_json_get(object, BK_LIT("big")), &number), BK_EINVAL);
    assert_text(bk_error_chain()->message, "\"big\" must be an integer of at most 64 bits");
    assert_int_equal(bk_json_f64(bk_json_get(object, BK_LIT("id")), &real), BK_EINVAL);
    assert_text(bk_error_chain()->message, "\"id\" must be a number");
    assert_int_equal(bk_json_f64(bk_json_get(object, BK_LIT("big")), &real), BK_OK);
    assert_true(real == 1e30);
}

static void test_the_text_is_not_needed_after_parsing(void **state)
{
    char text[] = "{\"a\\nb\":\"c\\td\"}";
    bk_json *value;

    (void)state;
    assert_int_equal(bk_json_parse(arena, bk_str_of(text), NULL, &value), BK_OK);
    memset(text, 'x', sizeof(text) - 1);
    assert_text(bk_json_str(bk_json_get(value, BK_LIT("a\nb"))), "c\td");
}

static void test_out_is_untouched_when_parsing_fails(void **state)
{
    bk_json *value = (bk_json *)(void *)&arena;

    (void)state;
    assert_int_equal(bk_json_parse(arena, BK_LIT("[1,{\"a\":2}"), NULL, &value), BK_EINVAL);
    assert_ptr_equal(value, &arena);
}

static void test_a_pointer_leads_to_a_value(void **state)
{
    const bk_json *root = parse("{\"items\":[{\"name\":\"x\"},[10,20]],\"a/b\":1,\"m~n\":2,\"\":3,"
                                "\" \":4,\"0\":5,\"~1\":6}");
    static const struct {
        const char *pointer, *want; /* NULL: nothing there */
    } cases[] = {
        {"/items/0/name", "\"x\""},
        {"/items/1/1", "20"},
        {"/a~1b", "1"},
        {"/m~0n", "2"},
        {"/", "3"},
        {"/ ", "4"},
        {"/0", "5"},
        {"/~01", "6"},
        {"/items/2", NULL},
        {"/items/-", NULL},
        {"/items/-0", NULL},
        {"/items/00", NULL},
        {"/items/01", NULL},
        {"/items/", NULL},
        {"/items/0/name/x", NULL},
        {"items", NULL},
        {"/m~n", NULL},
        {"/m~", NULL},
        {"/m~2n", NULL},
        {"/x", NULL},
        {"//", NULL},
        {"/items/99999999999999999999", NULL},
    };

    (void)state;
    assert_ptr_equal(bk_json_at(root, BK_LIT("")), root);
    assert_ptr_equal(bk_json_at(root, (bk_str){0}), root);
    assert_null(bk_json_at(NULL, BK_LIT("/a")));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bk_json *got = bk_json_at(root, bk_str_of(cases[i].pointer));
        if (cases[i].want == NULL)
            assert_null(got);
        else
            assert_text(print(got), cases[i].want);
    }
}

static void test_values_are_built_and_printed(void **state)
{
    bk_json *object = bk_json_new_object(arena), *list = bk_json_new_array(arena);

    (void)state;
    bk_json_set(object, BK_LIT("id"), bk_json_new_i64(arena, INT64_MAX));
    bk_json_set(object, BK_LIT("name \"x\""), bk_json_new_str(arena, BK_LIT("a\nb")));
    bk_json_set(object, BK_LIT("list"), list);
    bk_json_append(list, bk_json_new_f64(arena, 0.1));
    bk_json_append(list, bk_json_new_f64(arena, -0.0));
    bk_json_append(list, bk_json_new_f64(arena, 1e15));
    bk_json_append(list, bk_json_new_bool(arena, true));
    bk_json_append(list, bk_json_new_bool(arena, false));
    bk_json_append(list, bk_json_new_null(arena));
    bk_json_append(list, bk_json_new_array(arena));
    bk_json_append(list, bk_json_new_str(arena, (bk_str){0}));
    assert_text(print(object), "{\"id\":9223372036854775807,\"name \\\"x\\\"\":\"a\\nb\","
                               "\"list\":[0.1,-0,1000000000000000,true,false,null,[],\"\"]}");
    assert_text(print(bk_json_get(object, BK_LIT("list"))),
                "[0.1,-0,1000000000000000,true,false,null,[],\"\"]");
    assert_int_equal(bk_json_len(object), 3);
    assert_int_equal(bk_json_len(list), 8);
}

static void test_parsed_and_built_values_can_be_joined(void **state)
{
    bk_json *object = parse("{\"a\":1}"), *list = bk_json_new_array(arena);

    (void)state;
    bk_json_set(object, BK_LIT("b"), parse("[2]"));
    bk_json_append(list, object);
    assert_text(print(list), "[{\"a\":1,\"b\":[2]}]");
}

static void take_twice(void)
{
    bk_json *list = bk_json_new_array(arena), *value = bk_json_new_null(arena);
    bk_json_append(list, value);
    bk_json_append(list, value);
}

static void put_into_itself(void)
{
    bk_json *list = bk_json_new_array(arena);
    bk_json_append(list, list);
}

static void set_in_an_array(void)
{
    bk_json_set(bk_json_new_array(arena), BK_LIT("a"), bk_json_new_null(arena));
}

static void append_to_an_object(void)
{
    bk_json_append(bk_json_new_object(arena), bk_json_new_null(arena));
}

static void make_infinity(void)
{
    assert_non_null(bk_json_new_f64(arena, INFINITY));
}

static void print_too_deep(void)
{
    bk_json *value = bk_json_new_null(arena);
    for (int i = 0; i < 65; i++) {
        bk_json *list = bk_json_new_array(arena);
        bk_json_append(list, value);
        value = list;
    }
    (void)print(value);
}

static void test_misuse_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(take_twice));
    assert_true(aborts(put_into_itself));
    assert_true(aborts(set_in_an_array));
    assert_true(aborts(append_to_an_object));
    assert_true(aborts(make_infinity));
    assert_true(aborts(print_too_deep));
}

/* What cJSON makes of the same text. It is the second opinion only where it is exact: it has one
 * double for every number. */
static void assert_same(const bk_json *ours, const cJSON *theirs)
{
    int64_t exact;
    double number;

    switch (bk_json_type_of(ours)) {
    case BK_JSON_NULL:
        assert_true(cJSON_IsNull(theirs));
        return;
    case BK_JSON_BOOL:
        assert_true(cJSON_IsBool(theirs));
        assert_int_equal(bk_json_bool(ours), cJSON_IsTrue(theirs));
        return;
    case BK_JSON_STRING:
        assert_true(cJSON_IsString(theirs));
        assert_text(bk_json_str(ours), theirs->valuestring);
        return;
    case BK_JSON_NUMBER:
        assert_true(cJSON_IsNumber(theirs));
        assert_int_equal(bk_json_f64(ours, &number), BK_OK);
        assert_true(number == theirs->valuedouble);
        if (bk_json_i64(ours, &exact) == BK_OK)
            assert_true((double)exact == theirs->valuedouble);
        return;
    default:
        break;
    }
    assert_int_equal(bk_json_type_of(ours) == BK_JSON_OBJECT, cJSON_IsObject(theirs));
    const bk_json *it = bk_json_first(ours);
    const cJSON *other = theirs->child;
    for (; it != NULL && other != NULL; it = bk_json_next(it), other = other->next) {
        if (other->string != NULL)
            assert_text(bk_json_key(it), other->string);
        assert_same(it, other);
    }
    assert_null(it);
    assert_null(other);
    assert_int_equal(bk_json_len(ours), cJSON_GetArraySize(theirs));
}

/* Parses, compares with cJSON, prints; parsing the print gives the same print. */
static void judge(const char *name, bk_str text)
{
    bk_json *value, *again;

    if (bk_json_parse(arena, text, NULL, &value) != BK_OK)
        return;
    cJSON *theirs = cJSON_ParseWithLength(text.ptr, text.len);
    if (theirs == NULL)
        fail_msg("%s: cJSON does not take it", name);
    assert_same(value, theirs);
    cJSON_Delete(theirs);

    bk_str once = print(value);
    assert_int_equal(bk_json_check(once, NULL), BK_OK);
    assert_int_equal(bk_json_parse(arena, once, NULL, &again), BK_OK);
    assert_true(bk_str_eq(print(again), once));
}

static void test_cjson_sees_the_same_values(void **state)
{
    const char *folder = getenv("BK_JSON_SUITE");
    struct dirent *entry;
    int files = 0;

    (void)state;
    if (folder == NULL)
        folder = BK_SOURCE_ROOT "/tests/fuzz/corpus/json";
    DIR *list = opendir(folder);
    assert_non_null(list);
    while ((entry = readdir(list)) != NULL) {
        static char bytes[1 << 19];
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "rb") : NULL;
        if (file == NULL)
            continue;
        size_t len = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        judge(entry->d_name, bk_str_at(bytes, len));
        files++;
    }
    closedir(list);
    assert_true(files > 300);
    judge("numbers", BK_LIT("[0,-0,1.5,123456789012345678,1e22,1e-7,0.1,4.9e-324]"));
    judge("text", BK_LIT("{\"\\u00e9\\ud83d\\ude00\\/\\b\":\"\\\"\\\\\\f\\n\\r\\t\x7f\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_and_items_are_walked_in_their_order),
        cmocka_unit_test(test_look_ups_can_be_chained_over_what_is_not_there),
        cmocka_unit_test(test_keys_are_found_by_case_and_by_all_their_bytes),
        cmocka_unit_test(test_integers_keep_all_64_bits),
        cmocka_unit_test(test_a_wrong_type_is_named_with_its_key),
        cmocka_unit_test(test_the_text_is_not_needed_after_parsing),
        cmocka_unit_test(test_out_is_untouched_when_parsing_fails),
        cmocka_unit_test(test_a_pointer_leads_to_a_value),
        cmocka_unit_test(test_values_are_built_and_printed),
        cmocka_unit_test(test_parsed_and_built_values_can_be_joined),
        cmocka_unit_test(test_misuse_stops_the_program),
        cmocka_unit_test(test_cjson_sees_the_same_values),
    };
    return cmocka_run_group_tests_name("json/value", tests, set_up, tear_down);
}
