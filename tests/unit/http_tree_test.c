#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <backend/str.h>

#include "http/tree.h"
#include "text.h"

/* Stores the pattern itself as its value. */
static void add(struct bk__tree *tree, const char *pattern)
{
    const char *why;
    void **slot = bk__tree_slot(tree, bk_str_of(pattern), &why, NULL);
    if (slot == NULL)
        fail_msg("%s", why);
    *slot = (void *)(uintptr_t)pattern;
}

/* The pattern that @p path matches; NULL when it matches none. */
static const char *match(const struct bk__tree *tree, const char *path)
{
    struct bk__tree_match found;
    bool hit = bk__tree_find(tree, bk_str_of(path), &found);
    assert_int_equal(hit, found.value != NULL);
    return found.value;
}

static void assert_match(const struct bk__tree *tree, const char *path, const char *pattern)
{
    const char *got = match(tree, path);
    if (pattern == NULL ? got != NULL : got == NULL || strcmp(got, pattern) != 0)
        fail_msg("\"%s\" matches %s, not %s", path, got != NULL ? got : "nothing",
                 pattern != NULL ? pattern : "nothing");
}

/* The @p index th parameter of what @p path matches. */
static bk_str param(const struct bk__tree *tree, const char *path, size_t index)
{
    struct bk__tree_match found;
    assert_true(bk__tree_find(tree, bk_str_of(path), &found));
    assert_in_range(index + 1, 1, found.count);
    return found.params[index];
}

static int new_tree(void **state)
{
    *state = bk__tree_new();
    return 0;
}

static int free_tree(void **state)
{
    bk__tree_free(*state);
    return 0;
}

static void test_an_empty_tree_matches_nothing(void **state)
{
    assert_match(*state, "/", NULL);
    assert_match(*state, "/a", NULL);
    assert_match(*state, "", NULL);
    bk__tree_free(NULL);
}

static void test_static_paths_match_whole_segments(void **state)
{
    struct bk__tree *tree = *state;
    add(tree, "/");
    add(tree, "/products");
    add(tree, "/products/new");
    assert_match(tree, "/", "/");
    assert_match(tree, "/products", "/products");
    assert_match(tree, "/products/new", "/products/new");
    assert_match(tree, "/product", NULL);
    assert_match(tree, "/productss", NULL);
    assert_match(tree, "/Products", NULL);
    assert_match(tree, "/products/ne", NULL);
    assert_match(tree, "/products/new/x", NULL);
    assert_match(tree, "/new", NULL);
}

static void test_a_node_on_the_way_is_no_route(void **state)
{
    add(*state, "/a/b/c");
    assert_match(*state, "/a", NULL);
    assert_match(*state, "/a/b", NULL);
    assert_match(*state, "/", NULL);
}

static void test_a_slot_without_a_value_is_no_route(void **state)
{
    struct bk__tree *tree = *state;
    const char *why;
    assert_non_null(bk__tree_slot(tree, BK_LIT("/a"), &why, NULL));
    assert_non_null(bk__tree_slot(tree, BK_LIT("/b/{rest*}"), &why, NULL));
    assert_match(tree, "/a", NULL);
    assert_match(tree, "/b/c", NULL);
    add(tree, "/{any*}");
    assert_match(tree, "/a", "/{any*}");
    assert_match(tree, "/b/c", "/{any*}");
}

static void test_a_trailing_slash_makes_no_difference(void **state)
{
    struct bk__tree *tree = *state;
    const char *why;
    add(tree, "/a");
    add(tree, "/b/{id}/");
    assert_match(tree, "/a/", "/a");
    assert_match(tree, "/b/1", "/b/{id}/");
    assert_match(tree, "/b/1/", "/b/{id}/");
    assert_text(param(tree, "/b/1/", 0), "1");
    assert_ptr_equal(bk__tree_slot(tree, BK_LIT("/a/"), &why, NULL),
                     bk__tree_slot(tree, BK_LIT("/a"), &why, NULL));
}

