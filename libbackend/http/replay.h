/*
 * replay.h: a GET request once more, without its client.
 *
 * For answers that are made anew in the background while the client already has the old one: the
 * same head goes through router and middleware on a fiber of its own, and the answer goes nowhere.
 */
#ifndef BK_HTTP_REPLAY_H
#define BK_HTTP_REPLAY_H

#include "http/exchange.h"

/* A copy of @p req, with no body, as its own server would have admitted it. NULL when no fiber is
 * free. Set what it needs, then bk__req_begin(). */
bk_req *bk__req_replay(bk_req *req);

#endif
