/*
 * hash.h: a keyed hash, for tables whose keys come from clients: who does not know the seed cannot
 * make keys collide.
 */
#ifndef BK_CORE_HASH_H
#define BK_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct bk__seed {
    uint64_t words[2];
};

/* One that nobody knows. */
struct bk__seed bk__seed_new(void);

/* SipHash-1-3 (Aumasson and Bernstein, 2012, with one and three rounds). */
uint64_t bk__hash_seeded(const struct bk__seed *seed, const void *bytes, size_t len);

#endif
