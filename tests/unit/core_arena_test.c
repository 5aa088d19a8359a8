#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "../harness/aborts.h"
#include "core/arena.h"

static void test_every_piece_is_aligned_and_its_own(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    unsigned char *pieces[500];
    for (int i = 0; i < 500; i++) {
        pieces[i] = bk_arena_alloc(arena, (size_t)i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % BK__ARENA_ALIGN, 0);
        memset(pieces[i], i & 0xff, (size_t)i);
    }
    for (int i = 1; i < 500; i++) {
        assert_int_equal(pieces[i][0], i & 0xff);
        assert_int_equal(pieces[i][i - 1], i & 0xff);
    }
    bk_arena_free(arena);
}

static void test_nothing_of_no_size_has_a_place_too(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    char *a = bk_arena_alloc(arena, 0);
    char *b = bk_arena_alloc(arena, 0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    bk_arena_free(arena);
}

static void test_freeing_null_is_fine(void **state)
{
    (void)state;
    bk_arena_free(NULL);
}

static void test_zalloc_clears_even_used_memory(void **state)
{
    (void)state;
    struct bk_arena arena;
    _Alignas(16) char lent[256];
    memset(lent, 0xff, sizeof(lent));
    bk__arena_init(&arena, lent, sizeof(lent));
    unsigned char *piece = bk_arena_zalloc(&arena, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(piece[i], 0);
    struct pair {
        int64_t a, b;
    } *pair = BK_NEW(&arena, struct pair);
    assert_int_equal(pair->a + pair->b, 0);
    bk__arena_fini(&arena);
}

static void test_the_lent_chunk_is_used_first_and_again_after_a_reset(void **state)
{
    (void)state;
    struct bk_arena arena;
    _Alignas(16) char lent[128];
    bk__arena_init(&arena, lent, sizeof(lent));
    char *first = bk_arena_alloc(&arena, 40);
    assert_ptr_equal(first, lent);
    char *beyond = bk_arena_alloc(&arena, 100);
    assert_true(beyond < lent || beyond >= lent + sizeof(lent));
    bk__arena_reset(&arena);
    assert_int_equal(bk_arena_used(&arena), 0);
    assert_ptr_equal(bk_arena_alloc(&arena, 8), lent);
    bk__arena_fini(&arena);
    memset(lent, 1, sizeof(lent)); /* ours again: no sanitizer may mind */
}

static void test_an_odd_end_of_the_lent_chunk_is_left_alone(void **state)
{
    (void)state;
    struct bk_arena arena;
    _Alignas(16) char lent[64];
    lent[47] = 'x';
    bk__arena_init(&arena, lent, 47);
    for (int i = 0; i < 10; i++)
        memset(bk_arena_alloc(&arena, 16), 0, 16);
    bk__arena_fini(&arena);
    assert_int_equal(lent[47], 'x');
}

static void test_a_large_piece_does_not_cost_the_rest_of_the_chunk(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    char *before = bk_arena_alloc(arena, 16);
    char *large = bk_arena_alloc(arena, 1 << 20);
    char *after = bk_arena_alloc(arena, 16);
    memset(large, 1, 1 << 20);
    assert_true(after > before && after - before <= 64);
    bk_arena_free(arena);
}

static void test_used_counts_what_was_handed_out_across_chunks(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    size_t asked = 0;
    assert_int_equal(bk_arena_used(arena), 0);
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)(i % 7) * 1600 + 16;
        memset(bk_arena_alloc(arena, size), 0, size);
        asked += size;
    }
    assert_true(bk_arena_used(arena) >= asked);
    /* Rounding, redzones under a sanitizer, and ends of chunks that were too short. */
    assert_true(bk_arena_used(arena) <= asked + 1000 * 32);
    bk_arena_free(arena);
}

static void test_dup_ends_with_nul_and_keeps_absence(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_str copy = bk_arena_dup(arena, bk_str_at("hello world", 5));
    assert_int_equal(copy.len, 5);
    assert_string_equal(copy.ptr, "hello");
    assert_false(bk_str_present(bk_arena_dup(arena, (bk_str){0})));
    bk_str empty = bk_arena_dup(arena, BK_LIT(""));
    assert_true(bk_str_present(empty));
    assert_int_equal(empty.len, 0);
    assert_string_equal(bk_arena_cstr(arena, BK_LIT("text")), "text");
    assert_string_equal(bk_arena_cstr(arena, (bk_str){0}), "");
    bk_arena_free(arena);
}

