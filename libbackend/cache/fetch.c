/*
 * fetch.c: a value by a function that loads it. See <backend/cache.h>.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/json.h>
#include <backend/log.h>
#include <backend/str.h>

#include "cache/cache.h"
#include "core/assert.h"
#include "json/bind.h"

/* How to load; what of it the caller may lose is copied for the background. */
struct loader {
    bk_cache_load_fn bytes;
    bk_cache_load_object_fn object; /* instead, with its description */
    bk_desc_fn desc;
    void *data;
    size_t data_bytes;
};

static bk_err load_object(const struct loader *loader, bk_str key, void *object, bk_str *out)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    memset(object, 0, loader->desc()->bytes);
    BK_TRY(loader->object(key, loader->data, object));
    bk_write_json(&buf, loader->desc, object);
    *out = bk_buf_str(&buf);
    return BK_OK;
}

/* @p object: where a described struct goes; NULL: it is only wanted as bytes. */
static bk_err load(const struct loader *loader, bk_str key, void *object, bk_str *out)
{
    bk_assert(loader->object != NULL || loader->bytes != NULL);
    if (loader->object == NULL)
        return loader->bytes(key, loader->data, out);
    if (object == NULL)
        object = bk_arena_alloc(bk_fiber_arena(), loader->desc()->bytes);
    return load_object(loader, key, object, out);
}

/* --- in the background -------------------------------------------------------------------------- */

struct refresh {
    struct bk__cache_visit visit;
    struct loader loader;
    /* A copy of the data may lie behind it. */
};

static bk_err run_refresh(void *data)
{
    struct refresh *refresh = data;
    bk_str value = {NULL, 0};
    bk_str key = bk_arena_dup(bk_fiber_arena(), refresh->visit.key);
    bk_err err = load(&refresh->loader, key, NULL, &value);

    if (err != BK_OK && err != BK_ENOTFOUND)
        bk_warn("cache.refresh_failed", bk_kv_str("error", bk_str_of(bk_err_text(err))));
    if (bk_fiber_interrupted() == BK_OK)
        bk__cache_land(&refresh->visit, err, value, NULL);
    bk__cache_leave(&refresh->visit);
    free(refresh);
    return BK_OK;
}

static void refresh(struct bk__cache_visit *visit, const struct loader *loader)
{
    struct refresh *it = malloc(sizeof *it + loader->data_bytes);

    bk_assert(it != NULL);
    it->loader = *loader;
    if (loader->data_bytes != 0) {
        memcpy(it + 1, loader->data, loader->data_bytes);
        it->loader.data = it + 1;
    }
    bk__cache_take_lead(visit, &it->visit);
    it->visit.policy.tags = NULL; /* the caller's; the load has them */
    it->visit.policy.tag_count = 0;
    if (bk_spawn("cache refresh", run_refresh, it) == BK_OK)
        return;
    bk_error_clear();
    bk__cache_pass(&it->visit); /* the next visitor tries */
    free(it);
}

/* --- on the fiber that missed ------------------------------------------------------------------- */

/* @p loaded: set when @p object was filled by the loader itself. */
static bk_err lead(struct bk__cache_visit *visit, const struct loader *loader, void *object,
                   bool *loaded, bk_str *out)
{
    bk_str value = {NULL, 0};
    bk_err err = load(loader, visit->key, object, &value);

    if (bk_fiber_interrupted() != BK_OK)
        return err != BK_OK ? err : bk_fiber_interrupted(); /* who waits may still go on */
    if (err != BK_OK && err != BK_ENOTFOUND && bk__cache_stale_if_error(visit)) {
        bk_str old = visit->value;
        bk_warn("cache.stale_if_error", bk_kv_str("error", bk_str_of(bk_err_text(err))));
        bk_error_clear();
        visit->cache->stats.stale_hits++;
        bk__cache_land(visit, err, value, NULL);
        *out = bk_arena_dup(bk_fiber_arena(), old);
        return visit->absent ? bk_fail(BK_ENOTFOUND, "there is no such thing") : BK_OK;
    }
    bk__cache_land(visit, err, value, NULL);
    *loaded = err == BK_OK;
    *out = value;
    return err;
}

static bk_err use(const struct bk__cache_visit *visit, bk_str *out)
{
    if (visit->absent)
        return bk_fail(BK_ENOTFOUND, "there is no such thing");
    *out = visit->pinned != NULL ? bk_arena_dup(bk_fiber_arena(), visit->value) : visit->value;
    return BK_OK;
}

static bk_err fetch(bk_cache *cache, bk_str key, const bk_cache_policy *policy,
                    const struct loader *loader, void *object, bool *loaded, bk_str *out)
{
    struct bk__cache_visit visit;
    bk_err err = BK_OK;

    *out = (bk_str){NULL, 0};
    *loaded = false;
    switch (bk__cache_enter(cache, key, policy, &visit)) {
    case BK__CACHE_REFRESH:
        refresh(&visit, loader);
        err = use(&visit, out);
        break;
    case BK__CACHE_FRESH:
    case BK__CACHE_STALE:
        err = use(&visit, out);
        break;
    case BK__CACHE_LEAD:
        err = lead(&visit, loader, object, loaded, out);
        break;
    case BK__CACHE_FAILED:
        err = bk_fail(visit.err, "the load that this one waited for has failed");
        break;
    }
    bk__cache_leave(&visit);
    return err;
}

bk_err bk_cache_fetch(bk_cache *cache, bk_str key, const bk_cache_policy *policy,
                      bk_cache_load_fn fn, void *data, bk_str *out)
{
    struct loader loader = {
        .bytes = fn, .data = data, .data_bytes = policy != NULL ? policy->data_bytes : 0};
    bool loaded;

    return fetch(cache, key, policy, &loader, NULL, &loaded, out);
}

bk_err bk_cache_fetch_object(bk_cache *cache, bk_str key, const bk_cache_policy *policy,
                             bk_desc_fn desc, bk_cache_load_object_fn fn, void *data, void *out)
{
    struct loader loader = {.object = fn,
                            .desc = desc,
                            .data = data,
                            .data_bytes = policy != NULL ? policy->data_bytes : 0};
    bk_str text;
    bool loaded;

    memset(out, 0, desc()->bytes);
    BK_TRY(fetch(cache, key, policy, &loader, out, &loaded, &text));
    if (loaded)
        return BK_OK;
    bk_field whole = {.type = BK_TYPE_STRUCT, .of = desc};
    if (bk__bind_stored(bk_fiber_arena(), text, &whole, out) == BK_OK)
        return BK_OK;
    bk_error_clear(); /* of another shape: as if it was not there */
    memset(out, 0, desc()->bytes);
    return fn(key, data, out);
}
