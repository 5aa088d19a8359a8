/*
 * arena.c: chunks, and the work left for an arena's end.
 *
 * A request makes many small things that all die together. So allocating is moving a pointer, and
 * freeing is forgetting chunks. A piece that is large against the chunk goes beside it into a block
 * of its own, so that the rest of the chunk is not lost.
 *
 * What must hold: the free part [next, end) is a multiple of the alignment and poisoned; all else
 * that was handed out stays where it is until the arena ends.
 */
#include "core/arena.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef BK__ARENA_GUARDED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#include <backend/str.h>

#include "core/assert.h"

#define FIRST_CHUNK   ((size_t)8 << 10)
#define LARGEST_CHUNK ((size_t)64 << 10)

#ifdef BK__ARENA_GUARDED
#define REDZONE ((size_t)BK__ARENA_ALIGN)
#else
#define REDZONE ((size_t)0)
#endif

struct bk__arena_chunk {
    struct bk__arena_chunk *older;
    _Alignas(BK__ARENA_ALIGN) char data[];
};

struct bk__arena_defer {
    struct bk__arena_defer *older;
    bk_defer_fn fn;
    void *data;
};

static size_t round_up(size_t size)
{
    return (size + BK__ARENA_ALIGN - 1) & ~(size_t)(BK__ARENA_ALIGN - 1);
}

static void begin(struct bk_arena *arena)
{
    arena->next = arena->lent;
    arena->end = arena->lent_end;
    arena->chunks = NULL;
    arena->defers = NULL;
    arena->chunk_size = FIRST_CHUNK;
    arena->used_at_end = (size_t)(arena->end - arena->next);
    ASAN_POISON_MEMORY_REGION(arena->next, arena->used_at_end);
}

void bk__arena_init(struct bk_arena *arena, void *lent, size_t size)
{
    bk_assert((uintptr_t)lent % BK__ARENA_ALIGN == 0);
    arena->lent = lent;
    arena->lent_end = lent != NULL ? arena->lent + (size & ~(size_t)(BK__ARENA_ALIGN - 1)) : NULL;
    begin(arena);
}

void bk__arena_reset(struct bk_arena *arena)
{
    struct bk__arena_defer *defer;
    while ((defer = arena->defers) != NULL) {
        arena->defers = defer->older;
        defer->fn(defer->data); /* may allocate and defer in turn */
    }
    struct bk__arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct bk__arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    begin(arena);
}

void bk__arena_fini(struct bk_arena *arena)
{
    bk__arena_reset(arena);
    ASAN_UNPOISON_MEMORY_REGION(arena->lent, (size_t)(arena->lent_end - arena->lent));
}

static char *add_chunk(struct bk_arena *arena, size_t size)
{
    struct bk__arena_chunk *chunk = malloc(sizeof(*chunk) + size);
    bk_assert(chunk != NULL);
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    return chunk->data;
}

void *bk__arena_grow(struct bk_arena *arena, size_t size)
{
    bk_assert(size <= PTRDIFF_MAX / 2);
    if (size > arena->chunk_size / 4) {
        arena->used_at_end += round_up(size);
        return add_chunk(arena, size);
    }
    size_t room = arena->chunk_size - sizeof(struct bk__arena_chunk);
    arena->used_at_end = bk_arena_used(arena) + room;
    arena->next = add_chunk(arena, room);
    arena->end = arena->next + room;
    ASAN_POISON_MEMORY_REGION(arena->next, room);
    if (arena->chunk_size < LARGEST_CHUNK)
        arena->chunk_size *= 2;
    return bk__arena_get(arena, size);
}

#ifdef BK__ARENA_GUARDED
void *bk__arena_get(struct bk_arena *arena, size_t size)
{
    size += size == 0;
    size_t room = (size_t)(arena->end - arena->next);
    if (room < REDZONE || room - REDZONE < size)
        return bk__arena_grow(arena, size);
    void *out = arena->next;
    arena->next += round_up(size) + REDZONE;
    ASAN_UNPOISON_MEMORY_REGION(out, size);
    return out;
}
#endif

bool bk__arena_extend(struct bk_arena *arena, const void *ptr, size_t size, size_t wanted)
{
    if ((const char *)ptr + size + REDZONE != arena->next)
        return false;
    if ((size_t)(arena->end - arena->next) < wanted - size)
        return false;
    arena->next += wanted - size;
    ASAN_UNPOISON_MEMORY_REGION(ptr, wanted);
    return true;
}

bk_arena *bk_arena_new(void)
{
    bk_arena *arena = malloc(sizeof(*arena));
    bk_assert(arena != NULL);
    bk__arena_init(arena, NULL, 0);
    return arena;
}

void bk_arena_free(bk_arena *arena)
{
    if (arena == NULL)
        return;
    bk__arena_reset(arena);
    free(arena);
}

void *bk_arena_alloc(bk_arena *arena, size_t size)
{
    bk_assert(arena != NULL);
    return bk__arena_get(arena, size);
}

void *bk_arena_zalloc(bk_arena *arena, size_t size)
{
    return memset(bk_arena_alloc(arena, size), 0, size);
}

bk_str bk_arena_dup(bk_arena *arena, bk_str text)
{
    if (text.ptr == NULL)
        return text;
    char *copy = bk_arena_alloc(arena, text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return bk_str_at(copy, text.len);
}

const char *bk_arena_cstr(bk_arena *arena, bk_str text)
{
    return text.ptr != NULL ? bk_arena_dup(arena, text).ptr : "";
}

bk_str bk__arena_vprintf(bk_arena *arena, const char *format, va_list args)
{
    char brief[256]; /* the length is not known before, and what was handed out is not taken back */
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(brief, sizeof(brief), format, args);
    bk_assert(len >= 0);
    char *out = bk_arena_alloc(arena, (size_t)len + 1);
    if ((size_t)len < sizeof(brief))
        memcpy(out, brief, (size_t)len + 1);
    else
        vsnprintf(out, (size_t)len + 1, format, again);
    va_end(again);
    return bk_str_at(out, (size_t)len);
}

bk_str bk_arena_printf(bk_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bk_str text = bk__arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

void bk_arena_defer(bk_arena *arena, bk_defer_fn fn, void *data)
{
    bk_assert(fn != NULL);
    struct bk__arena_defer *defer = bk_arena_alloc(arena, sizeof(*defer));
    *defer = (struct bk__arena_defer){.older = arena->defers, .fn = fn, .data = data};
    arena->defers = defer;
}

size_t bk_arena_used(const bk_arena *arena)
{
    return arena->used_at_end - (size_t)(arena->end - arena->next);
}
