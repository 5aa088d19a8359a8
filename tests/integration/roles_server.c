/*
 * roles_server.c: a service whose reports have processes of their own. For roles_test.py.
 *
 * REDIS_URL names the server. A report keeps its loop busy until the file GATE is there; mails are
 * sent at once. What a job comes to is the process that ran it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/backend.h>

static struct office {
    bk_app *app;
    bk_queue *mails, *reports;
    volatile unsigned sum;
} office;

static bk_err who(bk_req *req, bk_res *res) /* GET /who */
{
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%d", (int)getpid()));
}

static bk_err add(bk_req *req, bk_res *res) /* POST /mails, POST /reports; the job's id */
{
    bk_queue *queue = *(bk_queue **)bk_req_route_data(req);
    bk_str id;

    BK_TRY(bk_jobs_add_json(queue, "job", BK_LIT("{}"), NULL, &id));
    return bk_res_text(res, 200, id);
}

static bk_err done(bk_job *job)
{
    const char *role = bk_app_role(office.app);

    return bk_job_return_json(job,
                              bk_arena_printf(bk_job_arena(job), "{\"pid\":%d,\"role\":\"%s\"}",
                                              (int)getpid(), role != NULL ? role : ""));
}

static bk_err send_mail(bk_job *job, void *data)
{
    (void)data;
    return done(job);
}

/* Computes, and waits for nobody: the loop does not turn. */
static bk_err make_report(bk_job *job, void *data)
{
    const char *gate = getenv("GATE");

    (void)data;
    while (gate != NULL && access(gate, F_OK) != 0)
        for (unsigned i = 0; i < 100000; i++)
            office.sum += i * i;
    return done(job);
}

int main(int argc, char **argv)
{
    static const bk_cluster_role roles[] = {{.name = "reports"}, {.name = NULL}};
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "roles"});
    bk_router *router = bk_app_router(app);
    bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});
    bk_worker_opts opts = {.lock_ms = 1000, .stalled_ms = 300, .stalled_max = BK_UNLIMITED};

    office.app = app;
    office.mails = bk_queue_new(app, &(bk_queue_opts){.name = "mails", .redis = redis});
    office.reports = bk_queue_new(app, &(bk_queue_opts){.name = "reports", .redis = redis});
    bk_worker_on(bk_worker_new(app, office.mails, &opts), NULL, send_mail, NULL);
    opts.role = "reports";
    bk_worker_on(bk_worker_new(app, office.reports, &opts), NULL, make_report, NULL);
    bk_get(router, "/who", who);
    bk_post(router, "/mails", add, &(bk_route_opts){.data = &office.mails});
    bk_post(router, "/reports", add, &(bk_route_opts){.data = &office.reports});
    bk_app_cluster(app, &(bk_cluster_opts){.hang_ms = 2000, .backoff_ms = 10, .roles = roles});
    bk_metrics_serve(app, NULL, NULL);
    return bk_app_main(app, argc, argv);
}
