/*
 * outbox.c: jobs written to a table within a transaction. See <backend/outbox.h>.
 *
 * An entry has all that adding the job takes, so a relay needs to know nothing of its queue. Its
 * own id is new for each entry, also where the job's is not: Redis remembers entries, not jobs.
 */
#include "queue/outbox.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/json.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/random.h"
#include "queue/queue.h"

enum {
    POLL_MS = 200,
    BATCH = 200,
    REMEMBER_S = 7 * 24 * 3600,
    SOON_MS = 2 /* a transaction that added a job is likely to have committed by then */
};

/* --- adding ----------------------------------------------------------------------------------- */

/* What add.lua is told beside the job itself, as a JSON array. */
static bk_str pairs_as_json(const struct bk__new_job *job)
{
    bk_buf buf = {.arena = job->arena};
    bk_json_writer w = {.buf = &buf};

    bk_json_begin_array(&w);
    for (size_t i = 0; i < job->pair_count; i++)
        bk_json_write_str(&w, job->pairs[i]);
    bk_json_end_array(&w);
    return bk_buf_str(&buf);
}

static bk_str new_uuid(bk_arena *arena)
{
    char text[BK__UUID_TEXT];

    bk__uuid7(text);
    return bk_arena_dup(arena, bk_str_at(text, sizeof text));
}

BK_YIELDS static bk_err add(bk_pg *tx, bk_outbox *outbox, const bk_queue *queue,
                            const bk_job_spec *spec, bk_str *id)
{
    bk_arena *arena = bk_fiber_arena();
    bk_job_opts opts = spec->opts != NULL ? *spec->opts : (bk_job_opts){0};
    bk_job_spec own = *spec;
    struct bk__new_job job;

    if (queue->redis != outbox->opts.redis)
        return bk_fail(BK_EINVAL, "queue %s lies in another Redis than the outbox's", queue->name);
    bk_str entry = new_uuid(arena);
    if (opts.id.len == 0)
        opts.id = entry;
    own.opts = &opts;
    BK_TRY(bk__new_job_make(queue, &own, arena, &job));
    bk__new_job_set_i64(&job, BK__OUTBOX_EVENTS, queue->events);
    BK_TRY(bk_pg_exec(tx, outbox->insert,
                      BK_ARGS(bk_text(entry), bk_text(queue->base), bk_text(job.name),
                              bk_text(job.data), bk_text(job.opts), bk_text(pairs_as_json(&job))),
                      NULL));
    if (id != NULL)
        *id = bk_arena_dup(arena, opts.id);
    if (outbox->relay != NULL) {
        outbox->pause_ms = SOON_MS;
        bk_fiber_wake(outbox->relay);
    }
    return BK_OK;
}

bk_err bk_jobs_add_tx(bk_pg *tx, bk_outbox *outbox, bk_queue *queue, const char *name,
                      bk_desc_fn desc, const void *payload, const bk_job_opts *opts, bk_str *id)
{
    bk_job_spec spec = {.name = name, .desc = desc, .payload = payload, .opts = opts};

    return add(tx, outbox, queue, &spec, id);
}

bk_err bk_jobs_add_tx_json(bk_pg *tx, bk_outbox *outbox, bk_queue *queue, const char *name,
                           bk_str json, const bk_job_opts *opts, bk_str *id)
{
    bk_job_spec spec = {.name = name, .json = json, .opts = opts};

    return add(tx, outbox, queue, &spec, id);
}

/* --- life ------------------------------------------------------------------------------------- */

bk_str bk_outbox_sql(const bk_outbox *outbox)
{
    return bk_arena_dup(bk_fiber_arena(), bk_str_of(outbox->create));
}

void bk_outbox_get_stats(const bk_outbox *outbox, bk_outbox_stats *stats)
{
    *stats = outbox->stats;
}

static bk_err start(void *data)
{
    bk_outbox *outbox = data;

    bk__outbox_make_table(outbox);
    if (outbox->opts.no_relay || (bk_app_roles(outbox->app) & BK_ROLE_JOBS) == 0)
        return BK_OK;
    return bk_spawn("outbox relay", bk__relay_run, outbox);
}

static void free_outbox(void *data)
{
    bk_outbox *outbox = data;

    free(outbox->table);
    free(outbox->create);
    free(outbox->insert);
    free(outbox->take);
    free(outbox->drop);
    free(outbox);
}

static const bk_part_type part = {.name = "outbox", .start = start, .free = free_outbox};

BK_PRINTF(1, 2) static char *sql(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    bk_assert(len > 0);
    return text;
}

static void check(const bk_outbox_opts *opts)
{
    const char *table = opts->table;

    if (opts->db == NULL || opts->redis == NULL)
        bk__setup_error("bk_outbox_opts", 0, "an outbox needs db and redis");
    if (opts->batch > BK_JOBS_CHUNK)
        bk__setup_error("bk_outbox_opts", 0, "batch is at most %d", BK_JOBS_CHUNK);
    if (table == NULL)
        return;
    if (table[0] == '\0' || strlen(table) > 50 || (table[0] >= '0' && table[0] <= '9') ||
        strspn(table, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(table))
        bk__setup_error("bk_outbox_opts", 0, "\"%s\" is no name of a table here", table);
}

bk_outbox *bk_outbox_new(bk_app *app, const bk_outbox_opts *opts)
{
    bk_outbox *outbox = calloc(1, sizeof *outbox);

    bk_assert(outbox != NULL);
    check(opts);
    outbox->app = app;
    outbox->opts = *opts;
    if (outbox->opts.batch == 0)
        outbox->opts.batch = BATCH;
    if (outbox->opts.poll_ms == 0)
        outbox->opts.poll_ms = POLL_MS;
    if (outbox->opts.remember_s == 0)
        outbox->opts.remember_s = REMEMBER_S;
    outbox->table = sql("%s", opts->table != NULL ? opts->table : "bk_outbox");
    outbox->create = sql("CREATE TABLE IF NOT EXISTS %s (\n"
                         "    entry text PRIMARY KEY,\n"
                         "    queue text NOT NULL,\n"
                         "    name text NOT NULL,\n"
                         "    data text NOT NULL,\n"
                         "    opts text NOT NULL,\n"
                         "    pairs text NOT NULL,\n"
                         "    added_at timestamptz NOT NULL DEFAULT now()\n"
                         ")",
                         outbox->table);
    outbox->insert = sql("INSERT INTO %s (entry, queue, name, data, opts, pairs) "
                         "VALUES ($1, $2, $3, $4, $5, $6)",
                         outbox->table);
    outbox->take = sql("SELECT entry, queue, name, data, opts, pairs FROM %s "
                       "ORDER BY entry LIMIT $1 FOR UPDATE SKIP LOCKED",
                       outbox->table);
    outbox->drop = sql("DELETE FROM %s WHERE entry = ANY($1)", outbox->table);
    bk_app_part(app, &part, outbox);
    return outbox;
}
