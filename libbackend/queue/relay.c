/*
 * relay.c: moves jobs from an outbox's table to their queues. See <backend/outbox.h>.
 *
 * One step is a transaction: entries are locked, added to Redis, deleted, and that is committed. A
 * crash before the commit leaves them in the table, and they are added again; the script that adds
 * them notes each entry in the same step, and so knows it then. When the commit is known, the note
 * needs to stay only as long as a commit may still be lost (a failover of PostgreSQL).
 *
 * Several relays share a table: SKIP LOCKED gives each entries of its own.
 */
#include <signal.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/json.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/fault.h"
#include "queue/outbox.h"
#include "queue/queue.h"
#include "queue/scripts.h"

enum {
    MOVED_MS = 10 * 60 * 1000, /* how long a note stays when the commit is known */
    FAILED_MS = 1000,
    EVENTS = 10000 /* of a queue whose entries do not say */
};

struct entry {
    bk_str entry, queue, name, data, opts, pairs;
};

BK_DESCRIBE(entry_desc, struct entry, BK_STR(entry), BK_STR(queue), BK_STR(name), BK_STR(data),
            BK_STR(opts), BK_STR(pairs))

struct step {
    bk_outbox *outbox;
    struct entry *entries;
    size_t count;
    uint64_t moved, known;
};

/* --- to Redis --------------------------------------------------------------------------------- */

static bk_err damaged(const bk_outbox *outbox, const struct entry *entry)
{
    return bk_fail(BK_EINTERNAL, "entry %.*s of %s is damaged", BK_PRI(entry->entry),
                   outbox->table);
}

/* @p events: what the entry says of its queue; untouched where it does not. */
static bk_err read_entry(const bk_outbox *outbox, const struct entry *entry, bk_arena *arena,
                         struct bk__new_job *job, int64_t *events)
{
    bk_json *pairs;

    *job = (struct bk__new_job){
        .arena = arena, .name = entry->name, .data = entry->data, .opts = entry->opts};
    BK_TRY(bk_json_parse(arena, entry->pairs, NULL, &pairs));
    const bk_json *it = bk_json_first(pairs);
    while (it != NULL) {
        bk_str name = bk_json_str(it);
        it = bk_json_next(it);
        if (it == NULL)
            return damaged(outbox, entry);
        if (!bk_str_eq(name, BK__OUTBOX_EVENTS))
            bk__new_job_set(job, name, bk_json_str(it));
        else if (bk_str_to_i64(bk_json_str(it), events) != BK_OK)
            return damaged(outbox, entry);
        it = bk_json_next(it);
    }
    bk__new_job_set(job, BK_LIT("relayed"), entry->entry);
    bk__new_job_set_i64(job, BK_LIT("until"),
                        bk__queue_now() + (int64_t)outbox->opts.remember_s * 1000);
    return BK_OK;
}

/* Adds those that are for one queue. */
BK_YIELDS static bk_err move(struct step *step, bk_str base, struct bk__argv *argv)
{
    bk_arena *arena = bk_fiber_arena();
    int64_t events = EVENTS;
    size_t count = 0;
    bk_reply reply;

    bk__script_begin(argv, &bk__script_add, base);
    bk__argv_push_i64(argv, bk__queue_now());
    size_t at = argv->count;
    bk__argv_push_i64(argv, 0);
    bk__argv_push_i64(argv, events);
    for (size_t i = 0; i < step->count; i++) {
        struct bk__new_job job;
        if (!bk_str_eq(step->entries[i].queue, base))
            continue;
        BK_TRY(read_entry(step->outbox, &step->entries[i], arena, &job, &events));
        bk__new_job_push(argv, &job);
        count++;
    }
    bk__argv_set_i64(argv, at, (int64_t)count);
    bk__argv_set_i64(argv, at + 1, events);
    BK_TRY(bk__script_run(step->outbox->opts.redis, &bk__script_add, argv, &reply));
    if (reply.type != BK_REPLY_ARRAY || reply.count != count)
        return bk_fail(BK_EINTERNAL, "outbox: the script gave another answer than ids");
    for (size_t i = 0; i < count; i++)
        if (reply.items[i].type == BK_REPLY_I64)
            step->known++;
        else
            step->moved++;
    return BK_OK;
}

static bool is_first_of_queue(const struct step *step, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (bk_str_eq(step->entries[i].queue, step->entries[at].queue))
            return false;
    return true;
}

BK_YIELDS static bk_err move_all(struct step *step)
{
    struct bk__argv argv;
    bk_err err = BK_OK;

    bk__argv_init(&argv);
    for (size_t i = 0; i < step->count && err == BK_OK; i++)
        if (is_first_of_queue(step, i))
            err = move(step, step->entries[i].queue, &argv);
    bk__argv_fini(&argv);
    return err;
}

