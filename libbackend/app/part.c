/*
 * part.c: starting, draining, stopping and freeing an app's parts. See part.h.
 */
#include "app/part.h"

#include <stdlib.h>

#include "app/app.h"
#include "app/step.h"
#include "core/assert.h"
#include "core/list.h"

struct part {
    struct bk__link link; /* in bk_app.parts */
    const bk_part_type *type;
    void *data;
    bool is_started;
};

void bk_app_part(bk_app *app, const bk_part_type *type, void *data)
{
    bk_assert(app->loop == NULL); /* a running app would never start it */
    struct part *part = calloc(1, sizeof *part);
    bk_assert(part != NULL);
    part->type = type;
    part->data = data;
    bk__list_push(&app->parts, &part->link);
}

static bk_err start(void *data)
{
    struct part *part = data;

    return part->type->start(part->data);
}

bk_err bk__parts_start(bk_app *app)
{
    bk__list_each(it, &app->parts) {
        struct part *part = bk__container_of(it, struct part, link);
        if (part->type->start != NULL)
            BK_TRY(bk__step_run(app->loop, part->type->name, start, part));
        part->is_started = true;
    }
    return BK_OK;
}

void bk__parts_drain(bk_app *app)
{
    bk__list_each(it, &app->parts) {
        struct part *part = bk__container_of(it, struct part, link);
        if (part->is_started && part->type->drain != NULL)
            part->type->drain(part->data);
    }
}

static bk_err stop(void *data)
{
    struct part *part = data;

    part->type->stop(part->data);
    return BK_OK;
}

void bk__parts_stop(bk_app *app)
{
    for (struct bk__link *it = app->parts.anchor.prev; it != &app->parts.anchor; it = it->prev) {
        struct part *part = bk__container_of(it, struct part, link);
        if (part->is_started && part->type->stop != NULL) {
            bk__step_end_fibers(app->loop);
            (void)!bk__step_run(app->loop, part->type->name, stop, part);
        }
        part->is_started = false;
    }
}

void bk__parts_free(bk_app *app)
{
    while (!bk__list_empty(&app->parts)) {
        struct part *part = bk__container_of(app->parts.anchor.prev, struct part, link);
        bk__list_remove(&part->link);
        if (part->type->free != NULL)
            part->type->free(part->data);
        free(part);
    }
}
