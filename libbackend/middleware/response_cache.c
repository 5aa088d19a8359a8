/*
 * response_cache.c: whole GET answers from the cache. See <backend/middleware/response_cache.h>.
 *
 * A request enters the cache as a visit (cache/visit.h). On a hit the answer is sent from where it
 * lies in L1; the visit holds it there until the request's memory goes. On a miss the handler runs,
 * and what it made lands in the cache before it is sent. A stale answer is sent at once, and a
 * replay of the request, which knows by a value set on it that it leads, makes a new one.
 */
#include <backend/middleware/response_cache.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/log.h>
#include <backend/loop.h>

#include "cache/visit.h"
#include "core/assert.h"
#include "http/replay.h"
#include "middleware/cache_key.h"
#include "middleware/cache_rules.h"
#include "middleware/stored_answer.h"

enum {
    TAGS_MAX = 16
};

struct response_cache {
    bk_mw_response_cache_opts opts;
};

/* A request on its way through the cache, in its arena. */
struct passage {
    struct bk__cache_visit visit;
    bool leads;
    bool skip; /* bk_response_cache_skip() */
};

/* What a passage is set under on its request. */
static const char passage_key;

/* --- tags ------------------------------------------------------------------------------------- */

/* Each answer has its path as a tag, so that all variants of it can be dropped at once. */
static bk_str path_tag(bk_arena *arena, bk_str path)
{
    bk_buf buf = {.arena = arena};

    bk_buf_reserve(&buf, sizeof "path:" + path.len);
    bk_buf_add(&buf, BK_LIT("path:"));
    bk_buf_add(&buf, path);
    return bk_buf_str(&buf);
}

bk_err bk_response_cache_tag(bk_req *req, bk_str tag)
{
    struct passage *passage = bk_req_get(req, &passage_key);

    if (passage == NULL || !passage->leads)
        return BK_OK;
    return bk__cache_visit_tag(&passage->visit, tag);
}

void bk_response_cache_skip(bk_req *req)
{
    struct passage *passage = bk_req_get(req, &passage_key);

    if (passage != NULL)
        passage->skip = true;
}

bk_err bk_response_cache_drop(bk_cache *cache, bk_str path)
{
    bk_arena *arena = bk_fiber_arena();
    char *normal = bk_arena_alloc(arena, path.len + 1);

    return bk_cache_del_tag(cache, path_tag(arena, (bk_str){normal, bk__cache_path(path, normal)}));
}

/* --- what the answer says about it -------------------------------------------------------------- */

static void say(bk_res *res, const char *status, bk_str cache_status)
{
    bk__res_push_header(res, BK_LIT("Cache-Status"), cache_status);
    bk__res_push_header(res, BK_LIT("X-Cache"), bk_str_of(status));
}

static void say_hit(bk_res *res, const struct bk__cache_visit *visit, bool stale)
{
    /* RFC 9211: whole seconds, negative when stale. */
    int64_t left =
        visit->fresh_ms >= 0 ? visit->fresh_ms / 1000 : -((999 - visit->fresh_ms) / 1000);
    int64_t age = visit->age_ms > 0 ? visit->age_ms / 1000 : 0;
    bk_buf buf = {.arena = bk_req_arena(res->req)};

    bk_buf_reserve(&buf, 80);
    bk_buf_add_i64(&buf, age);
    size_t age_len = bk_buf_str(&buf).len;
    bk_buf_add(&buf, BK_LIT("libbackend; hit; ttl="));
    bk_buf_add_i64(&buf, left);
    bk_str text = bk_buf_str(&buf);
    bk__res_push_header(res, BK_LIT("Age"), bk_str_at(text.ptr, age_len));
    say(res, stale ? "STALE" : "HIT", bk_str_at(text.ptr + age_len, text.len - age_len));
}

/* --- a hit ------------------------------------------------------------------------------------ */

/* False when what the cache holds is no answer, as after a change of its format. */
static bool answer(bk_res *res, const struct bk__cache_visit *visit, bool stale, bk_err *err)
{
    if (!visit->absent && !bk__stored_answer_read(visit->value, res))
        return false;
    say_hit(res, visit, stale);
    *err = visit->absent ? bk_fail(BK_ENOTFOUND, "there is no such thing") : BK_OK;
    return true;
}

/* --- a miss ----------------------------------------------------------------------------------- */

static bool is_failure(bk_err err, const bk_res *res)
{
    int status = err != BK_OK ? bk_err_status(err) : res->status;

    return status >= 500;
}

/* Puts the answer that the handler made into the cache. */
static bool keep(struct passage *passage, bk_res *res, uint32_t outer)
{
    bk_cache_policy policy = passage->visit.policy;
    bk_buf buf = {.arena = bk_req_arena(res->req)};

    if (!bk__cache_times(res, &policy))
        return false;
    bk_str body = bk__res_body(res);
    struct bk__stored_answer stored = {
        .etag = res->etag,
        .type = bk_str_of(res->type),
        .headers = res->headers + outer,
        .count = res->header_count - outer,
        .body = body,
    };
    bk__stored_answer_write(&buf, &stored);
    bk__cache_land(&passage->visit, BK_OK, bk_buf_str(&buf), &policy);
    return true;
}

/* Headers of outer middleware, to see whether the handler has changed one: it would be missing in
 * what is kept. */
struct outer {
    bk_pair *headers; /* a copy, in the request's arena */
    uint32_t count;
};

static bool are_untouched(const struct outer *outer, const bk_res *res)
{
    if (res->header_count < outer->count)
        return false;
    for (uint32_t i = 0; i < outer->count; i++)
        if (outer->headers[i].name.ptr != res->headers[i].name.ptr ||
            outer->headers[i].value.ptr != res->headers[i].value.ptr)
            return false;
    return true;
}

