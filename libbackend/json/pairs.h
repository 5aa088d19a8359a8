/*
 * pairs.h: names and values that are taken apart already, into a struct.
 */
#ifndef BK_JSON_PAIRS_H
#define BK_JSON_PAIRS_H

#include <backend/describe.h>

struct bk__name_value {
    bk_str name, value;
};

/* As bk_bind_form(). The pairs' texts are borrowed as a form's is. */
bk_err bk__bind_pairs(bk_arena *arena, const struct bk__name_value *pairs, size_t count,
                      bk_desc_fn desc, const bk_bind_opts *opts, void *out);

#endif
