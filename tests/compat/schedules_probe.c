/*
 * schedules_probe.c: schedules, flows and cron expressions from the command line, for tests beside
 * BullMQ. node/schedules_probe.js does the same with BullMQ.
 *
 *     schedules-probe put QUEUE JSON     {"event":"put","next":MS}; the JSON has BullMQ's names:
 * id, every, offset, pattern, tz, limit, startDate, endDate, name, data, opts schedules-probe
 * remove QUEUE ID    {"event":"removed","was":true} schedules-probe list QUEUE
 * {"event":"schedule","id":...} for each schedules-probe flow JSON {"event":"added","id":...}; the
 * JSON: queue, name, data, id, failure (fpof, cpof, idof, rdof), children schedules-probe cron from
 * standard input, one a line: expression, zone and milliseconds, with tabs between; five times
 * follow each
 *
 * What is wrong is {"event":"rejected","error":...}, and exit 2.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>

enum {
    QUEUES_MAX = 16,
    REFUSED = 2
};

static struct {
    const char *verb, *words[2];
    bk_arena *arena;
    bk_json *json; /* of put and flow */
    bk_app *app;
    bk_redis *redis;
    bk_queue *queues[QUEUES_MAX];
    size_t queue_count;
    int status;
} probe;

static int64_t number(const bk_json *object, const char *key)
{
    int64_t value;

    if (bk_json_i64(bk_json_get(object, bk_str_of(key)), &value) == BK_OK)
        return value;
    bk_error_clear();
    return 0;
}

static bk_str text(const bk_json *object, const char *key)
{
    return bk_json_str(bk_json_get(object, bk_str_of(key)));
}

static const char *c_text(bk_str value)
{
    return bk_arena_printf(probe.arena, "%.*s", BK_PRI(value)).ptr;
}

/* --- what is asked for -------------------------------------------------------------------------- */

static bk_queue *queue_of(bk_str name)
{
    for (size_t i = 0; i < probe.queue_count; i++)
        if (bk_str_eq(bk_str_of(bk_queue_name(probe.queues[i])), name))
            return probe.queues[i];
    return NULL;
}

/* Before the app runs. */
static void declare(const char *name)
{
    if (queue_of(bk_str_of(name)) == NULL && probe.queue_count < QUEUES_MAX)
        probe.queues[probe.queue_count++] =
            bk_queue_new(probe.app, &(bk_queue_opts){.name = name, .redis = probe.redis});
}

static const bk_job_opts *job_opts(const bk_json *opts, bk_str id)
{
    bk_job_opts *out = bk_arena_alloc(probe.arena, sizeof *out);
    int64_t keep = number(opts, "removeOnComplete");

    *out = (bk_job_opts){
        .id = id,
        .attempts = (uint32_t)number(opts, "attempts"),
        .priority = (uint32_t)number(opts, "priority"),
        .delay_ms = (uint64_t)number(opts, "delay"),
        .backoff = {.kind = BK_BACKOFF_NONE},
        .keep_completed = {.count = (uint32_t)keep},
    };
    return out;
}

static bk_job_spec job_spec(const bk_json *from, bk_str id)
{
    const bk_json *data = bk_json_get(from, BK_LIT("data"));
    bk_buf json = {.arena = probe.arena};
    bk_job_spec out = {.name = c_text(text(from, "name")),
                       .opts = job_opts(bk_json_get(from, BK_LIT("opts")), id)};

    if (data != NULL) {
        bk_json_print(&json, data);
        out.json = bk_buf_str(&json);
    }
    return out;
}

static bk_child_failure failure_of(bk_str word)
{
    static const char *const words[] = {
        [BK_CHILD_BLOCKS] = "",          [BK_CHILD_FAILS_PARENT] = "fpof",
        [BK_CHILD_RUNS_PARENT] = "cpof", [BK_CHILD_IS_IGNORED] = "idof",
        [BK_CHILD_IS_DROPPED] = "rdof",
    };

    for (int i = BK_CHILD_BLOCKS; i <= BK_CHILD_IS_DROPPED; i++)
        if (bk_str_eq(word, bk_str_of(words[i])))
            return (bk_child_failure)i;
    return BK_CHILD_BLOCKS;
}

/* Recursive; the trees are ours. */
static bk_flow flow_of(const bk_json *json)
{
    const bk_json *children = bk_json_get(json, BK_LIT("children"));
    size_t count = bk_json_len(children), i = 0;
    bk_flow *out = bk_arena_alloc(probe.arena, (count + 1) * sizeof *out);

    for (const bk_json *it = bk_json_first(children); it != NULL; it = bk_json_next(it))
        out[i++] = flow_of(it);
    declare(c_text(text(json, "queue")));
    return (bk_flow){
        .queue = queue_of(text(json, "queue")),
        .job = job_spec(json, text(json, "id")),
        .on_failure = failure_of(text(json, "failure")),
        .children = out,
        .child_count = count,
    };
}

/* --- doing it ----------------------------------------------------------------------------------- */