static void test_printf_has_no_length_limit(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_str brief = bk_arena_printf(arena, "%s-%d", "a", 42);
    assert_string_equal(brief.ptr, "a-42");
    assert_int_equal(brief.len, 4);
    for (int width = 250; width < 262; width++) {
        bk_str text = bk_arena_printf(arena, "%*d", width, 7);
        assert_int_equal(text.len, width);
        assert_int_equal(text.ptr[width - 1], '7');
        assert_int_equal(text.ptr[width], '\0');
    }
    bk_str wide = bk_arena_printf(arena, "%100000d", 7);
    assert_int_equal(wide.len, 100000);
    bk_arena_free(arena);
}

static char order[8], a[] = "a", b[] = "b", c[] = "c", late[] = "z";
static bk_arena *deferring;

static void note(void *data)
{
    strcat(order, (const char *)data);
}

static void note_and_defer_more(void *data)
{
    strcat(order, (const char *)data);
    bk_arena_defer(deferring, note, late);
}

static void test_defers_run_newest_first_and_once(void **state)
{
    (void)state;
    struct bk_arena arena;
    bk__arena_init(&arena, NULL, 0);
    order[0] = '\0';
    bk_arena_defer(&arena, note, a);
    bk_arena_defer(&arena, note, b);
    bk_arena_defer(&arena, note, c);
    bk__arena_reset(&arena);
    assert_string_equal(order, "cba");
    bk__arena_reset(&arena);
    assert_string_equal(order, "cba");
}

static void test_a_defer_may_defer_more(void **state)
{
    (void)state;
    deferring = bk_arena_new();
    order[0] = '\0';
    bk_arena_defer(deferring, note, a);
    bk_arena_defer(deferring, note_and_defer_more, b);
    bk_arena_free(deferring);
    assert_string_equal(order, "bza");
}

static void test_the_newest_piece_grows_where_it_lies(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    char *older = bk_arena_alloc(arena, 32);
    char *newest = bk_arena_alloc(arena, 32);
    assert_false(bk__arena_extend(arena, older, 32, 64));
    assert_true(bk__arena_extend(arena, newest, 32, 64));
    memset(newest, 'x', 64);
    char *next = bk_arena_alloc(arena, 16);
    assert_true(next >= newest + 64);
    assert_false(bk__arena_extend(arena, next, 16, 1 << 20));
    bk_arena_free(arena);
}

static void ask_for_half_of_all_memory(void)
{
    bk_arena *arena = bk_arena_new();
    char *piece = bk_arena_alloc(arena, SIZE_MAX - 8);
    piece[0] = 'x';
}

static void test_a_size_that_would_wrap_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(ask_for_half_of_all_memory));
}

#ifdef BK__ARENA_GUARDED
#include <sanitizer/asan_interface.h>

static void test_the_sanitizer_sees_an_overrun_within_the_arena(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    char *first = bk_arena_alloc(arena, 24);
    char *second = bk_arena_alloc(arena, 24);
    assert_false(__asan_address_is_poisoned(first + 23));
    assert_true(__asan_address_is_poisoned(first + 24));
    assert_true(__asan_address_is_poisoned(second - 1));
    assert_true(__asan_address_is_poisoned(second + 24));
    bk_arena_free(arena);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_is_aligned_and_its_own),
        cmocka_unit_test(test_nothing_of_no_size_has_a_place_too),
        cmocka_unit_test(test_freeing_null_is_fine),
        cmocka_unit_test(test_zalloc_clears_even_used_memory),
        cmocka_unit_test(test_the_lent_chunk_is_used_first_and_again_after_a_reset),
        cmocka_unit_test(test_an_odd_end_of_the_lent_chunk_is_left_alone),
        cmocka_unit_test(test_a_large_piece_does_not_cost_the_rest_of_the_chunk),
        cmocka_unit_test(test_used_counts_what_was_handed_out_across_chunks),
        cmocka_unit_test(test_dup_ends_with_nul_and_keeps_absence),
        cmocka_unit_test(test_printf_has_no_length_limit),
        cmocka_unit_test(test_defers_run_newest_first_and_once),
        cmocka_unit_test(test_a_defer_may_defer_more),
        cmocka_unit_test(test_the_newest_piece_grows_where_it_lies),
        cmocka_unit_test(test_a_size_that_would_wrap_stops_the_program),
#ifdef BK__ARENA_GUARDED
        cmocka_unit_test(test_the_sanitizer_sees_an_overrun_within_the_arena),
#endif
    };
    return cmocka_run_group_tests_name("core/arena", tests, NULL, NULL);
}
