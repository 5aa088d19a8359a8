/*
 * multipart.h: multipart/form-data (RFC 7578) out of a body that is all there.
 */
#ifndef BK_HTTP_MULTIPART_H
#define BK_HTTP_MULTIPART_H

#include <backend/request.h>

/* The boundary parameter of a Content-Type value: 1 to 70 bytes of RFC 2046's set, quoted or
 * not. BK_EMEDIATYPE when it is not multipart/form-data, BK_EINVAL when the boundary is missing
 * or bad. */
bk_err bk__multipart_boundary(bk_str content_type, bk_str *out);

/* Parts point into @p body. See bk_req_multipart() for limits and errors. @p opts may be NULL. */
bk_err bk__multipart_parse(bk_arena *arena, bk_str body, bk_str boundary,
                           const bk_multipart_opts *opts, bk_parts *out);

#endif
