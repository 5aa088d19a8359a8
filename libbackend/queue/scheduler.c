/*
 * scheduler.c: a schedule and its next run. See <backend/schedule.h> and scheduler.h.
 *
 * Which run comes next is computed here, not in Redis: it takes a calendar. So each change is made
 * for the run that was seen, and the script refuses it when there is another by then: whoever comes
 * second sees that the work is done (a worker), or looks again (who puts a schedule).
 */
#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/str.h>

#include "queue/queue.h"
#include "queue/scheduler.h"
#include "queue/scripts.h"

enum {
    ID_MAX = 256,
    ATTEMPTS_MAX = 10, /* while others change the same schedule */
    LATE_MS = 30000, /* a delayed job that is overdue for so long has no worker that would see it */
    REPAIR_PAGE = 200,
    REPAIR_MAX = 100000
};

#define EVERY_MAX (INT64_C(1) << 42)

/* What schedule.lua answers. */
enum {
    CHANGED = 0,
    DONE = 1,
    TAKEN = -10
};

/* --- the script --------------------------------------------------------------------------------- */

/* A change of a schedule. */
struct change {
    const struct bk__schedule *to;
    int64_t present;    /* its run; -1: there is no such schedule yet */
    struct bk__run run; /* the next; `at` is -1: none */
    bool settings;      /* write those of `to` */
    bool replace;       /* the job of the present run goes, where it waits */
};

static void push_opt(struct bk__argv *argv, bk_str name, int64_t value)
{
    if (value > 0)
        bk__argv_pair_i64(argv, name, value);
}

static void push_text(struct bk__argv *argv, bk_str name, bk_str value)
{
    if (value.len > 0)
        bk__argv_pair(argv, name, value);
}

/* Beside the count of these words. */
static void push_settings(struct bk__argv *argv, const struct change *change)
{
    const struct bk__schedule *to = change->to;
    const struct bk__timing *timing = &to->timing;
    size_t count_at = argv->count;
    int64_t slot = change->run.at >= 0 ? change->run.at : change->present;

    bk__argv_push_i64(argv, 0);
    bk__argv_pair(argv, BK_LIT("name"), to->name);
    push_opt(argv, BK_LIT("limit"), timing->limit);
    push_opt(argv, BK_LIT("startDate"), timing->start);
    push_opt(argv, BK_LIT("endDate"), timing->end);
    push_text(argv, BK_LIT("tz"), timing->zone);
    push_text(argv, BK_LIT("pattern"), timing->pattern);
    push_opt(argv, BK_LIT("every"), timing->every);
    bk__argv_pair_i64(argv, BK_LIT("offset"), timing->every > 0 ? slot % timing->every : 0);
    push_text(argv, BK_LIT("data"), to->data);
    push_text(argv, BK_LIT("opts"), to->opts);
    if (timing->missed != BK_MISSED_ONCE)
        bk__argv_pair(argv, BK_LIT("missed"),
                      timing->missed == BK_MISSED_SKIP ? BK_LIT("skip") : BK_LIT("all"));
    bk__argv_set_i64(argv, count_at, (int64_t)(argv->count - count_at - 1));
}

static void push_run_time(struct bk__argv *argv, int64_t at)
{
    if (at < 0)
        bk__argv_push(argv, BK_LIT(""));
    else
        bk__argv_push_i64(argv, at);
}

static void push_job(struct bk__argv *argv, const struct change *change)
{
    const struct bk__schedule *to = change->to;
    const struct bk__run *run = &change->run;
    struct bk__run_opts opts = {0};

    if (run->at >= 0)
        bk__run_opts_make(bk_fiber_arena(), to, run, &opts);
    bk__argv_push(argv, to->name);
    bk__argv_push(argv, to->data.len != 0 ? to->data : BK_LIT("{}"));
    bk__argv_push(argv, opts.json);
    bk__argv_push_i64(argv, run->at > run->now ? run->at - run->now : 0);
    bk__argv_push_i64(argv, opts.priority);
    bk__argv_push_i64(argv, opts.lifo);
}

