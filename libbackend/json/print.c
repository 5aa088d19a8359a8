/*
 * print.c: values to text.
 *
 * The walk keeps the open containers on a small stack; the writer allows no deeper nesting than
 * that.
 */
#include <backend/json.h>

#include <math.h>

#include "core/assert.h"
#include "json/scan.h"
#include "json/value.h"

static void print_number(bk_json_writer *writer, const bk_json *value)
{
    bool negative_zero = value->node.valuedouble == 0 && signbit(value->node.valuedouble);
    if (value->exact && !negative_zero)
        bk_json_write_i64(writer, value->integer);
    else
        bk_json_write_f64(writer, value->node.valuedouble);
}

static void print_scalar(bk_json_writer *writer, const bk_json *value)
{
    switch (bk_json_type_of(value)) {
    case BK_JSON_BOOL:
        bk_json_write_bool(writer, bk_json_bool(value));
        break;
    case BK_JSON_NUMBER:
        print_number(writer, value);
        break;
    case BK_JSON_STRING:
        bk_json_write_str(writer, bk_json_str(value));
        break;
    default:
        bk_json_write_null(writer);
    }
}

void bk_json_print(bk_buf *buf, const bk_json *value)
{
    bk_json_writer writer = {.buf = buf};
    const bk_json *open[BK__JSON_DEPTH_MAX]; /* containers begun; next[] tells how far they are */
    const bk_json *next[BK__JSON_DEPTH_MAX];
    unsigned depth = 0;

    for (;;) {
        bk_json_type type = bk_json_type_of(value);
        if (type == BK_JSON_OBJECT || type == BK_JSON_ARRAY) {
            bk_assert(depth < BK__JSON_DEPTH_MAX);
            type == BK_JSON_OBJECT ? bk_json_begin_object(&writer) : bk_json_begin_array(&writer);
            open[depth] = value;
            next[depth++] = bk_json_first(value);
        } else {
            print_scalar(&writer, value);
        }
        while (depth > 0 && next[depth - 1] == NULL) {
            type = bk_json_type_of(open[--depth]);
            type == BK_JSON_OBJECT ? bk_json_end_object(&writer) : bk_json_end_array(&writer);
        }
        if (depth == 0)
            return;
        value = next[depth - 1];
        next[depth - 1] = bk_json_next(value);
        if (bk_str_present(bk_json_key(value)))
            bk_json_write_key(&writer, bk_json_key(value));
    }
}
