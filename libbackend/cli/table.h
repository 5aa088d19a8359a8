/*
 * table.h: the supervisor's status, for people.
 */
#ifndef BK_CLI_TABLE_H
#define BK_CLI_TABLE_H

#include <stdio.h>

#include <backend/json.h>

/* Prints @p status. With @p before, an earlier one of @p apart_ms ago, also how busy each worker
 * has been since; NULL: not. */
void bk__table_print(FILE *out, const bk_json *status, const bk_json *before, int64_t apart_ms);

#endif
