/*
 * log.h: log lines of a form of their own.
 *
 *     struct bk__log_line line;
 *     if (bk__log_begin(&line, BK_LOG_INFO, "request.completed")) {
 *         bk__log_line_open(&line, "req");
 *         ...
 *         bk__log_end(&line, BK_LOG_INFO);
 *     }
 */
#ifndef BK_CORE_LOG_H
#define BK_CORE_LOG_H

#include <backend/log.h>

#include "core/log_line.h"

/* Begins a line with what every line says: level, time, pid, hostname, the event, and the running
 * task's ids. False: the event is not logged at this level; @p line is not to be touched then. */
bool bk__log_begin(struct bk__log_line *line, bk_log_level level, const char *event);

/* What bk_log_setup() was told last; borrowed for as long as the process. */
bk_log_opts bk__log_opts(void);

/* Sends it on its way. */
void bk__log_end(struct bk__log_line *line, bk_log_level level);

#endif