static void test_a_parameter_takes_one_segment_as_sent(void **state)
{
    struct bk__tree *tree = *state;
    add(tree, "/u/{id}");
    add(tree, "/u/{id}/posts/{post}");
    assert_text(param(tree, "/u/12345", 0), "12345");
    assert_text(param(tree, "/u/a%2Fb", 0), "a%2Fb");
    assert_text(param(tree, "/u/%zz", 0), "%zz");
    assert_text(param(tree, "/u/...", 0), "...");
    assert_text(param(tree, "/u/7/posts/8", 0), "7");
    assert_text(param(tree, "/u/7/posts/8", 1), "8");
    assert_match(tree, "/u/", NULL);
    assert_match(tree, "/u", NULL);
    assert_match(tree, "/u/1/2", NULL);
}

static void test_a_wildcard_takes_the_rest_with_its_slash(void **state)
{
    struct bk__tree *tree = *state;
    add(tree, "/files/{path*}");
    assert_text(param(tree, "/files/a", 0), "a");
    assert_text(param(tree, "/files/a/", 0), "a/");
    assert_text(param(tree, "/files/a/b/c.txt", 0), "a/b/c.txt");
    assert_match(tree, "/files/", NULL);
    assert_match(tree, "/files", NULL);
    assert_match(tree, "/files/a//b", NULL);
    assert_match(tree, "/files/a/../b", NULL);
}

static void test_static_wins_over_parameter_over_wildcard_in_any_order(void **state)
{
    static const char *const patterns[] = {"/p/{id}", "/p/{rest*}", "/p/new"};
    (void)state;
    for (size_t first = 0; first < 3; first++) {
        for (size_t step = 1; step < 3; step++) {
            struct bk__tree *tree = bk__tree_new();
            for (size_t i = 0; i < 3; i++)
                add(tree, patterns[(first + i * step) % 3]);
            assert_match(tree, "/p/new", "/p/new");
            assert_match(tree, "/p/old", "/p/{id}");
            assert_match(tree, "/p/new/x", "/p/{rest*}");
            bk__tree_free(tree);
        }
    }
}

static void test_a_branch_that_leads_nowhere_is_left_again(void **state)
{
    struct bk__tree *tree = *state;
    add(tree, "/a/b/c");
    add(tree, "/a/{x}/d");
    add(tree, "/{y}/b/e");
    add(tree, "/{rest*}");
    assert_match(tree, "/a/b/c", "/a/b/c");
    assert_match(tree, "/a/b/d", "/a/{x}/d");
    assert_match(tree, "/a/b/e", "/{y}/b/e");
    assert_match(tree, "/a/b/f", "/{rest*}");
    assert_text(param(tree, "/a/b/d", 0), "b");
    assert_text(param(tree, "/a/b/e", 0), "a");
    assert_text(param(tree, "/a/b/f", 0), "a/b/f");

    struct bk__tree_match found;
    assert_true(bk__tree_find(tree, BK_LIT("/a/b/f"), &found));
    assert_int_equal(found.count, 1);
}

static void test_escaped_unreserved_bytes_match_static_text(void **state)
{
    struct bk__tree *tree = *state;
    add(tree, "/products/{id}");
    add(tree, "/caf%c3%a9");
    add(tree, "/a%2Fb");
    add(tree, "/~me");
    assert_match(tree, "/%70roducts/1", "/products/{id}");
    assert_match(tree, "/%70%72oduct%73/1", "/products/{id}");
    assert_match(tree, "/caf%C3%A9", "/caf%c3%a9");
    assert_match(tree, "/%63af%c3%A9", "/caf%c3%a9");
    assert_match(tree, "/a%2fb", "/a%2Fb");
    assert_match(tree, "/%7eme", "/~me");
    assert_match(tree, "/a/b", NULL);
    assert_match(tree, "/%50roducts/1", NULL);
    assert_match(tree, "/%2570roducts/1", NULL);
    assert_match(tree, "/products%2F1", NULL);
    assert_match(tree, "/%7", NULL);
    assert_match(tree, "/product%73%", NULL);
}

static void test_reserved_bytes_and_their_escapes_stay_different(void **state)
{
    struct bk__tree *tree = *state;
    add(tree, "/a:b");
    assert_match(tree, "/a:b", "/a:b");
    assert_match(tree, "/a%3Ab", NULL);
}

