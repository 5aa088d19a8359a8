/*
 * handler.c: a request's life, from its head to the release of its memory. See transport.h and
 * exchange.h.
 *
 * What must hold: the request lies in its fiber's arena, so it lives exactly until the fiber ends,
 * and the fiber ends only after the transport has let go (released) or the client is gone (lost).
 * Both only set a flag and wake the fiber: nothing is freed under anybody's feet.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/middleware.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "http/meter.h"
#include "http/server.h"
#include "http/table.h"

/* The onion still to be gone through. One frame for each layer, on the fiber's stack. */
struct bk_next {
    const bk_middleware *rest;
    size_t left;
    bool used;
};

bk_req *bk__req_new(struct bk__server *server, const struct bk__transport *transport, void *conn)
{
    bk_fiber *fiber = bk__fiber_new(server->loop, "request");

    if (fiber == NULL)
        return NULL;
    bk_req *req = bk__arena_get(&fiber->task.arena, sizeof *req);
    memset(req, 0, offsetof(bk_req, match));
    req->match.count = 0;
    bk__res_init(&req->res, req);
    req->server = server;
    req->transport = transport;
    req->conn = conn;
    req->fiber = fiber;
    req->body_limit = server->limits.body_bytes;
    return req;
}

static void drop_body(bk_req *req)
{
    req->server->bodies_bytes -= req->body_cap;
    req->body = NULL;
    req->body_len = req->body_cap = 0;
}

static void free_body(void *body)
{
    free(*(char **)body);
}

/* Small bodies lie in the arena; large ones grow by doubling outside it. */
static void grow_body(bk_req *req, size_t need)
{
    enum {
        IN_ARENA = 2048
    };
    bk_arena *arena = &req->fiber->task.arena;
    size_t cap = req->body_cap != 0 ? req->body_cap * 2 : need;

    if (cap < need)
        cap = need;
    if (req->body_cap == 0 && need <= IN_ARENA) {
        req->body = bk__arena_get(arena, need);
    } else if (req->body_heap == NULL) {
        char **slot = bk__arena_get(arena, sizeof *slot);
        *slot = malloc(cap);
        bk_assert(*slot != NULL);
        if (req->body_len != 0)
            memcpy(*slot, req->body, req->body_len);
        bk_arena_defer(arena, free_body, slot);
        req->body_heap = slot;
        req->body = *slot;
    } else {
        *req->body_heap = realloc(*req->body_heap, cap);
        bk_assert(*req->body_heap != NULL);
        req->body = *req->body_heap;
    }
    req->server->bodies_bytes += cap - req->body_cap;
    req->body_cap = cap;
}

bk_err bk__req_body_add(bk_req *req, const char *bytes, size_t len)
{
    struct bk__server *server = req->server;

    if (len == 0)
        return BK_OK;
    if (len > req->body_limit - req->body_len && req->body_limit != BK_UNLIMITED) {
        req->refusal = BK_ETOOBIG;
    } else if (server->limits.bodies_bytes != BK_UNLIMITED &&
               server->bodies_bytes + len > server->limits.bodies_bytes) {
        req->refusal = BK_EUNAVAILABLE;
        req->refusal_why = "too many request bodies are being held";
    } else {
        if (req->body_cap - req->body_len < len)
            grow_body(req, req->body_len + len);
        memcpy(req->body + req->body_len, bytes, len);
        req->body_len += len;
        return BK_OK;
    }
    req->closes = true;
    drop_body(req);
    return req->refusal;
}

bk_err bk__req_body_replace(bk_req *req, char *bytes, size_t len)
{
    struct bk__server *server = req->server;
    size_t held = server->bodies_bytes - req->body_cap + len;

    if (server->limits.bodies_bytes != BK_UNLIMITED && held > server->limits.bodies_bytes) {
        free(bytes);
        return bk_fail(BK_EUNAVAILABLE, "too many request bodies are being held");
    }
    if (req->body_heap == NULL) {
        req->body_heap = bk__arena_get(&req->fiber->task.arena, sizeof *req->body_heap);
        bk_arena_defer(&req->fiber->task.arena, free_body, req->body_heap);
    } else {
        free(*req->body_heap);
    }
    *req->body_heap = req->body = bytes;
    req->body_len = req->body_cap = len;
    server->bodies_bytes = held;
    return BK_OK;
}

/* Of a handler that fails, what described its answer goes: a Cache-Control must not make an error
 * cacheable. The rest stays (Retry-After, WWW-Authenticate), and so does all that middleware sets.
 */
static bk_err run_handler(bk_req *req, bk_res *res)
{
    uint32_t before = res->header_count;
    bk_err err = req->route->handler(req, res);

    if (err != BK_OK && !res->started)
        bk__res_drop_representation(res, before);
    return err;
}

