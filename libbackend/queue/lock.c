/*
 * lock.c: renewing locks on a thread. See lock.h.
 *
 * The thread looks every TICK_MS which locks are due: those of which a quarter of their time has
 * passed. One script call renews up to LOCKS_MAX locks of a queue; one call is on its way at a
 * time. While Redis cannot be reached nothing is lost yet: locks count as held until Redis says
 * otherwise.
 */
#include "queue/lock.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/fault.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "queue/script.h"
#include "queue/scripts.h"
#include "redis/redis.h"

enum {
    TICK_MS = 50,
    LOCKS_MAX = 500
};

struct bk__locks {
    bk_app *app;
    bk__lock_lost_fn lost;
    void *data;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the next two */
    struct bk__list held;  /* bk__lock.link; who is due first is near the front */
    bool ending;
    pthread_cond_t begun;
    struct bk_loop *loop; /* the thread's; NULL until it has begun */
    bk_redis *redis;      /* its own connection */
    struct bk__timer tick;
    struct bk__script_call call;
    bool busy;
};

/* Tells the app's loop. The texts follow the struct. */
struct notice {
    struct bk__locks *locks;
    bk_str base, id, token;
    char text[];
};

/* --- the thread's side ------------------------------------------------------------------------ */

static bk_str keep(char **at, bk_str text)
{
    bk_str out = {*at, text.len};

    memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return out;
}

static void on_notice(void *data)
{
    struct notice *notice = data;

    notice->locks->lost(notice->base, notice->id, notice->token, notice->locks->data);
    free(notice);
}

/* Words of the call that has just ended: what is lost is told by its place in them. */
static void tell_lost(struct bk__locks *locks, int64_t place)
{
    const struct bk__argv *argv = &locks->call.argv;
    size_t at = 3 + 2 * (size_t)place; /* EVALSHA digest 1 base time id token id token ... */

    if (place < 1 || at + 1 >= argv->count)
        return;
    bk_str base = argv->items[3], id = argv->items[at], token = argv->items[at + 1];
    struct notice *notice = malloc(sizeof *notice + base.len + id.len + token.len);
    bk_assert(notice != NULL);
    char *text = notice->text;
    notice->locks = locks;
    notice->base = keep(&text, base);
    notice->id = keep(&text, id);
    notice->token = keep(&text, token);
    if (bk_loop_post(locks->app, on_notice, notice) != BK_OK)
        free(notice);
}

/* Takes locks of one queue that are due, and words for them. The texts are copied: their jobs may
 * end while the call is on its way. */
static size_t collect(struct bk__locks *locks, uint64_t now)
{
    struct bk__argv *argv = &locks->call.argv;
    bk_str base = {NULL, 0};
    uint32_t lock_ms = 0;
    size_t count = 0;

    pthread_mutex_lock(&locks->mutex);
    bk__list_each(it, &locks->held) {
        struct bk__lock *lock = bk__container_of(it, struct bk__lock, link);
        if (lock->due_ms > now || count == LOCKS_MAX)
            continue;
        if (base.ptr == NULL) {
            base = bk_arena_dup(&argv->text, lock->base);
            lock_ms = lock->lock_ms;
            bk__argv_push(argv, base);
            bk__argv_push_i64(argv, lock_ms);
        } else if (!bk_str_eq(base, lock->base) || lock->lock_ms != lock_ms) {
            continue;
        }
        lock->due_ms = now + lock->lock_ms / 4;
        bk__argv_push(argv, bk_arena_dup(&argv->text, lock->id));
        bk__argv_push(argv, bk_arena_dup(&argv->text, lock->token));
        count++;
    }
    pthread_mutex_unlock(&locks->mutex);
    return count;
}

/* They are to be renewed soon again. */
static void put_back(struct bk__locks *locks)
{
    pthread_mutex_lock(&locks->mutex);
    bk__list_each(it, &locks->held) {
        struct bk__lock *lock = bk__container_of(it, struct bk__lock, link);
        uint64_t soon = bk_now_ms() + TICK_MS;
        if (lock->due_ms > soon)
            lock->due_ms = soon;
    }
    pthread_mutex_unlock(&locks->mutex);
}

static void renew(struct bk__locks *locks)
{
    struct bk__argv *argv = &locks->call.argv;

    if (locks->busy)
        return;
    bk__script_begin(argv, &bk__script_renew, BK_LIT(""));
    argv->count--; /* the base follows with the first lock */
    if (collect(locks, bk_now_ms()) == 0)
        return;
    locks->busy = true;
    if (BK__FAULT("queue.renew") || bk__script_call_send(&locks->call) != BK_OK) {
        bk_error_clear();
        locks->busy = false;
        put_back(locks);
    }
}

