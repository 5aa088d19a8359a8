/*
 * error.h: curl's errors as ours.
 */
#ifndef BK_CLIENT_ERROR_H
#define BK_CLIENT_ERROR_H

#include <curl/curl.h>

#include <backend/errors.h>

/* Not for CURLE_OK, nor for what our own callbacks have broken off. */
bk_err bk__curl_error(CURLcode code);

/* Another attempt may go better. */
bool bk__curl_transient(CURLcode code);

#endif
