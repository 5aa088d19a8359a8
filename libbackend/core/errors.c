/*
 * errors.c: codes in words, and the chain that the current task carries.
 *
 * Recording an error must never make things worse. So a chain has an end (what comes after
 * CHAIN_MAX links is dropped: the first cause is worth more than the hundredth context), and what
 * one chain took is free again when the next begins.
 */
#include <backend/errors.h>

#include <stdarg.h>

#include "core/assert.h"
#include "core/task.h"

#define CHAIN_MAX     32
#define FIELDS_FIRST  8
#define MESSAGE_USUAL 512

int bk_err_status(bk_err err)
{
    switch (err) {
#define STATUS(name, number, status, slug, text)                                                   \
    case name:                                                                                     \
        return status;
        BK_ERRORS(STATUS)
#undef STATUS
    }
    return 500;
}

const char *bk_err_slug(bk_err err)
{
    switch (err) {
#define SLUG(name, number, status, slug, text)                                                     \
    case name:                                                                                     \
        return slug;
        BK_ERRORS(SLUG)
#undef SLUG
    }
    return "unknown";
}

const char *bk_err_text(bk_err err)
{
    switch (err) {
#define TEXT(name, number, status, slug, text)                                                     \
    case name:                                                                                     \
        return text;
        BK_ERRORS(TEXT)
#undef TEXT
    }
    return "Unknown error";
}

static bool chain_full(const struct bk__task *task)
{
    int links = 0;
    for (const bk_error_link *link = task->errors; link != NULL; link = link->cause)
        links++;
    return links >= CHAIN_MAX;
}

/* @p message is in the error arena already. */
static void add_link(struct bk__task *task, const char *file, int line, bk_err code, bk_str message)
{
    bk_error_link *link = bk__arena_get(bk__task_error_arena(task), sizeof(*link));
    *link = (bk_error_link){
        .code = code,
        .message = message,
        .file = file,
        .line = line,
        .cause = task->errors,
    };
    task->errors = link;
}

bk_err bk_fail_at(const char *file, int line, bk_err code, const char *format, ...)
{
    bk_assert(code != BK_OK);
    struct bk__task *task = bk__task_self();
    struct bk_arena scratch;
    char lent[MESSAGE_USUAL] __attribute__((aligned(BK__ARENA_ALIGN)));

    /* The arguments may lie in the chain that is to be forgotten, so the message is made first. */
    bk__arena_init(&scratch, lent, sizeof(lent));
    va_list args;
    va_start(args, format);
    bk_str message = bk__arena_vprintf(&scratch, format, args);
    va_end(args);
    bk__task_clear(task);
    add_link(task, file, line, code, bk_arena_dup(bk__task_error_arena(task), message));
    bk__arena_fini(&scratch);
    return code;
}

bk_err bk_context_at(const char *file, int line, bk_err err, const char *format, ...)
{
    if (err == BK_OK)
        return err;
    struct bk__task *task = bk__task_self();
    if (chain_full(task))
        return err;
    va_list args;
    va_start(args, format);
    add_link(task, file, line, err, bk__arena_vprintf(bk__task_error_arena(task), format, args));
    va_end(args);
    return err;
}

static void grow_fields(struct bk__task *task)
{
    uint32_t cap = task->field_cap != 0 ? 2 * task->field_cap : FIELDS_FIRST;
    if (cap > BK__FIELD_ERRORS_MAX)
        cap = BK__FIELD_ERRORS_MAX;
    bk_field_error *fields = bk__arena_get(bk__task_error_arena(task), cap * sizeof(*fields));
    if (task->field_count > 0)
        memcpy(fields, task->fields, task->field_count * sizeof(*fields));
    task->fields = fields;
    task->field_cap = cap;
}

bk_err bk_fail_field(bk_err code, bk_str pointer, bk_str rule, bk_str detail)
{
    bk_assert(code != BK_OK);
    struct bk__task *task = bk__task_self();
    struct bk_arena *arena = bk__task_error_arena(task);
    bool known = task->errors != NULL && task->errors->code == code;
    if (!known && !chain_full(task))
        add_link(task, __FILE__, __LINE__, code, BK_LIT(""));
    if (task->field_count == BK__FIELD_ERRORS_MAX)
        return code;
    if (task->field_count == task->field_cap)
        grow_fields(task);
    task->fields[task->field_count++] = (bk_field_error){
        .pointer = bk_arena_dup(arena, pointer),
        .code = bk_arena_dup(arena, rule),
        .detail = bk_arena_dup(arena, detail),
    };
    return code;
}

const bk_error_link *bk_error_chain(void)
{
    return bk__task_self()->errors;
}

const bk_field_error *bk_error_fields(size_t *count)
{
    const struct bk__task *task = bk__task_self();
    *count = task->field_count;
    return task->fields;
}

void bk_error_clear(void)
{
    bk__task_clear(bk__task_self());
}
