/*
 * admin.h: what control.c and inspect.c share.
 */
#ifndef BK_QUEUE_ADMIN_H
#define BK_QUEUE_ADMIN_H

#include <backend/queue_admin.h>

#include "queue/queue.h"

/* Runs a script with texts and integers as its arguments. @p reply may be NULL. */
BK_YIELDS bk_err bk__admin_run(const bk_queue *queue, const struct bk__script *script, bk_args args,
                               bk_reply *reply);

#endif
