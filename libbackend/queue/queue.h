/*
 * queue.h: a bk_queue from inside.
 */
#ifndef BK_QUEUE_QUEUE_H
#define BK_QUEUE_QUEUE_H

#include <backend/json.h>
#include <backend/queue.h>

#include "core/list.h"
#include "fiber/loop.h"
#include "queue/script.h"

struct bk__hub;

struct bk_queue {
    bk_app *app;
    bk_redis *redis;
    struct bk__hub *hub; /* what queues of one Redis share */
    char *name, *prefix;
    bk_str base;     /* of its keys: "prefix:name:" */
    bk_job_opts job; /* defaults */
    uint32_t events;
    struct bk__list waiting; /* producer.c: adds of this turn */
    struct bk__put_off flush;
    struct bk__list spare; /* flights that are not used */
};

/* --- keys.c ------------------------------------------------------------------------------------- */

/* BK_EINVAL, with words, for a queue's name or a prefix that cannot be. */
bk_err bk__queue_name_check(const char *name);

/* BK_EINVAL, with words, for an id that nobody may choose. */
bk_err bk__job_id_check(bk_str id);

/* A key of the queue. Request-owned, or of @p arena. */
bk_str bk__queue_key(bk_arena *arena, const bk_queue *queue, bk_str suffix);

/* The name of a connection that waits for jobs, or reads events, as dashboards look for it:
 * "prefix:base64(name)" and @p tail. From malloc. */
char *bk__queue_client_name(const bk_queue *queue, const char *tail);

/* --- job.c: how jobs and their options are written ---------------------------------------------- */

/* A job that is to be added; all text is borrowed until it has been. */
struct bk__new_job {
    bk_str name, data;
    bk_str opts;   /* JSON */
    bk_str *pairs; /* what add.lua calls them: names and values by turns */
    size_t pair_count;
    bk_arena *arena; /* where the rest is */
};

/* Checks and writes it. BK_EINVAL, BK_ETOOBIG with words. */
bk_err bk__new_job_make(const bk_queue *queue, const bk_job_spec *spec, bk_arena *arena,
                        struct bk__new_job *out);

/* Adds a pair: for what options do not say (flows, schedulers, the outbox). */
void bk__new_job_set(struct bk__new_job *job, bk_str name, bk_str value);
void bk__new_job_set_i64(struct bk__new_job *job, bk_str name, int64_t value);

/* The options as BullMQ stores them: JSON. @p id absent: an automatic one. */
bk_str bk__opts_write(bk_arena *arena, const bk_job_opts *opts);

/* Adds the trace of the running fiber to the options, if there is one. */
void bk__trace_write(bk_json_writer *w, bk_arena *arena);

/* `*over` where it says something, else `*under`. */
bk_job_opts bk__opts_merge(const bk_job_opts *under, const bk_job_opts *over);

/* BK_EINVAL, with words. */
bk_err bk__opts_check(const bk_job_opts *opts);

/* --- producer.c ----------------------------------------------------------------------------------- */

/* Adds jobs in one step, at most BK_JOBS_CHUNK. @p ids receives as many; may be NULL.
 * BK_ENOTFOUND: the parent of one does not exist; BK_ECONFLICT: one has another parent. */
BK_YIELDS bk_err bk__jobs_put(bk_queue *queue, const struct bk__new_job *jobs, size_t count,
                              bk_str *ids);

/* A job's words for add.lua. */
void bk__new_job_push(struct bk__argv *argv, const struct bk__new_job *job);

void bk__producer_init(bk_queue *queue);
void bk__producer_fini(bk_queue *queue);

/* Milliseconds since 1970. */
int64_t bk__queue_now(void);

/* --- meter.c -------------------------------------------------------------------------------------- */

/* Has Redis asked for the depth of @p queue, where metrics are served. @p every_ms: 0 for the
 * default; BK_UNLIMITED: never. */
void bk__queue_measure(bk_queue *queue, uint32_t every_ms);

#endif
