/*
 * otlp_send.c: a batch of spans on its way to the collector, as OTLP/HTTP wants it: of what may be
 * sent again, and when (https://opentelemetry.io/docs/specs/otlp/#failures-1).
 *
 * A batch that was interrupted on its way may have arrived. It is sent again: a span that comes
 * twice is the same span to who reads it.
 */
#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/str.h>

#include "core/clock.h"
#include "ops/otlp.h"

enum {
    ATTEMPTS = 8,
    PAUSE_MS = 1000, /* after the first attempt; twice as long after each further one */
    PAUSE_MAX_MS = 30 * 1000,
    ASKED_MAX_MS = 300 * 1000,
    SPAN_BYTES = 700 /* of one as JSON, more or less */
};

/* --- making one ------------------------------------------------------------------------------- */

/* There may be thousands, so others run meanwhile. */
BK_YIELDS static void fill(bk_otlp *self, bk_json_writer *writer)
{
    struct bk__otlp_batch *batch = &self->batch;
    const size_t room = sizeof self->few / sizeof *self->few;

    while (batch->spans < self->settings.batch) {
        size_t left = self->settings.batch - batch->spans;
        size_t got = bk__spans_take(self->few, left < room ? left : room);
        if (got == 0)
            return;
        for (size_t i = 0; i < got; i++)
            bk__otlp_span(writer, &self->few[i]);
        batch->spans += (uint32_t)got;
        (void)bk_yield();
    }
}

BK_YIELDS static void make(bk_otlp *self)
{
    bk_arena *arena = bk_arena_new();
    bk_buf body = {.arena = arena};
    bk_json_writer writer = {.buf = &body};
    size_t expected = bk__spans_waiting();

    if (expected > self->settings.batch)
        expected = self->settings.batch;
    self->batch = (struct bk__otlp_batch){.arena = arena};
    (void)bk_buf_reserve(&body, (expected + 2) * SPAN_BYTES);
    bk__otlp_begin(&writer, &self->resource);
    fill(self, &writer);
    bk__otlp_end(&writer);
    self->batch.body = bk_buf_str(&body);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void let_go(bk_otlp *self)
{
    bk_arena_free(self->batch.arena);
    self->batch = (struct bk__otlp_batch){0};
}

void bk__otlp_give_up(bk_otlp *self)
{
    self->stats.dropped += self->batch.spans;
    let_go(self);
}

/* A 2xx may say `{"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}}`. */
static void is_taken(bk_otlp *self, const bk_http_answer *answer)
{
    bk_json *said = NULL;
    int64_t rejected = 0;

    if (bk_json_parse(bk_fiber_arena(), answer->body, NULL, &said) != BK_OK)
        bk_error_clear(); /* it need not be JSON where all is well */
    const bk_json *count = bk_json_at(said, BK_LIT("/partialSuccess/rejectedSpans"));
    if (bk_json_type_of(count) == BK_JSON_STRING)
        (void)!bk_str_to_i64(bk_json_str(count), &rejected);
    else if (bk_json_type_of(count) == BK_JSON_NUMBER)
        (void)!bk_json_i64(count, &rejected);
    if (rejected < 0 || rejected > self->batch.spans)
        rejected = self->batch.spans;
    if (rejected != 0)
        bk_warn("otlp.rejected", bk_kv_i64("spans", rejected),
                bk_kv_str("why",
                          bk_json_str(bk_json_at(said, BK_LIT("/partialSuccess/errorMessage")))));
    self->stats.exported += self->batch.spans - (uint64_t)rejected;
    self->stats.dropped += (uint64_t)rejected;
    let_go(self);
}

/* --- once more -------------------------------------------------------------------------------- */

uint64_t bk__otlp_retry_after_ms(bk_str value, bk_time now)
{
    int64_t seconds = 0;
    bk_time at;
    uint64_t ms = 0;

    if (bk_str_to_i64(value, &seconds) == BK_OK)
        ms = seconds <= 0 ? 0 : seconds > INT32_MAX ? ASKED_MAX_MS : (uint64_t)seconds * 1000;
    else if (bk__clock_parse_http_date(value, &at) == BK_OK && at > now)
        ms = (uint64_t)(at - now) / 1000;
    bk_error_clear();
    return ms < ASKED_MAX_MS ? ms : ASKED_MAX_MS;
}

/* At random, so that the services that a collector has lost do not come back together. */
static uint64_t pause_ms(uint32_t attempts)
{
    uint32_t dice;
    uint64_t most = (uint64_t)PAUSE_MS << (attempts - 1);

    if (most > PAUSE_MAX_MS)
        most = PAUSE_MAX_MS;
    bk__random(&dice, sizeof dice);
    return most / 2 + dice % (most / 2);
}

static void put_off(bk_otlp *self, bk_str retry_after)
{
    struct bk__otlp_batch *batch = &self->batch;
    uint64_t pause = pause_ms(batch->attempts);
    uint64_t asked = bk__otlp_retry_after_ms(retry_after, bk_time_now());

    batch->was_asked = asked > 0;
    batch->not_before_ms = bk_now_ms() + (asked > pause ? asked : pause);
}

static bool is_worth_another(const bk_otlp *self, const bk_http_answer *answer, bk_err err)
{
    if (self->batch.attempts >= ATTEMPTS)
        return false;
    if (err != BK_OK)
        return err == BK_EUNAVAILABLE || err == BK_ETIMEDOUT || err == BK_EUPSTREAM;
    return answer->status == 429 || (answer->status >= 502 && answer->status <= 504);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* The first failure of a row is told, and its end. */
static void tell(bk_otlp *self, const bk_http_answer *answer, bk_err err)
{
    const bk_error_link *link = bk_error_chain();
    bool fails = err != BK_OK || answer->status / 100 != 2;

    if (fails && !self->is_failing)
        bk_warn("otlp.failed", bk_kv_str("url", self->settings.url),
                bk_kv_i64("status", answer->status),
                bk_kv_str("why", err != BK_OK && link != NULL ? link->message : BK_LIT("")));
    else if (!fails && self->is_failing)
        bk_info("otlp.recovered", bk_kv_str("url", self->settings.url));
    self->is_failing = fails;
}

BK_YIELDS void bk__otlp_send(bk_otlp *self)
{
    bk_http_answer answer;

    if (self->batch.arena == NULL)
        make(self);
    const bk_http_request request = {.method = "POST",
                                     .url = self->settings.url,
                                     .headers = self->settings.headers,
                                     .body = self->batch.body,
                                     .content_type = BK_LIT("application/json")};
    bk_err err = bk_http_send(self->client, &request, &answer);
    self->stats.requests++;
    if (err == BK_ECANCELED) {
        bk_error_clear();
        return; /* the app stops, and sends it then */
    }
    self->batch.attempts++;
    tell(self, &answer, err);
    if (err == BK_OK && answer.status / 100 == 2)
        is_taken(self, &answer);
    else if (is_worth_another(self, &answer, err))
        put_off(self, bk_http_answer_header(&answer, "retry-after"));
    else
        bk__otlp_give_up(self);
    bk_error_clear();
}
