/*
 * idempotency.c: a POST that is sent twice is done once. See <backend/middleware/idempotency.h>.
 *
 * Before the handler runs, the key is taken; after it, the record of what came of it stands in
 * place of the lock. Between the two the lock must not end, so a child of the request's fiber
 * renews it. What comes after the handler is shielded: the client may be gone and the time be up,
 * but what was done must be put down.
 *
 * What must hold: a handler runs only while the store has said that the key is ours, and a record
 * is sent only to who has sent the same request.
 */
#include <backend/middleware/idempotency.h>

#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/loop.h>

#include "core/assert.h"
#include "core/encode.h"
#include "core/random.h"
#include "crypto/hmac.h"
#include "http/exchange.h"
#include "middleware/idempotency_store.h"
#include "middleware/stored_answer.h"

enum {
    KEY_MAX = 255,
    HEADERS_MAX = 64, /* what stored_answer.h reads */
    STATUS_DIGITS = 3,
    PARTS_MAX = 4,
    RENEWALS = 3 /* in a lease */
};

struct idempotency {
    bk_mw_idempotency_opts opts; /* defaults filled in */
    const struct bk__idempotency_store *store;
    void *records;
    struct bk__hmac *digest; /* by a key that all hosts know: they must have the same sums */
};

/* --- whose request it is, and which ----------------------------------------------------------- */

/* The digest of up to PARTS_MAX parts, each with its length before it, so that no two lists are one
 * text. */
static void sum_up(const struct idempotency *self, const bk_str *parts, size_t count,
                   unsigned char out[BK__HMAC_MAX])
{
    uint64_t lengths[PARTS_MAX];
    bk_str all[2 * PARTS_MAX];

    bk_debug_assert(count <= PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        lengths[i] = parts[i].len;
        all[2 * i] = bk_str_at((const char *)&lengths[i], sizeof lengths[i]);
        all[2 * i + 1] = parts[i];
    }
    bk__hmac_sum(self->digest, all, 2 * count, out);
}

static bk_err check_key(bk_str *key)
{
    bool is_quoted = key->len >= 2 && key->ptr[0] == '"' && key->ptr[key->len - 1] == '"';
    bool fits = true;

    if (is_quoted)
        *key = bk_str_at(key->ptr + 1, key->len - 2);
    for (size_t i = 0; i < key->len && fits; i++)
        fits = key->ptr[i] > ' ' && key->ptr[i] <= '~' && key->ptr[i] != '"' && key->ptr[i] != ',';
    if (!fits || key->len == 0 || key->len > KEY_MAX)
        return bk_fail(BK_EINVAL,
                       "Idempotency-Key is one key of 1 to %d visible ASCII characters, without "
                       "quotes and commas",
                       KEY_MAX);
    return BK_OK;
}

static BK_YIELDS void claim_init(const struct idempotency *self, bk_req *req, bk_str key,
                                 struct bk__idempotency_claim *claim)
{
    bk_str whose[] = {{NULL, 0}, {NULL, 0}, key};
    bk_str what[] = {req->method_text, req->path, req->query, bk_req_body(req)};
    unsigned char sum[BK__HMAC_MAX];
    char *hex = bk_arena_alloc(bk_req_arena(req), 2 * BK__IDEMPOTENCY_SUM);

    if (self->opts.scope != NULL) {
        whose[0] = self->opts.scope(req, self->opts.data);
    } else {
        whose[0] = bk__req_header(req, BK_LIT("authorization"));
        whose[1] = bk__req_header(req, BK_LIT("x-api-key"));
    }
    sum_up(self, whose, sizeof whose / sizeof whose[0], sum);
    bk__hex(sum, BK__IDEMPOTENCY_SUM, hex);
    claim->key = bk_str_at(hex, 2 * BK__IDEMPOTENCY_SUM);
    claim->found = (bk_str){NULL, 0};
    claim->lock[0] = 'L';
    sum_up(self, what, sizeof what / sizeof what[0], sum);
    memcpy(claim->lock + 1, sum, BK__IDEMPOTENCY_SUM);
    bk__random(claim->lock + BK__IDEMPOTENCY_HEAD, BK__IDEMPOTENCY_OWNER);
}

/* --- a key that was there --------------------------------------------------------------------- */

static bool take_status(bk_str *record, int *status)
{
    *status = 0;
    if (record->len < STATUS_DIGITS)
        return false;
    for (int i = 0; i < STATUS_DIGITS; i++) {
        char digit = record->ptr[i];
        if (digit < '0' || digit > '9')
            return false;
        *status = *status * 10 + (digit - '0');
    }
    *record = bk_str_at(record->ptr + STATUS_DIGITS, record->len - STATUS_DIGITS);
    return *status >= 200 && *status < 500;
}

