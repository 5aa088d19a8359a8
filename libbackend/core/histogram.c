/*
 * histogram.c: values by size. See metrics.h.
 *
 * A cell for each bucket and one for what is larger than all bounds; the sum comes last. How many
 * there were in all is the sum of the buckets, so the two can never disagree.
 */
#include <string.h>

#include "core/assert.h"
#include "core/metrics.h"

/* Of OpenTelemetry's http.server.request.duration, in seconds. */
static const double durations[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                   0.5,   0.75, 1,     2.5,  5,     7.5, 10};

void bk__histogram_bounds(struct bk__metric *metric, const bk_metric_opts *opts)
{
    const double *bounds = opts->buckets != NULL ? opts->buckets : durations;
    size_t count =
        opts->buckets != NULL ? opts->bucket_count : sizeof durations / sizeof durations[0];

    if (count == 0 || count > BK_METRIC_BUCKETS)
        bk__setup_error(opts->name, 0, "has %zu buckets, it may have 1 to %d", count,
                        BK_METRIC_BUCKETS);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(bounds[i]) || (i != 0 && bounds[i] <= bounds[i - 1]))
            bk__setup_error(opts->name, 0, "the bounds of its buckets do not ascend");
    memcpy(metric->bounds, bounds, count * sizeof *bounds);
    metric->bound_count = count;
}

void bk_histogram_observe(bk_histogram *histogram, double value)
{
    const struct bk__metric *metric = histogram->series.metric;
    bk__cell *cells = histogram->series.cells;
    size_t i = 0;

    bk_assert(cells != NULL);
    if (isnan(value))
        return;
    while (i < metric->bound_count && value > metric->bounds[i])
        i++;
    bk__cell_add(&cells[i], 1);
    bk__cell_add(&cells[metric->bound_count + 1], value);
}