BK_YIELDS static bk_err apply(bk_queue *queue, const struct change *change, int64_t *code)
{
    struct bk__argv argv;
    bk_reply reply;

    bk__argv_init(&argv);
    bk__script_begin(&argv, &bk__script_schedule, queue->base);
    bk__argv_push_i64(&argv, change->run.now);
    bk__argv_push(&argv, change->to->id);
    push_run_time(&argv, change->present);
    push_run_time(&argv, change->run.at);
    bk__argv_push_i64(&argv, queue->events);
    bk__argv_push_i64(&argv, change->replace);
    if (change->settings)
        push_settings(&argv, change);
    else
        bk__argv_push_i64(&argv, 0);
    push_job(&argv, change);
    bk_err err = bk__script_run(queue->redis, &bk__script_schedule, &argv, &reply);
    bk__argv_fini(&argv);
    BK_TRY(err);
    *code = reply.i64;
    return BK_OK;
}

/* Applies it; where a job has the next run's id already, as one that was promoted before its time
 * does, the run after that is taken. */
BK_YIELDS static bk_err apply_past_taken(bk_queue *queue, struct change *change, int64_t *code)
{
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        BK_TRY(apply(queue, change, code));
        if (*code != TAKEN)
            return BK_OK;
        if (change->run.at == change->present) { /* a worker has taken it since it was looked at */
            *code = CHANGED;
            return BK_OK;
        }
        BK_TRY(
            bk__timing_next(&change->to->timing, change->run.at, change->run.now, &change->run.at));
    }
    return bk_fail(BK_ECONFLICT, "schedule \"%.*s\": jobs have the ids of its next runs",
                   BK_PRI(change->to->id));
}

/* --- putting ------------------------------------------------------------------------------------ */

static bk_err check_times(const bk_schedule *schedule)
{
    bool by_pattern = schedule->pattern.len != 0;

    if (by_pattern == (schedule->every_ms != 0))
        return bk_fail(BK_EINVAL, "schedule \"%.*s\": either every_ms or a pattern",
                       BK_PRI(schedule->id));
    if (schedule->every_ms > EVERY_MAX)
        return bk_fail(BK_EINVAL, "schedule \"%.*s\": every_ms is more than 139 years",
                       BK_PRI(schedule->id));
    if (by_pattern ? schedule->aligned || schedule->offset_ms != 0
                   : schedule->zone.len != 0 || schedule->offset_ms >= schedule->every_ms)
        return bk_fail(BK_EINVAL,
                       "schedule \"%.*s\": a zone goes with a pattern; aligned and an offset_ms "
                       "less than every_ms go with every_ms",
                       BK_PRI(schedule->id));
    if (schedule->offset_ms != 0 && !schedule->aligned)
        return bk_fail(BK_EINVAL, "schedule \"%.*s\": offset_ms goes with aligned",
                       BK_PRI(schedule->id));
    if (schedule->start < 0 || schedule->end < 0 ||
        (schedule->end != 0 && schedule->end < schedule->start))
        return bk_fail(BK_EINVAL, "schedule \"%.*s\": it ends before it starts, or before 1970",
                       BK_PRI(schedule->id));
    return BK_OK;
}

static bk_err check_job(const bk_schedule *schedule)
{
    const bk_job_opts *opts = schedule->job.opts;

    if (opts != NULL && (opts->id.len != 0 || opts->delay_ms != 0 || opts->timestamp != 0 ||
                         opts->dedup.id.len != 0))
        return bk_fail(BK_EINVAL,
                       "schedule \"%.*s\": its jobs get their id, delay and timestamp from it, and "
                       "have no deduplication",
                       BK_PRI(schedule->id));
    return BK_OK;
}

