/*
 * series.c: the combinations of label values of a metric. See metrics.h.
 *
 * A process knows each by a struct of its own, which stays where it is for as long as the app, so
 * that it may be kept; `cells` is moved when the process gets another slot. What finds no room in
 * the slot counts where "other" does.
 */
#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/metrics.h"

/* Returns the length; 0 when they are too long. */
static size_t pack(bk_labels labels, char packed[BK__LABEL_ROOM])
{
    size_t len = 0;

    for (size_t i = 0; i < labels.count; i++) {
        bk_str value = labels.values[i];
        if (value.len + 1 > BK__LABEL_ROOM - len)
            return 0;
        packed[len++] = (char)(unsigned char)value.len;
        if (value.len != 0)
            memcpy(packed + len, value.ptr, value.len);
        len += value.len;
    }
    return len;
}

/* One value that is none, and Prometheus would refuse the whole answer. */
static bool are_text(bk_labels labels)
{
    for (size_t i = 0; i < labels.count; i++)
        if (labels.values[i].len != 0 && !bk_str_utf8(labels.values[i]))
            return false;
    return true;
}

static struct bk__series *find(const struct bk__metric *metric, uint64_t hash, bk_str labels)
{
    struct bk__series *it = metric->heads[hash % BK__METRIC_HEADS];

    while (it != NULL && (it->hash != hash || !bk_str_eq(it->labels, labels)))
        it = it->next;
    return it;
}

/* Without cells yet. */
static struct bk__series *add(struct bk__metric *metric, uint64_t hash, bk_str labels)
{
    struct bk__series *series = calloc(1, sizeof *series + labels.len);

    bk_assert(series != NULL);
    memcpy(series + 1, labels.ptr, labels.len);
    series->metric = metric;
    series->hash = hash;
    series->labels = bk_str_at((char *)(series + 1), labels.len);
    series->next = metric->heads[hash % BK__METRIC_HEADS];
    metric->heads[hash % BK__METRIC_HEADS] = series;
    return series;
}

static uint64_t hash_of(const struct bk__metric *metric, bk_str labels)
{
    return bk__hash_seeded(&metric->owner->seed, labels.ptr, labels.len);
}

/* A new entry of the slot, below @p max; NULL when there is none left. */
static bk__cell *open_entry(const struct bk__metric *metric, bk_str labels, uint32_t max)
{
    unsigned slot = metric->owner->slot;
    _Atomic uint32_t *count = bk__metric_count(metric, slot);
    uint32_t i = atomic_load_explicit(count, memory_order_relaxed);

    if (i >= max)
        return NULL;
    bk__cell *cells = bk__entry_cells(metric, slot, i);
    for (size_t k = 0; k < metric->cell_count; k++)
        bk__cell_set(&cells[k], metric->kind == BK__GAUGE ? NAN : 0);
    if (metric->label_count != 0) {
        char *text = (char *)(uintptr_t)bk__entry_labels(metric, slot, i).ptr;
        text[-1] = (char)(unsigned char)labels.len;
        memcpy(text, labels.ptr, labels.len);
    }
    atomic_store_explicit(count, i + 1, memory_order_release);
    return cells;
}

/* The one more entry that there is for "other" is not for others, whenever that comes. */
static bk__cell *open_own_entry(const struct bk__metric *metric, bk_str labels)
{
    bool has_other = metric->other != NULL && metric->other->cells != NULL;

    return open_entry(metric, labels, metric->series_max + has_other);
}

/* "other" for each label: known to this process already, or made when @p make is set. */
static struct bk__series *find_other(struct bk__metric *metric, bool make)
{
    bk_str values[BK_METRIC_LABELS];
    char packed[BK__LABEL_ROOM];

    for (size_t i = 0; i < metric->label_count; i++)
        values[i] = BK_LIT("other");
    bk_str labels = bk_str_at(packed, pack(bk__labels_at(values, metric->label_count), packed));
    uint64_t hash = hash_of(metric, labels);
    struct bk__series *series = find(metric, hash, labels);
    return series != NULL || !make ? series : add(metric, hash, labels);
}

