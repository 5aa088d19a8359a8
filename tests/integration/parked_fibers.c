/*
 * parked_fibers.c: a program for gdb_fibers_test.py, whose fibers wait for all sorts of things when
 * it comes to all_are_parked(). Left alone it ends well.
 */
#include <stddef.h>
#include <stdio.h>

#include <backend/fiber.h>
#include <backend/sync.h>

#include "core/task.h"
#include "fiber/loop.h"

static bk_channel *articles;
static bk_mutex *mutex;
static int
    waits_over; /* written after each wait, so that no wait is the last call of its function */

/* Where gdb stops. */
void all_are_parked(void);

__attribute__((noinline)) void all_are_parked(void)
{
    __asm__ volatile("");
}

static bk_err read_article(int depth)
{
    int article = 0;
    bk_err err = depth > 0 ? read_article(depth - 1) : bk_channel_recv(articles, &article);
    waits_over++;
    return err;
}

static bk_err reader(void *data)
{
    (void)data;
    bk__task_self()->route = BK_LIT("/articles/{id}");
    bk_err err = read_article(2);
    waits_over++;
    return err;
}

static bk_err sleep_deeply(void)
{
    bk_deadline before = bk_deadline_push(60000);
    bk_err err = bk_sleep_ms(30000);
    bk_deadline_pop(before);
    return err;
}

static bk_err sleeper(void *data)
{
    (void)data;
    bk_err err = sleep_deeply();
    waits_over++;
    return err;
}

static bk_err parent(void *data)
{
    bk_group *group = bk_group_open();
    bk_group_spawn(group, "child", sleeper, data);
    bk_err err = bk_group_wait(group);
    waits_over++;
    return err;
}

static bk_err stopper(void *data)
{
    (void)data;
    BK_TRY(bk_mutex_lock(mutex));
    for (int i = 0; i < 4; i++)
        BK_TRY(bk_yield());
    all_are_parked();
    bk__loop_cancel_all(bk__loop_current);
    bk_mutex_unlock(mutex);
    return BK_OK;
}

static bk_err wait_for_stopper(void *data)
{
    (void)data;
    bk_err err = bk_mutex_lock(mutex);
    waits_over++;
    if (err == BK_OK)
        bk_mutex_unlock(mutex);
    return err;
}

int main(void)
{
    struct bk_loop *loop = bk__loop_new(
        &(struct bk__loop_opts){.fibers = 100, .offload_threads = 1, .offload_queue = 1});
    articles = bk_channel_new(sizeof(int), 0);
    mutex = bk_mutex_new();
    if (bk_spawn("stopper", stopper, NULL) != BK_OK || bk_spawn("reader", reader, NULL) != BK_OK ||
        bk_spawn("sleeper", sleeper, NULL) != BK_OK || bk_spawn("parent", parent, NULL) != BK_OK ||
        bk_spawn("locker", wait_for_stopper, NULL) != BK_OK)
        return 1;
    while (loop->fiber_count != 0)
        bk__loop_turn(loop, 1000);
    bk_mutex_free(mutex);
    bk_channel_free(articles);
    bk__loop_free(loop);
    printf("%d waits are over\n", waits_over);
    return waits_over == 8 ? 0 : 1;
}
