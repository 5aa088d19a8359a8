/*
 * views.h: where the views that a parser returns may point, for fuzz targets.
 */
#ifndef FUZZ_VIEWS_H
#define FUZZ_VIEWS_H

#include <stdlib.h>

#include <backend/str.h>

#include "core/arena.h"
#include "core/assert.h"

#define INPUT_MAX  ((size_t)4 << 10) /* what is parsed out of this fits the memory below */
#define ARENA_SIZE ((size_t)256 << 10)

/* What the arena of a target is made of, so that it can be told whether a view points into it. */
static _Alignas(BK__ARENA_ALIGN) char arena_memory[ARENA_SIZE];

static inline bool inside(bk_str view, bk_str whole)
{
    uintptr_t first = (uintptr_t)view.ptr, start = (uintptr_t)whole.ptr;
    return first >= start && first - start <= whole.len && view.len <= whole.len - (first - start);
}

/* @p view lies in @p input or in the arena. */
static inline bool inside_either(bk_str view, bk_str input)
{
    return inside(view, input) || inside(view, bk_str_at(arena_memory, ARENA_SIZE));
}

/* Takes the first line off an input; all of it is the line when there is no line end. */
static inline bk_str take_line(bk_str *input)
{
    bk_str line = {NULL, 0};
    (void)bk_str_split(input, '\n', &line);
    return line;
}

#endif