/* Where all is counted that finds no room. */
static bk__cell *other_cells(struct bk__metric *metric)
{
    if (metric->other == NULL)
        metric->other = find_other(metric, true);
    if (metric->other->cells == NULL)
        metric->other->cells = open_entry(metric, metric->other->labels, metric->series_max + 1);
    bk_assert(metric->other->cells != NULL);
    return metric->other->cells;
}

static struct bk__series *other_of(struct bk__metric *metric)
{
    (void)other_cells(metric);
    return metric->other;
}

struct bk__series *bk__series_of(struct bk__metric *metric, bk_labels labels)
{
    char packed[BK__LABEL_ROOM];

    bk_assert(labels.count == metric->label_count && labels.count != 0);
    bk_str key = bk_str_at(packed, pack(labels, packed));
    if (key.len == 0)
        return other_of(metric);
    uint64_t hash = hash_of(metric, key);
    struct bk__series *series = find(metric, hash, key);
    if (series != NULL)
        return series;
    bk__cell *cells = are_text(labels) ? open_own_entry(metric, key) : NULL;
    if (cells == NULL)
        return other_of(metric);
    series = add(metric, hash, key);
    series->cells = cells;
    return series;
}

bool bk__series_exists(const struct bk__metric *metric, bk_labels labels)
{
    char packed[BK__LABEL_ROOM];
    bk_str key = bk_str_at(packed, pack(labels, packed));

    return find(metric, hash_of(metric, key), key) != NULL;
}

/* What a predecessor, or an earlier life of this process, has left in the slot. */
static void take_over(struct bk__metric *metric)
{
    unsigned slot = metric->owner->slot;
    uint32_t count = atomic_load(bk__metric_count(metric, slot));

    for (uint32_t i = 0; i < count; i++) {
        bk_str labels = bk__entry_labels(metric, slot, i);
        uint64_t hash = hash_of(metric, labels);
        struct bk__series *series = find(metric, hash, labels);
        if (series == NULL)
            series = add(metric, hash, labels);
        series->cells = bk__entry_cells(metric, slot, i);
    }
    if (metric->other == NULL)
        metric->other = find_other(metric, false);
}

void bk__series_enter(struct bk__metric *metric)
{
    unsigned slot = metric->owner->slot;

    if (metric->label_count == 0) {
        if (atomic_load(bk__metric_count(metric, slot)) == 0)
            (void)open_entry(metric, bk_str_at("", 0), 1);
        metric->root.cells = bk__entry_cells(metric, slot, 0);
        return;
    }
    for (size_t i = 0; i < BK__METRIC_HEADS; i++)
        for (struct bk__series *it = metric->heads[i]; it != NULL; it = it->next)
            it->cells = NULL;
    take_over(metric);
    for (size_t i = 0; i < BK__METRIC_HEADS; i++) {
        for (struct bk__series *it = metric->heads[i]; it != NULL; it = it->next) {
            if (it->cells == NULL && it != metric->other)
                it->cells = open_own_entry(metric, it->labels);
            if (it->cells == NULL)
                it->cells = other_cells(metric);
        }
    }
}

void bk__series_free(struct bk__metric *metric)
{
    for (size_t i = 0; i < BK__METRIC_HEADS; i++) {
        for (struct bk__series *next, *it = metric->heads[i]; it != NULL; it = next) {
            next = it->next;
            free(it);
        }
    }
}

bk_counter *bk_counter_with(bk_counter *counter, bk_labels labels)
{
    return (bk_counter *)bk__series_of(counter->series.metric, labels);
}

bk_gauge *bk_gauge_with(bk_gauge *gauge, bk_labels labels)
{
    return (bk_gauge *)bk__series_of(gauge->series.metric, labels);
}

bk_histogram *bk_histogram_with(bk_histogram *histogram, bk_labels labels)
{
    return (bk_histogram *)bk__series_of(histogram->series.metric, labels);
}
