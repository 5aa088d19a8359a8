/*
 * load_answer.c: reads the head of an HTTP/1.1 answer line by line.
 */
#define _GNU_SOURCE
#include "load_answer.h"

#include <string.h>
#include <strings.h>

#define LONGEST_BODY (64u << 20)

/* The value where the line is the field of that name; NULL where it is another. */
static const char *value_of(const char *line, const char *end, const char *name)
{
    size_t len = strlen(name);

    if ((size_t)(end - line) <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    line += len + 1;
    while (line < end && *line == ' ')
        line++;
    return line;
}

static bool starts_with(const char *text, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - text) >= len && strncasecmp(text, word, len) == 0;
}

static bool read_length(const char *digit, const char *end, size_t *out)
{
    size_t length = 0;

    if (digit == end)
        return false;
    for (; digit < end; digit++) {
        if (*digit < '0' || *digit > '9' || length > LONGEST_BODY)
            return false;
        length = length * 10 + (size_t)(*digit - '0');
    }
    *out = length;
    return true;
}

static bool read_status(const char *line, const char *end, int *out)
{
    size_t status;

    if (end - line < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' ||
        !read_length(line + 9, line + 12, &status))
        return false;
    *out = (int)status;
    return status >= 200 && status <= 599; /* nobody asked for an interim answer */
}

/* False: a field that cannot be. */
static bool read_field(const char *line, const char *end, struct answer *out, bool *has_length)
{
    const char *value;

    if ((value = value_of(line, end, "Content-Length")) != NULL) {
        *has_length = true;
        return read_length(value, end, &out->body_len);
    }
    if ((value = value_of(line, end, "Connection")) != NULL) {
        out->closes = starts_with(value, end, "close");
    } else if ((value = value_of(line, end, "Content-Type")) != NULL) {
        out->problem = starts_with(value, end, "application/problem+json");
    } else if ((value = value_of(line, end, "Location")) != NULL) {
        out->location = value;
        out->location_len = (size_t)(end - value);
    }
    return true;
}

enum answer_state answer_read(const char *bytes, size_t len, struct answer *out)
{
    const char *head_end = memmem(bytes, len, "\r\n\r\n", 4), *line, *end;
    bool has_length = false;

    if (head_end == NULL)
        return ANSWER_MORE;
    *out = (struct answer){.body = head_end + 4};
    end = memmem(bytes, (size_t)(head_end + 2 - bytes), "\r\n", 2);
    if (!read_status(bytes, end, &out->status))
        return ANSWER_UNREADABLE;
    for (line = end + 2; line < head_end; line = end + 2) {
        end = memmem(line, (size_t)(head_end + 2 - line), "\r\n", 2);
        if (!read_field(line, end, out, &has_length))
            return ANSWER_UNREADABLE;
    }
    if (out->status == 204 || out->status == 304)
        out->body_len = 0; /* a length would be that of the 200 */
    else if (!has_length)
        return ANSWER_UNREADABLE;
    out->size = (size_t)(out->body - bytes) + out->body_len;
    return out->size <= len ? ANSWER_WHOLE : ANSWER_MORE;
}

bool answer_has(const struct answer *answer, const char *text, size_t len)
{
    return len == 0 || memmem(answer->body, answer->body_len, text, len) != NULL;
}
