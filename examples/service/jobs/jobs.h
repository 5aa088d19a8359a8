/*
 * jobs.h: what is done later, by whichever worker has time. A job may run twice: what it does must
 * bear that.
 */
#ifndef SERVICE_JOBS_H
#define SERVICE_JOBS_H

#include "../shop.h"

/* The queue, its outbox and its worker. Nothing without Redis. */
void jobs_declare(bk_app *app, struct shop *shop);

/* Once in each worker that runs jobs: what comes again by itself. */
bk_err jobs_schedule(struct shop *shop);

/* Adds a job when @p tx commits. Without Redis there are none: BK_EUNAVAILABLE. */
bk_err jobs_welcome(struct shop *shop, bk_pg *tx, int64_t user_id);
bk_err jobs_inventory(struct shop *shop, bk_pg *tx, int64_t report_id);

/* welcome.c, inventory.c, digest.c: a job each. */
bk_err job_welcome(bk_job *job, void *data);
bk_err job_inventory(bk_job *job, void *data);
bk_err job_digest(bk_job *job, void *data);

/* The payload of jobs that are about a row. */
struct job_about {
    int64_t id;
};

/* clang-format off */
BK_DESCRIBE(job_about_desc, struct job_about, BK_I64(id, BK_REQUIRED))
/* clang-format on */

#endif