static void test_dot_segments_and_empty_ones_match_nothing(void **state)
{
    static const char *const paths[] = {
        "//",    "/a//",   "//a",  "/a//b",     "/.",        "/..",      "/a/./b",
        "/a/..", "/a/../", "/%2e", "/%2E%2e/b", "/a/.%2E/b", "/a/%2e./", "/./",
    };
    struct bk__tree *tree = *state;
    add(tree, "/");
    add(tree, "/{x}");
    add(tree, "/{rest*}");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_match(tree, paths[i], NULL);
    assert_match(tree, "/.a", "/{x}");
    assert_match(tree, "/...", "/{x}");
    assert_match(tree, "/%2e%2e%2e", "/{x}");
    assert_match(tree, "/%2e%2", "/{x}");
    assert_match(tree, "/%2e%2e%2fa", "/{x}");
}

static void test_what_does_not_begin_with_a_slash_matches_nothing(void **state)
{
    struct bk__tree *tree = *state;
    struct bk__tree_match found;
    add(tree, "/");
    add(tree, "/{rest*}");
    assert_match(tree, "", NULL);
    assert_match(tree, "*", NULL);
    assert_match(tree, "a", NULL);
    assert_match(tree, "http://host/a", NULL);
    assert_false(bk__tree_find(tree, (bk_str){0}, &found));
}

