/*
 * connect.c: attempts to connect, each on a thread of its own. See link.h.
 *
 * Resolving names blocks, and so does reading certificates; a handshake costs milliseconds of
 * processor time. The thread goes through the target's steps, giving each an equal share of the
 * time that is left, and posts the end to the loop. The loop keeps the time: its timer says that it
 * is over even where the thread hangs in the resolver.
 *
 * What must hold: an attempt belongs to two, the loop and the thread (then the post that the thread
 * sends), and the last one out frees it. The loop sets `abandoned` under the lock; from then on the
 * thread touches neither the loop nor what the caller has.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libpq-fe.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/fault.h"
#include "fiber/loop.h"
#include "fiber/timer.h"
#include "pg/handshake.h"
#include "pg/link.h"
#include "pg/target.h"

#define STACK_BYTES (256 * 1024)
#define WORDS_BYTES 1024

struct bk__pg_attempt {
    pthread_mutex_t lock; /* guards `owners`, `abandoned` and `why` */
    unsigned owners;
    bool abandoned;
    char why[WORDS_BYTES]; /* what the steps so far failed with */
    int bell;              /* an eventfd, rung to abandon */
    uint64_t until_ns;     /* a little before the loop's timer, which cannot say where it hung */
    uint32_t timeout_ms;
    struct bk__pg_target *target; /* counted */
    char *password;               /* NULL: that of the URL */
    struct bk__pg_link *link;     /* made by the thread, then the post's */
    /* The loop's, after the start. */
    struct bk_loop *loop;
    struct bk__timer timer;
    bk__pg_connected_fn fn;
    void *data;
};

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* One owner less. */
static void leave(struct bk__pg_attempt *attempt)
{
    pthread_mutex_lock(&attempt->lock);
    bool last = --attempt->owners == 0;
    pthread_mutex_unlock(&attempt->lock);
    if (!last)
        return;
    bk__pg_link_close(attempt->link);
    bk__pg_target_unref(attempt->target);
    wipe(attempt->password);
    close(attempt->bell);
    pthread_mutex_destroy(&attempt->lock);
    free(attempt);
}

/* --- words ------------------------------------------------------------------------------------ */

/* Adds what a step failed with, as one line: libpq ends lines, and begins some with a tab. */
static void add_words(struct bk__pg_attempt *attempt, const char *words)
{
    bk_str rest = bk_str_of(words), line;

    pthread_mutex_lock(&attempt->lock);
    while (bk_str_split(&rest, '\n', &line)) {
        size_t len = strlen(attempt->why);
        line = bk_str_trim(line);
        if (line.len != 0)
            snprintf(attempt->why + len, sizeof attempt->why - len, "%s%.*s", len != 0 ? "; " : "",
                     BK_PRI(line));
    }
    pthread_mutex_unlock(&attempt->lock);
}

static void add_late(struct bk__pg_attempt *attempt, const PGconn *libpq)
{
    char words[WORDS_BYTES];

    snprintf(words, sizeof words, "%s, port %s: no answer in time", PQhost(libpq), PQport(libpq));
    add_words(attempt, words);
}

/* --- the thread's side ------------------------------------------------------------------------ */

static void no_notice(void *data, const PGresult *result)
{
    (void)data;
    (void)result;
}

/* What the codec relies on. Sessions that begin with another DateStyle are opened again with ISO as
 * an option, which outlives RESET; not all poolers take options, so they are not sent unasked. */
static bool is_usable(struct bk__pg_attempt *attempt, PGconn *libpq)
{
    const char *style = PQparameterStatus(libpq, "DateStyle");
    const char *encoding = PQparameterStatus(libpq, "client_encoding");
    const char *integers = PQparameterStatus(libpq, "integer_datetimes");

    if (encoding != NULL && strcmp(encoding, "UTF8") != 0)
        add_words(attempt, "the server does not speak UTF-8 with clients");
    else if (integers != NULL && strcmp(integers, "on") != 0)
        add_words(attempt, "the server keeps times as floating point numbers");
    else if (style != NULL && strncmp(style, "ISO", 3) != 0) {
        add_words(attempt, "the server writes dates in another style than ISO");
        atomic_store(&attempt->target->wants_iso, true);
    } else
        return true;
    return false;
}

/* The link that @p libpq has become; NULL with words. */
static struct bk__pg_link *hand_over(struct bk__pg_attempt *attempt, PGconn *libpq,
                                     const struct bk__pg_link *filled)
{
    if (!is_usable(attempt, libpq) || PQsetnonblocking(libpq, 1) != 0) {
        PQfinish(libpq);
        return NULL;
    }
    struct bk__pg_link *link = malloc(sizeof *link);
    bk_assert(link != NULL);
    *link = *filled;
    return link;
}

/* One step of the target. */
static struct bk__pg_link *try_step(struct bk__pg_attempt *attempt, size_t step, uint64_t until_ns,
                                    bool *stopped)
{
    struct bk__pg_link filled;
    PGconn *libpq = bk__pg_target_start(attempt->target, step, attempt->password);

    bk_assert(libpq != NULL);
    PQsetNoticeReceiver(libpq, no_notice, NULL);
    switch (bk__pg_handshake(libpq, attempt->bell, until_ns, &filled)) {
    case BK__PG_SHAKEN:
        return hand_over(attempt, libpq, &filled);
    case BK__PG_REFUSED:
        add_words(attempt, PQerrorMessage(libpq));
        break;
    case BK__PG_LATE:
        add_late(attempt, libpq);
        break;
    case BK__PG_STOPPED:
        *stopped = true;
        break;
    }
    PQfinish(libpq);
    return NULL;
}

