/*
 * fault.c: the failures that a test has ordered.
 *
 * Points are hit on the loop's thread and on offload threads alike, so the orders are the process's
 * and locked. Only test builds have this file's state.
 */
#include "core/fault.h"

#ifdef BK_FAULT_INJECTION

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "core/assert.h"

#define ORDERS_MAX 32

struct order {
    const char *point; /* static text */
    unsigned skip;     /* hits that still go well */
    unsigned times;    /* failures after those */
};

static struct {
    pthread_mutex_t lock;
    struct order orders[ORDERS_MAX];
    size_t count;
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct order *find(const char *point)
{
    for (size_t i = 0; i < faults.count; i++) {
        if (strcmp(faults.orders[i].point, point) == 0)
            return &faults.orders[i];
    }
    return NULL;
}

bool bk__fault_hit(const char *point)
{
    bool fails = false;
    pthread_mutex_lock(&faults.lock);
    struct order *order = find(point);
    if (order != NULL && order->skip > 0) {
        order->skip--;
    } else if (order != NULL && order->times > 0) {
        order->times--;
        fails = true;
    }
    pthread_mutex_unlock(&faults.lock);
    return fails;
}

void bk__fault_arm(const char *point, unsigned nth, unsigned times)
{
    bk_assert(nth > 0);
    pthread_mutex_lock(&faults.lock);
    struct order *order = find(point);
    if (order == NULL) {
        bk_assert(faults.count < ORDERS_MAX);
        order = &faults.orders[faults.count++];
    }
    *order = (struct order){.point = point, .skip = nth - 1, .times = times};
    pthread_mutex_unlock(&faults.lock);
}

void bk__fault_disarm_all(void)
{
    pthread_mutex_lock(&faults.lock);
    faults.count = 0;
    pthread_mutex_unlock(&faults.lock);
}

#endif
