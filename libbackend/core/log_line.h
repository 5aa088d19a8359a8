/*
 * log_line.h: a JSON object on one line that may not become too long.
 *
 * Nothing here fails. Texts are cut to 4 KiB, so that one cannot crowd out the others, and to what
 * is left of the line's 16 KiB; a field of which not even the name fits is dropped. The line then
 * ends with "truncated":true.
 */
#ifndef BK_CORE_LOG_LINE_H
#define BK_CORE_LOG_LINE_H

#include <backend/base.h>

#define BK__LOG_LINE_MAX     ((size_t)16 << 10)
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

/* Adds `,"name":` and the value; an absent text is null, and so is a number that JSON lacks. */
void bk__log_line_str(struct bk__log_line *line, const struct bk__log_name *name, bk_str value);
void bk__log_line_i64(struct bk__log_line *line, const struct bk__log_name *name, int64_t value);
void bk__log_line_f64(struct bk__log_line *line, const struct bk__log_name *name, double value);
void bk__log_line_bool(struct bk__log_line *line, const struct bk__log_name *name, bool value);

/* What follows stands in the object @p name, which may stand in one other, until it is closed. */
void bk__log_line_open(struct bk__log_line *line, const struct bk__log_name *name);
void bk__log_line_close(struct bk__log_line *line);

/* Adds a field whose value is JSON already, and of one line. */
void bk__log_line_json(struct bk__log_line *line, const struct bk__log_name *name, bk_str json);

/* Adds what is JSON already, with its comma: whole or not at all. */
void bk__log_line_raw(struct bk__log_line *line, bk_str json);

/* Closes the object. The result has its newline and lives until fini. */
bk_str bk__log_line_end(struct bk__log_line *line);

void bk__log_line_fini(struct bk__log_line *line);

#endif