/* What was asked for, as it will lie in Redis. */
static bk_err make(const bk_queue *queue, const bk_schedule *schedule, struct bk__schedule *out)
{
    struct bk__new_job job;

    if (schedule->id.len == 0 || schedule->id.len > ID_MAX || !bk_str_utf8(schedule->id))
        return bk_fail(BK_EINVAL, "the id of a schedule is UTF-8 of 1 to %d bytes", ID_MAX);
    BK_TRY(check_times(schedule));
    BK_TRY(check_job(schedule));
    BK_TRY(bk__new_job_make(queue, &schedule->job, bk_fiber_arena(), &job));
    *out = (struct bk__schedule){
        .id = schedule->id,
        .name = job.name,
        .data = bk_str_eq(job.data, BK_LIT("{}")) ? BK_LIT("") : job.data,
        .opts = bk_str_eq(job.opts, BK_LIT("{\"attempts\":0}")) ? BK_LIT("") : job.opts,
        .timing =
            {
                .every = (int64_t)schedule->every_ms,
                .offset = schedule->aligned ? (int64_t)schedule->offset_ms : -1,
                .pattern = schedule->pattern,
                .zone = schedule->zone,
                .start = schedule->start / 1000,
                .end = schedule->end / 1000,
                .limit = schedule->limit,
                .missed = schedule->missed,
            },
    };
    return BK_OK;
}

/* Whether @p known runs at the times of @p wanted already. */
static bool keeps_times(const struct bk__schedule *known, const struct bk__schedule *wanted)
{
    if (!bk__timing_same(&known->timing, &wanted->timing))
        return false;
    return wanted->timing.every == 0 || wanted->timing.offset < 0 ||
           wanted->timing.offset == known->run % wanted->timing.every;
}

/* The next run of @p wanted, where @p known is there with the same times. */
static bk_err continue_known(const struct bk__schedule *known, const struct bk__schedule *wanted,
                             struct change *change)
{
    int64_t count = bk__run_count(bk_fiber_arena(), known->run_opts);

    change->run.count = count != 0 ? count : known->runs;
    change->run.at = known->run;
    if (known->place == BK__RUN_DELAYED || known->place == BK__RUN_READY)
        return BK_OK;
    /* Its worker is about to make the next run, or has died before it did, or it was the last. */
    change->run.count++;
    if (wanted->timing.limit != 0 && change->run.count > wanted->timing.limit) {
        change->run.at = -1;
        return BK_OK;
    }
    bk_err err = bk__timing_next(&wanted->timing, known->run, change->run.now, &change->run.at);
    if (err != BK_EGONE)
        return err;
    bk_error_clear();
    change->run.at = -1;
    return BK_OK;
}

BK_YIELDS static bk_err try_to_put(bk_queue *queue, const struct bk__schedule *wanted,
                                   struct change *change, int64_t *code)
{
    struct bk__schedule *known;
    size_t found;

    BK_TRY(bk__schedules_read(queue, wanted->id, 0, 1, &known, &found));
    *change = (struct change){.to = wanted,
                              .present = found != 0 ? known->run : -1,
                              .run = {.now = bk__queue_now(), .count = 1},
                              .settings = true,
                              .replace = true};
    if (found != 0 && keeps_times(known, wanted)) {
        BK_TRY(continue_known(known, wanted, change));
    } else {
        bk_err err = bk__timing_first(&wanted->timing, change->run.now, &change->run.at);
        if (err == BK_EGONE)
            return bk_fail(BK_EINVAL, "schedule \"%.*s\": it has no run before its end",
                           BK_PRI(wanted->id));
        BK_TRY(err);
    }
    return apply_past_taken(queue, change, code);
}

bk_err bk_schedule_put(bk_queue *queue, const bk_schedule *schedule, bk_time *next)
{
    struct bk__schedule wanted = {0};
    struct change change;
    int64_t code;

    BK_TRY(make(queue, schedule, &wanted));
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        BK_TRY(try_to_put(queue, &wanted, &change, &code));
        if (code != DONE)
            continue;
        if (next != NULL)
            *next = change.run.at >= 0 ? change.run.at * 1000 : 0;
        return BK_OK;
    }
    return bk_fail(BK_ECONFLICT, "schedule \"%.*s\": others keep changing it",
                   BK_PRI(schedule->id));
}

