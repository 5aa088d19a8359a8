/*
 * split.c: cuts SQL at the semicolons that end statements. See split.h.
 *
 * The text is read token by token, as far as tokens matter: whatever may hold a semicolon that ends
 * nothing is one (PostgreSQL documentation, 4.1): strings with their two ways of escaping, quoted
 * identifiers, dollar quotes, comments, which nest. Words are tokens because a dollar inside of one
 * begins no quote, and an E right before a quote makes backslashes count. Beyond tokens, two things
 * hold semicolons: parentheses (CREATE RULE) and the body of CREATE FUNCTION ... BEGIN ATOMIC, in
 * which CASE has an END of its own.
 *
 * Server settings that change the language (standard_conforming_strings = off) are not followed.
 */
#include "migrate/split.h"

#include <string.h>

#define WORDS_SEEN 4 /* enough for CREATE OR REPLACE FUNCTION */

/* What is known of the statement that is being read. */
struct reading {
    const char *begin, *end; /* NULL before its first token; behind its last token */
    int line;
    int parens, parens_line;
    int blocks; /* of BEGIN ATOMIC and CASE in it */
    bk_str words[WORDS_SEEN];
    int word_count;
    bool after_begin; /* the last token was the word BEGIN */
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool begins_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t left(const struct bk__sql_split *split)
{
    return (size_t)(split->end - split->at);
}

static bool looks_at(const struct bk__sql_split *split, const char *text)
{
    size_t len = strlen(text);

    return left(split) >= len && memcmp(split->at, text, len) == 0;
}

static void advance(struct bk__sql_split *split, size_t count)
{
    for (; count > 0; count--)
        split->line += *split->at++ == '\n';
}

static bk_err unclosed(const char *what, int line)
{
    return bk_fail(BK_EINVAL, "line %d: %s is not closed", line, what);
}

static void skip_line_comment(struct bk__sql_split *split)
{
    while (split->at < split->end && *split->at != '\n')
        split->at++;
}

static bk_err skip_block_comment(struct bk__sql_split *split)
{
    int line = split->line;
    size_t depth = 0;

    do {
        if (looks_at(split, "/*")) {
            depth++;
            advance(split, 2);
        } else if (looks_at(split, "*/")) {
            depth--;
            advance(split, 2);
        } else if (split->at < split->end) {
            advance(split, 1);
        } else {
            return unclosed("a comment", line);
        }
    } while (depth > 0);
    return BK_OK;
}

/* A quote doubled is a quote; with @p escapes, so is one behind a backslash. */
static bk_err skip_quoted(struct bk__sql_split *split, const char *what, bool escapes)
{
    int line = split->line;
    char quote = *split->at;

    advance(split, 1);
    while (split->at < split->end) {
        if (escapes && *split->at == '\\' && left(split) >= 2)
            advance(split, 2);
        else if (*split->at != quote)
            advance(split, 1);
        else if (left(split) >= 2 && split->at[1] == quote)
            advance(split, 2);
        else {
            advance(split, 1);
            return BK_OK;
        }
    }
    return unclosed(what, line);
}

/* Strings with only blanks between them, and a line end among those, are one string, which goes on
 * in the way it began. Moves to the next part, if there is one. */
static bool string_goes_on(struct bk__sql_split *split)
{
    struct bk__sql_split ahead = *split;

    while (ahead.at < ahead.end) {
        if (is_space(*ahead.at))
            advance(&ahead, 1);
        else if (looks_at(&ahead, "--"))
            skip_line_comment(&ahead);
        else
            break;
    }
    if (ahead.at == ahead.end || *ahead.at != '\'' || ahead.line == split->line)
        return false;
    *split = ahead;
    return true;
}

static bk_err skip_escape_string(struct bk__sql_split *split)
{
    do
        BK_TRY(skip_quoted(split, "a string", true));
    while (string_goes_on(split));
    return BK_OK;
}

/* How long the tag "$name$" at @p split is; 0: it is none. */
static size_t tag_len(const struct bk__sql_split *split)
{
    size_t len = 1;

    if (left(split) > 1 && is_digit(split->at[1]))
        return 0;
    while (len < left(split) && (begins_word(split->at[len]) || is_digit(split->at[len])))
        len++;
    return len < left(split) && split->at[len] == '$' ? len + 1 : 0;
}

static bk_err skip_dollar_quoted(struct bk__sql_split *split, size_t tag)
{
    int line = split->line;
    const char *close = memmem(split->at + tag, left(split) - tag, split->at, tag);

    if (close == NULL)
        return unclosed("a dollar-quoted string", line);
    advance(split, (size_t)(close - split->at) + tag);
    return BK_OK;
}

static bool word_is(const struct reading *reading, int index, const char *word)
{
    return index < reading->word_count && bk_str_ieq(reading->words[index], bk_str_of(word));
}

/* The statement makes a function or procedure. */
static bool makes_routine(const struct reading *reading)
{
    int what = word_is(reading, 1, "or") && word_is(reading, 2, "replace") ? 3 : 1;

    return word_is(reading, 0, "create") &&
           (word_is(reading, what, "function") || word_is(reading, what, "procedure"));
}

static void count_blocks(struct reading *reading, bk_str word)
{
    if (!makes_routine(reading))
        return;
    if (reading->after_begin && bk_str_ieq(word, BK_LIT("atomic")))
        reading->blocks++;
    else if (reading->blocks > 0 && bk_str_ieq(word, BK_LIT("case")))
        reading->blocks++;
    else if (reading->blocks > 0 && bk_str_ieq(word, BK_LIT("end")))
        reading->blocks--;
}

static bk_err take_word(struct bk__sql_split *split, struct reading *reading)
{
    const char *begin = split->at;

    while (split->at < split->end &&
           (begins_word(*split->at) || is_digit(*split->at) || *split->at == '$'))
        split->at++;
    bk_str word = bk_str_at(begin, (size_t)(split->at - begin));
    if (bk_str_ieq(word, BK_LIT("e")) && split->at < split->end && *split->at == '\'')
        return skip_escape_string(split);
    if (reading->word_count < WORDS_SEEN)
        reading->words[reading->word_count++] = word;
    count_blocks(reading, word);
    reading->after_begin = bk_str_ieq(word, BK_LIT("begin"));
    return BK_OK;
}

static void take_paren(struct bk__sql_split *split, struct reading *reading)
{
    if (*split->at == '(' && reading->parens++ == 0)
        reading->parens_line = split->line;
    else if (*split->at == ')' && reading->parens > 0) /* one too many is for the server to say */
        reading->parens--;
    advance(split, 1);
}

/* Takes one token that is no blank, no comment and no end of the statement. */
static bk_err take_token(struct bk__sql_split *split, struct reading *reading)
{
    size_t tag;

    if (begins_word(*split->at))
        return take_word(split, reading);
    reading->after_begin = false;
    switch (*split->at) {
    case '\'':
        return skip_quoted(split, "a string", false);
    case '"':
        return skip_quoted(split, "a quoted name", false);
    case '$':
        tag = tag_len(split);
        if (tag > 0)
            return skip_dollar_quoted(split, tag);
        break;
    case '(':
    case ')':
        take_paren(split, reading);
        return BK_OK;
    }
    advance(split, 1);
    return BK_OK;
}

/* Goes over blanks and comments; says whether something follows. */
static bk_err skip_blanks(struct bk__sql_split *split, bool *more)
{
    while (split->at < split->end) {
        if (is_space(*split->at))
            advance(split, 1);
        else if (looks_at(split, "--"))
            skip_line_comment(split);
        else if (looks_at(split, "/*"))
            BK_TRY(skip_block_comment(split));
        else
            break;
    }
    *more = split->at < split->end;
    return BK_OK;
}

static bool at_the_end(const struct bk__sql_split *split, const struct reading *reading)
{
    return *split->at == ';' && reading->parens == 0 && reading->blocks == 0;
}

static bk_err check_closed(const struct reading *reading)
{
    if (reading->parens > 0)
        return unclosed("a parenthesis", reading->parens_line);
    if (reading->blocks > 0)
        return unclosed("the BEGIN ATOMIC of this statement", reading->line);
    return BK_OK;
}

void bk__sql_split_init(struct bk__sql_split *split, bk_str sql)
{
    const char *begin = sql.ptr != NULL ? sql.ptr : "";

    *split = (struct bk__sql_split){.at = begin, .end = begin + sql.len, .line = 1};
    if (bk_str_starts(sql, BK_LIT("\xef\xbb\xbf")))
        split->at += 3; /* an editor's byte order mark */
}

bk_err bk__sql_split_next(struct bk__sql_split *split, struct bk__sql_statement *out, bool *more)
{
    struct reading reading = {0};

    for (;;) {
        BK_TRY(skip_blanks(split, more));
        if (!*more || at_the_end(split, &reading)) {
            if (*more)
                advance(split, 1);
            if (reading.begin != NULL || !*more)
                break;
            continue; /* nothing stands before this semicolon */
        }
        if (reading.begin == NULL) {
            reading.begin = split->at;
            reading.line = split->line;
        }
        BK_TRY(take_token(split, &reading));
        reading.end = split->at;
    }
    BK_TRY(check_closed(&reading));
    *more = reading.begin != NULL;
    if (*more) {
        out->text = bk_str_at(reading.begin, (size_t)(reading.end - reading.begin));
        out->line = reading.line;
    }
    return BK_OK;
}
