/*
 * problem.h: the pieces of an error's answer, for those who give it another form.
 */
#ifndef BK_HTTP_PROBLEM_H
#define BK_HTTP_PROBLEM_H

#include <backend/json.h>

#include "http/exchange.h"

/* The status of an answer to @p err. */
int bk__problem_status(const bk_req *req, bk_err err);

/* What happened, in words for the client; absent where the chain does not say, or is another's. */
bk_str bk__problem_message(bk_err err);

/* Begins the answer in place of what was there: logs a 5xx, gives 429 and 503 a Retry-After.
 * Returns where its body is to be written; its type is JSON until it is said otherwise. */
bk_json_writer *bk__problem_begin(bk_req *req, bk_err err, int status);

/* Adds `"chain":[...]`, the whole story with files and lines, to the object that is being written.
 */
void bk__problem_write_chain(bk_json_writer *w);

/* bk__problem_render(), and the chain with @p details. */
void bk__problem_write(bk_req *req, bk_err err, bool details);

#endif
