/*
 * outbox.h: an outbox from inside.
 */
#ifndef BK_QUEUE_OUTBOX_H
#define BK_QUEUE_OUTBOX_H

#include <backend/outbox.h>

#include "fiber/fiber.h"

/* The one pair of an entry that is not for its job: bk_queue_opts.events of its queue. */
#define BK__OUTBOX_EVENTS BK_LIT("events")

struct bk_outbox {
    bk_app *app;
    bk_outbox_opts opts;                         /* defaults filled in */
    char *table, *create, *insert, *take, *drop; /* SQL */
    bk_fiber *relay;                             /* NULL: it does not run here */
    uint32_t pause_ms;                           /* before it looks again */
    bk_outbox_stats stats;
};

/* relay.c: makes the table where it is missing. What fails is logged. */
BK_YIELDS void bk__outbox_make_table(const bk_outbox *outbox);

/* relay.c: moves entries until the fiber is cancelled. @p data: the outbox. */
bk_err bk__relay_run(void *data);

#endif
