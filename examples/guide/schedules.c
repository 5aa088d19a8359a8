/* schedules.c: jobs that come again, and jobs that wait for others. See docs/guide/schedules.md. */
#include "schedules.h"

/* snippet: put */
bk_err press_start(bk_app *app, void *data, void **state) /* bk_app_opts.on_worker_start */
{
    struct press *press = data;
    bk_schedule nightly = {
        .id = BK_LIT("clean-up"),
        .pattern = BK_LIT("30 2 * * *"),
        .zone = BK_LIT("Europe/Paris"),
        .job = {.name = "clean-up", .opts = &(bk_job_opts){.attempts = 3}},
    };
    bk_schedule poll = {
        .id = BK_LIT("poll"),
        .every_ms = 30000,
        .missed = BK_MISSED_SKIP, /* only the present state counts */
        .job = {.name = "poll"},
    };

    (void)app, (void)state;
    BK_TRY(bk_schedule_put(press->chores, &nightly, NULL));
    return bk_schedule_put(press->chores, &poll, NULL);
}
/* end of snippet */

/* snippet: flow */
bk_err print_book(struct press *press)
{
    bk_flow pages[] = {
        {.queue = press->pages, .job = {.name = "page", .json = BK_LIT("{\"number\":1}")}},
        {.queue = press->pages,
         .job = {.name = "cover", .opts = &(bk_job_opts){.attempts = 5}},
         .on_failure = BK_CHILD_FAILS_PARENT},
    };
    bk_flow book = {
        .queue = press->books,
        .job = {.name = "bind"},
        .children = pages,
        .child_count = 2,
    };

    return bk_flow_add(&book, NULL); /* all three, or none */
}
/* end of snippet */

/* snippet: bind */
static bk_err bind_book(bk_job *job, void *data) /* runs when both pages are done */
{
    struct press *press = data;
    const bk_child *pages;
    size_t count;

    BK_TRY(bk_flow_children(bk_job_queue(job), bk_job_id(job), &pages, &count));
    for (size_t i = 0; i < count; i++)
        if (pages[i].state == BK_CHILD_COMPLETED)
            BK_TRY(bk_job_log(job, pages[i].value)); /* what the page's handler returned */
    press->books_bound++;
    return BK_OK;
}
/* end of snippet */

/* snippet: cron */
bk_err next_lunch(bk_time now, bk_time *out)
{
    bk_cron *cron;

    BK_TRY(bk_cron_parse(BK_LIT("0 12 * * MON-FRI"), BK_LIT("America/New_York"), &cron));
    bk_err err = bk_cron_next(cron, now, out);
    bk_cron_free(cron);
    return err;
}
/* end of snippet */

static bk_err print_page(bk_job *job, void *data)
{
    (void)data;
    return bk_job_return_json(job, BK_LIT("\"printed\""));
}

static bk_err do_chore(bk_job *job, void *data)
{
    struct press *press = data;

    (void)job;
    press->chores_done++;
    return BK_OK;
}

void press_declare(bk_app *app, struct press *press, bk_redis *redis)
{
    press->chores = bk_queue_new(app, &(bk_queue_opts){.name = "chores", .redis = redis});
    press->books = bk_queue_new(app, &(bk_queue_opts){.name = "books", .redis = redis});
    press->pages = bk_queue_new(app, &(bk_queue_opts){.name = "pages", .redis = redis});
    bk_worker_on(bk_worker_new(app, press->chores, NULL), NULL, do_chore, press);
    bk_worker_on(bk_worker_new(app, press->books, NULL), "bind", bind_book, press);
    bk_worker_on(bk_worker_new(app, press->pages, NULL), NULL, print_page, press);
}
