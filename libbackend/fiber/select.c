/*
 * select.c: waits for the first of several sources that is ready. See select.h.
 *
 * A signal hands nothing over: it wakes every fiber that selects on the source, and each looks
 * again at all of its sources. So a fiber that leaves has taken nothing, an item that somebody else
 * took meanwhile is no matter, and a source may stand in many lists, or twice in one.
 */
#include "fiber/select.h"

#include "core/assert.h"
#include "fiber/fiber.h"

enum {
    SOURCES_MAX = 16
};

/* Lies on the stack of the fiber that selects. */
struct selecting {
    struct bk__link link; /* in its source's list */
    bk_fiber *fiber;
};

void bk__source_init(struct bk_source *source, bool (*ready)(const struct bk_source *source))
{
    source->ready = ready;
    bk__list_init(&source->selecting);
}

void bk__source_fini(const struct bk_source *source)
{
    bk_assert(bk__list_empty(&source->selecting));
}

void bk__source_wake(const struct bk_source *source)
{
    bk__list_each(it, &source->selecting)
        bk_fiber_wake(bk__container_of(it, struct selecting, link)->fiber);
}

/* The index of the first that is ready; @p count when none is. */
static size_t first_ready(bk_source *const *sources, size_t count)
{
    size_t i = 0;

    while (i < count && !sources[i]->ready(sources[i]))
        i++;
    return i;
}

/* What is ready counts, even where a cancel or the deadline woke the fiber. */
BK_YIELDS static bk_err wait_for_one(bk_source *const *sources, size_t count, size_t *index)
{
    struct selecting places[SOURCES_MAX];
    size_t ready;
    bk_err err;

    for (size_t i = 0; i < count; i++) {
        places[i].fiber = bk_fiber_self();
        bk__list_push(&sources[i]->selecting, &places[i].link);
    }
    do {
        err = bk__fiber_wait(BK__NEVER);
        ready = first_ready(sources, count);
    } while (err == BK_OK && ready == count);
    for (size_t i = 0; i < count; i++)
        bk__list_remove(&places[i].link);
    if (ready == count)
        return err;
    *index = ready;
    return BK_OK;
}

bk_err bk_select(bk_source *const *sources, size_t count, size_t *index)
{
    bk_assert(count != 0 && count <= SOURCES_MAX);
    size_t ready = first_ready(sources, count);

    if (ready == count)
        return wait_for_one(sources, count, index);
    *index = ready;
    return BK_OK;
}
