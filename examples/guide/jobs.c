/* jobs.c: work done later. See docs/guide/jobs.md. */
#include "jobs.h"

/* clang-format off */
/* snippet: describe */
struct mail {
    int64_t user;
    bk_str template;
};

BK_DESCRIBE(mail_desc, struct mail,
            BK_I64(user, BK_REQUIRED, BK_MIN(1)),
            BK_STR(template, BK_REQUIRED, BK_LEN(1, 50)))
/* end of snippet */
/* clang-format on */

/* snippet: add */
static bk_err remind(bk_req *req, bk_res *res) /* POST /reminders/{user} */
{
    struct office *office = bk_req_state(req);
    struct mail mail = {.template = BK_LIT("reminder")};
    bk_str id;

    BK_TRY(bk_req_param_i64(req, "user", &mail.user));
    BK_TRY(bk_jobs_add(office->mails, "send", mail_desc, &mail,
                       &(bk_job_opts){.attempts = 5, .delay_ms = 100}, &id));
    return bk_res_text(res, 202, id);
}
/* end of snippet */

/* snippet: once */
static bk_err digest(bk_req *req, bk_res *res) /* POST /digests/{user}: one a user, however often */
{
    struct office *office = bk_req_state(req);
    struct mail mail = {.template = BK_LIT("digest")};
    bk_str id;

    BK_TRY(bk_req_param_i64(req, "user", &mail.user));
    bk_job_opts opts = {
        .dedup = {.id = bk_arena_printf(bk_req_arena(req), "digest-%lld", (long long)mail.user)}};
    BK_TRY(bk_jobs_add(office->mails, "send", mail_desc, &mail, &opts, &id));
    return bk_res_text(res, 202, id);
}
/* end of snippet */

/* snippet: work */
static bk_err send_mail(bk_job *job, void *data)
{
    struct office *office = data;
    struct mail mail;

    BK_TRY(bk_job_bind(job, mail_desc, &mail));
    if (mail.user == 404)
        return bk_job_fail_for_good(job, "there is no user %lld", (long long)mail.user);
    BK_TRY(bk_job_progress(job, BK_LIT("50")));
    office->sent++; /* here it would go out */
    BK_TRY(bk_job_log(job, BK_LIT("handed to the mail server")));
    return bk_job_return_json(job, BK_LIT("{\"ok\":true}"));
}
/* end of snippet */

/* snippet: declare */
static void declare_worker(bk_app *app, struct office *office)
{
    office->mails = bk_queue_new(app, &(bk_queue_opts){.name = "mails", .redis = office->redis});
    office->worker = bk_worker_new(app, office->mails,
                                   &(bk_worker_opts){.concurrency = 20, .timeout_ms = 60000});
    bk_worker_on(office->worker, "send", send_mail, office);
}
/* end of snippet */

/* snippet: apart */
static bk_err make_report(bk_job *job, void *data)
{
    struct office *office = data;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < 1000000; i++) /* here it would take minutes */
        sum += i * i % 7;
    office->computed++;
    return bk_job_return_json(job,
                              bk_arena_printf(bk_job_arena(job), "%llu", (unsigned long long)sum));
}

static void declare_reports(bk_app *app, struct office *office)
{
    office->reports =
        bk_queue_new(app, &(bk_queue_opts){.name = "reports", .redis = office->redis});
    bk_worker *worker = bk_worker_new(app, office->reports, &(bk_worker_opts){.role = "reports"});
    bk_worker_on(worker, "yearly", make_report, office);
}
/* end of snippet */

/* snippet: transaction */
static bk_err insert_user(bk_pg *tx, void *data)
{
    struct office *office = data;
    struct mail mail = {.template = BK_LIT("welcome")};
    bk_rows *rows;

    BK_TRY(bk_pg_query(tx, "INSERT INTO users DEFAULT VALUES RETURNING id", BK_NO_ARGS, &rows));
    BK_TRY(bk_rows_i64(rows, 0, 0, &mail.user));
    return bk_jobs_add_tx(tx, office->outbox, office->mails, "send", mail_desc, &mail, NULL, NULL);
}

static bk_err sign_up(bk_req *req, bk_res *res) /* POST /users */
{
    struct office *office = bk_req_state(req);

    BK_TRY(bk_pg_tx(office->db, insert_user, office));
    return bk_res_empty(res);
}
/* end of snippet */

/* snippet: failed */
static bk_err failed_jobs(bk_req *req, bk_res *res) /* GET /failed */
{
    struct office *office = bk_req_state(req);
    const bk_job_info *jobs;
    size_t found;

    BK_TRY(bk_queue_jobs(office->mails, BK_JOB_FAILED, 0, 100, &jobs, &found));
    bk_json_writer *out = bk_res_json_writer(res, 200);
    bk_json_begin_array(out);
    for (size_t i = 0; i < found; i++)
        bk_json_write_str(out, jobs[i].failed_reason);
    bk_json_end_array(out);
    return BK_OK;
}

static bk_err retry_failed(bk_req *req, bk_res *res) /* POST /failed/retry */
{
    struct office *office = bk_req_state(req);

    BK_TRY(bk_queue_retry_all(office->mails, BK_JOB_FAILED, NULL));
    return bk_res_empty(res);
}
/* end of snippet */

void jobs_declare(bk_app *app, struct office *office, const char *redis_url, const char *db_url)
{
    office->redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(redis_url)});
    if (db_url != NULL) {
        office->db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(db_url)});
        /* snippet: outbox */
        office->outbox =
            bk_outbox_new(app, &(bk_outbox_opts){.db = office->db, .redis = office->redis});
        /* end of snippet */
    }
    declare_worker(app, office);
    declare_reports(app, office);
}

void jobs_routes(bk_app *app)
{
    bk_router *root = bk_app_router(app);

    bk_post(root, "/reminders/{user}", remind, NULL);
    bk_post(root, "/digests/{user}", digest, NULL);
    bk_post(root, "/users", sign_up, NULL);
    bk_get(root, "/failed", failed_jobs, NULL);
    bk_post(root, "/failed/retry", retry_failed, NULL);
}
