/*
 * queue_server.c: the processes of queue_survival_test.py.
 *
 *   queue_server add       adds jobs, one after the other, and says the id of each that was taken
 *   queue_server outbox    adds jobs in transactions, and says the id of each that has committed
 *   queue_server relay     moves them; with DIE=1 it dies between Redis and the commit
 *   queue_server work      runs jobs, and notes each run in the file RUNS
 *
 * REDIS_URL and DATABASE_URL say where; LOCK_MS is the worker's. Each runs until SIGTERM.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backend/backend.h>

#include "core/fault.h"

static struct service {
    bk_app *app;
    bk_pg *db;
    bk_queue *queue;
    bk_outbox *outbox;
    int runs;
    bk_str added; /* within a transaction */
} service;

static void say(bk_str text)
{
    printf("%.*s\n", BK_PRI(text));
    fflush(stdout);
}

static bk_err add_in_tx(bk_pg *tx, void *data)
{
    (void)data;
    return bk_jobs_add_tx_json(tx, service.outbox, service.queue, "job", BK_LIT("{}"), NULL,
                               &service.added);
}

static bk_err add_one(void *data)
{
    bk_str id;

    (void)data;
    if (service.outbox != NULL) {
        BK_TRY(bk_pg_tx(service.db, add_in_tx, NULL));
        id = service.added;
    } else {
        BK_TRY(bk_jobs_add_json(service.queue, "job", BK_LIT("{}"), NULL, &id));
    }
    say(id);
    return BK_OK;
}

static bk_err add_all(void *data)
{
    bk_group *group = bk_group_open();

    (void)data;
    while (bk_fiber_interrupted() == BK_OK) {
        bk_group_spawn(group, "add", add_one, NULL);
        if (bk_group_wait(group) != BK_OK)
            bk_error_clear(); /* not said, so nobody may rely on it */
        (void)bk_sleep_ms(1);
    }
    return BK_OK;
}

static bk_err handle(bk_job *job, void *data)
{
    char line[80];
    int len = snprintf(line, sizeof line, "%.*s\n", BK_PRI(bk_job_id(job)));

    (void)data;
    if (write(service.runs, line, (size_t)len) != len)
        abort();
    return bk_sleep_ms(3);
}

static bk_err begin(bk_app *app, void *data, void **state)
{
    (void)app, (void)state;
    say(BK_LIT("ready"));
    return data != NULL ? bk_spawn("adds", add_all, NULL) : BK_OK;
}

static void on_term(int number)
{
    (void)number;
    bk_app_stop(service.app);
}

static void make_worker(void)
{
    const char *lock = getenv("LOCK_MS");
    uint32_t ms = lock != NULL ? (uint32_t)strtoul(lock, NULL, 10) : 1000;
    bk_worker *worker = bk_worker_new(service.app, service.queue,
                                      &(bk_worker_opts){.concurrency = 8,
                                                        .lock_ms = ms,
                                                        .stalled_ms = ms / 2,
                                                        .stalled_max = BK_UNLIMITED,
                                                        .keep_completed = {.remove = true}});

    service.runs = open(getenv("RUNS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (service.runs < 0)
        abort();
    bk_worker_on(worker, "job", handle, NULL);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    bool adds = strcmp(verb, "add") == 0 || strcmp(verb, "outbox") == 0;
    bool relays = strcmp(verb, "relay") == 0;

    service.app =
        bk_app_new(&(bk_app_opts){.on_worker_start = begin, .data = adds ? &service : NULL});
    bk_redis *redis =
        bk_redis_new(service.app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    if (relays || strcmp(verb, "outbox") == 0) {
        service.db = bk_pg_new(service.app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL")),
                                                          .pool = {.min = 1, .max = 4}});
        service.outbox = bk_outbox_new(
            service.app,
            &(bk_outbox_opts){.db = service.db, .redis = redis, .no_relay = !relays, .batch = 20});
    }
    service.queue = bk_queue_new(service.app,
                                 &(bk_queue_opts){.name = "q", .redis = redis, .events = 10000000});
    if (strcmp(verb, "work") == 0)
        make_worker();
#ifdef BK_FAULT_INJECTION
    if (getenv("DIE") != NULL)
        bk__fault_arm("outbox.die", 1, 1);
#endif
    signal(SIGTERM, on_term);
    bk_log_set_level(BK_LOG_ERROR);
    bk_err err = bk_app_listen(service.app, &(bk_listen_opts){.port = 0});
    if (err == BK_OK)
        err = bk_app_run(service.app);
    bk_app_free(service.app);
    return err != BK_OK;
}
