/*
 * pattern.c: the only file that knows PCRE2.
 *
 * A pattern must not become a way to stop the server: work is limited per match and in proportion
 * to the text, memory is limited as well, and '$' means the end of the text and not also the place
 * before a last newline. No JIT: its stack would be the fiber's.
 *
 * The list only grows, by one atomic exchange of its head, so a reader needs no lock and what it
 * found stays. Two threads may compile the same pattern at once; then both stay, and one is used.
 * What a match works with is lent by the pattern to one thread at a time; another makes its own
 * meanwhile.
 */
#include "json/pattern.h"

#include <stdatomic.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/assert.h"

/* A step of the engine takes some 30 ns, so no match takes much more than 0.1 s; and a step
 * may leave something behind that takes some 150 bytes. */
#define STEPS_BASE     1000
#define STEPS_PER_BYTE 16
#define STEPS_MAX      2000000
#define KIB_BASE       64
#define KIB_MAX        (32 << 10)
#define BYTES_PER_BYTE 512

/* A matcher that worked on a longer text may have grown, and is not kept. */
#define KEPT_TEXT_MAX 4096

/* What one match writes to. */
struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

struct bk__pattern {
    struct bk__pattern *older;
    pcre2_code *code;
    _Atomic(struct matcher *) spare; /* may be NULL */
    char text[];
};

static _Atomic(struct bk__pattern *) patterns;

static struct bk__pattern *find(const char *text)
{
    struct bk__pattern *it = atomic_load_explicit(&patterns, memory_order_acquire);
    while (it != NULL && strcmp(it->text, text) != 0)
        it = it->older;
    return it;
}

/* NULL when @p text is no pattern; *error is PCRE2's number for the reason. */
static struct bk__pattern *compile(const char *text, int *error)
{
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, error, &at, NULL);
    if (code == NULL)
        return NULL;

    size_t size = strlen(text) + 1;
    struct bk__pattern *pattern = malloc(sizeof(*pattern) + size);
    bk_assert(pattern != NULL);
    pattern->code = code;
    atomic_init(&pattern->spare, NULL);
    pattern->older = NULL;
    memcpy(pattern->text, text, size);
    return pattern;
}

/* The same, into the list. */
static struct bk__pattern *add(const char *text, int *error)
{
    struct bk__pattern *pattern = compile(text, error);

    if (pattern == NULL)
        return NULL;
    pattern->older = atomic_load(&patterns);
    while (!atomic_compare_exchange_weak(&patterns, &pattern->older, pattern))
        ;
    return pattern;
}

static struct matcher *borrow(struct bk__pattern *pattern)
{
    struct matcher *matcher = atomic_exchange(&pattern->spare, NULL);
    if (matcher != NULL)
        return matcher;
    matcher = malloc(sizeof(*matcher));
    bk_assert(matcher != NULL);
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->limits = pcre2_match_context_create(NULL);
    bk_assert(matcher->data != NULL && matcher->limits != NULL);
    return matcher;
}

static void free_matcher(struct matcher *matcher)
{
    if (matcher == NULL)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->limits);
    free(matcher);
}

static void give_back(struct bk__pattern *pattern, struct matcher *matcher, size_t len)
{
    if (len <= KEPT_TEXT_MAX)
        matcher = atomic_exchange(&pattern->spare, matcher);
    free_matcher(matcher);
}

static uint32_t at_most(size_t number, uint32_t most)
{
    return number < most ? (uint32_t)number : most;
}

static void set_limits(struct matcher *matcher, size_t len)
{
    uint32_t steps = at_most(STEPS_BASE + STEPS_PER_BYTE * len, STEPS_MAX);
    pcre2_set_match_limit(matcher->limits, steps);
    pcre2_set_depth_limit(matcher->limits, steps);
    pcre2_set_heap_limit(matcher->limits, at_most(KIB_BASE + len * BYTES_PER_BYTE / 1024, KIB_MAX));
}

struct bk__pattern *bk__pattern_new(const char *text, char *room, size_t size)
{
    int error;

    struct bk__pattern *pattern = compile(text, &error);
    if (pattern == NULL)
        pcre2_get_error_message(error, (PCRE2_UCHAR *)room, size);
    return pattern;
}

void bk__pattern_free(struct bk__pattern *pattern)
{
    if (pattern == NULL)
        return;
    free_matcher(atomic_load(&pattern->spare));
    pcre2_code_free(pattern->code);
    free(pattern);
}

const char *bk__pattern_text(const struct bk__pattern *pattern)
{
    return pattern->text;
}

bool bk__pattern_run(struct bk__pattern *pattern, bk_str text)
{
    struct matcher *matcher = borrow(pattern);

    set_limits(matcher, text.len);
    int found = pcre2_match(pattern->code, (PCRE2_SPTR)text.ptr, text.len, 0, PCRE2_NO_UTF_CHECK,
                            matcher->data, matcher->limits);
    give_back(pattern, matcher, text.len);
    return found >= 0;
}

const char *bk__pattern_check(const char *pattern, char *room, size_t size)
{
    int error;

    if (find(pattern) != NULL || add(pattern, &error) != NULL)
        return NULL;
    pcre2_get_error_message(error, (PCRE2_UCHAR *)room, size);
    return room;
}

bool bk__pattern_match(const char *pattern, bk_str text)
{
    struct bk__pattern *it = find(pattern);
    int error;

    if (it == NULL)
        it = add(pattern, &error);
    bk_assert(it != NULL); /* bk_desc_check() says what is wrong with it */
    return bk__pattern_run(it, text);
}
