/*
 * jobs_probe.c: adds jobs, works at them and controls their queue from the command line, for tests
 * beside BullMQ. What it says is one JSON object a line; docs/protocol/queue.md has its verbs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backend/backend.h>

enum {
    REFUSED = 2
};

struct probe {
    const char *verb, *queue_name, *prefix;
    int arg_count;
    char **args; /* of ctl: what follows the options */

    const char *name, *data;
    bk_job_opts job;
    long count;

    bk_worker_opts work;
    const char *behaviour;

    bk_app *app;
    bk_queue *queue;
    bk_worker *worker;
    int status;
};

static struct probe probe = {.data = "{}", .name = "job", .behaviour = "echo", .count = 1};

/* --- saying ----------------------------------------------------------------------------------- */

static void say(bk_buf *buf)
{
    printf("%.*s\n", BK_PRI(bk_buf_str(buf)));
    fflush(stdout);
}

static bk_json_writer begin(bk_buf *buf, const char *event)
{
    bk_json_writer w;

    *buf = (bk_buf){.arena = bk_fiber_arena()};
    w = (bk_json_writer){.buf = buf};
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("event"));
    bk_json_write_str(&w, bk_str_of(event));
    return w;
}

static void member(bk_json_writer *w, const char *key, bk_str text)
{
    bk_json_write_key(w, bk_str_of(key));
    bk_json_write_str(w, text);
}

static void raw_member(bk_json_writer *w, const char *key, bk_str json)
{
    bk_json_write_key(w, bk_str_of(key));
    bk_json_write_raw(w, json);
}

static void end(bk_json_writer *w, bk_buf *buf)
{
    bk_json_end_object(w);
    say(buf);
}

static void say_ok(const char *event)
{
    bk_buf buf;
    bk_json_writer w = begin(&buf, event);

    end(&w, &buf);
}

static bk_str words_of_error(bk_err err)
{
    bk_str words = bk_str_of(bk_err_text(err));

    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        if (link->message.len != 0)
            words = link->message;
    return words;
}

/* --- add -------------------------------------------------------------------------------------- */

BK_YIELDS static void add(void)
{
    for (long i = 0; i < probe.count; i++) {
        bk_buf buf;
        bk_str id;
        bk_err err =
            bk_jobs_add_json(probe.queue, probe.name, bk_str_of(probe.data), &probe.job, &id);
        if (err == BK_OK) {
            bk_json_writer w = begin(&buf, "added");
            member(&w, "id", id);
            end(&w, &buf);
            continue;
        }
        bk_json_writer w = begin(&buf, "rejected");
        member(&w, "error", words_of_error(err));
        end(&w, &buf);
        probe.status = err == BK_EINVAL || err == BK_ETOOBIG ? REFUSED : 1;
        return;
    }
}

/* --- ctl -------------------------------------------------------------------------------------- */

BK_YIELDS static bk_err say_state(bk_str id)
{
    bk_job_state state;
    bk_buf buf;

    BK_TRY(bk_queue_job_state(probe.queue, id, &state));
    bk_json_writer w = begin(&buf, "state");
    member(&w, "id", id);
    member(&w, "state", bk_str_of(bk_job_state_name(state)));
    end(&w, &buf);
    return BK_OK;
}

BK_YIELDS static bk_err say_counts(void)
{
    bk_job_counts counts;
    bk_buf buf;

    BK_TRY(bk_queue_counts(probe.queue, &counts));
    bk_json_writer w = begin(&buf, "counts");
    const struct {
        const char *name;
        int64_t value;
    } all[] = {
        {"waiting", counts.waiting},
        {"active", counts.active},
        {"delayed", counts.delayed},
        {"prioritized", counts.prioritized},
        {"completed", counts.completed},
        {"failed", counts.failed},
        {"waiting-children", counts.waiting_children},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bk_json_write_key(&w, bk_str_of(all[i].name));
        bk_json_write_i64(&w, all[i].value);
    }
    end(&w, &buf);
    return BK_OK;
}

static bk_job_state state_of(bk_str name)
{
    for (int i = BK_JOB_WAITING; i <= BK_JOB_FAILED; i++)
        if (bk_str_eq(name, bk_str_of(bk_job_state_name((bk_job_state)i))))
            return (bk_job_state)i;
    return bk_str_eq(name, BK_LIT("wait")) ? BK_JOB_WAITING : BK_JOB_UNKNOWN;
}

