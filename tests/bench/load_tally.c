/*
 * load_tally.c: a histogram whose buckets grow with the values, as HdrHistogram's do, and counts.
 */
#include "load_tally.h"

#include <inttypes.h>

static const char *const verdicts[] = {"good", "refused", "wrong", "failed"};
static const char *const failures[] = {"connect", "reset", "timeout", "unreadable"};

/* 64 buckets for each power of two. */
static unsigned bucket_of(uint64_t us)
{
    int shift = us < 128 ? 0 : 57 - __builtin_clzll(us);
    unsigned bucket = (unsigned)shift * 64 + (unsigned)(us >> shift);

    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    unsigned shift = bucket < 128 ? 0 : bucket / 64 - 1;

    return ((uint64_t)(bucket - shift * 64 + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    histogram->buckets[bucket_of(us)]++;
    histogram->count++;
    histogram->sum += us;
    if (us > histogram->max)
        histogram->max = us;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * share), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted)
            return value_of(i) < histogram->max ? value_of(i) : histogram->max;
    }
    return histogram->max;
}

void tally_sent(struct tally *tally, int kind)
{
    tally->all.sent++;
    tally->kinds[kind].sent++;
}

void tally_answer(struct tally *tally, int kind, int status, enum verdict verdict, uint64_t us)
{
    tally->statuses[status / 100]++;
    tally->all.verdicts[verdict]++;
    tally->kinds[kind].verdicts[verdict]++;
    histogram_add(&tally->all.latency, us);
    histogram_add(&tally->kinds[kind].latency, us);
}

void tally_failure(struct tally *tally, int kind, enum failure failure, uint64_t us)
{
    tally->failures[failure]++;
    tally->all.verdicts[FAILED]++;
    tally->kinds[kind].verdicts[FAILED]++;
    if (failure != FAIL_TIMEOUT)
        return;
    histogram_add(&tally->all.latency, us);
    histogram_add(&tally->kinds[kind].latency, us);
}

static void print_latency(FILE *out, const struct histogram *latency)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
    double count = latency->count > 0 ? (double)latency->count : 1;

    fprintf(out, "\"latency_ms\": {\"mean\": %.3f", (double)latency->sum / count / 1e3);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        fprintf(out, ", \"%s\": %.3f", points[i].name,
                (double)histogram_at(latency, points[i].share) / 1e3);
    fprintf(out, ", \"max\": %.3f}", (double)latency->max / 1e3);
}

static void print_counts(FILE *out, const char *const *names, const uint64_t *counts, int count)
{
    for (int i = 0; i < count; i++)
        fprintf(out, "%s\"%s\": %" PRIu64, i > 0 ? ", " : "", names[i], counts[i]);
}

void tally_print(FILE *out, const struct tally *tally, const struct script *script)
{
    fprintf(out, "\"sent\": %" PRIu64 ", ", tally->all.sent);
    print_counts(out, verdicts, tally->all.verdicts, VERDICTS);
    fprintf(out, ", \"errors\": {");
    print_counts(out, failures, tally->failures, FAILURES);
    fprintf(out,
            "}, \"retried\": %" PRIu64 ", \"resent\": %" PRIu64 ", \"closed_idle\": %" PRIu64
            ", \"unsent\": %" PRIu64 ", \"status\": {",
            tally->retried, tally->resent, tally->closed_idle, tally->unsent);
    for (int digit = 2; digit <= 5; digit++)
        fprintf(out, "%s\"%dxx\": %" PRIu64, digit > 2 ? ", " : "", digit, tally->statuses[digit]);
    fprintf(out, "},\n ");
    print_latency(out, &tally->all.latency);
    fprintf(out, ",\n \"kinds\": {");
    for (int i = 0; i < script->kind_count; i++) {
        fprintf(out, "%s\n  \"%s\": {\"sent\": %" PRIu64 ", ", i > 0 ? "," : "", script->kinds[i],
                tally->kinds[i].sent);
        print_counts(out, verdicts, tally->kinds[i].verdicts, VERDICTS);
        fprintf(out, ", ");
        print_latency(out, &tally->kinds[i].latency);
        fprintf(out, "}");
    }
    fprintf(out, "}");
}
