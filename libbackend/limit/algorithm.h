/*
 * algorithm.h: the arithmetic of limits, without a place where states are kept.
 *
 * What is known of a key is one 64-bit word, so that a table can change it by compare-and-swap. 0
 * is a key of which nothing is known, and each state becomes as good as 0 at some time.
 */
#ifndef BK_LIMIT_ALGORITHM_H
#define BK_LIMIT_ALGORITHM_H

#include <backend/limit.h>

enum {
    BK__LIMIT_MAX = 1000000 /* of limit and burst; fits the counts' 20 bits */
};

struct bk__limit_rule {
    bk_limit_algorithm algorithm;
    uint32_t limit;
    uint32_t window_ms;
    uint64_t interval_us; /* GCRA: between one and the next */
    uint64_t room_us;     /* GCRA: how far ahead of time a key may be: burst intervals */
    uint32_t most;        /* that can be taken at once: limit, or burst */
};

/* What is wrong with these settings, none of which is 0; NULL: nothing, and @p rule is filled. */
const char *bk__limit_rule_init(struct bk__limit_rule *rule, bk_limit_algorithm algorithm,
                                uint32_t limit, uint32_t window_ms, uint32_t burst);

/* Takes @p cost, at most rule->most. The state after it, which is @p state itself where nothing was
 * taken. Fills all of @p out but `degraded`. Clocks that differ by less than a window do no harm.
 */
uint64_t bk__limit_step(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms,
                        uint32_t cost, bk_limit_result *out);

/* When @p state is as good as 0. */
uint64_t bk__limit_ends_ms(const struct bk__limit_rule *rule, uint64_t state, uint64_t now_ms);

#endif
