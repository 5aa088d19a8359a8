/*
 * setup.c: see setup.h.
 */
#include "middleware/setup.h"

#include <stdlib.h>

#include "core/assert.h"
#include "http/header.h"

void *bk__mw_new(bk_app *app, const bk_part_type *type, size_t size)
{
    void *self = calloc(1, size);

    bk_assert(self != NULL && type->free == free);
    bk_app_part(app, type, self);
    return self;
}

bk_str bk__mw_header_name(const char *middleware, bk_str name, char out[BK__MW_NAME_MAX])
{
    if (!bk__header_is_token(name) || name.len > BK__MW_NAME_MAX)
        bk__setup_error(__FILE__, __LINE__, "%s: \"%.*s\" is no name of a header", middleware,
                        BK_PRI(name));
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return bk_str_at(out, name.len);
}
