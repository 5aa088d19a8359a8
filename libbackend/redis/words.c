/*
 * words.c: a command's text and its values as words. See words.h and <backend/redis.h>.
 *
 * Values are never parsed: what stands for them in the text is found first, and they go as they
 * are.
 */
#include "redis/words.h"

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/number.h"

enum {
    NUMBER_BYTES = BK__F64_TEXT > BK__I64_TEXT ? BK__F64_TEXT : BK__I64_TEXT,
    WORDS_MAX = 1 << 20
};

/* A number's text; all of a command lie in a chain. */
struct number {
    struct number *next;
    char text[NUMBER_BYTES];
};

void bk__redis_words_init(struct bk__redis_words *words)
{
    words->items = words->fixed;
    words->count = 0;
    words->cap = sizeof words->fixed / sizeof words->fixed[0];
    words->numbers = NULL;
}

void bk__redis_words_fini(struct bk__redis_words *words)
{
    struct number *number = (struct number *)(void *)words->numbers;

    while (number != NULL) {
        struct number *next = number->next;
        free(number);
        number = next;
    }
    if (words->items != words->fixed)
        free(words->items);
}

void bk__redis_words_push(struct bk__redis_words *words, bk_str word)
{
    if (words->count == words->cap) {
        bk_str *more = malloc(2 * words->cap * sizeof *more);
        bk_assert(more != NULL);
        memcpy(more, words->items, words->count * sizeof *more);
        if (words->items != words->fixed)
            free(words->items);
        words->items = more;
        words->cap *= 2;
    }
    words->items[words->count++] = word;
}

/* --- values ----------------------------------------------------------------------------------- */

static char *number_room(struct bk__redis_words *words)
{
    struct number *number = malloc(sizeof *number);

    bk_assert(number != NULL);
    number->next = (struct number *)(void *)words->numbers;
    words->numbers = (char *)number;
    return number->text;
}

static void push_i64(struct bk__redis_words *words, int64_t value)
{
    static const char digits[] = "0123456789";

    if (value >= 0 && value < 10) {
        bk__redis_words_push(words, (bk_str){digits + value, 1});
        return;
    }
    char *text = number_room(words);
    bk__redis_words_push(words, (bk_str){text, bk__i64_text(value, text)});
}

static void push_f64(struct bk__redis_words *words, double value)
{
    char *text = number_room(words);

    bk__redis_words_push(words, (bk_str){text, bk__f64_text(value, text)});
}

static bk_err push_array(struct bk__redis_words *words, const bk_arg *arg)
{
    const void *items = arg->array.items;

    if (arg->array.count > WORDS_MAX)
        return bk_fail(BK_ETOOBIG, "a Redis command of more than %d words", WORDS_MAX);
    for (size_t i = 0; i < arg->array.count; i++) {
        switch (arg->item_type) {
        case BK_TYPE_STR:
            if (((const bk_str *)items)[i].ptr == NULL)
                return bk_fail(BK_EINVAL, "Redis has no null values");
            bk__redis_words_push(words, ((const bk_str *)items)[i]);
            break;
        case BK_TYPE_I64:
            push_i64(words, ((const int64_t *)items)[i]);
            break;
        case BK_TYPE_I32:
            push_i64(words, ((const int32_t *)items)[i]);
            break;
        case BK_TYPE_F64:
            push_f64(words, ((const double *)items)[i]);
            break;
        case BK_TYPE_BOOL:
            push_i64(words, ((const bool *)items)[i]);
            break;
        case BK_TYPE_TIME:
            push_i64(words, ((const bk_time *)items)[i] / 1000);
            break;
        default:
            return bk_fail(BK_EINVAL, "an array of this type cannot go to Redis");
        }
    }
    return BK_OK;
}

