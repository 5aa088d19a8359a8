/*
 * metrics_read.c: what all workers have counted, in one. See metrics.h.
 *
 * Who reads sees each cell as it is at some moment of the reading: counters of one series may
 * disagree by what happens meanwhile, but none is ever seen going back.
 */
#include <string.h>

#include <backend/str.h>

#include "core/arena.h"
#include "core/metrics.h"

struct table {
    const struct bk__metric *metric;
    bk_arena *arena;
    struct bk__reading **items; /* in the order in which they were found */
    size_t count;
    struct bk__reading **heads; /* open addressing */
    size_t mask;
};

static bool is_used(const struct bk__metric *metric, unsigned slot)
{
    return atomic_load(&metric->owner->used[slot]) != 0;
}

static uint32_t entries_of(const struct bk__metric *metric, unsigned slot)
{
    return atomic_load_explicit(bk__metric_count(metric, slot), memory_order_acquire);
}

static struct bk__reading *new_reading(struct table *table, bk_str labels, unsigned slot)
{
    size_t bytes = table->metric->cell_count * sizeof(double);
    struct bk__reading *reading = bk__arena_get(table->arena, sizeof *reading + bytes);

    reading->labels = labels;
    reading->slot = slot;
    for (size_t i = 0; i < table->metric->cell_count; i++)
        reading->cells[i] = table->metric->kind == BK__GAUGE ? NAN : 0;
    table->items[table->count++] = reading;
    return reading;
}

static struct bk__reading *reading_of(struct table *table, bk_str labels, unsigned slot)
{
    bool apart = table->metric->policy == BK_GAUGE_BY_WORKER;
    uint64_t hash = bk__hash_seeded(&table->metric->owner->seed, labels.ptr, labels.len) +
                    (apart ? slot * 31 : 0);

    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct bk__reading *it = table->heads[i];
        if (it == NULL)
            return table->heads[i] = new_reading(table, labels, slot);
        if (bk_str_eq(it->labels, labels) && (!apart || it->slot == slot))
            return it;
    }
}

static void merge(const struct bk__metric *metric, double *into, double value)
{
    if (isnan(value))
        return; /* a gauge that was not set */
    if (isnan(*into))
        *into = value;
    else if (metric->policy == BK_GAUGE_MAX)
        *into = fmax(*into, value);
    else if (metric->policy == BK_GAUGE_MIN)
        *into = fmin(*into, value);
    else
        *into += value;
}

static void read_slot(struct table *table, unsigned slot, uint32_t count)
{
    const struct bk__metric *metric = table->metric;

    for (uint32_t i = 0; i < count; i++) {
        struct bk__reading *reading = reading_of(table, bk__entry_labels(metric, slot, i), slot);
        const bk__cell *cells = bk__entry_cells(metric, slot, i);
        for (size_t k = 0; k < metric->cell_count; k++)
            merge(metric, &reading->cells[k], bk__cell_get(&cells[k]));
    }
}

size_t bk__metric_read(const struct bk__metric *metric, bk_arena *arena, struct bk__reading ***out)
{
    struct table table = {.metric = metric, .arena = arena};
    uint32_t counts[BK__METRIC_SLOTS];
    size_t total = 0, size = 4;

    for (unsigned slot = 0; slot < BK__METRIC_SLOTS; slot++) {
        counts[slot] = is_used(metric, slot) ? entries_of(metric, slot) : 0;
        total += counts[slot];
    }
    while (size < 2 * total)
        size *= 2;
    table.mask = size - 1;
    table.items = bk__arena_get(arena, (total + 1) * sizeof *table.items);
    table.heads = bk__arena_get(arena, size * sizeof *table.heads);
    memset(table.heads, 0, size * sizeof *table.heads);
    for (unsigned slot = 0; slot < BK__METRIC_SLOTS; slot++)
        read_slot(&table, slot, counts[slot]);
    *out = table.items;
    return table.count;
}
