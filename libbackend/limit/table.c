/*
 * table.c: a hash table without locks. See table.h.
 *
 * A key falls into one bucket of eight slots. A slot is two words: the key's fingerprint, which
 * says whose it is, and the state, which decides. Keys are told apart by 62 bits of a keyed hash,
 * so the keys themselves are not kept. Each word changes by compare-and-swap only.
 *
 * **A slot changes hands** in steps, each of which leaves a sound table to those who come after a
 * worker that died: its fingerprint is flagged as leaving; its state becomes 0 if it is still the
 * one that was judged; the new fingerprint comes in. The old owner, should he come back meanwhile,
 * takes the flag off, and the slot stays his. Free slots go first, then those whose state has
 * ended, then the one that ends first.
 *
 * **No key has two slots**, or it would have two limits. Two workers that add a key at once may
 * choose different slots, since their clocks differ. So a fingerprint comes in flagged as joining,
 * and counts once the flag is off: taken off by who has seen, after it was put there, no other of
 * the same key. Of two that join the one in the lower slot stays, and one that has joined beats
 * both. Whoever looks for the key finishes what he finds, so nobody waits for who began it.
 *
 * **Who charges a slot** looks afterwards whether it is still his. If not, he takes the charge back
 * and begins again; where a new owner was quicker and has built on it, that owner's present limit
 * is smaller by it, never larger.
 */
#include "limit/table.h"

#include <stdatomic.h>

#include "core/shared.h"

enum {
    SLOTS = 8,
    SLOTS_PER_KEY = 4, /* then one of some thousands of buckets has more than 8 keys */
};

#define JOINING (1ull << 63)
#define LEAVING (1ull << 62)

typedef _Atomic uint64_t word;

struct slot {
    word print; /* 0: free */
    word state;
};

struct bk__limit_bucket {
    struct slot slots[SLOTS];
};

void bk__limit_table_init(struct bk__limit_table *table, const struct bk__limit_rule *rule,
                          uint32_t keys)
{
    size_t buckets = 1;

    while (buckets * SLOTS < (size_t)keys * SLOTS_PER_KEY)
        buckets *= 2;
    *table = (struct bk__limit_table){
        .rule = *rule,
        .buckets = bk__shared_new(buckets * sizeof(struct bk__limit_bucket)),
        .bucket_count = buckets,
        .seed = bk__seed_new(),
    };
}

void bk__limit_table_fini(struct bk__limit_table *table)
{
    bk__shared_free(table->buckets, table->bucket_count * sizeof(struct bk__limit_bucket));
}

static bool swap(word *at, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(at, &from, to);
}

