/*
 * otlp.h: the inside of a bk_otlp.
 *
 *   otlp_settings.c  options and environment
 *   otlp_encode.c    spans as JSON
 *   otlp_send.c      a batch, and what the collector says to it
 *   otlp.c           life: when it is time for one
 */
#ifndef BK_OPS_OTLP_H
#define BK_OPS_OTLP_H

#include <backend/arena.h>
#include <backend/http_client.h>
#include <backend/json.h>
#include <backend/otlp.h>

#include "core/random.h"
#include "core/span.h"
#include "fiber/timer.h"

/* --- otlp_settings.c -------------------------------------------------------------------------- */

/* An attribute of the service, or a header. */
struct bk__otlp_pair {
    bk_str key, value;
};

struct bk__otlp_settings {
    bk_str url;                           /* of requests; absent: nothing is exported */
    const bk_http_header *headers;        /* ends with an absent name */
    bk_str service;                       /* `service.name` */
    const struct bk__otlp_pair *resource; /* without that; ends with an absent key */
    const char *ca_file;                  /* NULL: the system's */
    const char *protocol;                 /* that is asked for and that we do not speak, or NULL */
    uint32_t interval_ms, timeout_ms, stop_ms, spans, batch;
};

/* `a=1,b=%20` into @p out, with blanks around names and values left out. BK_EINVAL, with words that
 * show no value. An absent or empty text is an empty list. */
bk_err bk__otlp_pairs(bk_arena *arena, bk_str text, struct bk__otlp_pair **out);

/* What @p opts and the environment say. BK_EINVAL, with words. */
bk_err bk__otlp_settings(bk_arena *arena, const bk_otlp_opts *opts, struct bk__otlp_settings *out);

/* --- otlp_encode.c ---------------------------------------------------------------------------- */

/* Who makes the spans. */
struct bk__otlp_resource {
    bk_str service, instance, host, version; /* the last: of this library */
    int64_t pid;
    const struct bk__otlp_pair *more; /* as in settings; go before the others */
};

/* An ExportTraceServiceRequest: its begin, span after span, its end. */
void bk__otlp_begin(bk_json_writer *writer, const struct bk__otlp_resource *resource);
void bk__otlp_span(bk_json_writer *writer, const struct bk__span *span);
void bk__otlp_end(bk_json_writer *writer);

/* --- otlp_send.c ------------------------------------------------------------------------------ */

/* Spans on their way. They are kept as they are sent until it is known what became of them. */
struct bk__otlp_batch {
    bk_arena *arena; /* of `body`; NULL: there is no batch */
    bk_str body;
    uint32_t spans, attempts;
    uint64_t not_before_ms; /* when it may be sent next */
    bool was_asked;         /* to wait so long, by the collector */
};

struct bk_otlp {
    struct bk__otlp_settings settings; /* in `arena` */
    bk_arena *arena;
    bk_http_client *client;
    struct bk_loop *loop; /* NULL while the app does not run */
    struct bk__timer timer, patience;
    struct bk__otlp_resource resource;
    char instance[BK__UUID_TEXT], host[64];
    struct bk__otlp_batch batch;
    struct bk__span few[8];    /* on their way from the ring into a batch */
    bool is_sending;           /* a fiber is */
    bk_fiber *fiber;           /* which, once it runs */
    bool is_draining;          /* the app waits for a batch under way, until patience ends */
    bool is_impatient;         /* it has ended: the rest is for the stop */
    bool is_failing;           /* the last request did not succeed */
    bk_otlp_stats stats;       /* `dropped` without those of the ring */
    uint64_t told, told_at_ms; /* drops that were logged, and when */
};

/* Sends the batch that there is, or the next one. Afterwards there is none, or it is to be sent
 * again. */
BK_YIELDS void bk__otlp_send(bk_otlp *self);

/* Gives the batch up, if there is one. */
void bk__otlp_give_up(bk_otlp *self);

/* How long a `Retry-After` asks to wait: seconds, or an HTTP date; 0 where it is neither. */
uint64_t bk__otlp_retry_after_ms(bk_str value, bk_time now);

#endif
