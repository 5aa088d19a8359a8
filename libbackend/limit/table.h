/*
 * table.h: the states of keys, in memory that all workers of the host share.
 *
 * Its size is fixed, and nothing in it is ever locked: a worker may be killed at any instruction,
 * and the others go on. A decision never waits.
 */
#ifndef BK_LIMIT_TABLE_H
#define BK_LIMIT_TABLE_H

#include "core/hash.h"
#include "limit/algorithm.h"

struct bk__limit_table {
    struct bk__limit_rule rule;
    struct bk__limit_bucket *buckets; /* shared; bucket_count, a power of two */
    size_t bucket_count;
    struct bk__seed seed;
    uint64_t evicted; /* live keys that this process has put out */
};

/* For @p keys at once. Before workers are forked. */
void bk__limit_table_init(struct bk__limit_table *table, const struct bk__limit_rule *rule,
                          uint32_t keys);
void bk__limit_table_fini(struct bk__limit_table *table);

/* bk__limit_step() on the state of @p key. */
void bk__limit_table_take(struct bk__limit_table *table, bk_str key, uint64_t now_ms, uint32_t cost,
                          bk_limit_result *out);

void bk__limit_table_forget(struct bk__limit_table *table, bk_str key);

#endif
