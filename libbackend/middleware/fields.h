/*
 * fields.h: what middleware has to say in header fields, and to read out of them.
 */
#ifndef BK_MIDDLEWARE_FIELDS_H
#define BK_MIDDLEWARE_FIELDS_H

#include <backend/response.h>

/* Adds @p name to Vary, unless it is there or Vary is "*". @p name is static. */
void bk__vary(bk_res *res, bk_str name);

/* "https://shop.example" or "http://localhost:3000": a scheme, a host, perhaps a port, in lower
 * case and nothing behind them. */
bool bk__origin_valid(bk_str origin);

/* Stops the program, naming @p middleware, when the list, which may be NULL, holds what is no
 * origin. */
void bk__origins_check(const char *middleware, const char *const *origins);

bool bk__origins_have(const char *const *origins, bk_str origin);

/* How the bytes of a representation are packed; bits of a set. */
enum bk__coding {
    BK__CODING_IDENTITY = 0,
    BK__CODING_GZIP = 1,
    BK__CODING_BROTLI = 2
};

/* The one of @p offered (bits) that an Accept-Encoding value likes best; brotli before gzip where
 * it likes both as much; identity when it likes neither, or identity better. What is malformed is
 * not liked. An absent value: identity. */
enum bk__coding bk__coding_choose(bk_str accept_encoding, unsigned offered);

#endif