static void on_done(struct bk__script_call *call, bk_err err, const bk_reply *reply)
{
    struct bk__locks *locks = bk__container_of(call, struct bk__locks, call);

    locks->busy = false;
    if (err != BK_OK) {
        bk_warn("queue.not_renewed", bk_kv_cstr("why", call->why));
        put_back(locks);
        return;
    }
    for (size_t i = 0; reply->type == BK_REPLY_ARRAY && i < reply->count; i++)
        tell_lost(locks, reply->items[i].i64);
    renew(locks); /* there may be more than one call takes */
}

static void on_tick(struct bk__timer *timer)
{
    struct bk__locks *locks = bk__container_of(timer, struct bk__locks, tick);

    renew(locks);
    bk__timer_set(locks->loop, timer, locks->loop->clock.now_ms + TICK_MS);
}

static bool is_ending(struct bk__locks *locks)
{
    pthread_mutex_lock(&locks->mutex);
    bool ending = locks->ending;
    pthread_mutex_unlock(&locks->mutex);
    return ending;
}

static void *run(void *data)
{
    struct bk__locks *locks = data;
    struct bk_loop *loop = bk__loop_new(
        &(struct bk__loop_opts){.fibers = 1, .offload_threads = 1, .offload_queue = 1});

    pthread_setname_np(pthread_self(), "bk-locks");
    locks->tick.fn = on_tick;
    bk__redis_open(locks->redis);
    bk__timer_set(loop, &locks->tick, loop->clock.now_ms + TICK_MS);
    pthread_mutex_lock(&locks->mutex);
    locks->loop = loop;
    pthread_cond_signal(&locks->begun);
    pthread_mutex_unlock(&locks->mutex);
    while (!is_ending(locks))
        bk__loop_turn(loop, BK__NEVER);
    bk__script_call_abandon(&locks->call);
    bk__timer_stop(loop, &locks->tick);
    bk__redis_close(locks->redis);
    bk__loop_free(loop);
    return NULL;
}

/* --- the app's side --------------------------------------------------------------------------- */

struct bk__locks *bk__locks_new(bk_app *app, bk_redis *redis, bk__lock_lost_fn lost, void *data)
{
    struct bk__locks *locks = calloc(1, sizeof *locks);
    sigset_t all, before;

    bk_assert(locks != NULL);
    locks->app = app;
    locks->lost = lost;
    locks->data = data;
    locks->redis = bk__redis_clone(redis, "locks", 0);
    bk__list_init(&locks->held);
    bk__script_call_init(&locks->call, locks->redis, &bk__script_renew);
    locks->call.done = on_done;
    pthread_mutex_init(&locks->mutex, NULL);
    pthread_cond_init(&locks->begun, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&locks->thread, NULL, run, locks);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    bk_assert(failure == 0); /* no worker may run without it */
    pthread_mutex_lock(&locks->mutex);
    while (locks->loop == NULL)
        pthread_cond_wait(&locks->begun, &locks->mutex);
    pthread_mutex_unlock(&locks->mutex);
    return locks;
}

static void wake_up(void *data)
{
    (void)data;
}

void bk__locks_free(struct bk__locks *locks)
{
    if (locks == NULL)
        return;
    pthread_mutex_lock(&locks->mutex);
    locks->ending = true;
    pthread_mutex_unlock(&locks->mutex);
    (void)!bk__loop_post(locks->loop, wake_up, NULL);
    pthread_join(locks->thread, NULL);
    bk_assert(bk__list_empty(&locks->held));
    bk__script_call_fini(&locks->call);
    bk__redis_clone_free(locks->redis);
    pthread_cond_destroy(&locks->begun);
    pthread_mutex_destroy(&locks->mutex);
    free(locks);
}

void bk__lock_hold(struct bk__locks *locks, struct bk__lock *lock)
{
    pthread_mutex_lock(&locks->mutex);
    lock->due_ms = bk_now_ms() + lock->lock_ms / 4;
    bk__list_push(&locks->held, &lock->link);
    pthread_mutex_unlock(&locks->mutex);
}

void bk__lock_drop(struct bk__locks *locks, struct bk__lock *lock)
{
    pthread_mutex_lock(&locks->mutex);
    bk__list_remove(&lock->link);
    pthread_mutex_unlock(&locks->mutex);
}
