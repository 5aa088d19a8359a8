/*
 * arena.h: an arena's inside, for those who embed one.
 *
 * An arena begins in a chunk that its owner lends it (a fiber gives the top of its stack's
 * mapping), and takes further chunks from malloc, each twice as large as the last up to 64 KiB;
 * what is larger than a quarter of a chunk gets one of its own. Resetting keeps nothing but the
 * lent chunk.
 *
 * AddressSanitizer knows what is handed out: the free part of every chunk is poisoned, and 16 bytes
 * behind each piece stay so. A lent chunk is poisoned as well until bk__arena_fini().
 */
#ifndef BK_CORE_ARENA_H
#define BK_CORE_ARENA_H

#include <stdarg.h>

#include <backend/arena.h>

#if defined(__SANITIZE_ADDRESS__)
#define BK__ARENA_GUARDED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BK__ARENA_GUARDED
#endif
#endif

struct bk__arena_chunk;
struct bk__arena_defer;

struct bk_arena {
    char *next, *end; /* free part of the present chunk, in whole alignments */
    char *lent, *lent_end;
    struct bk__arena_chunk *chunks; /* from malloc, newest first */
    struct bk__arena_defer *defers; /* newest first */
    size_t chunk_size;              /* of the next chunk */
    size_t used_at_end;             /* bytes handed out, once next has come to end */
};

#define BK__ARENA_ALIGN 16

/* @p lent may be NULL with @p size 0. It is not freed, and must be aligned to BK__ARENA_ALIGN. */
void bk__arena_init(struct bk_arena *arena, void *lent, size_t size);

/* Runs the defers, newest first, frees what came from malloc; the arena is as after init. */
void bk__arena_reset(struct bk_arena *arena);

/* As bk__arena_reset(), and the lent chunk is its owner's again. */
void bk__arena_fini(struct bk_arena *arena);

/* Makes the piece at @p ptr larger where it lies, from @p size to @p wanted bytes, both multiples
 * of BK__ARENA_ALIGN. False: it is not the newest piece, or there is no room behind it. */
bool bk__arena_extend(struct bk_arena *arena, const void *ptr, size_t size, size_t wanted);

/* bk_arena_printf() for those who have the arguments already. */
bk_str bk__arena_vprintf(struct bk_arena *arena, const char *format, va_list args) BK_PRINTF(2, 0);

/* The slow way of bk__arena_get(). */
void *bk__arena_grow(struct bk_arena *arena, size_t size);

#ifdef BK__ARENA_GUARDED

/* bk_arena_alloc(), for hot paths; with the sanitizer not inlined. */
void *bk__arena_get(struct bk_arena *arena, size_t size);

#else

/* bk_arena_alloc(), inlined for hot paths. */
static inline void *bk__arena_get(struct bk_arena *arena, size_t size)
{
    size += size == 0;
    /* What is left is a multiple of the alignment, so rounding up never passes the end. */
    if (__builtin_expect((size_t)(arena->end - arena->next) < size, 0))
        return bk__arena_grow(arena, size);
    void *out = arena->next;
    arena->next += (size + BK__ARENA_ALIGN - 1) & ~(size_t)(BK__ARENA_ALIGN - 1);
    return out;
}

#endif

#endif
