/*
 * stats.c: structs of statistics as metrics. See stats.h.
 */
#include "core/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/metrics.h"

#define SERIES 16 /* where the type says nothing */

/* One object's metrics, as its sampler has them. Freed with the registry, by its first member. */
struct sampled {
    const struct bk__stats_type *type;
    const void *object;
    char name[96];
    struct {
        bk_counter *counter; /* one of the two */
        bk_gauge *gauge;
        double followed; /* of the counter */
    } of[];
};

static bool is_counter(const struct bk__stat *stat)
{
    size_t len = strlen(stat->name);

    return len > 6 && strcmp(stat->name + len - 6, "_total") == 0;
}

static double member_of(const char *stats, const struct bk__stat *stat)
{
    uint64_t wide;
    uint32_t narrow;

    if (stat->size == sizeof wide) {
        memcpy(&wide, stats + stat->offset, sizeof wide);
        return (double)wide;
    }
    if (stat->size == sizeof narrow) {
        memcpy(&narrow, stats + stat->offset, sizeof narrow);
        return narrow;
    }
    bk_assert(stat->size == sizeof(bool));
    return stats[stat->offset] != 0;
}

static void sample(void *data)
{
    struct sampled *self = data;
    _Alignas(max_align_t) char stats[BK__STATS_BYTES];

    self->type->read(self->object, stats);
    for (size_t i = 0; i < self->type->count; i++) {
        double value = member_of(stats, &self->type->stats[i]);
        if (self->of[i].counter != NULL)
            bk__counter_follow(self->of[i].counter, &self->of[i].followed, value);
        else
            bk_gauge_set(self->of[i].gauge, value);
    }
}

static bk_metric_opts opts_of(const struct bk__stats_type *type, const struct bk__stat *stat)
{
    return (bk_metric_opts){
        .name = stat->name,
        .help = stat->help,
        .labels = {type->label, stat->label},
        .series = type->series != 0 ? type->series : SERIES,
        .policy = is_counter(stat) ? BK_GAUGE_SUM : type->policy,
    };
}

static void add(bk_app *app, struct sampled *self, size_t i)
{
    const struct bk__stat *stat = &self->type->stats[i];
    bk_metric_opts opts = opts_of(self->type, stat);
    const bk_str values[] = {bk_str_of(self->name), bk_str_of(stat->value)};
    bk_labels labels = bk__labels_at(values, stat->label != NULL ? 2 : 1);

    if (is_counter(stat))
        self->of[i].counter = bk_counter_with(bk_counter_new(app, &opts), labels);
    else
        self->of[i].gauge = bk_gauge_with(bk_gauge_new(app, &opts), labels);
}

static bool is_taken(bk_app *app, const struct bk__stats_type *type, bk_str name)
{
    const struct bk__stat *stat = &type->stats[0];
    const bk_str values[] = {name, bk_str_of(stat->value)};

    for (const struct bk__metric *it = bk__metrics_of(app)->first; it != NULL; it = it->next)
        if (strcmp(it->name, stat->name) == 0)
            return bk__series_exists(it, bk__labels_at(values, stat->label != NULL ? 2 : 1));
    return false;
}

bk_str bk__stats_sample(bk_app *app, const struct bk__stats_type *type, const char *name,
                        const void *object)
{
    struct sampled *self = calloc(1, sizeof *self + type->count * sizeof self->of[0]);

    bk_assert(self != NULL);
    self->type = type;
    self->object = object;
    snprintf(self->name, sizeof self->name, "%s", name);
    for (unsigned i = 2; is_taken(app, type, bk_str_of(self->name)); i++)
        snprintf(self->name, sizeof self->name, "%.80s-%u", name, i);
    for (size_t i = 0; i < type->count; i++)
        add(app, self, i);
    bk__metrics_add_sampler(bk__metrics_of(app), sample, self, free);
    return bk_str_of(self->name);
}
