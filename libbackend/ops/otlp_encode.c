/*
 * otlp_encode.c: spans as an ExportTraceServiceRequest of opentelemetry-proto 1.x, in its JSON
 * form: ids are hexadecimal, enums are numbers, integers of 64 bits are strings.
 */
#include <backend/str.h>

#include "core/number.h"
#include "ops/otlp.h"

#define STATUS_ERROR 2

static void write_member(bk_json_writer *w, bk_str key, bk_str value)
{
    bk_json_write_key(w, key);
    bk_json_write_str(w, value);
}

/* "-42" in quotes: a JSON number would lose digits in many a reader. */
static void write_digits(bk_json_writer *w, bk_str key, int64_t value)
{
    char text[BK__I64_TEXT];

    write_member(w, key, bk_str_at(text, bk__i64_text(value, text)));
}

/* --- attributes ------------------------------------------------------------------------------- */

static void begin_attribute(bk_json_writer *w, bk_str key)
{
    bk_json_begin_object(w);
    write_member(w, BK_LIT("key"), key);
    bk_json_write_key(w, BK_LIT("value"));
    bk_json_begin_object(w);
}

static void end_attribute(bk_json_writer *w)
{
    bk_json_end_object(w);
    bk_json_end_object(w);
}

static void write_text(bk_json_writer *w, bk_str key, bk_str value)
{
    begin_attribute(w, key);
    write_member(w, BK_LIT("stringValue"), value);
    end_attribute(w);
}

static void write_integer(bk_json_writer *w, bk_str key, int64_t value)
{
    begin_attribute(w, key);
    write_digits(w, BK_LIT("intValue"), value);
    end_attribute(w);
}

static void begin_attributes(bk_json_writer *w)
{
    bk_json_write_key(w, BK_LIT("attributes"));
    bk_json_begin_array(w);
}

/* --- the request ------------------------------------------------------------------------------ */

static bool has_key(const struct bk__otlp_pair *pairs, bk_str key)
{
    for (; bk_str_present(pairs->key); pairs++)
        if (bk_str_eq(pairs->key, key))
            return true;
    return false;
}

static void write_default(bk_json_writer *w, const struct bk__otlp_resource *resource, bk_str key,
                          bk_str value)
{
    if (!has_key(resource->more, key))
        write_text(w, key, value);
}

static void write_resource(bk_json_writer *w, const struct bk__otlp_resource *resource)
{
    bk_json_write_key(w, BK_LIT("resource"));
    bk_json_begin_object(w);
    begin_attributes(w);
    write_text(w, BK_LIT("service.name"), resource->service);
    write_default(w, resource, BK_LIT("service.instance.id"), resource->instance);
    write_default(w, resource, BK_LIT("host.name"), resource->host);
    if (!has_key(resource->more, BK_LIT("process.pid")))
        write_integer(w, BK_LIT("process.pid"), resource->pid);
    write_default(w, resource, BK_LIT("telemetry.sdk.name"), BK_LIT("libbackend"));
    write_default(w, resource, BK_LIT("telemetry.sdk.language"), BK_LIT("c"));
    write_default(w, resource, BK_LIT("telemetry.sdk.version"), resource->version);
    for (const struct bk__otlp_pair *it = resource->more; bk_str_present(it->key); it++)
        write_text(w, it->key, it->value);
    bk_json_end_array(w);
    bk_json_end_object(w);
}

void bk__otlp_begin(bk_json_writer *w, const struct bk__otlp_resource *resource)
{
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("resourceSpans"));
    bk_json_begin_array(w);
    bk_json_begin_object(w);
    write_resource(w, resource);
    bk_json_write_key(w, BK_LIT("scopeSpans"));
    bk_json_begin_array(w);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("scope"));
    bk_json_begin_object(w);
    write_member(w, BK_LIT("name"), BK_LIT("libbackend"));
    write_member(w, BK_LIT("version"), resource->version);
    bk_json_end_object(w);
    bk_json_write_key(w, BK_LIT("spans"));
    bk_json_begin_array(w);
}

void bk__otlp_end(bk_json_writer *w)
{
    bk_json_end_array(w);
    bk_json_end_object(w);
    bk_json_end_array(w);
    bk_json_end_object(w);
    bk_json_end_array(w);
    bk_json_end_object(w);
}

/* --- a span ----------------------------------------------------------------------------------- */

static bool is_first(const struct bk__span *span)
{
    for (size_t i = 0; i < BK__SPAN_ID; i++)
        if (span->parent_id[i] != '0')
            return false;
    return true;
}

static void write_attributes(bk_json_writer *w, const struct bk__span *span)
{
    begin_attributes(w);
    for (size_t i = 0; i < span->attr_count; i++) {
        const struct bk__span_attr *it = &span->attrs[i];
        if (it->is_text)
            write_text(w, bk_str_of(it->key), bk_str_at(span->text + it->text_at, it->text_len));
        else
            write_integer(w, bk_str_of(it->key), it->i64);
    }
    bk_json_end_array(w);
}

static void write_status(bk_json_writer *w, bk_err err)
{
    bk_json_write_key(w, BK_LIT("status"));
    bk_json_begin_object(w);
    if (err != BK_OK) {
        bk_json_write_key(w, BK_LIT("code"));
        bk_json_write_i64(w, STATUS_ERROR);
        write_member(w, BK_LIT("message"), bk_str_of(bk_err_text(err)));
    }
    bk_json_end_object(w);
}

void bk__otlp_span(bk_json_writer *w, const struct bk__span *span)
{
    int64_t begun_ns = span->begun * 1000;

    bk_json_begin_object(w);
    write_member(w, BK_LIT("traceId"), bk_str_at(span->trace_id, BK__TRACE_ID));
    write_member(w, BK_LIT("spanId"), bk_str_at(span->span_id, BK__SPAN_ID));
    if (!is_first(span))
        write_member(w, BK_LIT("parentSpanId"), bk_str_at(span->parent_id, BK__SPAN_ID));
    write_member(w, BK_LIT("name"), bk_str_at(span->name, span->name_len));
    bk_json_write_key(w, BK_LIT("kind"));
    bk_json_write_i64(w, span->kind);
    write_digits(w, BK_LIT("startTimeUnixNano"), begun_ns);
    write_digits(w, BK_LIT("endTimeUnixNano"), begun_ns + (int64_t)span->duration_ns);
    write_attributes(w, span);
    write_status(w, span->err);
    bk_json_end_object(w);
}
