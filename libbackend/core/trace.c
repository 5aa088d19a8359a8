/*
 * trace.c: W3C Trace Context (https://www.w3.org/TR/trace-context/).
 *
 *   traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *                version, trace, the caller's span, flags
 *
 * What does not keep to that is treated as if it was not there: the trace begins here. A version
 * that we do not know is read as far as we know it. Of the flags only the first has a meaning.
 */
#include "core/trace.h"

#include <string.h>

#include <backend/str.h>
#include <backend/trace.h>

#include "core/arena.h"
#include "core/encode.h"
#include "core/random.h"
#include "core/task.h"

#define STATE_MAX     512 /* what must be passed on at least, and what we pass on at most */
#define STATE_MEMBERS 32

static const struct bk__trace blank = {
    .log = {.before_id = ",\"trace_id\":\"",
            .before_span = "\",\"span_id\":\"",
            .before_flags = "\",\"trace_flags\":\"",
            .flags = "00",
            .end = "\""},
    .parent = "0000000000000000",
};

static bool is_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] == '0')
        len--;
    return len == 0;
}

static bool is_id(const char *text, size_t len)
{
    return is_hex(text, len) && !is_zero(text, len);
}

/* All zeros is no id, and does not happen. */
static void new_id(char *out, size_t len)
{
    unsigned char bytes[BK__TRACE_ID / 2];

    bk__random(bytes, len / 2);
    bk__hex(bytes, len / 2, out);
}

void bk__trace_new(struct bk__trace *out)
{
    *out = blank;
    new_id(out->log.id, BK__TRACE_ID);
    new_id(out->log.span, BK__SPAN_ID);
}

bool bk__trace_continue(bk_str header, struct bk__trace *out)
{
    const char *text = header.ptr;

    if (header.len < BK__TRACE_HEADER || !is_hex(text, 2) || memcmp(text, "ff", 2) == 0)
        return false;
    if (header.len > BK__TRACE_HEADER && (memcmp(text, "00", 2) == 0 || text[55] != '-'))
        return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-' || !is_id(text + 3, BK__TRACE_ID) ||
        !is_id(text + 36, BK__SPAN_ID) || !is_hex(text + 53, 2))
        return false;
    *out = blank;
    memcpy(out->log.id, text + 3, BK__TRACE_ID);
    memcpy(out->parent, text + 36, BK__SPAN_ID);
    new_id(out->log.span, BK__SPAN_ID);
    unsigned char digit = (unsigned char)text[54];
    bk__trace_set_sampled(out, (digit & 1) != (digit >= 'a')); /* 'a' is odd and ten is even */
    return true;
}

void bk__trace_child(const struct bk__trace *parent, struct bk__trace *out)
{
    *out = *parent;
    memcpy(out->parent, parent->log.span, BK__SPAN_ID);
    new_id(out->log.span, BK__SPAN_ID);
}

void bk__trace_header(const struct bk__trace *trace, char out[BK__TRACE_HEADER])
{
    memcpy(out, "00-", 3);
    memcpy(out + 3, trace->log.id, BK__TRACE_ID);
    out[35] = '-';
    memcpy(out + 36, trace->log.span, BK__SPAN_ID);
    out[52] = '-';
    memcpy(out + 53, trace->log.flags, 2);
}

static uint32_t digit_of(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool bk__trace_is_one_of(const struct bk__trace *trace, uint32_t n)
{
    uint32_t value = 0;

    for (size_t i = BK__TRACE_ID - 8; i < BK__TRACE_ID; i++)
        value = value << 4 | digit_of(trace->log.id[i]);
    return value % n == 0;
}

/* --- tracestate ------------------------------------------------------------------------------- */

/* `vendor` or `tenant@vendor`, of at most 256 characters. */
static bool is_key(bk_str key)
{
    if (key.len == 0 || key.len > 256)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool begins = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!begins && (i == 0 || strchr("_-*/@", c) == NULL || c == '\0'))
            return false;
    }
    return true;
}

static bool is_value(bk_str value)
{
    if (value.len == 0 || value.len > 256 || value.ptr[value.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c < ' ' || c > '~' || c == ',' || c == '=')
            return false;
    }
    return true;
}

static bk_str without_blanks(bk_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool bk__trace_state_fits(bk_str value)
{
    size_t members = 0;
    bk_str member, rest = value;

    if (value.len == 0 || value.len > STATE_MAX)
        return false;
    while (bk_str_present(rest)) {
        (void)bk_str_split(&rest, ',', &member);
        bk_str key, entry = without_blanks(member);
        if (entry.len == 0)
            continue; /* an empty member is allowed */
        (void)bk_str_split(&entry, '=', &key);
        if (++members > STATE_MEMBERS || !bk_str_present(entry) || !is_key(key) || !is_value(entry))
            return false;
    }
    return members != 0;
}

/* --- the running fiber's ---------------------------------------------------------------------- */

static const struct bk__trace *current(void)
{
    return bk__task_current != NULL ? bk__task_current->trace : NULL;
}

bk_str bk_trace_id(void)
{
    const struct bk__trace *trace = current();

    return trace != NULL ? bk_str_at(trace->log.id, BK__TRACE_ID) : (bk_str){NULL, 0};
}

bk_str bk_trace_span_id(void)
{
    const struct bk__trace *trace = current();

    return trace != NULL ? bk_str_at(trace->log.span, BK__SPAN_ID) : (bk_str){NULL, 0};
}

bool bk_trace_sampled(void)
{
    const struct bk__trace *trace = current();

    return trace != NULL && bk__trace_is_sampled(trace);
}

bk_str bk_trace_header(bk_arena *arena)
{
    const struct bk__trace *trace = current();

    if (trace == NULL)
        return (bk_str){NULL, 0};
    char *text = bk__arena_get(arena, BK__TRACE_HEADER);
    bk__trace_header(trace, text);
    return bk_str_at(text, BK__TRACE_HEADER);
}

bk_str bk_trace_state(void)
{
    const struct bk__trace *trace = current();

    return trace != NULL ? trace->state : (bk_str){NULL, 0};
}