BK_YIELDS static bk_err control(void)
{
    const char *verb = probe.arg_count > 0 ? probe.args[0] : "";
    bk_str id = bk_str_of(probe.arg_count > 1 ? probe.args[1] : "");

    if (strcmp(verb, "pause") == 0)
        return bk_queue_pause(probe.queue);
    if (strcmp(verb, "resume") == 0)
        return bk_queue_resume(probe.queue);
    if (strcmp(verb, "drain") == 0)
        return bk_queue_drain(probe.queue, bk_str_eq(id, BK_LIT("delayed")));
    if (strcmp(verb, "promote") == 0)
        return bk_queue_promote(probe.queue, id);
    if (strcmp(verb, "retry") == 0)
        return bk_queue_retry(probe.queue, id);
    if (strcmp(verb, "remove") == 0)
        return bk_queue_remove(probe.queue, id);
    if (strcmp(verb, "state") == 0)
        return say_state(id);
    if (strcmp(verb, "counts") == 0)
        return say_counts();
    if (strcmp(verb, "clean") == 0)
        return bk_queue_clean(probe.queue, state_of(id), 0, 1000, NULL);
    if (strcmp(verb, "obliterate") == 0)
        return bk_queue_obliterate(probe.queue, true);
    return bk_fail(BK_EINVAL, "no such verb: %s", verb);
}

/* --- work ------------------------------------------------------------------------------------- */

static bk_str echo(bk_job *job)
{
    bk_buf buf = {.arena = bk_job_arena(job)};
    bk_json_writer w = {.buf = &buf};

    bk_json_begin_object(&w);
    raw_member(&w, "echo", bk_job_data(job));
    member(&w, "worker", bk_str_of(probe.work.name));
    bk_json_end_object(&w);
    return bk_buf_str(&buf);
}

static bk_err boom(bk_job *job)
{
    return bk_fail(BK_EINTERNAL, "boom %u", bk_job_attempt(job));
}

BK_YIELDS static bk_err show_progress(bk_job *job)
{
    BK_TRY(bk_job_progress(job, BK_LIT("25")));
    BK_TRY(bk_job_progress(job, BK_LIT("{\"step\":2,\"of\":2}")));
    BK_TRY(bk_job_log(job, BK_LIT("log 1")));
    return bk_job_log(job, BK_LIT("log 2"));
}

/* What the children that have completed have come to. */
BK_YIELDS static bk_err family(bk_job *job, bk_str *value)
{
    bk_buf buf = {.arena = bk_job_arena(job)};
    bk_json_writer w = {.buf = &buf};
    const bk_child *children;
    size_t count;

    BK_TRY(bk_flow_children(bk_job_queue(job), bk_job_id(job), &children, &count));
    bk_json_begin_object(&w);
    bk_json_write_key(&w, BK_LIT("children"));
    bk_json_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        if (children[i].state != BK_CHILD_COMPLETED)
            continue;
        bk_json_write_key(&w, children[i].key);
        bk_json_write_raw(&w, children[i].value);
    }
    bk_json_end_object(&w);
    member(&w, "worker", bk_str_of(probe.work.name));
    bk_json_end_object(&w);
    *value = bk_buf_str(&buf);
    return BK_OK;
}

BK_YIELDS static bk_err behave(bk_job *job, bk_str how, bk_str *value)
{
    int64_t number = 0;
    bk_str verb, rest = how;

    *value = echo(job);
    (void)bk_str_split(&rest, ':', &verb);
    if (rest.ptr != NULL && bk_str_to_i64(rest, &number) != BK_OK)
        return bk_job_fail_for_good(job, "no such behaviour: %.*s", BK_PRI(how));
    if (bk_str_eq(verb, BK_LIT("fail-until")) && bk_job_attempt(job) <= number)
        return boom(job);
    if (bk_str_eq(verb, BK_LIT("fail-always")))
        return boom(job);
    if (bk_str_eq(verb, BK_LIT("unrecoverable")))
        return bk_job_fail_for_good(job, "fatal %u", bk_job_attempt(job));
    if (bk_str_eq(verb, BK_LIT("progress")))
        BK_TRY(show_progress(job));
    if (bk_str_eq(verb, BK_LIT("sleep")))
        BK_TRY(bk_sleep_ms((uint64_t)number));
    while (bk_str_eq(verb, BK_LIT("hang")))
        BK_TRY(bk_sleep_ms(1000));
    if (bk_str_eq(verb, BK_LIT("crash")))
        raise(SIGKILL);
    if (bk_str_eq(verb, BK_LIT("children")))
        BK_TRY(family(job, value));
    return bk_job_return_json(job, *value);
}

