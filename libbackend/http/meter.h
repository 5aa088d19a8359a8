/*
 * meter.h: requests as metrics: how many, how long, how large, by route and status.
 *
 * It stands outside of the onion, so it sees the answer as it was sent: a 304 made from an ETag, a
 * problem, a request that never got to the application.
 */
#ifndef BK_HTTP_METER_H
#define BK_HTTP_METER_H

#include <backend/request.h>

struct bk__meter;

/* Switches it on for @p app, which does not run yet. Twice is as once. */
void bk__meter_declare(bk_app *app);

/* The request is answered, and let go of. */
void bk__meter_count(struct bk__meter *meter, const bk_req *req);

#endif
