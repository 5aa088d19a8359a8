/*
 * jobs: work for later, in one file. POST /thumbnails adds a job, a worker, here or in Node, runs
 * it; GET /thumbnails tells how many are done. REDIS_URL says where the queue lies.
 */
#include <stdlib.h>

#include <backend/backend.h>

struct picture {
    bk_str url;
    int32_t width;
};

struct counts {
    int64_t waiting, completed, failed;
};

/* clang-format off */
BK_DESCRIBE(picture_desc, struct picture,
    BK_STR(url, BK_REQUIRED, BK_FORMAT(BK_FORMAT_URI)),
    BK_I32(width, BK_DEFAULT("200"), BK_MIN(1), BK_MAX(4000)))

BK_DESCRIBE(counts_desc, struct counts, BK_I64(waiting), BK_I64(completed), BK_I64(failed))
/* clang-format on */

/* bk_app_opts.data is where main() keeps it. */
static bk_queue *queue_of(const bk_req *req)
{
    return *(bk_queue **)bk_req_state(req);
}

static bk_err order(bk_req *req, bk_res *res) /* POST /thumbnails */
{
    bk_job_opts opts = {.attempts = 3, .backoff = {BK_BACKOFF_EXPONENTIAL, .ms = 1000}};
    struct picture picture;
    bk_str id;

    BK_TRY(bk_req_bind(req, picture_desc, &picture));
    BK_TRY(bk_jobs_add(queue_of(req), "thumbnail", picture_desc, &picture, &opts, &id));
    return bk_res_text(res, 202, bk_arena_printf(bk_req_arena(req), "%.*s\n", BK_PRI(id)));
}

static bk_err count(bk_req *req, bk_res *res) /* GET /thumbnails */
{
    bk_job_counts all;

    BK_TRY(bk_queue_counts(queue_of(req), &all));
    struct counts counts = {all.waiting + all.active + all.delayed, all.completed, all.failed};
    return bk_res_object(res, 200, counts_desc, &counts);
}

/* Stands for the work. A job may run twice, so what it makes has a name of its own. */
static bk_err make_thumbnail(bk_job *job, void *data)
{
    struct picture picture;

    (void)data;
    BK_TRY(bk_job_bind(job, picture_desc, &picture));
    if (!bk_str_starts(picture.url, BK_LIT("https:")))
        return bk_job_fail_for_good(job, "only https is fetched");
    BK_TRY(bk_job_progress(job, BK_LIT("50")));
    bk_info("thumbnail.made", bk_kv_str("url", picture.url), bk_kv_i64("width", picture.width));
    return BK_OK;
}

int main(int argc, char **argv)
{
    bk_queue *queue;
    bk_app *app = bk_app_new(&(bk_app_opts){.name = "jobs", .data = &queue});
    bk_redis *redis = bk_redis_new(app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL"))});

    queue = bk_queue_new(app, &(bk_queue_opts){.name = "thumbnails", .redis = redis});
    bk_worker *worker = bk_worker_new(app, queue, &(bk_worker_opts){.concurrency = 4});
    bk_worker_on(worker, "thumbnail", make_thumbnail, NULL);
    bk_post(bk_app_router(app), "/thumbnails", order);
    bk_get(bk_app_router(app), "/thumbnails", count);
    return bk_app_main(app, argc, argv);
}
