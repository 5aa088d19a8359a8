/*
 * pattern.h: a path pattern ("/products/{id}", "/files/{path*}") taken apart, and what its segments
 * have in common with those of a path.
 */
#ifndef BK_HTTP_PATTERN_H
#define BK_HTTP_PATTERN_H

#include <backend/base.h>

#define BK__PATTERN_SEGMENTS_MAX 32
#define BK__PATTERN_PARAMS_MAX   16
#define BK__SEGMENT_MAX          255 /* bytes of static text in normal form */
#define BK__WHY_MAX              256

enum bk__piece_kind {
    BK__PIECE_STATIC,
    BK__PIECE_PARAM,   /* {name} */
    BK__PIECE_WILDCARD /* {name*} */
};

struct bk__piece {
    enum bk__piece_kind kind;
    bk_str text; /* in the pattern: as written, or the name */
};

struct bk__pattern {
    struct bk__piece pieces[BK__PATTERN_SEGMENTS_MAX];
    size_t count;
};

/* False with words in @p why when @p text is no pattern. A slash at its end is ignored. */
bool bk__pattern_read(bk_str text, struct bk__pattern *out, char why[BK__WHY_MAX]);

/* Fills @p why with @p about in quotes, then @p words. */
void bk__pattern_explain(char why[BK__WHY_MAX], bk_str about, const char *words);

/* The normal form of RFC 3986, 6.2.2: escapes of unreserved bytes undone, others in upper case.
 * Returns the length; 0 when it would be more than BK__SEGMENT_MAX. */
size_t bk__segment_normalize(bk_str segment, char out[BK__SEGMENT_MAX]);

/* "." and "..", however they are written. */
bool bk__segment_is_dots(bk_str segment);

#endif