static bk_str behaviour_of(bk_job *job)
{
    bk_json *data;

    if (bk_json_parse(bk_job_arena(job), bk_job_data(job), NULL, &data) == BK_OK) {
        bk_str own = bk_json_str(bk_json_get(data, BK_LIT("__behaviour")));
        if (bk_str_present(own))
            return own;
    }
    bk_error_clear();
    return bk_str_of(probe.behaviour);
}

static bk_err handle(bk_job *job, void *data)
{
    bk_buf buf;
    bk_json_writer w = begin(&buf, "start");

    (void)data;
    member(&w, "id", bk_job_id(job));
    member(&w, "name", bk_job_name(job));
    raw_member(&w, "data", bk_job_data(job));
    bk_json_write_key(&w, BK_LIT("attempt"));
    bk_json_write_i64(&w, bk_job_attempt(job));
    end(&w, &buf);

    bk_str value;
    bk_err err = behave(job, behaviour_of(job), &value);
    w = begin(&buf, err == BK_OK ? "done" : "failed");
    member(&w, "id", bk_job_id(job));
    if (err == BK_OK)
        raw_member(&w, "returnvalue", value);
    else
        member(&w, "reason", words_of_error(err));
    end(&w, &buf);
    return err;
}

/* --- the command line ------------------------------------------------------------------------- */

static bk_err run(bk_app *app, void *data, void **state)
{
    bk_err err = BK_OK;

    (void)data, (void)state;
    if (strcmp(probe.verb, "work") == 0) {
        say_ok("ready");
        return BK_OK;
    }
    if (strcmp(probe.verb, "add") == 0) {
        add();
    } else if ((err = control()) == BK_OK) {
        say_ok("ok");
    } else {
        fprintf(stderr, "%.*s\n", BK_PRI(words_of_error(err)));
        probe.status = 1;
    }
    bk_app_stop(app);
    return BK_OK;
}

static void on_term(int number)
{
    (void)number;
    bk_app_stop(probe.app);
}

static void refuse(const char *why)
{
    printf("{\"event\":\"rejected\",\"error\":\"%s\"}\n", why);
    exit(REFUSED);
}

static void fail_usage(const char *what)
{
    fprintf(stderr, "jobs-probe: %s\n", what);
    exit(1);
}

static uint64_t whole(const char *text)
{
    int64_t number;

    if (bk_str_to_i64(bk_str_of(text), &number) != BK_OK || number < 0)
        refuse("a number that is none, or negative");
    return (uint64_t)number;
}

static bk_keep keep_of(const char *text)
{
    if (strcmp(text, "true") == 0)
        return (bk_keep){.remove = true};
    if (strcmp(text, "false") == 0)
        return (bk_keep){.all = true};
    uint64_t count = whole(text);
    return count == 0 ? (bk_keep){.remove = true} : (bk_keep){.count = (uint32_t)count};
}

static bk_backoff backoff_of(const char *text)
{
    bool fixed = strncmp(text, "fixed:", 6) == 0;
    const char *colon = strchr(text, ':');

    if (colon == NULL || (!fixed && strncmp(text, "exponential:", 12) != 0))
        refuse("no such backoff");
    uint64_t ms = whole(colon + 1);
    if (ms == 0)
        return (bk_backoff){BK_BACKOFF_NONE, 0, 0};
    return (bk_backoff){fixed ? BK_BACKOFF_FIXED : BK_BACKOFF_EXPONENTIAL, (uint32_t)ms, 0};
}

static bk_job_limit limit_of(const char *text)
{
    char *slash;
    unsigned long max = strtoul(text, &slash, 10);

    if (*slash != '/')
        fail_usage("--limiter MAX/MS");
    return (bk_job_limit){(uint32_t)max, (uint32_t)whole(slash + 1)};
}

