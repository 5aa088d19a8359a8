/**
 * @file backend/metrics.h
 * @brief Counters, gauges and histograms of a whole service, for Prometheus to read.
 *
 * Declare a metric once, before the app runs; count in any handler. All workers of the service
 * count into memory that they share, each at a place of its own, so counting costs a few
 * nanoseconds and takes no lock. Whichever worker is asked for `/metrics` (bk_metrics_serve())
 * answers for all of them. What a worker has counted stays when it dies, and its successor counts
 * on.
 *
 * @code
 * shop->orders = bk_counter_new(app, &(bk_metric_opts){
 *                                        .name = "shop_orders_total",
 *                                        .help = "Orders taken.",
 *                                        .labels = {"channel"},
 *                                    });
 *
 * bk_counter_add(bk_counter_with(shop->orders, BK_LABELS(BK_LIT("web"))), 1);
 * @endcode
 *
 * **Labels.** Each combination of values is a series, and costs memory in every worker and in
 * Prometheus for ever. So their number is bounded: what comes when all `series` are taken is
 * counted under the value "other". Users, paths and ids are no labels.
 *
 * **Names** follow Prometheus: base units (seconds, bytes), a counter ends with `_total`. A wrong
 * declaration stops the program with words.
 */
#ifndef BACKEND_METRICS_H
#define BACKEND_METRICS_H

#include <backend/base.h>

#ifdef __cplusplus
#include <initializer_list>
#endif

/** Most labels that a metric may have. */
#define BK_METRIC_LABELS 8
/** Most buckets of a histogram. */
#define BK_METRIC_BUCKETS 40

/** Values for the labels of a metric, in the order of their names: BK_LABELS(). */
typedef struct bk_labels {
    const bk_str *values; /**< Borrowed for the call. */
    size_t        count;  /**< As many as the metric has labels. */
} bk_labels;

/** @def BK_LABELS
 *  Values for labels: `BK_LABELS(BK_LIT("web"), name)`, each a bk_str. */
#ifdef __cplusplus
static inline bk_labels bk__labels_of(std::initializer_list<bk_str> values)
{
    bk_labels labels = {values.begin(), values.size()};
    return labels;
}
#define BK_LABELS(...) bk__labels_of({__VA_ARGS__})
#else
#define BK_LABELS(...)                                                                             \
    bk__labels_at((const bk_str[]){__VA_ARGS__},                                                   \
                  sizeof((const bk_str[]){__VA_ARGS__}) / sizeof(bk_str))
#endif

BK_BEGIN_DECLS

/** What BK_LABELS() is made of. */
static inline bk_labels bk__labels_at(const bk_str *values, size_t count)
{
    bk_labels labels = {values, count};
    return labels;
}

typedef struct bk_counter   bk_counter;   /**< Only grows. */
typedef struct bk_gauge     bk_gauge;     /**< Goes up and down. */
typedef struct bk_histogram bk_histogram; /**< How values are distributed. */

/** What the service's value of a gauge is, where each worker has its own. */
typedef enum bk_gauge_policy {
    BK_GAUGE_SUM,      /**< Of all workers; the default. */
    BK_GAUGE_MAX,      /**< The largest. */
    BK_GAUGE_MIN,      /**< The smallest. */
    BK_GAUGE_BY_WORKER /**< Each is shown, under a label "worker". */
} bk_gauge_policy;

/** A metric. Zero means default; the texts and buckets are copied. */
typedef struct bk_metric_opts {
    const char   *name;                     /**< Letters, digits, "_" and ":". */
    const char   *help;                     /**< One sentence. */
    const char   *labels[BK_METRIC_LABELS]; /**< Their names. Default none. */
    uint32_t      series;  /**< Combinations of label values that are told apart. Default 100. */
    const double *buckets; /**< Of a histogram: upper bounds, ascending; that of infinity comes
                                by itself. Default: seconds, from 5 ms to 10 s. */
    size_t          bucket_count; /**< How many. */
    bk_gauge_policy policy;       /**< Of a gauge. */
} bk_metric_opts;

/**
 * Declares a counter of @p app, before the app runs. The same name again, with the same labels, is
 * the same metric.
 *
 * @return Borrowed from the app. Without labels it is counted in directly; with labels, in what
 *         bk_counter_with() returns.
 */
BK_API BK_NODISCARD bk_counter *bk_counter_new(bk_app *app, const bk_metric_opts *opts);
/** Declares a gauge. */
BK_API BK_NODISCARD bk_gauge *bk_gauge_new(bk_app *app, const bk_metric_opts *opts);
/** Declares a histogram. */
BK_API BK_NODISCARD bk_histogram *bk_histogram_new(bk_app *app, const bk_metric_opts *opts);

/**
 * The series of @p counter with these label values: some tens of nanoseconds. What is looked up
 * before the app runs is shown from the start, with 0, and may be kept in place of looking again.
 *
 * @param labels  As many values as @p counter has labels. Together with one byte for each they may
 *                be 190 bytes long; longer ones count as "other".
 * @return Borrowed from the app.
 */
BK_API bk_counter *bk_counter_with(bk_counter *counter, bk_labels labels);
/** The series of @p gauge with these label values. */
BK_API bk_gauge *bk_gauge_with(bk_gauge *gauge, bk_labels labels);
/** The series of @p histogram with these label values. */
BK_API bk_histogram *bk_histogram_with(bk_histogram *histogram, bk_labels labels);

/** Adds @p amount, which is not negative. */
BK_API void bk_counter_add(bk_counter *counter, double amount);

/** Adds what a total that is kept elsewhere has grown by since the last call. One that has become
 *  smaller was begun anew and is added whole. For bk_metrics_sample(). */
BK_API void bk_counter_follow(bk_counter *counter, double total);

/** This worker's value. One that was never set is not shown. */
BK_API void bk_gauge_set(bk_gauge *gauge, double value);

/** Adds @p amount, which may be negative, to this worker's value. */
BK_API void bk_gauge_add(bk_gauge *gauge, double amount);

/** Counts @p value, in seconds or bytes or what the name says. NaN is ignored. */
BK_API void bk_histogram_observe(bk_histogram *histogram, double value);

/** Looks at something and sets gauges. On no fiber: must not wait. */
typedef void (*bk_sample_fn)(void *data);

/** Has @p fn called in each worker, once a second and whenever this worker is asked for metrics:
 *  for what is known already and need not be counted. Only where metrics are served
 *  (bk_metrics_serve()). Before the app runs. */
BK_API void bk_metrics_sample(bk_app *app, bk_sample_fn fn, void *data);

/**
 * Serves the metrics of @p app, of all its workers, in Prometheus' text format, and has requests,
 * loop and process measured (docs/guide/metrics-and-health.md lists all). Before the app runs.
 *
 * @param router  Where; NULL: the app's own. One of another app, which runs on another port, keeps
 *                them from the public: it shows what is at most a second old.
 * @param path    Default "/metrics".
 */
BK_API void bk_metrics_serve(bk_app *app, bk_router *router, const char *path);

BK_END_DECLS

#endif
