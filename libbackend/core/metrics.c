/*
 * metrics.c: declaring metrics, and counting. See metrics.h.
 */
#include "core/metrics.h"

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/shared.h"

enum {
    AREA_BYTES = 16384, /* of a slot, for small metrics together */
    PAGE = 4096,
    USED_BYTES = BK__METRIC_SLOTS
};

/* Memory with a part for each slot; metrics lie in it one after another. */
struct bk__metric_area {
    struct bk__metric_area *next;
    char *memory;
    size_t slot_bytes, taken; /* of a slot */
};

void bk__metrics_init(struct bk__metrics *metrics)
{
    *metrics = (struct bk__metrics){
        .used = bk__shared_new(USED_BYTES),
        .slot = BK__METRIC_HOST,
        .seed = bk__seed_new(),
    };
    metrics->last = &metrics->first;
    metrics->last_sampler = &metrics->samplers;
    atomic_store(&metrics->used[BK__METRIC_HOST], 1);
}

static void free_metric(struct bk__metric *metric)
{
    bk__series_free(metric);
    for (size_t i = 0; i < metric->label_count; i++)
        free(metric->labels[i]);
    free(metric->name);
    free(metric->help);
    free(metric);
}

void bk__metrics_fini(struct bk__metrics *metrics)
{
    for (struct bk__metric *next, *it = metrics->first; it != NULL; it = next) {
        next = it->next;
        free_metric(it);
    }
    for (struct bk__sampler *next, *it = metrics->samplers; it != NULL; it = next) {
        next = it->next;
        if (it->free != NULL)
            it->free(it->data);
        free(it);
    }
    for (struct bk__metric_area *next, *it = metrics->areas; it != NULL; it = next) {
        next = it->next;
        bk__shared_free(it->memory, it->slot_bytes * BK__METRIC_SLOTS);
        free(it);
    }
    bk__shared_free((void *)metrics->used, USED_BYTES);
}

/* Room for @p metric in each slot. */
static void claim(struct bk__metrics *metrics, struct bk__metric *metric, size_t bytes)
{
    struct bk__metric_area *area = metrics->areas;

    if (area == NULL || area->slot_bytes - area->taken < bytes) {
        area = calloc(1, sizeof *area);
        bk_assert(area != NULL);
        area->slot_bytes = bytes <= AREA_BYTES ? AREA_BYTES : (bytes + PAGE - 1) / PAGE * PAGE;
        area->memory = bk__shared_new(area->slot_bytes * BK__METRIC_SLOTS);
        area->next = metrics->areas;
        metrics->areas = area;
    }
    metric->memory = area->memory + area->taken;
    metric->stride = area->slot_bytes;
    area->taken += bytes;
}

/* --- declaring -------------------------------------------------------------------------------- */

static bool is_name(const char *text, bool colons)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

    if (text == NULL || *text == '\0')
        return false;
    for (const char *at = text; *at != '\0'; at++)
        if (strchr(letters, *at) == NULL && !(colons && *at == ':') &&
            !(at != text && *at >= '0' && *at <= '9'))
            return false;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void check_label(const bk_metric_opts *opts, enum bk__metric_kind kind, const char *label)
{
    bool taken = strncmp(label, "__", 2) == 0 || (kind == BK__HISTOGRAM && !strcmp(label, "le")) ||
                 (opts->policy == BK_GAUGE_BY_WORKER && !strcmp(label, "worker"));

    if (!is_name(label, false) || taken)
        bk__setup_error(opts->name, 0, "\"%s\" cannot be a label of this metric", label);
}

static void check(const bk_metric_opts *opts, enum bk__metric_kind kind)
{
    if (!is_name(opts->name, true))
        bk__setup_error("bk_metric_opts", 0, "\"%s\" is no name of a metric",
                        opts->name != NULL ? opts->name : "");
    if ((kind == BK__COUNTER) != ends_with(opts->name, "_total"))
        bk__setup_error(opts->name, 0, "a counter's name ends with _total, no other's does");
    if (opts->help == NULL || *opts->help == '\0')
        bk__setup_error(opts->name, 0, "a metric needs a help text");
    if (kind != BK__GAUGE && opts->policy != BK_GAUGE_SUM)
        bk__setup_error(opts->name, 0, "only a gauge has a policy");
    if (kind != BK__HISTOGRAM && opts->buckets != NULL)
        bk__setup_error(opts->name, 0, "only a histogram has buckets");
    for (size_t i = 0; i < BK_METRIC_LABELS && opts->labels[i] != NULL; i++)
        check_label(opts, kind, opts->labels[i]);
}

static char *copy(const char *text)
{
    char *own = strdup(text);

    bk_assert(own != NULL);
    return own;
}

static size_t count_cells(const struct bk__metric *metric)
{
    return metric->kind == BK__HISTOGRAM ? metric->bound_count + 2 : 1;
}

static struct bk__metric *new_metric(struct bk__metrics *metrics, enum bk__metric_kind kind,
                                     const bk_metric_opts *opts)
{
    struct bk__metric *metric = calloc(1, sizeof *metric);

    bk_assert(metric != NULL);
    metric->owner = metrics;
    metric->kind = kind;
    metric->policy = opts->policy;
    metric->name = copy(opts->name);
    metric->help = copy(opts->help);
    while (metric->label_count < BK_METRIC_LABELS && opts->labels[metric->label_count] != NULL) {
        metric->labels[metric->label_count] = copy(opts->labels[metric->label_count]);
        metric->label_count++;
    }
    if (kind == BK__HISTOGRAM)
        bk__histogram_bounds(metric, opts);
    metric->cell_count = count_cells(metric);
    metric->entry_bytes = metric->cell_count * sizeof(bk__cell);
    metric->series_max = 1;
    metric->root.metric = metric;
    if (metric->label_count != 0) {
        metric->entry_bytes += BK__LABEL_ROOM + 2; /* the length, and to a multiple of 8 */
        metric->series_max = opts->series != 0 ? opts->series : 100;
    }
    claim(metrics, metric, sizeof(uint64_t) + (metric->series_max + 1) * metric->entry_bytes);
    bk__series_enter(metric);
    return metric;
}

