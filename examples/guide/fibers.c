/* fibers.c: see docs/guide/fibers.md. */
#include <stdio.h>
#include <stdlib.h>

#include "guide.h"

/* snippet: wait */
static bk_err slow(bk_req *req, bk_res *res) /* GET /slow */
{
    (void)req;
    BK_TRY(bk_sleep_ms(50)); /* others run meanwhile */
    return bk_res_text(res, 200, BK_LIT("rested\n"));
}
/* end of snippet */

/* snippet: group */
struct ask {
    uint64_t ms;
    int64_t answer;
};

static bk_err ask_one(void *data)
{
    struct ask *ask = data;

    BK_TRY(bk_sleep_ms(ask->ms)); /* stands for a query, a call of another service */
    ask->answer = (int64_t)ask->ms;
    return BK_OK;
}

static bk_err both(bk_req *req, bk_res *res) /* GET /both: as long as the slower one */
{
    bk_arena *arena = bk_req_arena(req);
    bk_group *group = bk_group_open();
    struct ask *price = BK_NEW(arena, struct ask), *stock = BK_NEW(arena, struct ask);
    price->ms = 20, stock->ms = 30;

    bk_group_spawn(group, "price", ask_one, price);
    bk_group_spawn(group, "stock", ask_one, stock);
    BK_TRY(bk_group_wait(group)); /* the first that fails cancels the other */
    long long sum = price->answer + stock->answer;
    return bk_res_text(res, 200, bk_arena_printf(arena, "%lld\n", sum));
}
/* end of snippet */

/* snippet: deadline */
static bk_err guess(bk_req *req, bk_res *res) /* GET /guess */
{
    (void)req;
    struct ask ask = {.ms = 5000};

    bk_deadline before =
        bk_deadline_push(20); /* it gets 20 ms, not what is left of the request's */
    bk_err err = ask_one(&ask);
    bk_deadline_pop(before);

    if (err == BK_ETIMEDOUT) {
        bk_error_clear();
        return bk_res_text(res, 200, BK_LIT("about 7\n"));
    }
    BK_TRY(err);
    return bk_res_text(res, 200, BK_LIT("exactly 7\n"));
}
/* end of snippet */

/* snippet: offload */
struct count {
    const char *path;
    int64_t lines; /* -1: it cannot be read */
};

static void count_lines(void *data) /* on another thread: no bk_ function but those marked Any */
{
    struct count *count = data;
    FILE *file = fopen(count->path, "r");
    int c;

    if (file == NULL) {
        count->lines = -1;
        return;
    }
    while ((c = getc(file)) != EOF)
        count->lines += c == '\n';
    fclose(file);
}

static bk_err lines(bk_req *req, bk_res *res) /* GET /lines */
{
    struct count count = {.path = "/etc/passwd"};

    BK_TRY(bk_offload(count_lines, &count)); /* returns when it has ended, so the stack will do */
    if (count.lines < 0)
        return bk_fail(BK_ENOTFOUND, "there is no such file");
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%lld\n", (long long)count.lines));
}
/* end of snippet */

/* snippet: background */
struct shared {
    bk_semaphore *two;
    int ticks;
};

static bk_err tick(void *data)
{
    struct shared *shared = data;

    for (;;) {
        BK_TRY(bk_sleep_ms(1000)); /* BK_ECANCELED when the app stops */
        bk_info("tick", bk_kv_i64("count", ++shared->ticks));
    }
}

bk_err fibers_start(bk_app *app, void *data, void **state) /* bk_app_opts.on_worker_start */
{
    struct shared *shared = calloc(1, sizeof *shared);

    (void)app, (void)data;
    if (shared == NULL)
        return bk_fail(BK_EUNAVAILABLE, "no memory");
    shared->two = bk_semaphore_new(2);
    *state = shared; /* bk_req_state() in every handler */
    return bk_spawn("tick", tick, shared);
}
/* end of snippet */

void fibers_stop(bk_app *app, void *state)
{
    struct shared *shared = state;

    (void)app;
    bk_semaphore_free(shared->two);
    free(shared);
}

/* snippet: semaphore */
static bk_err narrow(bk_req *req, bk_res *res) /* GET /narrow: two at a time */
{
    struct shared *shared = bk_req_state(req);

    BK_TRY(bk_semaphore_acquire(shared->two)); /* waits, until the request's deadline */
    bk_err err = bk_sleep_ms(10);
    bk_semaphore_release(shared->two); /* whatever became of it */
    BK_TRY(err);
    return bk_res_empty(res);
}
/* end of snippet */

static bk_err ticks_so_far(bk_req *req, bk_res *res)
{
    const struct shared *shared = bk_req_state(req);

    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%d", shared->ticks));
}

void fibers_routes(bk_router *router)
{
    bk_get(router, "/slow", slow);
    bk_get(router, "/both", both);
    bk_get(router, "/guess", guess);
    bk_get(router, "/lines", lines);
    bk_get(router, "/ticks", ticks_so_far);
    bk_get(router, "/narrow", narrow);
}
