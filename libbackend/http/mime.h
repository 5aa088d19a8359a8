/*
 * mime.h: media types by file name ending.
 */
#ifndef BK_HTTP_MIME_H
#define BK_HTTP_MIME_H

#include <backend/base.h>

/* "application/octet-stream" when the ending is not known. Text types come with charset=utf-8. */
const char *bk__mime_by_name(bk_str file_name);

#endif
