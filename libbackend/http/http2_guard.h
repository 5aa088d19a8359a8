/*
 * http2_guard.h: the judgements about HTTP/2 clients: what they may send, how often, how slowly.
 *
 * Arithmetic and tables only; nothing here knows of sockets or of h2o.
 */
#ifndef BK_HTTP_HTTP2_GUARD_H
#define BK_HTTP_HTTP2_GUARD_H

#include <backend/base.h>

/*
 * How much abuse a connection may do: a leaky bucket of 100 that loses 10 a second.
 *
 * What counts is work that a client made us do and then made void: requests that it resets before
 * their answer is out (CVE-2023-44487), or provokes us to reset (CVE-2025-8671). People who leave
 * pages do that too, but not a hundred times in a row.
 */
struct bk__h2_bucket {
    uint64_t at_ms;
    uint64_t level; /* in thousandths */
};

/* Puts @p units in. False: it flows over. */
bool bk__h2_bucket_add(struct bk__h2_bucket *bucket, uint64_t now_ms, uint32_t units);

/* Does something get on? Eight bytes, since a stream of h2o has no more room for it. */
struct bk__h2_watch {
    uint32_t mark;  /* how far it was */
    uint32_t since; /* low half of the time since when; 0: not looked at yet */
};

/* True when @p mark has been the same for more than @p limit_ms (BK_UNLIMITED: never). */
bool bk__h2_watch_stalled(struct bk__h2_watch *watch, uint32_t mark, uint64_t now_ms,
                          uint32_t limit_ms);

/* How often to look after @p connections: so often that the looking costs the same for few and
 * many. */
uint32_t bk__h2_sweep_ms(size_t connections);

/* May a request in HTTP/2 have this field (RFC 9113, 8.2)? */
bool bk__h2_field_allowed(bk_str name, bk_str value);

/* True for fields that say something about an HTTP/1 connection (RFC 9113, 8.2.2). In lower case.
 */
bool bk__h2_field_is_hop(bk_str name);

/* May a request have this :path (RFC 9113, 8.3.1)? */
bool bk__h2_path_allowed(bk_str method, bk_str path);

#endif
