/*
 * task.c: the current task, and the one of a thread that runs no fibers.
 *
 * A program may call the library before it starts an app, or on threads of its own, and errors must
 * find a place there too. So each thread has a task in reserve: made at its first use, and its
 * memory freed when the thread ends.
 */
#include "core/task.h"

#include <pthread.h>

#include "core/assert.h"

/* Enough for the usual chain. */
#define ERRORS_FIRST 896

struct error_memory {
    struct bk_arena arena;
    struct bk__task *task;
    _Alignas(BK__ARENA_ALIGN) char first[ERRORS_FIRST]; /* lent to the arena */
};

/* gcc forgets the model of the header's declaration. */
_Thread_local struct bk__task *bk__task_current __attribute__((tls_model("initial-exec")));

static _Thread_local struct {
    bool ready;
    struct bk__task task;
} own;

/* Written once per process, to learn of the end of threads. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;

static void drop_own(void *unused)
{
    (void)unused;
    bk__arena_reset(&own.task.arena);
    own.ready = false;
}

static void make_key(void)
{
    int err = pthread_key_create(&thread_end, drop_own);
    bk_assert(err == 0);
}

struct bk__task *bk__task_self(void)
{
    if (bk__likely(bk__task_current != NULL))
        return bk__task_current;
    if (!own.ready) {
        pthread_once(&once, make_key);
        int err = pthread_setspecific(thread_end, &own);
        bk_assert(err == 0);
        own.task = (struct bk__task){0};
        bk__arena_init(&own.task.arena, NULL, 0);
        own.ready = true;
    }
    return &own.task;
}

/* The task's arena ends, and the errors with it. */
static void drop_errors(void *data)
{
    struct error_memory *memory = data;
    bk__task_clear(memory->task);
    bk__arena_fini(&memory->arena);
    memory->task->error_arena = NULL;
}

struct bk_arena *bk__task_error_arena(struct bk__task *task)
{
    if (task->error_arena == NULL) {
        struct error_memory *memory = bk__arena_get(&task->arena, sizeof(*memory));
        bk__arena_init(&memory->arena, memory->first, sizeof(memory->first));
        memory->task = task;
        task->error_arena = &memory->arena;
        bk_arena_defer(&task->arena, drop_errors, memory);
    }
    return task->error_arena;
}

void bk__task_set_origin(struct bk__task *task, const struct bk__error_origin *origin)
{
    struct bk_arena *arena = bk__task_error_arena(task);
    struct bk__error_origin *copy = bk__arena_get(arena, sizeof(*copy));
    *copy = *origin;
    copy->constraint = bk_arena_dup(arena, origin->constraint);
    task->origin = copy;
}

void bk__task_clear(struct bk__task *task)
{
    task->errors = NULL;
    task->origin = NULL;
    task->fields = NULL;
    task->field_count = task->field_cap = 0;
    if (task->error_arena != NULL)
        bk__arena_reset(task->error_arena);
}

static void copy_chain(struct bk__task *to, const bk_error_link *from)
{
    struct bk_arena *arena = bk__task_error_arena(to);
    const bk_error_link **end = &to->errors;
    for (; from != NULL; from = from->cause) {
        bk_error_link *copy = bk__arena_get(arena, sizeof(*copy));
        *copy = *from;
        copy->message = bk_arena_dup(arena, from->message);
        copy->cause = NULL;
        *end = copy;
        end = &copy->cause;
    }
}

static void copy_fields(struct bk__task *to, const bk_field_error *from, uint32_t count)
{
    struct bk_arena *arena = bk__task_error_arena(to);
    to->fields = bk__arena_get(arena, count * sizeof(*to->fields));
    to->field_count = to->field_cap = count;
    for (uint32_t i = 0; i < count; i++) {
        to->fields[i].pointer = bk_arena_dup(arena, from[i].pointer);
        to->fields[i].code = bk_arena_dup(arena, from[i].code);
        to->fields[i].detail = bk_arena_dup(arena, from[i].detail);
    }
}

void bk__task_adopt(struct bk__task *to, const struct bk__task *from)
{
    bk_assert(to != from);
    bk__task_clear(to);
    if (from->errors != NULL)
        copy_chain(to, from->errors);
    if (from->field_count != 0)
        copy_fields(to, from->fields, from->field_count);
    if (from->origin != NULL)
        bk__task_set_origin(to, from->origin);
}
