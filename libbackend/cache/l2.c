/*
 * l2.c: what Redis has. See cache.h.
 *
 *   PREFIX v:{key}   a value (stored.h), until it is of no use
 *   PREFIX i:{key}   the key's last invalidation: a nonce, for 24 h
 *   PREFIX t:{tag}   the tag's last invalidation, likewise
 *   PREFIX l:{key}   who loads it for the fleet: a nonce, for 10 s
 *
 * A value is valid while its marker and its tags' versions are those that were there when its load
 * began, nothing counting as one too. They live longer than any value, so one that ran out cannot
 * make an old value valid again. Only i: and t: are watched by other workers, as filling the cache
 * makes nothing wrong that they have.
 */
#include <stdio.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "cache/cache.h"
#include "core/encode.h"
#include "core/random.h"

#define MARKER_LIFE_MS (INT64_C(24) * 3600 * 1000)
#define LOCK_MS        10000

/* KEYS: value, marker. ARGV: the marker that was seen ("" for none), value, life. */
static const char fill_script[] =
    "if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

/* KEYS: value, marker, value, marker ... ARGV: the new marker, its life. */
static const char invalidate_script[] =
    "for i = 1, #KEYS, 2 do redis.call('SET', KEYS[i + 1], ARGV[1], 'PX', ARGV[2]) "
    "redis.call('UNLINK', KEYS[i]) end return 1";

/* KEYS: value, marker. ARGV: the new marker, its life, value, life. */
static const char replace_script[] = "redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) "
                                     "redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) return 1";

/* KEYS: lock. ARGV: owner. */
static const char unlock_script[] =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

static const struct bk__nonce none;

static struct bk__nonce new_nonce(void)
{
    struct bk__nonce nonce;
    unsigned char bytes[BK__NONCE_BYTES / 2];

    bk__random(bytes, sizeof bytes);
    bk__hex(bytes, sizeof bytes, nonce.text);
    return nonce;
}

static bool is_none(const struct bk__nonce *nonce)
{
    return memcmp(nonce, &none, sizeof none) == 0;
}

static bk_str text_of(const struct bk__nonce *nonce)
{
    return is_none(nonce) ? BK_LIT("") : (bk_str){nonce->text, sizeof nonce->text};
}

/* Anything that is no nonce of ours is one all the same: it differs from what was seen. */
static struct bk__nonce nonce_of(const bk_reply *reply)
{
    struct bk__nonce nonce = none;

    if (reply->type == BK_REPLY_STR)
        memcpy(nonce.text, reply->str.ptr,
               reply->str.len < sizeof nonce.text ? reply->str.len : sizeof nonce.text);
    return nonce;
}

static bk_str key_text(const bk_cache *cache, char kind, bk_str name)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    bk_buf_reserve(&buf, cache->prefix.len + name.len + 4);
    bk_buf_add(&buf, cache->prefix);
    bk_buf_add_char(&buf, kind);
    bk_buf_add(&buf, BK_LIT(":{"));
    bk_buf_add(&buf, name);
    bk_buf_add_char(&buf, '}');
    return bk_buf_str(&buf);
}

bool bk__l2_usable(const bk_cache *cache, uint32_t slot)
{
    return cache->opts.redis != NULL &&
           bk__owed_until(&cache->generations, slot) < bk_time_now() / 1000;
}

