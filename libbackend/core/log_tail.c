/*
 * log_tail.c: see log_tail.h.
 */
#include "core/log_tail.h"

#include <string.h>

static struct bk__log_tail *in_use; /* of this process; set before it has threads */

void bk__log_tail_use(struct bk__log_tail *tail)
{
    in_use = tail;
}

void bk__log_tail_add(bk_str line)
{
    struct bk__log_tail *tail = in_use;

    if (tail == NULL || line.len > BK__LOG_TAIL_BYTES)
        return;
    size_t at =
        atomic_fetch_add_explicit(&tail->end, line.len, memory_order_relaxed) % BK__LOG_TAIL_BYTES;
    size_t first = BK__LOG_TAIL_BYTES - at < line.len ? BK__LOG_TAIL_BYTES - at : line.len;
    memcpy(tail->bytes + at, line.ptr, first);
    memcpy(tail->bytes, line.ptr + first, line.len - first);
}

size_t bk__log_tail_read(const struct bk__log_tail *tail, char *out)
{
    uint64_t end = atomic_load_explicit(&tail->end, memory_order_relaxed);
    size_t at = end % BK__LOG_TAIL_BYTES;

    if (end <= BK__LOG_TAIL_BYTES) {
        memcpy(out, tail->bytes, (size_t)end);
        return (size_t)end;
    }
    memcpy(out, tail->bytes + at, BK__LOG_TAIL_BYTES - at);
    memcpy(out + BK__LOG_TAIL_BYTES - at, tail->bytes, at);
    const char *begin = memchr(out, '\n', BK__LOG_TAIL_BYTES);
    if (begin == NULL)
        return 0;
    size_t left = BK__LOG_TAIL_BYTES - (size_t)(begin + 1 - out);
    memmove(out, begin + 1, left);
    return left;
}