static bk_err replay(bk_res *res, bk_str record)
{
    int status;

    if (!take_status(&record, &status) || !bk__stored_answer_read(record, res))
        return bk_fail(BK_EINTERNAL, "what is kept under an idempotency key is no answer");
    bk_res_status(res, status);
    bk__res_push_header(res, BK_LIT("Idempotent-Replayed"), BK_LIT("true"));
    return BK_OK;
}

static bk_err answer_found(bk_res *res, const struct bk__idempotency_claim *claim)
{
    bk_str found = claim->found;

    if (found.len < BK__IDEMPOTENCY_HEAD)
        return bk_fail(BK_EINTERNAL, "what is kept under an idempotency key is no record");
    if (memcmp(found.ptr + 1, claim->lock + 1, BK__IDEMPOTENCY_SUM) != 0)
        return bk_fail(BK_EUNPROCESSABLE,
                       "this Idempotency-Key was used for another request before");
    if (found.ptr[0] == 'D')
        return replay(
            res, bk_str_at(found.ptr + BK__IDEMPOTENCY_HEAD, found.len - BK__IDEMPOTENCY_HEAD));
    if (found.ptr[0] == 'X')
        return bk_fail(BK_ECONFLICT, "this request was done; its answer cannot be repeated");
    bk__res_push_header(res, BK_LIT("Retry-After"), BK_LIT("1"));
    return bk_fail(BK_ECONFLICT, "a request with this Idempotency-Key is still being done");
}

/* --- a key that is ours ----------------------------------------------------------------------- */

/* What the lease's child needs, on the request's stack. */
struct lease {
    const struct idempotency *self;
    const struct bk__idempotency_claim *claim;
};

static bk_err renew(void *data)
{
    const struct lease *lease = data;
    const struct idempotency *self = lease->self;

    while (bk_sleep_ms(self->opts.lease_ms / RENEWALS) == BK_OK) {
        bk_err err = self->store->renew(self->records, lease->claim);
        if (err != BK_OK && bk_fiber_interrupted() == BK_OK)
            bk_warn("idempotency.not_renewed", bk_kv_cstr("error", bk_err_slug(err)));
    }
    return BK_OK;
}

static BK_YIELDS bk_err run_leased(const struct idempotency *self,
                                   const struct bk__idempotency_claim *claim, bk_req *req,
                                   bk_res *res, bk_next *next)
{
    struct lease lease = {self, claim};

    if (self->store->renew == NULL)
        return bk_next_run(next, req, res);
    bk_group *group = bk_group_open();
    bk_group_spawn(group, "idempotency lease", renew, &lease);
    bk_err err = bk_next_run(next, req, res);
    bk_group_cancel(group);
    bk__shield_up();
    (void)!bk_group_wait(group); /* that it was cancelled is known */
    bk__shield_down();
    return err;
}

/* Whether a failure means that nothing was done, or may be done better later. */
static bool may_be_tried_again(int status)
{
    return status >= 500 || status == 401 || status == 403 || status == 408 || status == 409 ||
           status == 425 || status == 429;
}

static bool is_repeatable(const bk_res *res)
{
    return !res->started && !res->endless && res->req->raw == NULL;
}

/* A cookie is for who got it, when he got it. */
static size_t kept_headers(const bk_res *res, uint32_t first, bk_pair *out)
{
    size_t count = 0;

    for (uint32_t i = first; i < res->header_count; i++)
        if (!bk_str_ieq(res->headers[i].name, BK_LIT("set-cookie")))
            out[count++] = res->headers[i];
    return count;
}

static bk_str write_record(const struct idempotency *self,
                           const struct bk__idempotency_claim *claim, bk_res *res, uint32_t first)
{
    bk_arena *arena = bk_req_arena(res->req);
    bk_buf buf = {.arena = arena};

    if (is_repeatable(res) && res->header_count - first <= HEADERS_MAX) {
        bk_pair *headers = bk_arena_alloc(arena, (res->header_count - first + 1) * sizeof *headers);
        struct bk__stored_answer answer = {
            .etag = res->etag,
            .type = bk_str_of(res->type),
            .headers = headers,
            .count = kept_headers(res, first, headers),
            .body = bk__res_body(res),
        };
        bk_buf_add_char(&buf, 'D');
        bk_buf_add(&buf, bk_str_at(claim->lock + 1, BK__IDEMPOTENCY_SUM));
        bk_buf_add_i64(&buf, res->status);
        bk__stored_answer_write(&buf, &answer);
        if (buf.len <= self->opts.answer_bytes)
            return bk_buf_str(&buf);
    }
    buf = (bk_buf){.arena = arena};
    bk_buf_add_char(&buf, 'X');
    bk_buf_add(&buf, bk_str_at(claim->lock + 1, BK__IDEMPOTENCY_SUM));
    return bk_buf_str(&buf);
}