static struct bk__pg_link *try_all(struct bk__pg_attempt *attempt)
{
    size_t count = bk__pg_target_steps(attempt->target);
    bool stopped = false;

    for (size_t step = 0; step < count && !stopped; step++) {
        uint64_t now = bk_now_ns();
        uint64_t left = now < attempt->until_ns ? attempt->until_ns - now : 0;
        uint64_t until = now + left / (count - step);
        bool had_iso = atomic_load(&attempt->target->wants_iso);
        struct bk__pg_link *link = try_step(attempt, step, until, &stopped);
        if (link == NULL && !had_iso && atomic_load(&attempt->target->wants_iso))
            link = try_step(attempt, step, until, &stopped);
        if (link != NULL)
            return link;
    }
    return NULL;
}

/* On the loop's stack; takes over the thread's share. */
static void on_end(void *data)
{
    struct bk__pg_attempt *attempt = data;

    if (attempt->abandoned) {
        leave(attempt);
        return;
    }
    struct bk__pg_link *link = attempt->link;
    attempt->link = NULL;
    bk__timer_stop(attempt->loop, &attempt->timer);
    attempt->fn(link, link == NULL ? attempt->why : NULL, attempt->data);
    leave(attempt);
    leave(attempt);
}

static void *run(void *data)
{
    struct bk__pg_attempt *attempt = data;

    pthread_setname_np(pthread_self(), "bk-pg-connect");
    attempt->link = try_all(attempt);
    pthread_mutex_lock(&attempt->lock);
    bool posted = !attempt->abandoned && bk__loop_post(attempt->loop, on_end, attempt) == BK_OK;
    pthread_mutex_unlock(&attempt->lock);
    if (!posted) {
        bk__pg_link_close(attempt->link);
        attempt->link = NULL;
        leave(attempt);
    }
    return NULL;
}

/* Signals are for the threads of the host. Returns an errno. */
static int start_thread(struct bk__pg_attempt *attempt)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure =
        BK__FAULT("pg.thread") ? EAGAIN : pthread_create(&thread, &attributes, run, attempt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

/* --- the loop's side -------------------------------------------------------------------------- */

/* The thread's hands are off the loop and the caller's data when this returns. */
void bk__pg_abandon(struct bk__pg_attempt *attempt)
{
    uint64_t one = 1;

    pthread_mutex_lock(&attempt->lock);
    attempt->abandoned = true;
    pthread_mutex_unlock(&attempt->lock);
    bk__timer_stop(attempt->loop, &attempt->timer);
    if (attempt->bell >= 0 && write(attempt->bell, &one, sizeof one) < 0)
        bk_unreachable("an eventfd takes its first ring");
    leave(attempt);
}

/* The time is over, or there was no thread to begin with. */
static void on_timer(struct bk__timer *timer)
{
    struct bk__pg_attempt *attempt = bk__container_of(timer, struct bk__pg_attempt, timer);
    bk__pg_connected_fn fn = attempt->fn;
    void *data = attempt->data;
    char why[WORDS_BYTES + 64];

    pthread_mutex_lock(&attempt->lock);
    if (attempt->owners == 1)
        snprintf(why, sizeof why, "%s", attempt->why);
    else
        snprintf(why, sizeof why, "no connection within %u ms%s%s", attempt->timeout_ms,
                 attempt->why[0] != '\0' ? ": " : "", attempt->why);
    pthread_mutex_unlock(&attempt->lock);
    bk__pg_abandon(attempt);
    fn(NULL, why, data);
}

struct bk__pg_attempt *bk__pg_connect(struct bk__pg_target *target, bk_str password,
                                      uint32_t timeout_ms, bk__pg_connected_fn fn, void *data)
{
    struct bk_loop *loop = bk__loop_current;
    struct bk__pg_attempt *attempt = calloc(1, sizeof *attempt);

    bk_assert(loop != NULL && attempt != NULL);
    pthread_mutex_init(&attempt->lock, NULL);
    attempt->owners = 2;
    attempt->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    attempt->until_ns = bk_now_ns() + (timeout_ms - timeout_ms / 16) * UINT64_C(1000000);
    attempt->timeout_ms = timeout_ms;
    attempt->target = bk__pg_target_ref(target);
    attempt->password = bk_str_present(password) ? strndup(password.ptr, password.len) : NULL;
    attempt->loop = loop;
    attempt->timer.fn = on_timer;
    attempt->fn = fn;
    attempt->data = data;
    bk__timer_set(loop, &attempt->timer, loop->clock.now_ms + timeout_ms);

    int failure = attempt->bell < 0 ? errno : start_thread(attempt);
    if (failure != 0) {
        snprintf(attempt->why, sizeof attempt->why, "cannot start a thread: %s", strerror(failure));
        attempt->owners = 1;
        bk__timer_set(loop, &attempt->timer, loop->clock.now_ms);
    }
    return attempt;
}
