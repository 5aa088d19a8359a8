/*
 * otlp_settings.c: what options and environment say of the exporter, by the names and rules of
 * OpenTelemetry (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). An empty variable is
 * one that is not set. Unlike there, what is wrong is an error and not a warning.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "client/client.h"
#include "core/encode.h"
#include "ops/otlp.h"

#define SPANS_MAX 1000000
#define BATCH_MAX 10000

/* --- the environment -------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : NULL;
}

/* OTEL_EXPORTER_OTLP_TRACES_@p name, else without TRACES_; @p found receives which. */
static const char *either(bk_arena *arena, const char *name, const char **found)
{
    *found = bk_arena_printf(arena, "OTEL_EXPORTER_OTLP_TRACES_%s", name).ptr;
    const char *value = variable(*found);
    if (value != NULL)
        return value;
    *found = bk_arena_printf(arena, "OTEL_EXPORTER_OTLP_%s", name).ptr;
    return variable(*found);
}

static bool is_switched_off(void)
{
    const char *disabled = variable("OTEL_SDK_DISABLED"),
               *exporter = variable("OTEL_TRACES_EXPORTER");

    return (disabled != NULL && strcasecmp(disabled, "true") == 0) ||
           (exporter != NULL && strcmp(exporter, "none") == 0);
}

/* --- pairs ------------------------------------------------------------------------------------ */

static bk_err read_pair(bk_arena *arena, bk_str member, struct bk__otlp_pair *out)
{
    bk_str name;

    (void)bk_str_split(&member, '=', &name);
    if (!bk_str_present(member))
        return bk_fail(BK_EINVAL, "\"%.*s\" is followed by no \"=\"", BK_PRI(name));
    name = bk_str_trim(name);
    if (name.len == 0)
        return bk_fail(BK_EINVAL, "a value has no name before it");
    if (bk__percent_decode(arena, name, false, &out->key) != BK_OK ||
        bk__percent_decode(arena, bk_str_trim(member), false, &out->value) != BK_OK)
        return bk_fail(BK_EINVAL, "%.*s: \"%%\" is followed by no two hexadecimal digits",
                       BK_PRI(name));
    out->key = bk_arena_dup(arena, out->key);
    out->value = bk_arena_dup(arena, out->value);
    return BK_OK;
}

bk_err bk__otlp_pairs(bk_arena *arena, bk_str text, struct bk__otlp_pair **out)
{
    size_t count = 0, most = 1;
    bk_str member;

    for (size_t i = 0; i < text.len; i++)
        most += text.ptr[i] == ',';
    struct bk__otlp_pair *pairs = bk_arena_zalloc(arena, (most + 1) * sizeof *pairs);
    while (bk_str_split(&text, ',', &member))
        if (bk_str_trim(member).len != 0)
            BK_TRY(read_pair(arena, member, &pairs[count++]));
    *out = pairs;
    return BK_OK;
}

/* The same, with words that begin with @p name. */
static bk_err read_pairs(bk_arena *arena, const char *name, const char *text,
                         struct bk__otlp_pair **out)
{
    bk_err err = bk__otlp_pairs(arena, bk_str_of(text), out);

    if (err != BK_OK)
        (void)bk_context(err, "%s", name);
    return err;
}

static const struct bk__otlp_pair *find(const struct bk__otlp_pair *pairs, bk_str key)
{
    for (; bk_str_present(pairs->key); pairs++)
        if (bk_str_eq(pairs->key, key))
            return pairs;
    return NULL;
}

static size_t count_of(const struct bk__otlp_pair *pairs)
{
    size_t count = 0;

    while (bk_str_present(pairs[count].key))
        count++;
    return count;
}

/* --- the service ------------------------------------------------------------------------------ */

/* Each key once: of @p environment what is not in @p opts, and never service.name. */
static const struct bk__otlp_pair *merge(bk_arena *arena, const struct bk__otlp_pair *opts,
                                         const struct bk__otlp_pair *environment)
{
    const struct bk__otlp_pair *const lists[] = {opts, environment};
    size_t most = count_of(opts) + count_of(environment) + 1, count = 0;
    struct bk__otlp_pair *all = bk_arena_zalloc(arena, most * sizeof *all);

    for (size_t i = 0; i < 2; i++)
        for (const struct bk__otlp_pair *it = lists[i]; bk_str_present(it->key); it++)
            if (!bk_str_eq(it->key, BK_LIT("service.name")) && find(all, it->key) == NULL)
                all[count++] = *it;
    return all;
}

static bk_err read_service(bk_arena *arena, const bk_otlp_opts *opts, struct bk__otlp_settings *out)
{
    struct bk__otlp_pair *own, *environment;
    const char *name = opts->service != NULL ? opts->service : variable("OTEL_SERVICE_NAME");

    BK_TRY(read_pairs(arena, "resource", opts->resource, &own));
    BK_TRY(read_pairs(arena, "OTEL_RESOURCE_ATTRIBUTES", variable("OTEL_RESOURCE_ATTRIBUTES"),
                      &environment));
    const struct bk__otlp_pair *named = find(own, BK_LIT("service.name"));
    if (named == NULL)
        named = find(environment, BK_LIT("service.name"));
    if (name != NULL)
        out->service = bk_arena_dup(arena, bk_str_of(name));
    else if (named != NULL)
        out->service = named->value;
    else
        out->service = bk_arena_printf(arena, "unknown_service:%s", program_invocation_short_name);
    out->resource = merge(arena, own, environment);
    return BK_OK;
}