/* --- the worker's side -------------------------------------------------------------------------- */

static void log_stuck(const bk_queue *queue, bk_str id, bk_err err)
{
    const bk_error_link *why = bk_error_chain();

    bk_error("queue.schedule_stuck", bk_kv_cstr("queue", queue->name), bk_kv_str("schedule", id),
             bk_kv_str("why", why != NULL ? why->message : bk_str_of(bk_err_text(err))));
    bk_error_clear();
}

/* Makes the run after @p known's present one, which was the @p count-th. Its own faults are logged;
 * what is returned is Redis' or the fiber's. */
BK_YIELDS static bk_err go_on(bk_queue *queue, const struct bk__schedule *known, int64_t count,
                              bool replace)
{
    const struct bk__timing *timing = &known->timing;
    struct change change = {.to = known,
                            .present = known->run,
                            .run = {.now = bk__queue_now(), .count = count + 1},
                            .replace = replace};
    int64_t code;

    if (timing->limit != 0 && change.run.count > timing->limit)
        return BK_OK;
    bk_err err = bk__timing_next(timing, known->run, change.run.now, &change.run.at);
    if (err == BK_OK)
        err = apply_past_taken(queue, &change, &code);
    if (err == BK_EGONE) { /* it is over */
        bk_error_clear();
        return BK_OK;
    }
    if (err != BK_EINVAL && err != BK_ENOTFOUND && err != BK_ECONFLICT && err != BK_EIO)
        return err;
    log_stuck(queue, known->id, err);
    return BK_OK;
}

bk_err bk__schedule_next(bk_queue *queue, bk_str id, bk_str job_id, bk_str job_opts)
{
    struct bk__schedule *known;
    size_t found;

    BK_TRY(bk__schedules_read(queue, id, 0, 1, &known, &found));
    if (found == 0)
        return BK_OK; /* removed since */
    bk_str present =
        bk_arena_printf(bk_fiber_arena(), "repeat:%.*s:%lld", BK_PRI(id), (long long)known->run);
    if (!bk_str_eq(job_id, present))
        return BK_OK; /* an attempt after the first */
    return go_on(queue, known, bk__run_count(bk_fiber_arena(), job_opts), false);
}

/* What is wrong with a schedule when nobody works on it, and its mending. */
BK_YIELDS static bk_err repair(bk_queue *queue, const struct bk__schedule *it, uint32_t *mended)
{
    bool lost = it->place == BK__RUN_NOWHERE || it->place == BK__RUN_ENDED;
    bool late = it->place == BK__RUN_DELAYED && it->timing.missed == BK_MISSED_SKIP &&
                it->run + LATE_MS < bk__queue_now();
    int64_t count = bk__run_count(bk_fiber_arena(), it->run_opts);

    if (!lost && !late)
        return BK_OK;
    ++*mended;
    if (count == 0)
        count = it->runs;
    return go_on(queue, it, late ? count - 1 : count, late);
}

bk_err bk__schedules_repair(bk_queue *queue)
{
    uint32_t mended = 0;

    /* A mended one moves behind the others, so that one may be passed over: the next start sees it.
     */
    for (int64_t from = 0; from < REPAIR_MAX; from += REPAIR_PAGE) {
        struct bk__schedule *page;
        size_t found;
        BK_TRY(bk__schedules_read(queue, BK_LIT(""), from, REPAIR_PAGE, &page, &found));
        for (size_t i = 0; i < found; i++)
            BK_TRY(repair(queue, &page[i], &mended));
        if (found == 0)
            break;
    }
    if (mended != 0)
        bk_info("queue.schedules_looked_at", bk_kv_cstr("queue", queue->name),
                bk_kv_i64("without_a_run", mended));
    return BK_OK;
}