/* The commit is known: the notes may go before long. */
BK_YIELDS static void shorten_notes(struct step *step)
{
    bk_arena *arena = bk_fiber_arena();
    bk_str *words = bk_arena_alloc(arena, 2 * step->count * sizeof *words);
    int64_t at = bk__queue_now() + MOVED_MS;
    bk_str until = bk_arena_printf(arena, "%lld", (long long)at);

    for (size_t i = 0; i < step->count; i++) {
        size_t count = 0;
        if (!is_first_of_queue(step, i))
            continue;
        for (size_t k = i; k < step->count; k++)
            if (bk_str_eq(step->entries[k].queue, step->entries[i].queue)) {
                words[count++] = until;
                words[count++] = step->entries[k].entry;
            }
        bk_str key = bk_arena_printf(arena, "%.*sbk:relayed", BK_PRI(step->entries[i].queue));
        if (bk_redis_run(step->outbox->opts.redis, "ZADD $1 XX $2",
                         BK_ARGS(bk_text(key), bk_array_of(BK_TYPE_STR, words, count)),
                         NULL) != BK_OK)
            bk_error_clear(); /* they go by themselves, later */
    }
}

/* --- the step --------------------------------------------------------------------------------- */

static bk_err move_and_delete(bk_pg *tx, void *data)
{
    struct step *step = data;
    bk_outbox *outbox = step->outbox;
    bk_arena *arena = bk_fiber_arena();
    bk_array found;

    step->moved = step->known = 0;
    BK_TRY(bk_pg_all(tx, outbox->take, BK_ARGS(bk_i64(outbox->opts.batch)), entry_desc, &found));
    step->entries = found.items;
    step->count = found.count;
    if (found.count == 0)
        return BK_OK;
    BK_TRY(move_all(step));
    if (BK__FAULT("outbox.die"))
        raise(SIGKILL);
    if (BK__FAULT("outbox.moved"))
        return bk_fail(BK_EUNAVAILABLE, "a fault between Redis and PostgreSQL");
    bk_str *entries = bk_arena_alloc(arena, step->count * sizeof *entries);
    for (size_t i = 0; i < step->count; i++)
        entries[i] = step->entries[i].entry;
    return bk_pg_exec(tx, outbox->drop, BK_ARGS(bk_array_of(BK_TYPE_STR, entries, step->count)),
                      NULL);
}

/* Runs on a fiber of its own for each step, whose arena goes with it. */
static bk_err run_step(void *data)
{
    struct step *step = data;
    bk_outbox *outbox = step->outbox;

    BK_TRY(bk_pg_tx(outbox->opts.db, move_and_delete, step));
    outbox->stats.moved += step->moved;
    outbox->stats.known += step->known;
    if (step->count != 0)
        shorten_notes(step);
    return BK_OK;
}

BK_YIELDS static bk_err one_step(bk_outbox *outbox, bk_group *group, size_t *count)
{
    struct step step = {.outbox = outbox};

    bk_group_spawn(group, "outbox step", run_step, &step);
    bk_err err = bk_group_wait(group);
    *count = step.count;
    return err;
}

void bk__outbox_make_table(const bk_outbox *outbox)
{
    if (outbox->opts.no_create ||
        bk_pg_exec(outbox->opts.db, outbox->create, BK_NO_ARGS, NULL) == BK_OK)
        return;
    const bk_error_link *why = bk_error_chain();
    bk_warn("outbox.no_table", bk_kv_cstr("table", outbox->table),
            bk_kv_str("why", why != NULL ? why->message : BK_LIT("")));
    bk_error_clear();
}

bk_err bk__relay_run(void *data)
{
    bk_outbox *outbox = data;
    bk_group *group = bk_group_open();

    outbox->relay = bk_fiber_self();
    outbox->pause_ms = 1;
    while (bk_fiber_interrupted() == BK_OK) {
        size_t count = 0;
        bk_err err = one_step(outbox, group, &count);
        if (err != BK_OK && err != BK_ECANCELED) {
            const bk_error_link *why = bk_error_chain();
            outbox->stats.failed++;
            bk_warn("outbox.failed", bk_kv_cstr("table", outbox->table),
                    bk_kv_str("why", why != NULL ? why->message : BK_LIT("")));
        }
        bk_error_clear();
        if (err == BK_OK && count == outbox->opts.batch)
            continue;
        if (err != BK_OK)
            bk__outbox_make_table(outbox); /* PostgreSQL may not have been there at the start */
        uint32_t pause = err != BK_OK ? FAILED_MS : outbox->pause_ms;
        outbox->pause_ms = 2 * outbox->pause_ms < outbox->opts.poll_ms ? 2 * outbox->pause_ms
                                                                       : outbox->opts.poll_ms;
        (void)!bk__fiber_wait(bk_now_ms() + pause);
    }
    outbox->relay = NULL;
    return BK_OK;
}
