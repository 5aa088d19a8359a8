/*
 * schedules.c: schedules as they lie in Redis: reading and removing them. See <backend/schedule.h>.
 */
#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/str.h>

#include "queue/admin.h"
#include "queue/scheduler.h"
#include "queue/scripts.h"

enum {
    PAGE_MAX = 1000
};

/* What is no number, or one that nobody can mean, is as if it were not there. */
static int64_t number_of(bk_str text)
{
    double number;

    if (text.len == 0)
        return 0;
    if (bk_str_to_f64(text, &number) != BK_OK) {
        bk_error_clear();
        return 0;
    }
    return number > 0 && number < 9e15 ? (int64_t)number : 0;
}

static bk_missed missed_of(bk_str word)
{
    if (bk_str_eq(word, BK_LIT("skip")))
        return BK_MISSED_SKIP;
    return bk_str_eq(word, BK_LIT("all")) ? BK_MISSED_ALL : BK_MISSED_ONCE;
}

static void take_field(struct bk__schedule *it, bk_str name, bk_str value)
{
    const struct {
        bk_str name;
        bk_str *text;
        int64_t *number;
    } fields[] = {
        {BK_LIT("name"), &it->name, NULL},
        {BK_LIT("data"), &it->data, NULL},
        {BK_LIT("opts"), &it->opts, NULL},
        {BK_LIT("pattern"), &it->timing.pattern, NULL},
        {BK_LIT("tz"), &it->timing.zone, NULL},
        {BK_LIT("every"), NULL, &it->timing.every},
        {BK_LIT("offset"), NULL, &it->timing.offset},
        {BK_LIT("limit"), NULL, &it->timing.limit},
        {BK_LIT("startDate"), NULL, &it->timing.start},
        {BK_LIT("endDate"), NULL, &it->timing.end},
        {BK_LIT("ic"), NULL, &it->runs},
    };

    if (bk_str_eq(name, BK_LIT("missed")))
        it->timing.missed = missed_of(value);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!bk_str_eq(name, fields[i].name))
            continue;
        if (fields[i].number != NULL)
            *fields[i].number = number_of(value);
        else
            *fields[i].text = value;
    }
}

static int place_of(bk_str word)
{
    static const bk_str words[] = {
        [BK__RUN_DELAYED] = {"delayed", 7},
        [BK__RUN_READY] = {"ready", 5},
        [BK__RUN_ACTIVE] = {"active", 6},
        [BK__RUN_ENDED] = {"ended", 5},
    };

    for (int i = BK__RUN_DELAYED; i <= BK__RUN_ENDED; i++)
        if (bk_str_eq(word, words[i]))
            return i;
    return BK__RUN_NOWHERE;
}

/* False: an entry of a kind that BullMQ had once, without settings that we know. */
static bool take(const bk_reply *item, struct bk__schedule *out)
{
    const bk_reply *record = &item->items[2];

    *out = (struct bk__schedule){.id = item->items[0].str, .run = number_of(item->items[1].str)};
    for (size_t i = 0; i + 1 < record->count; i += 2)
        take_field(out, record->items[i].str, record->items[i + 1].str);
    out->place = place_of(item->items[3].str);
    out->run_opts = item->items[4].str;
    return out->timing.every != 0 || out->timing.pattern.len != 0;
}

bk_err bk__schedules_read(bk_queue *queue, bk_str id, int64_t from, int64_t count,
                          struct bk__schedule **out, size_t *found)
{
    bk_reply reply;

    *found = 0;
    BK_TRY(bk__admin_run(queue, &bk__script_schedules,
                         BK_ARGS(bk_text(id), bk_i64(from), bk_i64(count)), &reply));
    *out = bk_arena_zalloc(bk_fiber_arena(), (reply.count + 1) * sizeof **out);
    for (size_t i = 0; i < reply.count; i++)
        if (reply.items[i].count == 5 && take(&reply.items[i], &(*out)[*found]))
            ++*found;
    return BK_OK;
}

/* --- the public calls --------------------------------------------------------------------------- */

static bk_schedule_info info_of(const struct bk__schedule *it)
{
    return (bk_schedule_info){
        .id = it->id,
        .every_ms = (uint64_t)it->timing.every,
        .offset_ms = (uint64_t)it->timing.offset,
        .pattern = it->timing.pattern,
        .zone = it->timing.zone,
        .limit = (uint32_t)it->timing.limit,
        .start = it->timing.start * 1000,
        .end = it->timing.end * 1000,
        .missed = it->timing.missed,
        .name = it->name,
        .data = it->data,
        .opts = it->opts,
        .next = it->run * 1000,
        .runs = (uint64_t)it->runs,
    };
}

static bk_err no_such_schedule(bk_str id)
{
    return bk_fail(BK_ENOTFOUND, "there is no schedule \"%.*s\"", BK_PRI(id));
}

bk_err bk_schedule_get(bk_queue *queue, bk_str id, bk_schedule_info *info)
{
    struct bk__schedule *known;
    size_t found = 0;

    if (id.len != 0)
        BK_TRY(bk__schedules_read(queue, id, 0, 1, &known, &found));
    if (found == 0)
        return no_such_schedule(id);
    *info = info_of(&known[0]);
    return BK_OK;
}

bk_err bk_schedule_list(bk_queue *queue, uint32_t from, uint32_t count,
                        const bk_schedule_info **schedules, size_t *found)
{
    struct bk__schedule *known;
    bk_schedule_info *out;

    if (count > PAGE_MAX)
        count = PAGE_MAX;
    BK_TRY(bk__schedules_read(queue, BK_LIT(""), from, count, &known, found));
    out = bk_arena_alloc(bk_fiber_arena(), (*found + 1) * sizeof *out);
    for (size_t i = 0; i < *found; i++)
        out[i] = info_of(&known[i]);
    *schedules = out;
    return BK_OK;
}

bk_err bk_schedule_remove(bk_queue *queue, bk_str id)
{
    bk_reply reply;

    BK_TRY(bk__admin_run(queue, &bk__script_schedule_remove, BK_ARGS(bk_text(id)), &reply));
    return reply.i64 == 1 ? BK_OK : no_such_schedule(id);
}
