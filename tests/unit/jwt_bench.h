/*
 * jwt_bench.h: a place to verify tokens at: a clock that stands, a secret, an arena. Include it
 * after cmocka.h.
 */
#ifndef TEST_JWT_BENCH_H
#define TEST_JWT_BENCH_H

#include <backend/str.h>

#include "crypto/jwt_keys.h"
#include "jwt_examples.h"
#include "text.h"

#define NOW  1700000000
#define HEAD "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD "{\"sub\":\"ann\",\"exp\":1700003600}"

struct bench {
    struct bk__clock clock;
    bk_arena *arena;
    bk_jwt_keys *keys; /* one secret */
};

static inline int open_bench(void **state)
{
    static struct bench it;

    it.arena = bk_arena_new();
    it.keys = keys_of_secret(SECRET, NULL);
    stand_at(&it.clock, NOW);
    *state = &it;
    return 0;
}

static inline int close_bench(void **state)
{
    struct bench *it = *state;

    bk__clock_current = NULL;
    bk_error_clear();
    bk_jwt_keys_free(it->keys);
    bk_arena_free(it->arena);
    return 0;
}

#define assert_taken(it, token, rules)                                                             \
    assert_int_equal(                                                                              \
        bk_jwt_verify((it)->keys, (it)->arena, token, rules, &(bk_jwt){.expires = 0}), BK_OK)

#define assert_refused(it, token, rules, why)                                                      \
    check_refused((it)->keys, (it)->arena, token, rules, why, __FILE__, __LINE__)

static inline void check_refused(bk_jwt_keys *keys, bk_arena *arena, bk_str token,
                                 const bk_jwt_rules *rules, const char *why, const char *file,
                                 int line)
{
    bk_jwt jwt = {.expires = 7};

    _assert_int_equal(bk_jwt_verify(keys, arena, token, rules, &jwt), BK_EUNAUTHORIZED, file, line);
    check_text(bk_error_chain()->message, why, file, line);
    _assert_int_equal(jwt.expires, 7, file, line);
}

/* Signed by the first key. */
static inline bk_str sign(const struct bench *it, const char *header, const char *claims)
{
    return forge(it->arena, &it->keys->items[0], header, claims);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, open_bench, close_bench)

#endif
