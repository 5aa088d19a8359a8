/*
 * hash.c: SipHash-1-3. See hash.h.
 */
#include "core/hash.h"

#include <string.h>

#include "core/random.h"

struct state {
    uint64_t a, b, c, d;
};

struct bk__seed bk__seed_new(void)
{
    struct bk__seed seed;

    bk__random(&seed, sizeof seed);
    return seed;
}

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void turn(struct state *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

static inline void take(struct state *s, uint64_t word)
{
    s->d ^= word;
    turn(s);
    s->a ^= word;
}

uint64_t bk__hash_seeded(const struct bk__seed *seed, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t k0 = seed->words[0], k1 = seed->words[1], word;
    struct state s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                      k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t left = len;

    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        take(&s, word);
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)at[i] << (8 * i);
    take(&s, word);
    s.c ^= 0xff;
    turn(&s);
    turn(&s);
    turn(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