static void test_bad_patterns_are_refused_with_words(void **state)
{
    static const struct {
        const char *pattern, *words;
    } cases[] = {
        {"", "begins with"},
        {"a", "begins with"},
        {"{id}", "begins with"},
        {"//", "empty"},
        {"/a//b", "empty"},
        {"/a//", "empty"},
        {"/v{n}", "whole segment"},
        {"/{n}v", "whole segment"},
        {"/{a}{b}", "letters"},
        {"/{a", "whole segment"},
        {"/a}", "whole segment"},
        {"/{}", "no name"},
        {"/{*}", "no name"},
        {"/{1a}", "digit"},
        {"/{a-b}", "letters"},
        {"/{a b}", "letters"},
        {"/{a**}", "letters"},
        {"/{\xc3\xa9}", "letters"},
        {"/{a*}/b", "nothing follows"},
        {"/{a*}/{b}", "nothing follows"},
        {"/{a}/{a}", "twice"},
        {"/{a}/x/{a*}", "twice"},
        {"/:id", "{name}"},
        {"/*", "{name*}"},
        {"/*path", "{name*}"},
        {"/a/.", "never matched"},
        {"/../a", "never matched"},
        {"/%2e%2E", "never matched"},
        {"/a b", "percent-encoded"},
        {"/a?b", "percent-encoded"},
        {"/a#b", "percent-encoded"},
        {"/caf\xc3\xa9", "percent-encoded"},
        {"/a%", "percent-encoded"},
        {"/a%2", "percent-encoded"},
        {"/a%zz", "percent-encoded"},
        {"/a\\b", "percent-encoded"},
        {"/a\nb", "percent-encoded"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = NULL;
        void *clash = state;
        if (bk__tree_slot(*state, bk_str_of(cases[i].pattern), &why, &clash) != NULL)
            fail_msg("\"%s\" was taken", cases[i].pattern);
        assert_null(clash);
        if (strstr(why, cases[i].words) == NULL)
            fail_msg("\"%s\" was refused with: %s", cases[i].pattern, why);
    }
    assert_match(*state, "/a", NULL);
}

static void test_patterns_over_a_bound_are_refused(void **state)
{
    char pattern[1024] = "";
    const char *why;

    for (int i = 0; i < 32; i++)
        strcat(pattern, "/a");
    assert_non_null(bk__tree_slot(*state, bk_str_of(pattern), &why, NULL));
    strcat(pattern, "/a");
    assert_null(bk__tree_slot(*state, bk_str_of(pattern), &why, NULL));
    assert_non_null(strstr(why, "32 segments"));

    pattern[0] = '\0';
    for (int i = 0; i < 17; i++)
        sprintf(pattern + strlen(pattern), "/{p%d}", i);
    assert_null(bk__tree_slot(*state, bk_str_of(pattern), &why, NULL));
    assert_non_null(strstr(why, "16 parameters"));

    memset(pattern, 'x', 300);
    pattern[0] = '/';
    pattern[256] = '\0';
    assert_non_null(bk__tree_slot(*state, bk_str_of(pattern), &why, NULL));
    pattern[256] = 'x';
    pattern[257] = '\0';
    assert_null(bk__tree_slot(*state, bk_str_of(pattern), &why, NULL));
    assert_non_null(strstr(why, "255 bytes"));
}

static void test_a_parameter_with_two_names_clashes_and_changes_nothing(void **state)
{
    struct bk__tree *tree = *state;
    const char *why;
    void *clash = NULL;

    add(tree, "/p/{id}/items");
    assert_null(bk__tree_slot(tree, BK_LIT("/p/{product}/x"), &why, &clash));
    assert_string_equal(clash, "/p/{id}/items");
    assert_non_null(strstr(why, "\"product\""));
    assert_null(bk__tree_slot(tree, BK_LIT("/p/{product}"), &why, NULL));
    assert_match(tree, "/p/1/x", NULL);

    add(tree, "/f/{path*}");
    assert_null(bk__tree_slot(tree, BK_LIT("/f/{rest*}"), &why, &clash));
    assert_string_equal(clash, "/f/{path*}");
    add(tree, "/f/{name}"); /* another place than the wildcard's */

    add(tree, "/g/{a}/{b}");
    assert_null(bk__tree_slot(tree, BK_LIT("/g/{x}"), &why, &clash));
    assert_string_equal(clash, "/g/{a}/{b}");
    add(tree, "/h/{a}/{rest*}");
    assert_null(bk__tree_slot(tree, BK_LIT("/h/{x}"), &why, &clash));
    assert_string_equal(clash, "/h/{a}/{rest*}");
    add(tree, "/q/{product}/items");
}

static void test_equal_patterns_share_a_slot(void **state)
{
    struct bk__tree *tree = *state;
    const char *why;
    void **slot = bk__tree_slot(tree, BK_LIT("/a/{id}/%7Eme"), &why, NULL);
    assert_ptr_equal(slot, bk__tree_slot(tree, BK_LIT("/%61/{id}/~me/"), &why, NULL));
    assert_ptr_not_equal(slot, bk__tree_slot(tree, BK_LIT("/a/{id}"), &why, NULL));
}

static void test_slots_stay_where_they_are_while_the_tree_grows(void **state)
{
    struct bk__tree *tree = *state;
    void **slots[200];
    char pattern[32];
    const char *why;
    for (size_t i = 0; i < 200; i++) {
        snprintf(pattern, sizeof(pattern), "/r%zu/{id}", i * 37 % 200);
        slots[i] = bk__tree_slot(tree, bk_str_of(pattern), &why, NULL);
        *slots[i] = &slots[i];
    }
    for (size_t i = 0; i < 200; i++) {
        struct bk__tree_match found;
        snprintf(pattern, sizeof(pattern), "/r%zu/x", i * 37 % 200);
        assert_true(bk__tree_find(tree, bk_str_of(pattern), &found));
        assert_ptr_equal(found.value, &slots[i]);
        assert_ptr_equal(*slots[i], &slots[i]);
    }
}

static void test_the_names_of_parameters_come_in_order(void **state)
{
    bk_str names[BK__PATH_PARAMS_MAX];
    (void)state;
    assert_int_equal(bk__tree_params(BK_LIT("/"), names), 0);
    assert_int_equal(bk__tree_params(BK_LIT("/a/b"), names), 0);
    assert_int_equal(bk__tree_params(BK_LIT("/a/{id}/b/{Item_2}/{rest*}"), names), 3);
    assert_text(names[0], "id");
    assert_text(names[1], "Item_2");
    assert_text(names[2], "rest");
    assert_int_equal(bk__tree_params(BK_LIT("/{x}/"), names), 1);
    assert_text(names[0], "x");
}

static void test_sixteen_parameters_fit_a_match(void **state)
{
    char pattern[256] = "", path[256] = "";
    struct bk__tree_match found;
    for (int i = 0; i < 16; i++) {
        sprintf(pattern + strlen(pattern), i < 15 ? "/{p%d}" : "/{p%d*}", i);
        sprintf(path + strlen(path), "/%d", i);
    }
    strcat(path, "/and/more");
    add(*state, pattern);
    assert_true(bk__tree_find(*state, bk_str_of(path), &found));
    assert_int_equal(found.count, 16);
    assert_text(found.params[14], "14");
    assert_text(found.params[15], "15/and/more");
}

static void test_a_path_longer_than_any_pattern_costs_nothing_but_its_length(void **state)
{
    enum {
        LENGTH = 1 << 20
    };
    char *path = malloc(LENGTH);
    struct bk__tree_match found;
    for (size_t i = 0; i < LENGTH; i++)
        path[i] = i % 2 == 0 ? '/' : 'a';

    add(*state, "/a/a/a");
    assert_false(bk__tree_find(*state, bk_str_at(path, LENGTH), &found));
    add(*state, "/a/{rest*}");
    assert_true(bk__tree_find(*state, bk_str_at(path, LENGTH), &found));
    assert_int_equal(found.params[0].len, LENGTH - 3);
    path[LENGTH - 3] = '/';
    assert_false(bk__tree_find(*state, bk_str_at(path, LENGTH), &found));
    free(path);
}

static void test_a_hostile_table_costs_no_more_than_its_nodes(void **state)
{
    /* "a" or a parameter on each of 12 levels: 8,191 nodes, and a path that visits them all. */
    struct bk__tree *tree = *state;
    char *patterns = malloc(4096 * 128);
    for (unsigned i = 0; i < 4096; i++) {
        char *at = patterns + i * 128;
        for (unsigned bit = 0; bit < 12; bit++)
            at += sprintf(at, i >> bit & 1 ? "/a" : "/{p%u}", bit);
        strcpy(at, "/end");
        add(tree, patterns + i * 128);
    }
    assert_match(tree, "/a/a/a/a/a/a/a/a/a/a/a/a/end", patterns + 4095 * 128);

    clock_t start = clock();
    for (int i = 0; i < 100; i++)
        assert_match(tree, "/a/a/a/a/a/a/a/a/a/a/a/a/miss", NULL);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC); /* some 10 ms */
    free(patterns);
}

