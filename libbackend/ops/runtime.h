/*
 * runtime.h: each worker's loop and process as metrics, and the clock of all that is sampled.
 */
#ifndef BK_OPS_RUNTIME_H
#define BK_OPS_RUNTIME_H

#include <backend/base.h>

/* Has a worker's loop and process measured, and bk_metrics_sample() begin. Twice is as once. */
void bk__runtime_declare(bk_app *app);

#endif
