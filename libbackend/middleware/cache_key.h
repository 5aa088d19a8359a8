/*
 * cache_key.h: what a stored answer is found by.
 */
#ifndef BK_MIDDLEWARE_CACHE_KEY_H
#define BK_MIDDLEWARE_CACHE_KEY_H

#include <backend/request.h>

#define BK__CACHE_KEY_MAX 512

/* The path as all ways to write it are: octets that need no escape unescaped, other escapes in
 * upper case, no slash at the end. Writes at most path.len bytes to @p out; returns how many. */
size_t bk__cache_path(bk_str path, char *out);

/* Host, path, parameters in the order of their names (those of @p query, or all where it is NULL)
 * and the request headers of @p vary, told apart by bytes that none of them holds. Request-owned;
 * absent when it would be longer than BK__CACHE_KEY_MAX. @p path: receives the part of it that is
 * the path. */
bk_str bk__cache_key(bk_req *req, const char *const *query, const char *const *vary, bk_str *path);

#endif