static struct outer look_at_outer(const bk_res *res)
{
    struct outer outer = {.count = res->header_count};
    size_t bytes = outer.count * sizeof *outer.headers;

    outer.headers = bk_arena_alloc(bk_req_arena(res->req), bytes);
    if (bytes > 0)
        memcpy(outer.headers, res->headers, bytes);
    return outer;
}

/* The handler has failed: the last good answer instead of it, where the policy allows. */
static bool stand_in(struct passage *passage, bk_res *res, uint32_t outer, bk_err *err)
{
    if (res->started || !bk__cache_stale_if_error(&passage->visit))
        return false;
    bk_warn("response_cache.stale_if_error", bk_kv_str("path", bk_req_path(res->req)));
    bk_error_clear();
    bk__res_clear(res);
    bk__res_drop_representation(res, outer);
    return answer(res, &passage->visit, true, err);
}

/* Runs the handler. Where this visit does not lead after all, since the leader's answer was its
 * own client's, nothing is kept. */
static bk_err lead(const struct response_cache *self, struct passage *passage, bk_req *req,
                   bk_res *res, bk_next *next)
{
    struct outer outer = look_at_outer(res);
    bool stored = false;

    passage->leads = true;
    bk_err err = bk_next_run(next, req, res);
    passage->leads = false;
    if (bk_fiber_interrupted() != BK_OK) { /* of its own; who waits may still get an answer */
        bk__cache_leave(&passage->visit);
        return err != BK_OK ? err : bk_fiber_interrupted();
    }
    bool leads = passage->visit.load != NULL;
    if (leads && (is_failure(err, res) || err == BK_ENOTFOUND))
        bk__cache_land(&passage->visit, err != BK_OK ? err : BK_EUNAVAILABLE, (bk_str){NULL, 0},
                       NULL);
    else if (leads && err == BK_OK && !passage->skip && are_untouched(&outer, res) &&
             bk__cache_may_keep(res, outer.count, self->opts.vary))
        stored = keep(passage, res, outer.count);
    if (passage->visit.load != NULL)
        bk__cache_pass(&passage->visit);
    if (is_failure(err, res) && stand_in(passage, res, outer.count, &err))
        return err;
    if (!res->started)
        say(res, "MISS",
            stored ? BK_LIT("libbackend; fwd=uri-miss; stored")
                   : BK_LIT("libbackend; fwd=uri-miss"));
    return err;
}

/* --- stale while it is made anew -------------------------------------------------------------- */

static void leave(void *visit)
{
    bk__cache_leave(visit);
}

static struct passage *new_passage(bk_req *req)
{
    struct passage *passage = bk_arena_zalloc(bk_req_arena(req), sizeof *passage);

    bk_arena_defer(bk_req_arena(req), leave, &passage->visit);
    bk_req_set(req, &passage_key, passage);
    return passage;
}

static void refresh(struct passage *passage, bk_req *req)
{
    bk_req *again = bk__req_replay(req);

    if (again == NULL) {
        bk__cache_pass(&passage->visit); /* the next visitor tries */
        return;
    }
    bk__cache_take_lead(&passage->visit, &new_passage(again)->visit);
    bk__req_begin(again);
}

/* --- the middleware --------------------------------------------------------------------------- */

static bk_err bypass(bk_req *req, bk_res *res, bk_next *next)
{
    bk_err err = bk_next_run(next, req, res);

    if (!res->started)
        say(res, "BYPASS", BK_LIT("libbackend; fwd=bypass"));
    return err;
}

/* The policy of this route, with the tag of the path before its own. */
static bk_cache_policy policy_of(const struct response_cache *self, bk_arena *arena, bk_str path)
{
    bk_cache_policy policy = self->opts.policy;
    bk_str *tags = bk_arena_alloc(arena, (1 + policy.tag_count) * sizeof *tags);

    tags[0] = path_tag(arena, path);
    if (policy.tag_count != 0)
        memcpy(tags + 1, policy.tags, policy.tag_count * sizeof *tags);
    policy.tags = tags;
    policy.tag_count++;
    return policy;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct response_cache *self = data;
    struct passage *passage = bk_req_get(req, &passage_key);
    bk_str path, key;

    if (passage != NULL && passage->visit.load != NULL)
        return lead(self, passage, req, res, next);
    if (passage != NULL || !bk__cache_may_answer(req))
        return bypass(req, res, next);
    key = bk__cache_key(req, self->opts.query, self->opts.vary, &path);
    if (!bk_str_present(key))
        return bypass(req, res, next);
    bk_cache_policy policy = policy_of(self, bk_req_arena(req), path);
    passage = new_passage(req);
    bool stale = true;
    bk_err err;
    switch (bk__cache_enter(self->opts.cache, key, &policy, &passage->visit)) {
    case BK__CACHE_LEAD:
        return lead(self, passage, req, res, next);
    case BK__CACHE_FAILED:
        if (stand_in(passage, res, res->header_count, &err))
            return err;
        return bk_fail(passage->visit.err, "the answer that this request waited for did not come");
    case BK__CACHE_REFRESH:
        refresh(passage, req);
        break;
    case BK__CACHE_FRESH:
        stale = false;
        break;
    case BK__CACHE_STALE:
        break;
    }
    return answer(res, &passage->visit, stale, &err) ? err : bypass(req, res, next);
}

static void free_self(void *data)
{
    free(data);
}

static const bk_part_type part = {.name = "response cache", .free = free_self};

bk_middleware bk_mw_response_cache(bk_app *app, const bk_mw_response_cache_opts *opts)
{
    struct response_cache *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    bk_assert(opts != NULL && opts->cache != NULL);
    bk_assert(opts->policy.tag_count < TAGS_MAX);
    self->opts = *opts;
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