static bool is_same(const struct bk__metric *metric, enum bk__metric_kind kind,
                    const bk_metric_opts *opts)
{
    for (size_t i = 0; i < BK_METRIC_LABELS; i++) {
        const char *own = metric->labels[i], *other = opts->labels[i];
        if ((own == NULL) != (other == NULL) || (own != NULL && strcmp(own, other) != 0))
            return false;
        if (own == NULL)
            break;
    }
    return metric->kind == kind && metric->policy == opts->policy;
}

static struct bk__series *declare(bk_app *app, enum bk__metric_kind kind,
                                  const bk_metric_opts *opts)
{
    struct bk__metrics *metrics = bk__metrics_of(app);

    bk_assert(metrics->slot == BK__METRIC_HOST); /* workers that run already would not have it */
    check(opts, kind);
    for (struct bk__metric *it = metrics->first; it != NULL; it = it->next) {
        if (strcmp(it->name, opts->name) != 0)
            continue;
        if (!is_same(it, kind, opts))
            bk__setup_error(opts->name, 0, "is declared twice, and not alike");
        return &it->root;
    }
    struct bk__metric *metric = new_metric(metrics, kind, opts);
    *metrics->last = metric;
    metrics->last = &metric->next;
    return &metric->root;
}

bk_counter *bk_counter_new(bk_app *app, const bk_metric_opts *opts)
{
    return (bk_counter *)declare(app, BK__COUNTER, opts);
}

bk_gauge *bk_gauge_new(bk_app *app, const bk_metric_opts *opts)
{
    return (bk_gauge *)declare(app, BK__GAUGE, opts);
}

bk_histogram *bk_histogram_new(bk_app *app, const bk_metric_opts *opts)
{
    return (bk_histogram *)declare(app, BK__HISTOGRAM, opts);
}

void bk__metrics_add_sampler(struct bk__metrics *metrics, bk_sample_fn fn, void *data,
                             void (*free_data)(void *data))
{
    struct bk__sampler *sampler = calloc(1, sizeof *sampler);

    bk_assert(sampler != NULL && metrics->slot == BK__METRIC_HOST);
    sampler->fn = fn;
    sampler->data = data;
    sampler->free = free_data;
    *metrics->last_sampler = sampler;
    metrics->last_sampler = &sampler->next;
}

void bk_metrics_sample(bk_app *app, bk_sample_fn fn, void *data)
{
    bk__metrics_add_sampler(bk__metrics_of(app), fn, data, NULL);
}

void bk__metrics_run_samplers(const struct bk__metrics *metrics)
{
    for (const struct bk__sampler *it = metrics->samplers; it != NULL; it = it->next)
        it->fn(it->data);
}

/* --- the life of workers ---------------------------------------------------------------------- */

static void enter(struct bk__metrics *metrics, unsigned slot)
{
    metrics->slot = slot;
    for (struct bk__metric *it = metrics->first; it != NULL; it = it->next)
        bk__series_enter(it);
}

void bk__metrics_enter(struct bk__metrics *metrics, unsigned slot)
{
    bk_assert(slot < BK__METRIC_WORKERS);
    bk__metrics_vacate(metrics, slot);
    enter(metrics, slot);
    atomic_store(&metrics->used[slot], 1);
}

void bk__metrics_leave(struct bk__metrics *metrics)
{
    bk__metrics_vacate(metrics, metrics->slot);
    enter(metrics, BK__METRIC_HOST);
}

void bk__metrics_vacate(struct bk__metrics *metrics, unsigned slot)
{
    if (!atomic_load(&metrics->used[slot]))
        return;
    for (struct bk__metric *it = metrics->first; it != NULL; it = it->next) {
        uint32_t count = atomic_load(bk__metric_count(it, slot));
        for (uint32_t i = 0; it->kind == BK__GAUGE && i < count; i++)
            bk__cell_set(bk__entry_cells(it, slot, i), NAN);
    }
}

/* --- counting --------------------------------------------------------------------------------- */

void bk_counter_add(bk_counter *counter, double amount)
{
    bk__cell *cell = counter->series.cells;

    bk_assert(cell != NULL && amount >= 0);
    bk__cell_add(cell, amount);
}

void bk__counter_follow(bk_counter *counter, double *followed, double total)
{
    bk_counter_add(counter, total >= *followed ? total - *followed : total);
    *followed = total;
}

void bk_counter_follow(bk_counter *counter, double total)
{
    bk__counter_follow(counter, &counter->series.followed, total);
}

void bk_gauge_set(bk_gauge *gauge, double value)
{
    bk_assert(gauge->series.cells != NULL);
    bk__cell_set(gauge->series.cells, value);
}

void bk_gauge_add(bk_gauge *gauge, double amount)
{
    bk__cell *cell = gauge->series.cells;

    bk_assert(cell != NULL);
    double before = bk__cell_get(cell);
    bk__cell_set(cell, isnan(before) ? amount : before + amount);
}
