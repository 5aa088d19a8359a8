/*
 * config_print.c: settings for people and programs to look at, secrets hidden.
 */
#include "app/config.h"

#include <string.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "app/app.h"
#include "app/setting.h"
#include "core/arena.h"
#include "core/assert.h"
#include "json/field.h"

static bk_str value_text(const bk_config *config, bk_arena *arena, const bk_field *field)
{
    bk_buf out = {.arena = arena};

    bk__setting_write(&out, field, (const char *)config->now.object + field->offset);
    return bk_buf_str(&out);
}

void bk_config_write(const bk_config *config, bk_buf *out)
{
    const bk_desc *desc = config->now.desc;
    int key_width = 0, value_width = 0;
    bk_arena arena;

    bk__arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < desc->count; i++) {
        int key = (int)strlen(bk__field_key(&desc->fields[i]));
        int value = (int)value_text(config, &arena, &desc->fields[i]).len;
        key_width = key > key_width ? key : key_width;
        value_width = value > value_width && value <= 48 ? value : value_width;
    }
    for (size_t i = 0; i < desc->count; i++) {
        const char *key = bk__field_key(&desc->fields[i]);
        bk_str value = value_text(config, &arena, &desc->fields[i]);
        bk_str source = bk_config_source(config, bk_str_of(key));
        int pad = value.len < (size_t)value_width ? value_width - (int)value.len : 0;
        bk_buf_printf(out, "%-*s  %.*s%*s  %.*s\n", key_width, key, BK_PRI(value), pad, "",
                      BK_PRI(source));
    }
    bk__arena_fini(&arena);
}

struct row {
    bk_str key, value, source;
    bool live;
};

/* clang-format off */
BK_DESCRIBE(row_desc, struct row,
            BK_STR(key), BK_STR(value), BK_STR(source), BK_BOOL(live))
/* clang-format on */

void bk_config_write_json(const bk_config *config, bk_buf *out)
{
    const bk_desc *desc = config->now.desc;
    bk_arena arena;

    bk__arena_init(&arena, NULL, 0);
    bk_buf_add_char(out, '[');
    for (size_t i = 0; i < desc->count; i++) {
        bk_str key = bk_str_of(bk__field_key(&desc->fields[i]));
        struct row row = {key, value_text(config, &arena, &desc->fields[i]),
                          bk_config_source(config, key), desc->fields[i].live};
        if (i > 0)
            bk_buf_add_char(out, ',');
        bk_write_json(out, row_desc, &row);
    }
    bk_buf_add_char(out, ']');
    bk__arena_fini(&arena);
}

static bk_str flag_of(bk_arena *arena, const bk_field *field)
{
    bk_buf out = {.arena = arena};

    bk_buf_add(&out, BK_LIT("--"));
    for (const char *at = bk__field_key(field); *at != '\0'; at++)
        bk_buf_add_char(&out, *at == '_' ? '-' : *at);
    return bk_buf_str(&out);
}

void bk_config_write_help(const bk_config *config, bk_buf *out)
{
    const bk_desc *desc = config->now.desc;
    bk_arena arena;
    int width = 0;

    bk__arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < desc->count; i++) {
        int len = (int)flag_of(&arena, &desc->fields[i]).len;
        width = len > width ? len : width;
    }
    for (size_t i = 0; i < desc->count; i++) {
        const bk_field *field = &desc->fields[i];
        bk_str flag = flag_of(&arena, field);
        bk_buf_printf(out, "  %-*.*s  %s%s", width, (int)flag.len, flag.ptr,
                      field->doc != NULL ? field->doc : "", field->doc != NULL ? "; " : "");
        bk__setting_write_wanted(out, field);
        if (field->fallback != NULL)
            bk_buf_printf(out, " (default %s)", field->fallback);
        bk_buf_add(out, field->required ? BK_LIT(" (needed)\n") : BK_LIT("\n"));
    }
    bk__arena_fini(&arena);
}

void bk__config_print_help(const bk_config *config, FILE *out)
{
    bk_arena arena;

    if (config == NULL)
        return;
    bk__arena_init(&arena, NULL, 0);
    bk_buf text = {.arena = &arena};
    bk_config_write_help(config, &text);
    fprintf(out,
            "\nsettings, also of the environment (LIKE_THIS) and of the file that --config "
            "names (like_this):\n%.*s",
            BK_PRI(bk_buf_str(&text)));
    bk__arena_fini(&arena);
}

static int usage(FILE *out, int status)
{
    fputs("usage: PROGRAM config check         are the settings as they should be?\n"
          "       PROGRAM config print         all settings and where they come from\n"
          "       PROGRAM config print --json  the same for programs\n",
          out);
    return status;
}

/* PROGRAM config check|print */
static int run(bk_app *app, int argc, char **argv, void *data)
{
    const bk_config *config = data;
    bk_arena arena;

    (void)app;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    bk__arena_init(&arena, NULL, 0);
    bk_buf out = {.arena = &arena};
    int status = 0;
    if (argc == 2 && strcmp(argv[1], "check") == 0) {
        bk_buf_add(&out, BK_LIT("the settings are as they should be\n"));
    } else if (argc == 2 && strcmp(argv[1], "print") == 0) {
        bk_config_write(config, &out);
    } else if (argc == 3 && strcmp(argv[1], "print") == 0 && strcmp(argv[2], "--json") == 0) {
        bk_config_write_json(config, &out);
        bk_buf_add_char(&out, '\n');
    } else {
        status = usage(stderr, 2);
    }
    printf("%.*s", BK_PRI(bk_buf_str(&out)));
    bk__arena_fini(&arena);
    return status;
}

void bk_config_use(bk_app *app, bk_config *config)
{
    bk_assert(app->config == NULL && app->loop == NULL);
    app->config = config;
    bk_app_command(app, "config", "check | print [--json]: the settings, and where they come from",
                   run, config);
}
