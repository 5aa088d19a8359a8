/*
 * ini.c: a line at a time. See ini.h.
 */
#include "app/ini.h"

#include <string.h>

/* A byte order mark, which editors of some systems write. */
#define MARK "\xef\xbb\xbf"

void bk__ini_init(struct bk__ini *ini, bk_arena *arena, bk_str text, bool dotenv)
{
    if (bk_str_starts(text, BK_LIT(MARK)))
        text = bk_str_at(text.ptr + strlen(MARK), text.len - strlen(MARK));
    *ini = (struct bk__ini){
        .arena = arena,
        .rest = text.ptr != NULL ? text : BK_LIT(""),
        .section = BK_LIT(""),
        .dotenv = dotenv,
    };
}

static enum bk__ini_result wrong(struct bk__ini *ini, const char *why)
{
    ini->why = why;
    return BK__INI_WRONG;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static bool is_name(bk_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!name_char(text.ptr[i]))
            return false;
    return text.len > 0;
}

static bk_str skip(bk_str text, size_t count)
{
    return bk_str_at(text.ptr + count, text.len - count);
}

/* What stands behind a value that has ended: nothing, or in .env a comment. */
static bool is_rest(const struct bk__ini *ini, bk_str rest)
{
    rest = bk_str_trim(rest);
    return rest.len == 0 || (ini->dotenv && rest.ptr[0] == '#');
}

/* @p text begins with a quote. */
static bool read_quoted(struct bk__ini *ini, bk_str text, bk_str *out)
{
    static const char escapes[] = "n\nt\tr\r\"\"\\\\$$";
    char *value = bk_arena_alloc(ini->arena, text.len);
    char quote = text.ptr[0];
    size_t len = 0, at = 1;

    for (; at < text.len && text.ptr[at] != quote; at++) {
        char c = text.ptr[at];
        if (c == '\\' && quote == '"') {
            if (++at == text.len)
                return false;
            const char *escape = escapes;
            while (*escape != '\0' && *escape != text.ptr[at])
                escape += 2;
            if (*escape == '\0') {
                ini->why = "only \\n, \\t, \\r, \\\", \\\\ and \\$ can be written with a backslash";
                return false;
            }
            c = escape[1];
        }
        value[len++] = c;
    }
    *out = bk_str_at(value, len);
    return at < text.len && is_rest(ini, skip(text, at + 1));
}

/* In .env a comment begins with a '#' after a blank. */
static bk_str without_comment(bk_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '#' && (i == 0 || text.ptr[i - 1] == ' ' || text.ptr[i - 1] == '\t'))
            return bk_str_trim(bk_str_at(text.ptr, i));
    return text;
}

static enum bk__ini_result read_entry(struct bk__ini *ini, bk_str line, struct bk__ini_entry *out)
{
    bk_str value = line, name;

    (void)bk_str_split(&value, '=', &name);
    if (value.ptr == NULL)
        return wrong(ini, "a line is \"name = value\", a [section] or a comment");
    name = bk_str_trim(name);
    value = bk_str_trim(value);
    if (ini->dotenv && bk_str_starts(name, BK_LIT("export ")))
        name = bk_str_trim(skip(name, strlen("export ")));
    if (!is_name(name))
        return wrong(ini, "a name has letters, digits, and _ - . only");
    *out = (struct bk__ini_entry){ini->section, name, value, ini->line};
    if (value.len > 0 && (value.ptr[0] == '"' || value.ptr[0] == '\'')) {
        ini->why = "the quoted value does not end where the line does";
        return read_quoted(ini, value, &out->value) ? BK__INI_ENTRY : BK__INI_WRONG;
    }
    if (ini->dotenv)
        out->value = without_comment(value);
    return BK__INI_ENTRY;
}

static bool read_section(struct bk__ini *ini, bk_str line)
{
    bk_str name = bk_str_trim(bk_str_at(line.ptr + 1, line.len - 1));

    if (name.len == 0 || name.ptr[name.len - 1] != ']')
        return false;
    name = bk_str_trim(bk_str_at(name.ptr, name.len - 1));
    if (!is_name(name))
        return false;
    ini->section = name;
    return true;
}

enum bk__ini_result bk__ini_next(struct bk__ini *ini, struct bk__ini_entry *out)
{
    bk_str line;

    while (bk_str_split(&ini->rest, '\n', &line)) {
        ini->line++;
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = bk_str_trim(line);
        if (line.len == 0 || line.ptr[0] == '#' || (line.ptr[0] == ';' && !ini->dotenv))
            continue;
        if (!bk_str_utf8(line))
            return wrong(ini, "the line is not UTF-8");
        if (line.ptr[0] != '[' || ini->dotenv)
            return read_entry(ini, line, out);
        if (!read_section(ini, line))
            return wrong(ini, "a section is a name in brackets: [name]");
    }
    return BK__INI_END;
}
