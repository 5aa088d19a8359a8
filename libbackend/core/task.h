/*
 * task.h: what travels with the running piece of work.
 *
 * A fiber embeds a task: its arena, the chain of its errors, and what logs say about it. Core knows
 * tasks and not fibers, so that errors and logs work on a thread without a loop as well: there a
 * task of the thread's own stands in.
 */
#ifndef BK_CORE_TASK_H
#define BK_CORE_TASK_H

#include <backend/errors.h>

#include "core/arena.h"

#define BK__FIELD_ERRORS_MAX 100

struct bk__trace;

/* What a server behind us said of an error, beside words: for those who look at the cause. */
struct bk__error_origin {
    char code[24];     /* such as a SQLSTATE, or the first word of an error of Redis */
    bk_str constraint; /* that was violated; absent: none */
};

struct bk__task {
    struct bk_arena arena;
    struct bk_arena *error_arena; /* see bk__task_error_arena(); NULL until the first error */
    const bk_error_link *errors;  /* newest first, in error_arena */
    const struct bk__error_origin *origin; /* in error_arena; NULL: none */
    bk_field_error *fields;                /* in error_arena; NULL while there are none */
    uint32_t field_count, field_cap;
    const char *name;  /* for logs and crash reports; may be NULL */
    bk_str request_id; /* absent outside requests; see bk__task_request_id() */
    void (*identify)(struct bk__task *task); /* makes it; NULL: there is none */
    bk_str route;                            /* the pattern; absent outside requests */
    const struct bk__trace *trace;           /* see trace.h; NULL outside traces */
    struct bk_span *spare_spans;             /* span.c: ended ones, in the arena */
};

/* The running fiber's task; NULL on a thread that runs none. Set by the scheduler at each switch.
 */
extern _Thread_local struct bk__task *bk__task_current
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The running task, or the thread's own. Never NULL. */
struct bk__task *bk__task_self(void);

/* The id of the request that is being served, made now if nobody has asked yet; absent outside
 * requests. */
static inline bk_str bk__task_request_id(struct bk__task *task)
{
    if (task->request_id.ptr == NULL && task->identify != NULL)
        task->identify(task);
    return task->request_id;
}

/* Where errors are recorded: an arena within the task's own. It is emptied whenever errors are
 * forgotten, since a fiber that never ends must not grow by each error that it meets. */
struct bk_arena *bk__task_error_arena(struct bk__task *task);

/* Notes where the task's newest error came from; copied. */
void bk__task_set_origin(struct bk__task *task, const struct bk__error_origin *origin);

/* Forgets errors and frees their memory. */
void bk__task_clear(struct bk__task *task);

/* Makes the chain and the field errors of @p to a copy of those of @p from. */
void bk__task_adopt(struct bk__task *to, const struct bk__task *from);

#endif