#define WITH_TREE(name) cmocka_unit_test_setup_teardown(name, new_tree, free_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TREE(test_an_empty_tree_matches_nothing),
        WITH_TREE(test_static_paths_match_whole_segments),
        WITH_TREE(test_a_node_on_the_way_is_no_route),
        WITH_TREE(test_a_slot_without_a_value_is_no_route),
        WITH_TREE(test_a_trailing_slash_makes_no_difference),
        WITH_TREE(test_a_parameter_takes_one_segment_as_sent),
        WITH_TREE(test_a_wildcard_takes_the_rest_with_its_slash),
        WITH_TREE(test_static_wins_over_parameter_over_wildcard_in_any_order),
        WITH_TREE(test_a_branch_that_leads_nowhere_is_left_again),
        WITH_TREE(test_escaped_unreserved_bytes_match_static_text),
        WITH_TREE(test_reserved_bytes_and_their_escapes_stay_different),
        WITH_TREE(test_dot_segments_and_empty_ones_match_nothing),
        WITH_TREE(test_what_does_not_begin_with_a_slash_matches_nothing),
        WITH_TREE(test_bad_patterns_are_refused_with_words),
        WITH_TREE(test_patterns_over_a_bound_are_refused),
        WITH_TREE(test_a_parameter_with_two_names_clashes_and_changes_nothing),
        WITH_TREE(test_equal_patterns_share_a_slot),
        WITH_TREE(test_slots_stay_where_they_are_while_the_tree_grows),
        WITH_TREE(test_the_names_of_parameters_come_in_order),
        WITH_TREE(test_sixteen_parameters_fit_a_match),
        WITH_TREE(test_a_path_longer_than_any_pattern_costs_nothing_but_its_length),
        WITH_TREE(test_a_hostile_table_costs_no_more_than_its_nodes),
    };
    return cmocka_run_group_tests_name("http/tree", tests, NULL, NULL);
}
