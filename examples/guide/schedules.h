/* schedules.h: what schedules.c shows. */
#ifndef GUIDE_SCHEDULES_H
#define GUIDE_SCHEDULES_H

#include <backend/backend.h>

/* snippet: press */
struct press {
    bk_queue *chores, *books, *pages;
    int chores_done, books_bound;
};
/* end of snippet */

void press_declare(bk_app *app, struct press *press, bk_redis *redis);
bk_err press_start(bk_app *app, void *data, void **state);
bk_err print_book(struct press *press);
bk_err next_lunch(bk_time now, bk_time *out);

#endif