/* True: it took a value. */
static bool set(const char *option, const char *value)
{
    uint32_t number = 0;

    if (strcmp(option, "--lifo") == 0) {
        probe.job.lifo = true;
        return false;
    }
    if (value == NULL)
        fail_usage("an option without its value");
    if (strcmp(option, "--queue") == 0)
        probe.queue_name = value;
    else if (strcmp(option, "--prefix") == 0)
        probe.prefix = value;
    else if (strcmp(option, "--name") == 0)
        probe.name = probe.work.name = value;
    else if (strcmp(option, "--data") == 0)
        probe.data = value;
    else if (strcmp(option, "--job-id") == 0)
        probe.job.id = bk_str_of(value);
    else if (strcmp(option, "--behaviour") == 0)
        probe.behaviour = value;
    else if (strcmp(option, "--backoff") == 0)
        probe.job.backoff = backoff_of(value);
    else if (strcmp(option, "--remove-on-complete") == 0)
        probe.job.keep_completed = keep_of(value);
    else if (strcmp(option, "--remove-on-fail") == 0)
        probe.job.keep_failed = keep_of(value);
    else if (strcmp(option, "--dedup-id") == 0)
        probe.job.dedup.id = bk_str_of(value);
    else if (strcmp(option, "--dedup-extend") == 0)
        probe.job.dedup.extend = true;
    else if (strcmp(option, "--dedup-replace") == 0)
        probe.job.dedup.replace = true;
    else if (strcmp(option, "--dedup-keepLastIfActive") == 0)
        probe.job.dedup.keep_last_if_active = true;
    else if (strcmp(option, "--limiter") == 0)
        probe.work.limit = limit_of(value);
    else {
        uint64_t wide = whole(value);
        number = wide < UINT32_MAX ? (uint32_t)wide : UINT32_MAX;
        if (strcmp(option, "--delay") == 0)
            probe.job.delay_ms = wide;
        else if (strcmp(option, "--priority") == 0)
            probe.job.priority = number;
        else if (strcmp(option, "--attempts") == 0)
            probe.job.attempts = number;
        else if (strcmp(option, "--dedup-ttl") == 0)
            probe.job.dedup.ttl_ms = wide;
        else if (strcmp(option, "--count") == 0)
            probe.count = (long)wide;
        else if (strcmp(option, "--concurrency") == 0)
            probe.work.concurrency = number;
        else if (strcmp(option, "--lock-duration") == 0)
            probe.work.lock_ms = number;
        else if (strcmp(option, "--stalled-interval") == 0)
            probe.work.stalled_ms = number;
        else if (strcmp(option, "--max-stalled") == 0)
            probe.work.stalled_max = number != 0 ? number : BK_NEVER_STALLED;
        else
            fail_usage("no such option");
    }
    return true;
}

static void read_command_line(int argc, char **argv)
{
    int at = 2;

    if (argc < 2)
        fail_usage("add, work or ctl");
    probe.verb = argv[1];
    probe.job.backoff.kind = BK_BACKOFF_NONE;
    probe.work.name = NULL;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++)
        at += set(argv[at], at + 1 < argc ? argv[at + 1] : NULL);
    probe.args = argv + at;
    probe.arg_count = argc - at;
    if (probe.queue_name == NULL)
        fail_usage("--queue");
}

int main(int argc, char **argv)
{
    read_command_line(argc, argv);
    bool works = strcmp(probe.verb, "work") == 0;
    probe.app = bk_app_new(&(bk_app_opts){.name = "jobs-probe", .on_worker_start = run});
    bk_redis *redis =
        bk_redis_new(probe.app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    probe.queue = bk_queue_new(
        probe.app,
        &(bk_queue_opts){.name = probe.queue_name, .prefix = probe.prefix, .redis = redis});
    if (works) {
        probe.worker = bk_worker_new(probe.app, probe.queue, &probe.work);
        bk_worker_on(probe.worker, NULL, handle, NULL);
    }
    signal(SIGTERM, on_term);
    signal(SIGINT, on_term);
    bk_err err = bk_app_listen(probe.app, &(bk_listen_opts){.port = 0});
    if (err == BK_OK)
        err = bk_app_run(probe.app);
    bk_app_free(probe.app);
    return err != BK_OK ? 1 : probe.status;
}
