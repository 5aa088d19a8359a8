/*
 * bench_realtime.h: GET /events and GET /socket hear what POST /say says, in the same worker.
 */
#ifndef BENCH_REALTIME_H
#define BENCH_REALTIME_H

#include <backend/backend.h>

void bench_realtime_routes(bk_app *app);

#endif