static bk_err push_arg(struct bk__redis_words *words, const bk_arg *arg)
{
    switch (arg->kind) {
    case BK_ARG_NULL:
        return bk_fail(BK_EINVAL, "Redis has no null values");
    case BK_ARG_TEXT:
    case BK_ARG_BYTES:
        bk__redis_words_push(words, arg->text);
        return BK_OK;
    case BK_ARG_I64:
    case BK_ARG_BOOL:
        push_i64(words, arg->i64);
        return BK_OK;
    case BK_ARG_TIME:
        push_i64(words, arg->i64 / 1000);
        return BK_OK;
    case BK_ARG_F64:
        push_f64(words, arg->f64);
        return BK_OK;
    case BK_ARG_ARRAY:
        return push_array(words, arg);
    }
    return bk_fail(BK_EINVAL, "not an argument");
}

bk_err bk__redis_words_add(struct bk__redis_words *words, bk_args args)
{
    for (size_t i = 0; i < args.count; i++)
        BK_TRY(push_arg(words, &args.items[i]));
    return BK_OK;
}

/* --- what cannot be on a connection that all share ------------------------------------------------ */

static bool is_one_of(bk_str word, const char *const *names)
{
    for (; *names != NULL; names++)
        if (bk_str_ieq(word, bk_str_of(*names)))
            return true;
    return false;
}

static bool has_word(const struct bk__redis_words *words, const char *name)
{
    for (size_t i = 1; i < words->count; i++)
        if (bk_str_ieq(words->items[i], bk_str_of(name)))
            return true;
    return false;
}

static bk_err check(const struct bk__redis_words *words)
{
    static const char *const blocking[] = {"BLPOP",  "BRPOP",    "BRPOPLPUSH", "BLMOVE",
                                           "BLMPOP", "BZPOPMIN", "BZPOPMAX",   "BZMPOP",
                                           "WAIT",   "WAITAOF",  NULL};
    static const char *const listening[] = {
        "SUBSCRIBE",    "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE",
        "SUNSUBSCRIBE", "MONITOR",    "SYNC",       "PSYNC",       NULL};
    static const char *const changing[] = {"MULTI",  "EXEC",     "DISCARD",   "WATCH", "UNWATCH",
                                           "SELECT", "AUTH",     "HELLO",     "QUIT",  "RESET",
                                           "ASKING", "READONLY", "READWRITE", NULL};
    static const char *const of_client[] = {"REPLY",   "TRACKING", "CACHING",
                                            "SETNAME", "NO-EVICT", NULL};
    bk_str verb = words->count != 0 ? words->items[0] : BK_LIT("");

    if (verb.len == 0)
        return bk_fail(BK_EINVAL, "a Redis command without a word");
    if (is_one_of(verb, blocking) ||
        (bk_str_starts(verb, BK_LIT("XREAD")) && has_word(words, "BLOCK")))
        return bk_fail(BK_EINVAL, "%.*s blocks the connection for all who share it", BK_PRI(verb));
    if (is_one_of(verb, listening))
        return bk_fail(BK_EINVAL, "%.*s: use backend/pubsub.h", BK_PRI(verb));
    if (is_one_of(verb, changing) || (bk_str_ieq(verb, BK_LIT("CLIENT")) && words->count > 1 &&
                                      is_one_of(words->items[1], of_client)))
        return bk_fail(BK_EINVAL, "%.*s changes the connection for all who share it", BK_PRI(verb));
    return BK_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

static bk_err push_placeholder(struct bk__redis_words *words, bk_str word, bk_args args)
{
    int64_t number;

    if (bk_str_to_i64(bk_str_at(word.ptr + 1, word.len - 1), &number) != BK_OK || number < 1 ||
        (uint64_t)number > args.count)
        return bk_fail(BK_EINVAL, "%.*s stands for no value: %zu are given", BK_PRI(word),
                       args.count);
    return push_arg(words, &args.items[number - 1]);
}

bk_err bk__redis_words_make(struct bk__redis_words *words, const char *command, bk_args args)
{
    bk_str rest = bk_str_of(command), word;

    bk__redis_words_init(words);
    while (bk_str_split(&rest, ' ', &word)) {
        if (word.len > 1 && word.ptr[0] == '$')
            BK_TRY(push_placeholder(words, word, args));
        else if (word.len != 0)
            bk__redis_words_push(words, word);
    }
    return check(words);
}