/* --- the collector ---------------------------------------------------------------------------- */

static bk_err read_headers(bk_arena *arena, const bk_otlp_opts *opts, struct bk__otlp_settings *out)
{
    struct bk__otlp_pair *pairs;
    const char *name = "headers", *text = opts->headers;

    if (text == NULL)
        text = either(arena, "HEADERS", &name);
    BK_TRY(read_pairs(arena, name, text, &pairs));
    size_t count = count_of(pairs);
    bk_http_header *headers = bk_arena_zalloc(arena, (count + 1) * sizeof *headers);
    for (size_t i = 0; i < count; i++)
        headers[i] = (bk_http_header){pairs[i].key, pairs[i].value};
    out->headers = headers;
    return bk_context(
        bk__http_request_check(&(bk_http_request){.url = out->url, .headers = headers}), "%s",
        name);
}

static bk_err read_endpoint(bk_arena *arena, const bk_otlp_opts *opts,
                            struct bk__otlp_settings *out)
{
    const char *name = "endpoint", *base = opts->endpoint;

    if (base == NULL)
        base = variable(name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    if (base != NULL && base != opts->endpoint) {
        out->url = bk_arena_dup(arena, bk_str_of(base));
    } else {
        if (base == NULL)
            base = variable(name = "OTEL_EXPORTER_OTLP_ENDPOINT");
        if (base == NULL)
            return BK_OK;
        bk_str text = bk_str_of(base);
        while (text.len > 0 && text.ptr[text.len - 1] == '/')
            text.len--;
        out->url = bk_arena_printf(arena, "%.*s/v1/traces", BK_PRI(text));
    }
    return bk_context(bk__http_request_check(&(bk_http_request){.url = out->url}), "%s", name);
}

/* The only form is JSON, which who speaks the other over HTTP takes as well. */
static void read_protocol(bk_arena *arena, struct bk__otlp_settings *out)
{
    const char *name, *protocol = either(arena, "PROTOCOL", &name);

    if (protocol != NULL && strncmp(protocol, "http/", 5) != 0)
        out->protocol = bk_arena_cstr(arena, bk_str_of(protocol));
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* @p value, else the variable, else @p fallback; from 1 up to @p most. */
static bk_err read_number(const char *name, uint32_t value, const char *text, uint32_t fallback,
                          uint32_t most, uint32_t *out)
{
    int64_t number = value != 0 ? value : fallback;

    if (value == 0 && text != NULL && bk_str_to_i64(bk_str_of(text), &number) != BK_OK)
        number = 0;
    if (number < 1 || number > most)
        return bk_fail(BK_EINVAL, "%s: it must be a number from 1 to %u", name, most);
    *out = (uint32_t)number;
    return BK_OK;
}

static bk_err read_numbers(bk_arena *arena, const bk_otlp_opts *opts, struct bk__otlp_settings *out)
{
    const char *name, *timeout = either(arena, "TIMEOUT", &name);

    BK_TRY(read_number(opts->timeout_ms != 0 ? "timeout_ms" : name, opts->timeout_ms, timeout,
                       10000, INT32_MAX, &out->timeout_ms));
    name = "OTEL_BSP_SCHEDULE_DELAY";
    BK_TRY(read_number(opts->interval_ms != 0 ? "interval_ms" : name, opts->interval_ms,
                       variable(name), 5000, INT32_MAX, &out->interval_ms));
    name = "OTEL_BSP_MAX_QUEUE_SIZE";
    BK_TRY(read_number(opts->spans != 0 ? "spans" : name, opts->spans, variable(name), 2048,
                       SPANS_MAX, &out->spans));
    name = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    BK_TRY(read_number(opts->batch != 0 ? "batch" : name, opts->batch, variable(name), 512,
                       BATCH_MAX, &out->batch));
    return read_number("stop_ms", opts->stop_ms, NULL, 3000, INT32_MAX, &out->stop_ms);
}

bk_err bk__otlp_settings(bk_arena *arena, const bk_otlp_opts *opts, struct bk__otlp_settings *out)
{
    const char *name, *ca_file = opts->ca_file;

    *out = (struct bk__otlp_settings){0};
    if (is_switched_off())
        return BK_OK;
    BK_TRY(read_endpoint(arena, opts, out));
    if (!bk_str_present(out->url))
        return BK_OK;
    BK_TRY(read_headers(arena, opts, out));
    BK_TRY(read_service(arena, opts, out));
    BK_TRY(read_numbers(arena, opts, out));
    read_protocol(arena, out);
    if (ca_file == NULL)
        ca_file = either(arena, "CERTIFICATE", &name);
    if (ca_file != NULL)
        out->ca_file = bk_arena_cstr(arena, bk_str_of(ca_file));
    return BK_OK;
}
