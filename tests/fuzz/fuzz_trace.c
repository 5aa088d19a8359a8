/*
 * fuzz_trace.c: the input is a traceparent, and behind a line's end a tracestate.
 */
#include <stdint.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str header, state = {(const char *)data, size};
    struct bk__trace trace, again;
    char text[BK__TRACE_HEADER];

    if (size == 0)
        return 0;
    (void)bk_str_split(&state, '\n', &header);
    if (bk__trace_continue(header, &trace)) {
        bk__trace_header(&trace, text);
        bk_assert(memcmp(text + 3, header.ptr + 3, BK__TRACE_ID) == 0);
        bk_assert(memcmp(trace.parent, header.ptr + 36, BK__SPAN_ID) == 0);
        bk_assert(bk__trace_continue(bk_str_at(text, sizeof text), &again));
        bk_assert(bk__trace_is_sampled(&again) == bk__trace_is_sampled(&trace));
    }
    if (bk__trace_state_fits(state)) {
        bk_assert(state.len <= 512 && memchr(state.ptr, '=', state.len) != NULL);
        for (size_t i = 0; i < state.len; i++)
            bk_assert((state.ptr[i] >= ' ' && state.ptr[i] <= '~') || state.ptr[i] == '\t');
    }
    return 0;
}
