/**
 * @file backend/otlp.h
 * @brief Traces leave the process: spans to a collector, by OTLP over HTTP.
 *
 * @code
 * bk_otlp_new(app, NULL); // early; where OTEL_EXPORTER_OTLP_ENDPOINT is set, spans go there
 * bk_use(root, bk_mw_trace(app, NULL));
 * @endcode
 *
 * Each worker collects the spans of its sampled traces (backend/trace.h) and posts them in batches
 * as JSON, which OpenTelemetry's collector, Jaeger, Tempo and others take on port 4318.
 *
 * **A collector that does not answer costs spans, and neither requests nor memory.** One batch is
 * on its way at a time. It is sent again after 429, 502, 503, 504 or no answer, later each time and
 * not before `Retry-After`; after eight times it is dropped, as with any other answer that is no
 * 2xx. Meanwhile up to `spans` wait, and what is more is dropped. What was dropped is logged
 * (`otlp.dropped`), once a minute at most, and counted in the metric `trace_spans_dropped_total`.
 *
 * **At the end** what waits is sent within `stop_ms`. Declare it before the parts that make spans
 * until they stop, for parts stop in reverse order.
 *
 * **The environment** is that of OpenTelemetry's SDKs; an option that is set goes before it. A name
 * with TRACES_ goes before the one without.
 *
 * | variable | |
 * |---|---|
 * | OTEL_EXPORTER_OTLP_ENDPOINT | `http://127.0.0.1:4318`; `/v1/traces` is added |
 * | OTEL_EXPORTER_OTLP_TRACES_ENDPOINT | the whole URL |
 * | OTEL_EXPORTER_OTLP_[TRACES_]HEADERS | `authorization=Bearer%20x,tenant=7` |
 * | OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT | milliseconds |
 * | OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE | PEM file |
 * | OTEL_SERVICE_NAME | |
 * | OTEL_RESOURCE_ATTRIBUTES | `deployment.environment.name=staging` |
 * | OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE | |
 * | OTEL_SDK_DISABLED=true, OTEL_TRACES_EXPORTER=none | nothing is exported |
 */
#ifndef BACKEND_OTLP_H
#define BACKEND_OTLP_H

#include <backend/base.h>

BK_BEGIN_DECLS

/** Exports the spans of an app. */
typedef struct bk_otlp bk_otlp;

/** Settings. Zero means: as the environment says, else the default. Texts are copied. */
typedef struct bk_otlp_opts {
    const char *endpoint; /**< Of the collector, without "/v1/traces". Default: without one in the
                               environment either, nothing is exported. */
    const char *headers;  /**< Of each request, as in the environment: "name=value,..." with values
                               percent-encoded. Default none. */
    const char *service;  /**< `service.name`. Default "unknown_service:" and the program's name. */
    const char *resource; /**< More attributes of the service, written as headers are. Where they
                               are in OTEL_RESOURCE_ATTRIBUTES too, these count. */
    const char *ca_file;  /**< PEM file of the authorities to trust. Default: the system's. */
    uint32_t    interval_ms; /**< Between batches, while no more than half of `spans` wait. Default
                                  5,000. */
    uint32_t timeout_ms;     /**< Of a request. Default 10,000. */
    uint32_t stop_ms;        /**< To send what waits when the app stops. Default 3,000. */
    uint32_t spans;          /**< That may wait, some 550 bytes each. Default 2,048; at most
                                  1,000,000. */
    uint32_t batch;          /**< Most spans of a request. Default 512; at most 10,000. */
} bk_otlp_opts;

/** Counters of spans since the start of the worker. */
typedef struct bk_otlp_stats {
    uint64_t exported; /**< Taken by the collector. */
    uint64_t dropped;  /**< Lost: there was no room, or the collector did not take them. */
    uint64_t waiting;  /**< Kept until they are sent. */
    uint64_t requests; /**< To the collector, whatever came of them. */
} bk_otlp_stats;

/**
 * Declares the exporter of @p app, before the app runs. Wrong settings, also in the environment,
 * stop the program with words. An app has one at most.
 *
 * @param opts  May be NULL.
 * @return Borrowed from the app; NULL where nothing is exported.
 */
BK_API bk_otlp *bk_otlp_new(bk_app *app, const bk_otlp_opts *opts);

/** Fills @p stats; with zeros where @p otlp is NULL. */
BK_API void bk_otlp_get_stats(const bk_otlp *otlp, bk_otlp_stats *stats);

BK_END_DECLS

#endif