/* What stands at the core of the onion: the handler, or what is said instead of it. */
static bk_err run_core(bk_req *req, bk_res *res)
{
    bk_assert(req->route != NULL || req->refusal != BK_OK);
    if (req->refusal == BK_OK)
        return run_handler(req, res);
    if (req->allow != 0) {
        bk_str allow = bk__table_allow_text(bk_req_arena(req), req->allow);
        BK_TRY(bk_res_header(res, "Allow", allow));
        if (req->method == BK_METHOD_OPTIONS)
            return bk_res_empty(res);
    }
    if (req->refusal_why != NULL)
        return bk_fail(req->refusal, "%s", req->refusal_why);
    return bk_fail(req->refusal, "%s", bk_err_text(req->refusal));
}

bk_err bk_next_run(bk_next *next, bk_req *req, bk_res *res)
{
    bk_assert(!next->used);
    next->used = true;
    if (next->left == 0)
        return run_core(req, res);
    struct bk_next inner = {.rest = next->rest + 1, .left = next->left - 1};
    return next->rest->fn(req, res, &inner, next->rest->data);
}

static bk_err run(bk_req *req)
{
    const struct bk__table *table = req->server->table;
    const struct bk__chain *chain = req->route != NULL      ? &req->route->chain
                                    : req->neighbor != NULL ? &req->neighbor->chain
                                                            : &table->always;

    /* What is no request in the first place is no business of the application. One whose body was
     * refused is: its middleware logs it, and marks the answer as any other. */
    if (chain->count == 0 || !req->admitted)
        return run_core(req, &req->res);
    struct bk_next next = {.rest = chain->items, .left = chain->count};
    return bk_next_run(&next, req, &req->res);
}

void bk__req_on_end(bk_req *req, struct bk__req_end *end)
{
    end->next = req->ends;
    req->ends = end;
}

/* The fiber of a request. */
static bk_err serve(void *data)
{
    bk_req *req = data;
    bk_err err = run(req);

    if (req->res.endless)
        err = bk__res_leave_endless(&req->res, err);
    else if (req->raw != NULL)
        err = req->raw->leave(req, err);
    if (err != BK_OK && req->res.started)
        bk__problem_log(req, err); /* the client only sees that the answer breaks off */
    else if (err != BK_OK)
        bk__problem_render(req, err);
    bk__shield_up();
    bk__res_finish(&req->res, err);
    if (req->server->meter != NULL)
        bk__meter_count(req->server->meter, req);
    for (struct bk__req_end *end = req->ends; end != NULL; end = end->next)
        end->fn(end, req);
    bk__list_remove(&req->link);
    req->server->request_count--;
    req->server->bodies_bytes -= req->body_cap;
    return BK_OK;
}

/* For log lines: most requests write none, so their id is not made beforehand. */
static void identify(struct bk__task *task)
{
    bk_fiber *fiber = bk__container_of(task, bk_fiber, task);

    (void)bk_req_id(fiber->data);
}

void bk__req_begin(bk_req *req)
{
    struct bk__server *server = req->server;
    uint32_t ms = server->timeouts.handler_ms;

    bk_debug_assert(!req->begun);
    if (req->route != NULL && req->route->opts.timeout_ms != 0)
        ms = req->route->opts.timeout_ms;
    req->begun = true;
    if (server->meter != NULL)
        req->begun_ns = bk_now_ns();
    bk__list_push(&server->requests, &req->link);
    server->request_count++;
    bk__fiber_set_deadline(req->fiber, bk__server_after(server, ms));
    req->fiber->task.identify = identify;
    bk__fiber_begin(req->fiber, serve, req);
}

void bk__req_discard(bk_req *req)
{
    bk_debug_assert(!req->begun);
    req->server->bodies_bytes -= req->body_cap;
    bk__fiber_discard(req->fiber);
}

/* Its fiber goes on when it was waiting for the transport: at once, where the stack allows. */
static void wake(bk_req *req)
{
    if (!req->waiting)
        return;
    if (req->server->loop->current == NULL)
        bk__fiber_wake_now(req->fiber);
    else
        bk_fiber_wake(req->fiber);
}

void bk__req_drained(bk_req *req)
{
    req->drained = true;
    wake(req);
}

void bk__req_released(bk_req *req)
{
    req->released = true;
    req->transport = NULL;
    wake(req);
}

void bk__req_lost(bk_req *req)
{
    (void)bk__req_peer(req); /* the last moment at which it can be known */
    req->lost = true;
    req->transport = NULL;
    if (req->raw != NULL)
        req->raw->lost(req);
    if (!req->server->keep_work_of_gone)
        bk_fiber_cancel(req->fiber);
    wake(req);
}

bk_err bk__req_await(bk_req *req, bool piece)
{
    bk_err err = BK_OK;

    req->waiting = true;
    while (!req->lost && !req->released && !(piece && req->drained) && err == BK_OK)
        err = bk_fiber_park();
    req->waiting = false;
    return err;
}
