/*
 * log_line.h: a JSON object on one line that may not become too long.
 *
 * Nothing here fails. Texts are cut to 4 KiB, so that one cannot crowd out the others, and to what
 * is left of the line's 16 KiB; a field of which not even the name fits is dropped. The line then
 * ends with "truncated":true.
 */
#ifndef BK_CORE_LOG_LINE_H
#define BK_CORE_LOG_LINE_H

#include <string.h>

#include <backend/base.h>

#include "core/assert.h"
#include "core/number.h"

#define BK__LOG_LINE_MAX     ((size_t)16 << 10)
#define BK__LOG_LINE_NAME    ((size_t)128)
#define BK__LOG_LINE_OBJECTS 2

struct bk__log_redact;

/* A field's name. One that stands in the code, and needs no escapes, is ready as it is written. */
struct bk__log_name {
    const char *text;
    size_t len;    /* of json; 0: text is to be quoted */
    char json[32]; /* `,"text":` */
};

#define BK__LOG_NAME(name)                                                                         \
    ({                                                                                             \
        static const struct bk__log_name ready_ = {name, sizeof name + 3, ",\"" name "\":"};       \
        &ready_;                                                                                   \
    })

struct bk__log_line {
    char *text; /* brief, or from malloc once that is full */
    size_t len, cap;
    bool truncated;
    bool bare;                                 /* nothing stands in the present object yet */
    uint8_t depth;                             /* of objects that are open */
    uint8_t skipped;                           /* of them, that did not fit */
    const char *objects[BK__LOG_LINE_OBJECTS]; /* their names */
    const struct bk__log_redact *redact;       /* NULL: every field shows */
    char brief[2048];                          /* most lines fit, and fibers have small stacks */
};

/* Begins with @p start, such as `{"level":30`. Fields that @p redact hides show as "***"; it may be
 * NULL. */
void bk__log_line_init(struct bk__log_line *line, bk_str start,
                       const struct bk__log_redact *redact);

/* Begins a field whose value takes @p len bytes, or at least as many: adds its name. False: it has
 * a value already, or none fits. */
bool bk__log_line_begin_slowly(struct bk__log_line *line, const struct bk__log_name *name,
                               size_t len);

/* The same, quickly for nearly all. */
static inline bool bk__log_line_begin(struct bk__log_line *line, const struct bk__log_name *name,
                                      size_t len)
{
    if (bk__unlikely(name->len == 0 || line->redact != NULL || line->skipped != 0 ||
                     line->cap - line->len < BK__LOG_LINE_NAME + len + 8))
        return bk__log_line_begin_slowly(line, name, len);
    memcpy(line->text + line->len, name->json + line->bare, sizeof name->json - 1);
    line->len += name->len - line->bare;
    line->bare = false;
    return true;
}

/* Adds a text in quotes, for which a field was begun. */
void bk__log_line_quoted(struct bk__log_line *line, bk_str text);

/* Adds a field whose value is JSON already, and of one line. */
static inline void bk__log_line_json(struct bk__log_line *line, const struct bk__log_name *name,
                                     bk_str json)
{
    if (bk__log_line_begin(line, name, json.len)) {
        memcpy(line->text + line->len, json.ptr, json.len);
        line->len += json.len;
    }
}

/* Adds `,"name":` and the value; an absent text is null, and so is a number that JSON lacks. */
static inline void bk__log_line_str(struct bk__log_line *line, const struct bk__log_name *name,
                                    bk_str value)
{
    if (value.ptr == NULL)
        bk__log_line_json(line, name, BK_LIT("null"));
    else if (bk__log_line_begin(line, name, 2))
        bk__log_line_quoted(line, value);
}

static inline void bk__log_line_i64(struct bk__log_line *line, const struct bk__log_name *name,
                                    int64_t value)
{
    if (bk__log_line_begin(line, name, BK__I64_TEXT))
        line->len += bk__i64_text(value, line->text + line->len);
}

void bk__log_line_f64(struct bk__log_line *line, const struct bk__log_name *name, double value);
void bk__log_line_bool(struct bk__log_line *line, const struct bk__log_name *name, bool value);

/* What follows stands in the object @p name, which may stand in one other, until it is closed. */
void bk__log_line_open(struct bk__log_line *line, const struct bk__log_name *name);
void bk__log_line_close(struct bk__log_line *line);

/* Adds what is JSON already, with its comma: whole or not at all. */
void bk__log_line_raw(struct bk__log_line *line, bk_str json);

/* Closes the object. The result has its newline and lives until fini. */
bk_str bk__log_line_end(struct bk__log_line *line);

void bk__log_line_fini(struct bk__log_line *line);

#endif
