/**
 * @file backend/arena.h
 * @brief Memory that is freed all at once, and work to be done at that moment.
 *
 * Each fiber has an arena; a request's is its handler's (bk_req_arena()). What a handler
 * allocates there needs no free: it goes when the answer has been sent. Allocation moves a
 * pointer; the first kilobytes of a fiber's arena cost no malloc.
 */
#ifndef BACKEND_ARENA_H
#define BACKEND_ARENA_H

#include <backend/base.h>

BK_BEGIN_DECLS

/** Called when an arena ends. */
typedef void (*bk_defer_fn)(void *data);

/** A new, empty arena. Yours: bk_arena_free(). */
BK_API BK_NODISCARD bk_arena *bk_arena_new(void);

/** Runs what bk_arena_defer() left, newest first, and frees everything. NULL is fine. Only for
 *  arenas from bk_arena_new(). */
BK_API void bk_arena_free(bk_arena *arena);

/** @p size bytes, aligned for any type, of undefined content. Never NULL. */
BK_API BK_NODISCARD void *bk_arena_alloc(bk_arena *arena, size_t size);

/** Like bk_arena_alloc(), filled with zeros. */
BK_API BK_NODISCARD void *bk_arena_zalloc(bk_arena *arena, size_t size);

/** A zeroed object of @p type in @p arena. */
#define BK_NEW(arena, type) ((type *)bk_arena_zalloc((arena), sizeof(type)))

/** A copy of @p text, with a NUL after its last byte. An absent bk_str stays absent. */
BK_API BK_NODISCARD bk_str bk_arena_dup(bk_arena *arena, bk_str text);

/** A NUL-terminated copy of @p text; "" when it is absent. */
BK_API BK_NODISCARD const char *bk_arena_cstr(bk_arena *arena, bk_str text);

/** printf into @p arena. The result is NUL-terminated after its length. */
BK_API BK_NODISCARD bk_str bk_arena_printf(bk_arena *arena, const char *format, ...)
    BK_PRINTF(2, 3);

/** Runs `fn(data)` when @p arena ends; the newest first. */
BK_API void bk_arena_defer(bk_arena *arena, bk_defer_fn fn, void *data);

/** Bytes handed out so far. */
BK_API size_t bk_arena_used(const bk_arena *arena);

BK_END_DECLS

#endif
