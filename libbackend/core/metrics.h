/*
 * metrics.h: metrics from inside. See <backend/metrics.h>.
 *
 * Each worker writes to a slot of its own in memory that all share, and to no other, with plain
 * loads and stores; who reads sums over the slots. Nothing is locked, for a worker can die at any
 * instruction. A slot:
 *
 *     for each metric:  count | entry | entry | ...      entry: label values, cells
 *
 * An entry is filled before `count` covers it, and never changes its labels after. A worker that
 * starts in a slot finds the entries of its predecessor there and counts on in them; only gauges,
 * which say what is now, are forgotten. Pages cost memory once they are touched, and nobody touches
 * a slot that was never used.
 */
#ifndef BK_CORE_METRICS_H
#define BK_CORE_METRICS_H

#include <math.h>
#include <stdatomic.h>

#include <backend/metrics.h>

#include "core/hash.h"

enum {
    BK__METRIC_WORKERS = 64,              /* slots for workers */
    BK__METRIC_HOST = BK__METRIC_WORKERS, /* that of who declares: a supervisor */
    BK__METRIC_SLOTS = BK__METRIC_WORKERS + 1,
    BK__METRIC_HEADS = 64, /* of a metric's hash table */
    BK__LABEL_ROOM = 190   /* packed: for each value its length in one byte, and its bytes */
};

enum bk__metric_kind {
    BK__COUNTER,
    BK__GAUGE,
    BK__HISTOGRAM
};

/* A number in shared memory; the writer is alone. */
typedef _Atomic double bk__cell;

/* Where this process counts one combination of label values. */
struct bk__series {
    struct bk__metric *metric;
    bk__cell
        *cells; /* in this process' slot; NULL: of a metric with labels, without their values */
    double followed;         /* bk_counter_follow() */
    struct bk__series *next; /* of the same head */
    uint64_t hash;
    bk_str labels; /* packed */
};

struct bk_counter {
    struct bk__series series;
};
struct bk_gauge {
    struct bk__series series;
};
struct bk_histogram {
    struct bk__series series;
};

struct bk__metric {
    struct bk__metric *next;
    struct bk__metrics *owner;
    enum bk__metric_kind kind;
    bk_gauge_policy policy;
    char *name, *help;
    char *labels[BK_METRIC_LABELS];
    size_t label_count;
    double bounds[BK_METRIC_BUCKETS]; /* of a histogram */
    size_t bound_count;
    size_t cell_count; /* of a histogram: one for each bound, one for infinity, the sum */
    size_t entry_bytes;
    uint32_t series_max;            /* entries that are told apart; one more is for "other" */
    char *memory;                   /* this metric's part of slot 0 */
    size_t stride;                  /* from slot to slot */
    struct bk__series root, *other; /* `other` is NULL until it is needed */
    struct bk__series *heads[BK__METRIC_HEADS];
};

struct bk__sampler {
    struct bk__sampler *next;
    bk_sample_fn fn;
    void *data;
    void (*free)(void *data); /* may be NULL */
};

struct bk__metrics {
    struct bk__metric *first, **last;
    struct bk__sampler *samplers, **last_sampler;
    struct bk__metric_area *areas; /* the newest first */
    _Atomic unsigned char *used;   /* shared: slots that were ever used */
    unsigned slot;                 /* where this process counts */
    bool is_sampled;               /* samplers are called */
    struct bk__seed seed;
};

void bk__metrics_init(struct bk__metrics *metrics);
void bk__metrics_fini(struct bk__metrics *metrics);

/* Those of @p app. */
struct bk__metrics *bk__metrics_of(bk_app *app);

/* From now on this process counts in @p slot: a worker starts there. */
void bk__metrics_enter(struct bk__metrics *metrics, unsigned slot);

/* The worker is done: its gauges are forgotten, and this process counts as the host again. */
void bk__metrics_leave(struct bk__metrics *metrics);

/* Forgets the gauges of @p slot, whose worker is dead. By its supervisor. */
void bk__metrics_vacate(struct bk__metrics *metrics, unsigned slot);

/* bk_metrics_sample(), with what frees @p data, which may be NULL. */
void bk__metrics_add_sampler(struct bk__metrics *metrics, bk_sample_fn fn, void *data,
                             void (*free_data)(void *data));

/* Has all that is sampled looked at. */
void bk__metrics_run_samplers(const struct bk__metrics *metrics);

/* bk_counter_follow(), where several are followed in one series: `*followed` is that of one. */
void bk__counter_follow(bk_counter *counter, double *followed, double total);

/* True when @p metric has a series of these values. */
bool bk__series_exists(const struct bk__metric *metric, bk_labels labels);

/* What the workers together have counted under some label values. */
struct bk__reading {
    bk_str labels;  /* packed */
    unsigned slot;  /* of whom; only where a gauge is shown by worker */
    double cells[]; /* metric.cell_count */
};

/* Reads a metric over all slots. @p out  Receives the readings, in the arena. */
size_t bk__metric_read(const struct bk__metric *metric, bk_arena *arena, struct bk__reading ***out);

/* --- for the files of metrics ----------------------------------------------------------------- */

/* The series of a metric with these values, made where there is none. */
struct bk__series *bk__series_of(struct bk__metric *metric, bk_labels labels);

/* Binds all series of a metric to the slot of this process. */
void bk__series_enter(struct bk__metric *metric);

void bk__series_free(struct bk__metric *metric);

/* Fills in bounds and their count. Wrong ones stop the program. */
void bk__histogram_bounds(struct bk__metric *metric, const bk_metric_opts *opts);

static inline _Atomic uint32_t *bk__metric_count(const struct bk__metric *metric, unsigned slot)
{
    return (_Atomic uint32_t *)(void *)(metric->memory + slot * metric->stride);
}

/* The label values of an entry. */
static inline bk_str bk__entry_labels(const struct bk__metric *metric, unsigned slot, uint32_t i)
{
    const unsigned char *entry = (const unsigned char *)metric->memory + slot * metric->stride +
                                 sizeof(uint64_t) + i * metric->entry_bytes;
    bk_str labels = {(const char *)entry + 1, metric->label_count != 0 ? entry[0] : 0};
    return labels;
}

/* They end the entry. */
static inline bk__cell *bk__entry_cells(const struct bk__metric *metric, unsigned slot, uint32_t i)
{
    char *end =
        metric->memory + slot * metric->stride + sizeof(uint64_t) + (i + 1) * metric->entry_bytes;
    return (bk__cell *)(void *)end - metric->cell_count;
}

static inline double bk__cell_get(const bk__cell *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static inline void bk__cell_set(bk__cell *cell, double value)
{
    atomic_store_explicit(cell, value, memory_order_relaxed);
}

static inline void bk__cell_add(bk__cell *cell, double amount)
{
    bk__cell_set(cell, bk__cell_get(cell) + amount);
}

/* Cuts the first value off packed ones. */
static inline bk_str bk__label_cut(bk_str *packed)
{
    size_t len = (unsigned char)packed->ptr[0];
    bk_str value = {packed->ptr + 1, len};

    packed->ptr += 1 + len;
    packed->len -= 1 + len;
    return value;
}

#endif
