/*
 * main_log.h: the log's settings of a program.
 */
#ifndef BK_APP_MAIN_LOG_H
#define BK_APP_MAIN_LOG_H

#include <backend/errors.h>

/* Puts what LOG_LEVEL, LOG_FORMAT, LOG_FILE and LOG_REDACT say over what the program has said by
 * bk_log_setup(). BK_EINVAL or BK_EIO with words that name the variable. */
BK_NODISCARD bk_err bk__main_log(void);

#endif