/* What is done is done, whether it can be put down or not: the client gets its answer. */
static BK_YIELDS void settle(const struct idempotency *self,
                             const struct bk__idempotency_claim *claim, bk_res *res, int status,
                             uint32_t first)
{
    bk_err err =
        may_be_tried_again(status)
            ? self->store->leave(self->records, claim)
            : self->store->land(self->records, claim, write_record(self, claim, res, first));

    if (err == BK_OK)
        return;
    bk_error("idempotency.not_kept", bk_kv_i64("status", status),
             bk_kv_cstr("error", bk_err_slug(err)));
}

/* Runs the handler. A failure that is kept is rendered here, to be the same next time. */
static BK_YIELDS bk_err run_once(const struct idempotency *self,
                                 const struct bk__idempotency_claim *claim, bk_req *req,
                                 bk_res *res, bk_next *next)
{
    uint32_t first = res->header_count;
    bk_err err = run_leased(self, claim, req, res, next);
    int status = err != BK_OK ? bk_err_status(err) : res->status;

    if (err != BK_OK && !res->started && !may_be_tried_again(status)) {
        bk__problem_render(req, err);
        status = res->status;
        err = BK_OK;
        bk_error_clear();
    }
    bk__shield_up();
    settle(self, claim, res, status, first);
    bk__shield_down();
    return err;
}

/* --- the middleware --------------------------------------------------------------------------- */

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct idempotency *self = data;
    struct bk__idempotency_claim claim;
    bk_str key;

    if (req->method != BK_METHOD_POST && req->method != BK_METHOD_PATCH)
        return bk_next_run(next, req, res);
    key = bk__req_header(req, BK_LIT("idempotency-key"));
    if (!bk_str_present(key) && !self->opts.required)
        return bk_next_run(next, req, res);
    if (!bk_str_present(key))
        return bk_fail(BK_EINVAL, "an Idempotency-Key is needed here");
    BK_TRY(check_key(&key));
    claim_init(self, req, key, &claim);
    bk_err err = self->store->enter(self->records, &claim);
    if (err != BK_OK && bk_fiber_interrupted() == BK_OK)
        return bk_fail(BK_EUNAVAILABLE, "the store of idempotency keys does not answer");
    BK_TRY(err);
    if (bk_str_present(claim.found))
        return answer_found(res, &claim);
    return run_once(self, &claim, req, res, next);
}

/* --- its life --------------------------------------------------------------------------------- */

static void free_self(void *data)
{
    struct idempotency *self = data;

    self->store->free(self->records);
    bk__hmac_free(self->digest);
    free(self);
}

static const bk_part_type part = {.name = "idempotency", .free = free_self};

static bk_mw_idempotency_opts fill_in(const bk_mw_idempotency_opts *opts)
{
    bk_mw_idempotency_opts all = opts != NULL ? *opts : (bk_mw_idempotency_opts){0};

    if (all.name == NULL)
        all.name = "default";
    if (all.ttl_ms == 0)
        all.ttl_ms = UINT64_C(24) * 3600 * 1000;
    if (all.lease_ms == 0)
        all.lease_ms = 60000;
    if (all.answer_bytes == 0)
        all.answer_bytes = 1 << 20;
    if (all.memory_bytes == 0)
        all.memory_bytes = 16 << 20;
    if (all.lease_ms < 1000)
        bk__setup_error(__FILE__, __LINE__, "idempotency: lease_ms is at least 1,000");
    if (all.ttl_ms > INT64_MAX / 2)
        bk__setup_error(__FILE__, __LINE__, "idempotency: ttl_ms is too large");
    if (all.redis == NULL && all.answer_bytes > all.memory_bytes)
        bk__setup_error(__FILE__, __LINE__, "idempotency: answer_bytes is more than memory_bytes");
    return all;
}

bk_middleware bk_mw_idempotency(bk_app *app, const bk_mw_idempotency_opts *opts)
{
    struct idempotency *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    self->opts = fill_in(opts);
    self->digest = bk__hmac_new("SHA256", BK_LIT("idempotency"));
    if (self->opts.redis != NULL) {
        self->store = &bk__idempotency_redis;
        self->records = bk__idempotency_redis_new(self->opts.redis, self->opts.name,
                                                  self->opts.lease_ms, self->opts.ttl_ms);
    } else {
        self->store = &bk__idempotency_memory;
        self->records = bk__idempotency_memory_new(self->opts.memory_bytes, self->opts.ttl_ms);
    }
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
