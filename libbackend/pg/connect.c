/*
 * connect.c: attempts to connect, each on a thread of its own. See link.h.
 *
 * Resolving names blocks, and so does reading certificates; a handshake costs milliseconds of
 * processor time. The thread goes through the target's steps, giving each an equal share of the
 * time that is left.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/list.h"
#include "fiber/attempt.h"
#include "pg/handshake.h"
#include "pg/link.h"
#include "pg/target.h"

#define WORDS_BYTES 1024

struct bk__pg_attempt {
    struct bk__attempt attempt;
    char why[WORDS_BYTES]; /* what the steps so far failed with; under the attempt's lock */
    uint64_t until_ns;     /* a little before the loop's timer, which cannot say where it hung */
    uint32_t timeout_ms;
    struct bk__pg_target *target; /* counted */
    char *password;               /* NULL: that of the URL */
    struct bk__pg_link *link;     /* the thread's; read when it has ended */
    bk__pg_connected_fn fn;
    void *data;
};

static struct bk__pg_attempt *of(struct bk__attempt *attempt)
{
    return bk__container_of(attempt, struct bk__pg_attempt, attempt);
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* --- words ------------------------------------------------------------------------------------ */

/* Adds what a step failed with, as one line: libpq ends lines, and begins some with a tab. */
static void add_words(struct bk__pg_attempt *attempt, const char *words)
{
    bk_str rest = bk_str_of(words), line;

    pthread_mutex_lock(&attempt->attempt.lock);
    while (bk_str_split(&rest, '\n', &line)) {
        size_t len = strlen(attempt->why);
        line = bk_str_trim(line);
        if (line.len != 0)
            snprintf(attempt->why + len, sizeof attempt->why - len, "%s%.*s", len != 0 ? "; " : "",
                     BK_PRI(line));
    }
    pthread_mutex_unlock(&attempt->attempt.lock);
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
    switch (bk__pg_handshake(libpq, attempt->attempt.bell, until_ns, &filled)) {
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

static void run(struct bk__attempt *attempt)
{
    of(attempt)->link = try_all(of(attempt));
}

/* --- the loop's side -------------------------------------------------------------------------- */

static void on_done(struct bk__attempt *base)
{
    struct bk__pg_attempt *attempt = of(base);
    struct bk__pg_link *link = attempt->link;

    attempt->link = NULL;
    attempt->fn(link, link == NULL ? attempt->why : NULL, attempt->data);
}

static void on_late(struct bk__attempt *base, int failure)
{
    struct bk__pg_attempt *attempt = of(base);
    char why[WORDS_BYTES + 64];

    pthread_mutex_lock(&base->lock);
    if (failure != 0)
        snprintf(why, sizeof why, "cannot start a thread: %s", strerror(failure));
    else
        snprintf(why, sizeof why, "no connection within %u ms%s%s", attempt->timeout_ms,
                 attempt->why[0] != '\0' ? ": " : "", attempt->why);
    pthread_mutex_unlock(&base->lock);
    attempt->fn(NULL, why, attempt->data);
}

static void on_free(struct bk__attempt *base)
{
    struct bk__pg_attempt *attempt = of(base);

    bk__pg_link_close(attempt->link);
    bk__pg_target_unref(attempt->target);
    wipe(attempt->password);
    free(attempt);
}

static const struct bk__attempt_type type = {
    .name = "bk-pg-connect",
    .fault = "pg.thread",
    .run = run,
    .done = on_done,
    .late = on_late,
    .free = on_free,
};

struct bk__pg_attempt *bk__pg_connect(struct bk__pg_target *target, bk_str password,
                                      uint32_t timeout_ms, bk__pg_connected_fn fn, void *data)
{
    struct bk__pg_attempt *attempt = calloc(1, sizeof *attempt);

    bk_assert(attempt != NULL);
    attempt->until_ns = bk_now_ns() + (timeout_ms - timeout_ms / 16) * UINT64_C(1000000);
    attempt->timeout_ms = timeout_ms;
    attempt->target = bk__pg_target_ref(target);
    attempt->password = bk_str_present(password) ? strndup(password.ptr, password.len) : NULL;
    attempt->fn = fn;
    attempt->data = data;
    bk__attempt_start(&attempt->attempt, &type, timeout_ms);
    return attempt;
}

void bk__pg_abandon(struct bk__pg_attempt *attempt)
{
    bk__attempt_abandon(&attempt->attempt);
}
