/*
 * http1_head.h: reading an HTTP/1 request head, strictly (RFC 9112, 2 to 7).
 *
 * What has more than one reading is refused: bare CR or LF, folded lines, blanks before a colon,
 * two lengths, a length beside a transfer coding, ... A proxy in front and this server can then
 * never disagree about where a request ends.
 */
#ifndef BK_HTTP_HTTP1_HEAD_H
#define BK_HTTP_HTTP1_HEAD_H

#include <backend/errors.h>
#include <backend/request.h>

/* How far the end of a head has been looked for. Zeroed for each request. */
struct bk__http1_scan {
    size_t at;     /* start of the first line that is not whole */
    size_t lines;  /* whole lines before it, the request line included */
    size_t fields; /* where the header fields begin, once there is a line */
};

/* SIZE_MAX: none. A request line may have a little more than its target. */
struct bk__http1_limits {
    size_t target_bytes, header_bytes, header_count;
};

/*
 * Looks for the end of the head in @p bytes, going on where the last call stopped.
 *
 * Returns BK_EAGAIN when more is needed, BK_OK with the head's length in @p head_len, or what is
 * wrong (BK_EINVAL, BK_EURITOOLONG, BK_EHEADERS), with @p why in words.
 */
bk_err bk__http1_scan(struct bk__http1_scan *scan, const char *bytes, size_t len,
                      const struct bk__http1_limits *limits, size_t *head_len, const char **why);

struct bk__http1_head {
    bk_str method, target;
    bk_pair *headers; /* room for scan.lines - 1, given by the caller; names become lower case in
                         place */
    size_t count;
    uint8_t version; /* 10 or 11 */

    /* Framing and connection. */
    bool chunked, has_length, expects_continue, keep_alive;
    uint64_t length; /* of the body; 0 when there is none */
    bk_str host;     /* absent in HTTP/1.0 when not sent */
};

/* Parses a whole head in place. Views point into @p bytes. BK_EINVAL, BK_ENOTIMPL (transfer
 * coding), BK_EVERSION, BK_EEXPECTATION with @p why; method and target are set as far as they were
 * read. */
bk_err bk__http1_parse(char *bytes, size_t len, struct bk__http1_head *head, const char **why);

/* A chunked body being decoded (RFC 9112, 7.1). Zeroed for each body. */
struct bk__http1_chunks {
    uint64_t left;     /* bytes of the present chunk still to come */
    uint32_t overhead; /* bytes of size lines and trailers since the last data */
    uint8_t state, digits;
};

/*
 * Takes the next run of body bytes out of @p bytes.
 *
 * Sets @p used to how many input bytes are done with, and @p data to the body bytes among them (may
 * be empty). Returns BK_EAGAIN while more is to come (call again while @p used is not 0 and input
 * is left), BK_OK at the end, trailers passed over, BK_EINVAL for anything else.
 */
bk_err bk__http1_chunks_next(struct bk__http1_chunks *chunks, const char *bytes, size_t len,
                             size_t *used, bk_str *data);

#endif