/* What Redis fails with is no failure of the cache; that the fiber was interrupted is. */
static bk_err forgive(bk_err err)
{
    if (err == BK_OK || bk_fiber_interrupted() != BK_OK)
        return err;
    bk_error_clear();
    return BK_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static const struct bk__stored_tag *find_tag(const struct bk__cache_load *load, bk_str name)
{
    for (size_t i = 0; i < load->tag_count; i++)
        if (bk_str_eq(load->tags[i].name, name))
            return &load->tags[i];
    return NULL;
}

static bk_err ask(bk_cache *cache, const bk_str *keys, size_t count, bk_reply *reply)
{
    bk_err err = bk_redis_run(cache->opts.redis, "MGET $1",
                              BK_ARGS(bk_array_of(BK_TYPE_STR, keys, count)), reply);

    if (err == BK_OK && (reply->type != BK_REPLY_ARRAY || reply->count != count))
        err = bk_fail(BK_EINTERNAL, "MGET answered for other keys than were asked for");
    return err;
}

/* A value may have tags that the policy does not: what is loaded depends on them too. */
static void adopt_tags(bk_cache *cache, struct bk__cache_load *load,
                       const struct bk__stored *stored)
{
    for (size_t i = 0; i < stored->tag_count; i++) {
        uint32_t slot = bk__slot_of_tag(&cache->generations, stored->tags[i].name);
        if (find_tag(load, stored->tags[i].name) == NULL)
            bk__cache_depend(cache, load, slot);
    }
}

/* Are the tags of a value, which the load did not ask for, as they were? */
static bk_err check_tags(bk_cache *cache, const struct bk__cache_load *load,
                         struct bk__l2_value *value)
{
    bk_str keys[BK__TAGS_MAX];
    const struct bk__nonce *wanted[BK__TAGS_MAX];
    size_t count = 0;
    bk_reply reply;

    for (size_t i = 0; i < value->stored.tag_count && value->found; i++) {
        const struct bk__stored_tag *tag = &value->stored.tags[i];
        const struct bk__stored_tag *known = load != NULL ? find_tag(load, tag->name) : NULL;
        if (known != NULL) {
            value->found = memcmp(&known->version, &tag->version, sizeof known->version) == 0;
            continue;
        }
        wanted[count] = &tag->version;
        keys[count++] = key_text(cache, 't', tag->name);
    }
    if (count == 0 || !value->found)
        return BK_OK;
    value->found = false;
    BK_TRY(ask(cache, keys, count, &reply));
    value->found = true;
    for (size_t i = 0; i < count && value->found; i++) {
        struct bk__nonce version = nonce_of(&reply.items[i]);
        value->found = memcmp(&version, wanted[i], sizeof version) == 0;
    }
    return BK_OK;
}

/* Of one that is no longer of use, or was born in a future that a clock has shown, too. */
static bool is_alive(const struct bk__stored *stored)
{
    int64_t age = bk_time_now() / 1000 - stored->born_ms;

    return age > -60000 &&
           age <= (int64_t)stored->ttl_ms +
                      (stored->stale_ms > stored->error_ms ? stored->stale_ms : stored->error_ms);
}

static void take_value(const bk_reply *value, const struct bk__nonce *marker,
                       struct bk__l2_value *out)
{
    out->found = value->type == BK_REPLY_STR && bk__stored_read(value->str, &out->stored) &&
                 memcmp(marker, &out->stored.marker, sizeof *marker) == 0 && is_alive(&out->stored);
}

static bk_err read_one(bk_cache *cache, struct bk__cache_load *load, struct bk__l2_value *value)
{
    bk_str keys[2 + BK__TAGS_MAX] = {key_text(cache, 'v', load->key),
                                     key_text(cache, 'i', load->key)};
    bk_reply reply;

    for (size_t i = 0; i < load->tag_count; i++)
        keys[2 + i] = key_text(cache, 't', load->tags[i].name);
    BK_TRY(ask(cache, keys, 2 + load->tag_count, &reply));
    load->from_redis = true;
    load->marker = nonce_of(&reply.items[1]);
    for (size_t i = 0; i < load->tag_count; i++)
        load->tags[i].version = nonce_of(&reply.items[2 + i]);
    take_value(&reply.items[0], &load->marker, value);
    if (value->found)
        adopt_tags(cache, load, &value->stored);
    return check_tags(cache, load, value);
}

bk_err bk__l2_read(bk_cache *cache, struct bk__cache_load *load, struct bk__l2_value *value)
{
    value->found = false;
    return forgive(read_one(cache, load, value));
}

static bk_err read_many(bk_cache *cache, const bk_str *keys, size_t count,
                        struct bk__l2_value *values)
{
    bk_str *names = bk_arena_alloc(bk_fiber_arena(), 2 * count * sizeof *names);
    bk_reply reply;

    for (size_t i = 0; i < count; i++) {
        names[2 * i] = key_text(cache, 'v', keys[i]);
        names[2 * i + 1] = key_text(cache, 'i', keys[i]);
    }
    BK_TRY(ask(cache, names, 2 * count, &reply));
    for (size_t i = 0; i < count; i++) {
        struct bk__nonce marker = nonce_of(&reply.items[2 * i + 1]);
        take_value(&reply.items[2 * i], &marker, &values[i]);
        BK_TRY(check_tags(cache, NULL, &values[i]));
    }
    return BK_OK;
}

bk_err bk__l2_read_many(bk_cache *cache, const bk_str *keys, size_t count,
                        struct bk__l2_value *values)
{
    for (size_t i = 0; i < count; i++)
        values[i].found = false;
    if (count == 0)
        return BK_OK;
    return forgive(read_many(cache, keys, count, values));
}

bk_err bk__l2_tag_version(bk_cache *cache, bk_str tag, struct bk__nonce *version)
{
    bk_str key = key_text(cache, 't', tag);
    bk_reply reply;

    BK_TRY(ask(cache, &key, 1, &reply));
    *version = nonce_of(&reply.items[0]);
    return BK_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int64_t life_of(const struct bk__stored *stored)
{
    int64_t more = stored->stale_ms > stored->error_ms ? stored->stale_ms : stored->error_ms;
    int64_t life = stored->ttl_ms + more;

    return life < BK__L2_LIFE_MAX_MS ? life : BK__L2_LIFE_MAX_MS;
}

static bk_str bytes_of(const struct bk__stored *stored)
{
    bk_buf buf = {.arena = bk_fiber_arena()};

    bk__stored_write(&buf, stored);
    return bk_buf_str(&buf);
}

bool bk__l2_fill(bk_cache *cache, bk_str key, const struct bk__stored *stored)
{
    bk_reply reply;
    bk_err err = bk_redis_eval(
        cache->opts.redis, fill_script,
        BK_ARGS(bk_text(key_text(cache, 'v', key)), bk_text(key_text(cache, 'i', key))),
        BK_ARGS(bk_text(text_of(&stored->marker)), bk_text(bytes_of(stored)),
                bk_i64(life_of(stored))),
        &reply);

    if (err != BK_OK) {
        (void)forgive(err);
        return true; /* not refused, only not done */
    }
    return reply.type == BK_REPLY_I64 && reply.i64 == 1;
}

bk_err bk__l2_invalidate(bk_cache *cache, const bk_str *keys, size_t count)
{
    bk_str *names = bk_arena_alloc(bk_fiber_arena(), 2 * count * sizeof *names);
    struct bk__nonce marker = new_nonce();

    for (size_t i = 0; i < count; i++) {
        names[2 * i] = key_text(cache, 'v', keys[i]);
        names[2 * i + 1] = key_text(cache, 'i', keys[i]);
    }
    return bk_redis_eval(cache->opts.redis, invalidate_script,
                         BK_ARGS(bk_array_of(BK_TYPE_STR, names, 2 * count)),
                         BK_ARGS(bk_text(text_of(&marker)), bk_i64(MARKER_LIFE_MS)), NULL);
}

bk_err bk__l2_invalidate_tag(bk_cache *cache, bk_str tag)
{
    struct bk__nonce version = new_nonce();

    return bk_redis_run(cache->opts.redis, "SET $1 $2 PX $3",
                        BK_ARGS(bk_text(key_text(cache, 't', tag)), bk_text(text_of(&version)),
                                bk_i64(MARKER_LIFE_MS)),
                        NULL);
}

bk_err bk__l2_replace(bk_cache *cache, bk_str key, struct bk__stored *stored)
{
    stored->marker = new_nonce();
    return bk_redis_eval(
        cache->opts.redis, replace_script,
        BK_ARGS(bk_text(key_text(cache, 'v', key)), bk_text(key_text(cache, 'i', key))),
        BK_ARGS(bk_text(text_of(&stored->marker)), bk_i64(MARKER_LIFE_MS),
                bk_text(bytes_of(stored)), bk_i64(life_of(stored))),
        NULL);
}

/* --- the fleet's lock --------------------------------------------------------------------------- */

bool bk__l2_lock(bk_cache *cache, bk_str key, struct bk__nonce *owner)
{
    bk_reply reply;

    *owner = new_nonce();
    bk_err err = bk_redis_run(
        cache->opts.redis, "SET $1 $2 NX PX $3",
        BK_ARGS(bk_text(key_text(cache, 'l', key)), bk_text(text_of(owner)), bk_i64(LOCK_MS)),
        &reply);
    (void)forgive(err);
    return err == BK_OK && reply.type == BK_REPLY_STATUS;
}

bool bk__l2_is_locked(bk_cache *cache, bk_str key)
{
    int64_t exists = 0;

    (void)forgive(bk_redis_i64(cache->opts.redis, "EXISTS $1",
                               BK_ARGS(bk_text(key_text(cache, 'l', key))), &exists));
    return exists != 0;
}

void bk__l2_unlock(bk_cache *cache, bk_str key, const struct bk__nonce *owner)
{
    (void)forgive(bk_redis_eval(cache->opts.redis, unlock_script,
                                BK_ARGS(bk_text(key_text(cache, 'l', key))),
                                BK_ARGS(bk_text(text_of(owner))), NULL));
}