BK_YIELDS static bk_err put(void)
{
    const bk_json *json = probe.json;
    bk_time next;
    bk_schedule schedule = {
        .id = text(json, "id"),
        .every_ms = (uint64_t)number(json, "every"),
        .aligned = bk_json_get(json, BK_LIT("offset")) != NULL,
        .offset_ms = (uint64_t)number(json, "offset"),
        .pattern = text(json, "pattern"),
        .zone = text(json, "tz"),
        .limit = (uint32_t)number(json, "limit"),
        .start = number(json, "startDate") * 1000,
        .end = number(json, "endDate") * 1000,
        .job = job_spec(json, BK_LIT("")),
    };

    BK_TRY(bk_schedule_put(probe.queues[0], &schedule, &next));
    printf("{\"event\":\"put\",\"next\":%" PRId64 "}\n", next / 1000);
    return BK_OK;
}

BK_YIELDS static bk_err take_away(void)
{
    bk_err err = bk_schedule_remove(probe.queues[0], bk_str_of(probe.words[1]));

    if (err != BK_OK && err != BK_ENOTFOUND)
        return err;
    printf("{\"event\":\"removed\",\"was\":%s}\n", err == BK_OK ? "true" : "false");
    return BK_OK;
}

BK_YIELDS static bk_err list(void)
{
    const bk_schedule_info *all;
    size_t count;

    BK_TRY(bk_schedule_list(probe.queues[0], 0, 100, &all, &count));
    for (size_t i = 0; i < count; i++)
        printf("{\"event\":\"schedule\",\"id\":\"%.*s\",\"name\":\"%.*s\",\"every\":%" PRIu64
               ",\"pattern\":\"%.*s\",\"tz\":\"%.*s\",\"limit\":%u,\"next\":%" PRId64
               ",\"data\":%.*s}\n",
               BK_PRI(all[i].id), BK_PRI(all[i].name), all[i].every_ms, BK_PRI(all[i].pattern),
               BK_PRI(all[i].zone), all[i].limit, all[i].next / 1000,
               BK_PRI(all[i].data.len != 0 ? all[i].data : BK_LIT("null")));
    return BK_OK;
}

BK_YIELDS static bk_err add_flow(bk_flow *flow)
{
    bk_str id;

    BK_TRY(bk_flow_add(flow, &id));
    printf("{\"event\":\"added\",\"id\":\"%.*s\"}\n", BK_PRI(id));
    return BK_OK;
}

static bk_err run(bk_app *app, void *data, void **state)
{
    bk_err err;

    (void)state;
    if (strcmp(probe.verb, "put") == 0)
        err = put();
    else if (strcmp(probe.verb, "remove") == 0)
        err = take_away();
    else if (strcmp(probe.verb, "list") == 0)
        err = list();
    else
        err = add_flow(data);
    if (err != BK_OK) {
        const bk_error_link *link = bk_error_chain();
        while (link->cause != NULL)
            link = link->cause;
        printf("{\"event\":\"rejected\",\"error\":\"%s\"}\n", bk_err_slug(err));
        fprintf(stderr, "%.*s\n", BK_PRI(link->message));
        probe.status = REFUSED;
    }
    bk_app_stop(app);
    return BK_OK;
}

/* "ERR words", or five times. */
static void say_times(const char *expression, const char *zone, int64_t after_ms)
{
    bk_cron *cron;
    bk_time at = after_ms * 1000;

    if (bk_cron_parse(bk_str_of(expression), bk_str_of(zone), &cron) != BK_OK) {
        printf("ERR %.*s\n", BK_PRI(bk_error_chain()->message));
        bk_error_clear();
        return;
    }
    for (int i = 0; i < 5 && bk_cron_next(cron, at, &at) == BK_OK; i++)
        printf("%" PRId64 " ", at / 1000);
    printf("\n");
    bk_cron_free(cron);
}

static int cron_times(void)
{
    char line[1024], *save = NULL;

    while (fgets(line, sizeof line, stdin) != NULL) {
        const char *expression = strtok_r(line, "\t", &save);
        const char *zone = strtok_r(NULL, "\t", &save);
        const char *after = strtok_r(NULL, "\n", &save);
        if (after == NULL)
            return 1;
        say_times(expression, zone, strtoll(after, NULL, 10));
    }
    return 0;
}

int main(int argc, char **argv)
{
    bk_flow flow = {0};

    if (argc < 2 || (argc < 3 && strcmp(argv[1], "cron") != 0))
        return 1;
    probe.verb = argv[1];
    if (strcmp(probe.verb, "cron") == 0)
        return cron_times();
    probe.words[0] = argv[2];
    probe.words[1] = argc > 3 ? argv[3] : "";
    probe.arena = bk_arena_new();
    probe.app = bk_app_new(
        &(bk_app_opts){.name = "schedules-probe", .on_worker_start = run, .data = &flow});
    probe.redis = bk_redis_new(probe.app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    bool is_flow = strcmp(probe.verb, "flow") == 0, is_put = strcmp(probe.verb, "put") == 0;
    if ((is_flow || is_put) &&
        bk_json_parse(probe.arena, bk_str_of(probe.words[is_put]), NULL, &probe.json) != BK_OK)
        return 1;
    if (is_flow)
        flow = flow_of(probe.json);
    else
        declare(probe.words[0]);
    bk_err err = bk_app_listen(probe.app, &(bk_listen_opts){.port = 0});
    if (err == BK_OK)
        err = bk_app_run(probe.app);
    bk_app_free(probe.app);
    bk_arena_free(probe.arena);
    return err != BK_OK ? 1 : probe.status;
}
