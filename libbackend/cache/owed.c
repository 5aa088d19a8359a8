/*
 * owed.c: invalidations that Redis could not be told of. See cache.h.
 *
 * They are told as soon as it can be reached again, by a fiber that lives as long as there are any.
 * Until then all workers of the host take what Redis has in their slots for missing. What cannot be
 * kept in the list any more is owed by its slot alone, until no value of that time can live.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/str.h>

#include "cache/cache.h"
#include "core/assert.h"

enum {
    OWED_MAX = 10000,
    PAUSE_MS = 100
};

struct owed {
    struct bk__link link; /* in bk_cache.owed */
    bool tag;
    uint32_t slot;
    int64_t until_ms;
    bk_str name; /* behind it */
};

static bk_err pay(bk_cache *cache, const struct owed *owed)
{
    BK_TRY(owed->tag ? bk__l2_invalidate_tag(cache, owed->name)
                     : bk__l2_invalidate(cache, &owed->name, 1));
    bk__generation_invalidate(&cache->generations, owed->slot);
    bk__owe_no_more(&cache->generations, owed->slot, owed->until_ms);
    return BK_OK;
}

static bk_err pay_all(void *data)
{
    bk_cache *cache = data;
    bk_err err = BK_OK;

    while (!bk__list_empty(&cache->owed) && cache->running) {
        struct owed *owed = bk__container_of(cache->owed.anchor.next, struct owed, link);
        err = pay(cache, owed);
        if (bk_fiber_interrupted() != BK_OK)
            break;
        if (err != BK_OK) {
            bk_error_clear();
            err = bk_sleep_ms(PAUSE_MS);
            if (err != BK_OK)
                break;
            continue;
        }
        bk__list_remove(&owed->link);
        cache->stats.owed--;
        free(owed);
    }
    cache->paying = false;
    return BK_OK;
}

void bk__cache_owe(bk_cache *cache, bk_str name, bool tag)
{
    uint32_t slot = tag ? bk__slot_of_tag(&cache->generations, name)
                        : bk__slot_of_key(&cache->generations, name);
    int64_t until = bk_time_now() / 1000 + BK__L2_LIFE_MAX_MS;

    bk__owe(&cache->generations, slot, until);
    if (cache->stats.owed >= OWED_MAX)
        return;
    struct owed *owed = malloc(sizeof *owed + name.len);
    bk_assert(owed != NULL);
    *owed = (struct owed){
        .tag = tag,
        .slot = slot,
        .until_ms = until,
        .name = {(const char *)(owed + 1), name.len},
    };
    memcpy(owed + 1, name.ptr, name.len);
    bk__list_push(&cache->owed, &owed->link);
    cache->stats.owed++;
    if (!cache->paying)
        cache->paying = bk_spawn("cache owed", pay_all, cache) == BK_OK;
}

void bk__cache_owed_stop(bk_cache *cache)
{
    struct bk__link *link;

    if (cache->stats.owed != 0)
        bk_warn("cache.owed_lost", bk_kv_i64("invalidations", (int64_t)cache->stats.owed));
    while ((link = bk__list_pop(&cache->owed)) != NULL)
        free(bk__container_of(link, struct owed, link));
    cache->stats.owed = 0;
}
