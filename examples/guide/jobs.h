/* jobs.h: what the code of jobs.c shares. It is compiled, and tests/integration/jobs_guide_test.c
 * runs it. */
#ifndef GUIDE_JOBS_H
#define GUIDE_JOBS_H

#include <backend/backend.h>

/* snippet: store */
struct office { /* what handlers find by bk_req_state() */
    bk_pg *db;
    bk_redis *redis;
    bk_queue *mails, *reports;
    bk_worker *worker;
    bk_outbox *outbox;
    int sent, computed;
};
/* end of snippet */

/* db_url may be NULL: then there is no outbox. */
void jobs_declare(bk_app *app, struct office *office, const char *redis_url, const char *db_url);
void jobs_routes(bk_app *app);

#endif
