/*
 * run_opts.c: the options of a job that a schedule makes. See scheduler.h.
 *
 * They are those of the schedule's template, which may be Node's, with what is the run's own in
 * place of what the template says of it. What we do not know goes on as it is.
 */
#include <backend/arena.h>
#include <backend/json.h>
#include <backend/str.h>

#include "queue/scheduler.h"

/* Of the run, of a flow, or of no use to a job with an id of its own. */
static const bk_str not_inherited[] = {
    {"repeat", 6},    {"repeatJobKey", 12}, {"prevMillis", 10}, {"jobId", 5}, {"delay", 5},
    {"timestamp", 9}, {"parent", 6},        {"de", 2},          {"tm", 2}, /* the trace of who wrote
                                                                              the schedule has ended
                                                                            */
};

static bool is_inherited(bk_str key)
{
    for (size_t i = 0; i < sizeof not_inherited / sizeof not_inherited[0]; i++)
        if (bk_str_eq(key, not_inherited[i]))
            return false;
    return true;
}

static void write_i64(bk_json_writer *w, bk_str key, int64_t value)
{
    bk_json_write_key(w, key);
    bk_json_write_i64(w, value);
}

static void write_str(bk_json_writer *w, bk_str key, bk_str value)
{
    bk_json_write_key(w, key);
    bk_json_write_str(w, value);
}

static void write_repeat(bk_json_writer *w, const struct bk__schedule *schedule,
                         const struct bk__run *run)
{
    const struct bk__timing *timing = &schedule->timing;

    bk_json_write_key(w, BK_LIT("repeat"));
    bk_json_begin_object(w);
    if (timing->every != 0)
        write_i64(w, BK_LIT("every"), timing->every);
    else
        write_str(w, BK_LIT("pattern"), timing->pattern);
    if (timing->zone.len != 0)
        write_str(w, BK_LIT("tz"), timing->zone);
    if (timing->start != 0)
        write_i64(w, BK_LIT("startDate"), timing->start);
    if (timing->end != 0)
        write_i64(w, BK_LIT("endDate"), timing->end);
    if (timing->limit != 0)
        write_i64(w, BK_LIT("limit"), timing->limit);
    write_i64(w, BK_LIT("count"), run->count);
    bk_json_end_object(w);
}

/* A bare number, which a template may have, is a fixed delay. */
static void write_backoff(bk_json_writer *w, int64_t ms)
{
    bk_json_write_key(w, BK_LIT("backoff"));
    bk_json_begin_object(w);
    write_str(w, BK_LIT("type"), BK_LIT("fixed"));
    write_i64(w, BK_LIT("delay"), ms);
    bk_json_end_object(w);
}

static void write_inherited(bk_json_writer *w, bk_arena *arena, const bk_json *member)
{
    bk_str key = bk_json_key(member);
    bk_buf value = {.arena = arena};
    int64_t ms;

    if (bk_str_eq(key, BK_LIT("backoff")) && bk_json_i64(member, &ms) == BK_OK) {
        write_backoff(w, ms);
        return;
    }
    bk_json_print(&value, member);
    bk_json_write_key(w, key);
    bk_json_write_raw(w, bk_buf_str(&value));
}

static const bk_json *parse(bk_arena *arena, bk_str text)
{
    bk_json *value = NULL;

    if (text.len != 0 && bk_json_parse(arena, text, NULL, &value) != BK_OK)
        bk_error_clear(); /* another program's fault: as good as none */
    return value;
}

void bk__run_opts_make(bk_arena *arena, const struct bk__schedule *schedule,
                       const struct bk__run *run, struct bk__run_opts *out)
{
    const bk_json *from = parse(arena, schedule->opts);
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    *out = (struct bk__run_opts){.lifo = bk_json_bool(bk_json_get(from, BK_LIT("lifo")))};
    if (bk_json_i64(bk_json_get(from, BK_LIT("priority")), &out->priority) != BK_OK)
        out->priority = 0;
    bk_json_begin_object(&w);
    write_repeat(&w, schedule, run);
    write_str(&w, BK_LIT("repeatJobKey"), schedule->id);
    write_str(&w, BK_LIT("jobId"),
              bk_arena_printf(arena, "repeat:%.*s:%lld", BK_PRI(schedule->id), (long long)run->at));
    write_i64(&w, BK_LIT("timestamp"), run->now);
    write_i64(&w, BK_LIT("delay"), run->at > run->now ? run->at - run->now : 0);
    if (schedule->timing.every == 0)
        write_i64(&w, BK_LIT("prevMillis"), run->at);
    for (const bk_json *it = bk_json_first(from); it != NULL; it = bk_json_next(it))
        if (is_inherited(bk_json_key(it)))
            write_inherited(&w, arena, it);
    if (bk_json_get(from, BK_LIT("attempts")) == NULL)
        write_i64(&w, BK_LIT("attempts"), 0);
    bk_json_end_object(&w);
    out->json = bk_buf_str(&buf);
}

int64_t bk__run_count(bk_arena *arena, bk_str opts)
{
    int64_t count;

    if (bk_json_i64(bk_json_at(parse(arena, opts), BK_LIT("/repeat/count")), &count) != BK_OK)
        return 0;
    return count;
}