/* Whose slot it is, or may become; 0: nobody's. */
static uint64_t owner(uint64_t print)
{
    return print & ~(JOINING | LEAVING);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* Where a key is to be looked for. */
struct place {
    struct bk__limit_bucket *bucket;
    uint64_t print; /* neither 0 nor flagged */
};

static struct place place_of(const struct bk__limit_table *table, bk_str key)
{
    uint64_t hash = bk__hash_seeded(&table->seed, key.ptr, key.len);
    uint64_t print = owner(hash);

    return (struct place){&table->buckets[hash & (table->bucket_count - 1)],
                          print != 0 ? print : 1};
}

/* The key's slot, else the lowest in which it joins; NULL when there is neither. */
static struct slot *look(const struct place *place)
{
    struct slot *joining = NULL;

    for (size_t i = SLOTS; i-- != 0;) {
        struct slot *slot = &place->bucket->slots[i];
        uint64_t print = atomic_load(&slot->print);
        if (owner(print) != place->print)
            continue;
        if ((print & JOINING) == 0)
            return slot;
        joining = slot;
    }
    return joining;
}

/* Makes a slot in which the key joins the key's; false when things have changed. */
static bool join(const struct place *place, struct slot *slot)
{
    uint64_t flagged = place->print | JOINING;

    for (struct slot *other = place->bucket->slots; other < place->bucket->slots + SLOTS; other++) {
        uint64_t print = atomic_load(&other->print);
        if (other == slot || owner(print) != place->print)
            continue;
        if (print != flagged || other < slot) {
            swap(&slot->print, flagged, 0);
            return false;
        }
        if (!swap(&other->print, flagged, 0))
            return false;
    }
    return swap(&slot->print, flagged, place->print);
}

/* Whether the slot is the key's, and stays so if it was leaving. */
static bool hold(const struct place *place, struct slot *slot)
{
    uint64_t print = atomic_load(&slot->print);

    if (print == place->print)
        return true;
    if (print == (place->print | LEAVING))
        return swap(&slot->print, print, place->print);
    return print == (place->print | JOINING) && join(place, slot);
}

/* --- adding ----------------------------------------------------------------------------------- */

/* What is given up first. An owner without a state may be about to charge it. */
static uint64_t rank(const struct bk__limit_rule *rule, uint64_t print, uint64_t state,
                     uint64_t now_ms)
{
    if (print == 0)
        return 0;
    uint64_t ends = bk__limit_ends_ms(rule, state, now_ms);
    return ends != 0 ? ends : now_ms;
}

/* Has the key join in a slot of its bucket, if nobody comes between. */
static void claim(struct bk__limit_table *table, const struct place *place, uint64_t now_ms)
{
    struct slot *best = NULL;
    uint64_t best_print = 0, best_state = 0, best_rank = UINT64_MAX;

    for (struct slot *slot = place->bucket->slots; slot < place->bucket->slots + SLOTS; slot++) {
        uint64_t state = atomic_load(&slot->state), print = atomic_load(&slot->print);
        uint64_t its_rank = rank(&table->rule, print, state, now_ms);
        if (its_rank >= best_rank)
            continue;
        best = slot;
        best_print = print;
        best_state = state;
        best_rank = its_rank;
    }
    if (best_print != 0 && owner(best_print) == best_print) {
        if (!swap(&best->print, best_print, best_print | LEAVING))
            return;
        best_print |= LEAVING;
    }
    if (!swap(&best->state, best_state, 0) ||
        !swap(&best->print, best_print, place->print | JOINING))
        return;
    if (best_rank > now_ms)
        table->evicted++;
}

/* --- deciding --------------------------------------------------------------------------------- */

/* Whether it is decided; else begin again. */
static bool try_take(const struct bk__limit_table *table, const struct place *place,
                     struct slot *slot, uint64_t now_ms, uint32_t cost, bk_limit_result *out)
{
    uint64_t state = atomic_load(&slot->state);

    if (!hold(place, slot))
        return false;
    uint64_t after = bk__limit_step(&table->rule, state, now_ms, cost, out);
    if (after == state)
        return true;
    if (!swap(&slot->state, state, after))
        return false;
    if (hold(place, slot))
        return true;
    swap(&slot->state, after, state);
    return false;
}

void bk__limit_table_take(struct bk__limit_table *table, bk_str key, uint64_t now_ms, uint32_t cost,
                          bk_limit_result *out)
{
    struct place place = place_of(table, key);

    for (;;) {
        struct slot *slot = look(&place);
        if (slot != NULL) {
            if (try_take(table, &place, slot, now_ms, cost, out))
                return;
        } else if (cost != 0) {
            claim(table, &place, now_ms);
        } else {
            bk__limit_step(&table->rule, 0, now_ms, 0, out);
            return;
        }
    }
}

void bk__limit_table_forget(struct bk__limit_table *table, bk_str key)
{
    struct place place = place_of(table, key);
    struct slot *slot;

    while ((slot = look(&place)) != NULL) {
        uint64_t state = atomic_load(&slot->state);
        if (owner(atomic_load(&slot->print)) == place.print && swap(&slot->state, state, 0))
            return;
    }
}
