/* Tests of <backend/config.h>. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backend/app.h>
#include <backend/arena.h>
#include <backend/config.h>

#include "text.h"

static const char *const formats[] = {"json", "pretty", NULL};

struct settings {
    bk_str host;
    int32_t port;
    bk_str database_url, secret;
    int64_t body_limit, timeout_ms;
    double ratio;
    bool debug, has_debug;
    int log_format;
    bk_array proxies;
};

/* clang-format off */
BK_DESCRIBE(settings_desc, struct settings,
            BK_STR(host, BK_DEFAULT("127.0.0.1"), BK_DOC("where to listen")),
            BK_I32(port, BK_DEFAULT("8080"), BK_MIN(0), BK_MAX(65535)),
            BK_STR(database_url, BK_DEFAULT("postgresql:///app")),
            BK_STR(secret, BK_SECRET, BK_LEN(4, 100), BK_DEFAULT("0000"), BK_LIVE),
            BK_I64(body_limit, BK_UNIT(BK_UNIT_BYTES), BK_DEFAULT("10mb"), BK_MIN(1024), BK_LIVE),
            BK_I64(timeout_ms, BK_KEY("timeout"), BK_UNIT(BK_UNIT_MS), BK_DEFAULT("30s"),
                   BK_MAX(3600000), BK_LIVE),
            BK_F64(ratio, BK_DEFAULT("0.5"), BK_MIN(0), BK_MAX(1)),
            BK_BOOL(debug, BK_HAS(has_debug)),
            BK_ENUM(log_format, formats, BK_LIVE),
            BK_ARRAY(proxies, BK_TYPE_STR, BK_LEN(0, 3)))

struct needs {
    bk_str token;
};

BK_DESCRIBE(needs_desc, struct needs,
            BK_STR(token, BK_SECRET, BK_REQUIRED))
/* clang-format on */

/* One config from texts; one test's at a time. */
struct bench {
    char folder[32], file[64], dotenv[64], extra[64];
    char *environment[8];
    char *argv[8];
    int argc;
    bk_config_opts opts;
    bk_config *config;
    struct settings settings;
    bk_arena *arena;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static struct bench *bench_open(void)
{
    struct bench *it = calloc(1, sizeof *it);

    strcpy(it->folder, "/tmp/bk-config-XXXXXX");
    assert_non_null(mkdtemp(it->folder));
    snprintf(it->file, sizeof it->file, "%s/app.conf", it->folder);
    snprintf(it->dotenv, sizeof it->dotenv, "%s/env", it->folder);
    snprintf(it->extra, sizeof it->extra, "%s/extra", it->folder);
    it->argv[0] = it->folder;
    it->argc = 1;
    it->opts = (bk_config_opts){.file = it->file,
                                .dotenv = it->dotenv,
                                .argc = &it->argc,
                                .argv = it->argv,
                                .environment = it->environment};
    it->arena = bk_arena_new();
    return it;
}

static void bench_close(struct bench *it)
{
    bk_config_free(it->config);
    bk_arena_free(it->arena);
    unlink(it->file);
    unlink(it->dotenv);
    unlink(it->extra);
    rmdir(it->folder);
    free(it);
}

static void add_env(struct bench *it, const char *entry)
{
    char **at = it->environment;
    while (*at != NULL)
        at++;
    *at = (char *)(uintptr_t)entry;
}

static void add_arg(struct bench *it, const char *arg)
{
    it->argv[it->argc++] = (char *)(uintptr_t)arg;
}

static bk_err load(struct bench *it)
{
    bk_config_free(it->config);
    return bk_config_load(settings_desc, &it->opts, &it->settings, &it->config);
}

/* All errors, one a line, without the folder's name. */
static const char *errors(struct bench *it)
{
    bk_buf out = {.arena = it->arena};
    size_t count, folder = strlen(it->folder) + 1;
    const bk_str *list = bk_config_errors(it->config, &count);

    for (size_t i = 0; i < count; i++) {
        bk_str line = list[i];
        if (bk_str_starts(line, bk_str_of(it->folder)))
            line = bk_str_at(line.ptr + folder, line.len - folder);
        bk_buf_printf(&out, "%.*s\n", BK_PRI(line));
    }
    bk_buf_add_char(&out, '\0');
    return out.ptr;
}

static void assert_source(struct bench *it, const char *key, const char *want)
{
    bk_str source = bk_config_source(it->config, bk_str_of(key));
    size_t folder = strlen(it->folder) + 1;

    if (bk_str_starts(source, bk_str_of(it->folder)))
        source = bk_str_at(source.ptr + folder, source.len - folder);
    assert_text(source, want);
}

static void test_defaults_hold_where_nothing_is_said(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    assert_int_equal(load(it), BK_OK);
    assert_string_equal(it->settings.host.ptr, "127.0.0.1");
    assert_int_equal(it->settings.port, 8080);
    assert_int_equal(it->settings.body_limit, 10 << 20);
    assert_int_equal(it->settings.timeout_ms, 30000);
    assert_true(it->settings.ratio > 0.49 && it->settings.ratio < 0.51);
    assert_false(it->settings.debug);
    assert_false(it->settings.has_debug);
    assert_int_equal(it->settings.log_format, 0);
    assert_source(it, "port", "default");
    assert_absent(bk_config_source(it->config, BK_LIT("nothing")));
    bench_close(it);
}

static void test_flags_win_over_environment_over_dotenv_over_file(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    write_file(it->file, "host = file\nport = 1\nratio = 0.1\nbody_limit = 1mb\n");
    write_file(it->dotenv, "PORT=2\nRATIO=0.2\nBODY_LIMIT=2mb\n");
    add_env(it, "RATIO=0.3");
    add_env(it, "BODY_LIMIT=3mb");
    add_env(it, "HOST=");
    add_arg(it, "--body-limit=4mb");
    assert_int_equal(load(it), BK_OK);
    assert_text(it->settings.host, "file");
    assert_source(it, "host", "app.conf:1");
    assert_int_equal(it->settings.port, 2);
    assert_source(it, "port", "env:1");
    assert_true(it->settings.ratio > 0.29);
    assert_source(it, "ratio", "environment RATIO");
    assert_int_equal(it->settings.body_limit, 4 << 20);
    assert_source(it, "body_limit", "flag --body-limit");
    bench_close(it);
}

static void test_dotenv_is_for_development_only(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    write_file(it->dotenv, "PORT=2\n");
    add_env(it, "APP_ENV=production");
    assert_int_equal(load(it), BK_OK);
    assert_int_equal(it->settings.port, 8080);
    it->environment[0] = (char *)(uintptr_t) "APP_ENV=development";
    assert_int_equal(load(it), BK_OK);
    assert_int_equal(it->settings.port, 2);
    bench_close(it);
}

static void test_dotenv_gives_libraries_their_variables(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    write_file(it->dotenv, "BK_TEST_OF_DOTENV=here\nBK_TEST_OF_ENV=dotenv\n");
    setenv("BK_TEST_OF_ENV", "environment", 1);
    it->opts.environment = NULL;
    assert_int_equal(load(it), BK_OK);
    assert_string_equal(getenv("BK_TEST_OF_DOTENV"), "here");
    assert_string_equal(getenv("BK_TEST_OF_ENV"), "environment");
    bench_close(it);
}

static void test_flags_are_taken_out_of_the_command_line(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    add_arg(it, "serve");
    add_arg(it, "--port");
    add_arg(it, "99");
    add_arg(it, "--debug");
    add_arg(it, "--other");
    add_arg(it, "--");
    add_arg(it, "--port");
    assert_int_equal(load(it), BK_OK);
    assert_int_equal(it->settings.port, 99);
    assert_true(it->settings.debug);
    assert_true(it->settings.has_debug);
    assert_int_equal(it->argc, 5);
    assert_string_equal(it->argv[1], "serve");
    assert_string_equal(it->argv[2], "--other");
    assert_string_equal(it->argv[4], "--port");
    assert_null(it->argv[5]);

    it->argc = 1;
    add_arg(it, "--no-debug");
    add_arg(it, "--no-port");
    add_arg(it, "--host");
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it), "flag --host: needs a value\n");
    assert_int_equal(it->argc, 2);
    bench_close(it);
}

static void test_sections_are_the_first_part_of_a_key(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    write_file(it->file, "[database]\nurl = x\n[Log]\nFormat = pretty\n");
    assert_int_equal(load(it), BK_OK);
    assert_text(it->settings.database_url, "x");
    assert_int_equal(it->settings.log_format, 1);
    bench_close(it);
}

static void test_a_file_named_must_exist(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    write_file(it->extra, "port = 7\n");
    add_env(it, "CONFIG_FILE=/nowhere/app.conf");
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it),
                        "/nowhere/app.conf: cannot be read: No such file or directory\n");
    add_arg(it, "--config");
    add_arg(it, it->extra);
    assert_int_equal(load(it), BK_OK);
    assert_int_equal(it->settings.port, 7);
    bench_close(it);
}

static void test_secrets_come_from_files(void **state)
{
    struct bench *it = bench_open();
    char entry[96];

    (void)state;
    write_file(it->extra, "from a file\n");
    snprintf(entry, sizeof entry, "SECRET_FILE=%s", it->extra);
    add_env(it, entry);
    assert_int_equal(load(it), BK_OK);
    assert_text(it->settings.secret, "from a file");
    assert_source(it, "secret", "extra (environment SECRET_FILE)");

    add_env(it, "SECRET=too");
    assert_int_equal(load(it), BK_EINVAL);
    assert_non_null(strstr(errors(it), "environment SECRET: secret is there twice, also at "));
    it->environment[0] = (char *)(uintptr_t) "SECRET_FILE=/nowhere/secret";
    it->environment[1] = NULL;
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it), "environment SECRET_FILE: cannot read /nowhere/secret: No such "
                                    "file or directory\n");
    bench_close(it);
}

static void test_what_is_wrong_is_told_all_at_once(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    write_file(it->file,
               "prot = 1\nport = 70000\nport = 1\nnonsense\nbody_limit = 10 apples\n"
               "completely_else = 1\nlog_format = xml\ntimeout = 2h\nproxies = a,b,c,d\n");
    add_env(it, "SECRET=abc");
    add_env(it, "RATIO=half");
    assert_int_equal(load(it), BK_EINVAL);
    static const char *const wanted[] = {
        "app.conf:1: there is no setting \"prot\": did you mean \"port\"?\n",
        "app.conf:3: port is there twice, also at ",
        "app.conf:2: port must be at most 65535, not \"70000\": give an integer from 0 to 65535\n",
        "app.conf:4: a line is \"name = value\", a [section] or a comment\n",
        "app.conf:5: body_limit must be a size, not \"10 apples\": give a size such as 512kb or 10mb",
        "app.conf:6: there is no setting \"completely_else\": \"config print\" lists all\n",
        "app.conf:7: log_format must be one of: json, pretty, not \"xml\": give json|pretty\n",
        "app.conf:8: timeout must be at most 1h, not \"2h\"",
        "app.conf:9: proxies must have at most 3 items, not \"a,b,c,d\"",
        "environment SECRET: secret must have at least 4 characters",
        "environment RATIO: ratio must be a number, not \"half\": give a number from 0 to 1\n",
    };
    size_t count;
    bk_config_errors(it->config, &count);
    assert_int_equal(count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < count; i++)
        if (strstr(errors(it), wanted[i]) == NULL)
            fail_msg("no \"%s\" in: %s", wanted[i], errors(it));
    bench_close(it);
}

static void test_a_wrong_config_leaves_the_settings_empty(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    memset(&it->settings, 0xff, sizeof it->settings);
    add_env(it, "PORT=-1");
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it),
                        "environment PORT: port must be at least 0, not \"-1\": give an "
                        "integer from 0 to 65535\n");
    assert_int_equal(it->settings.port, 0);
    assert_absent(it->settings.host);
    bench_close(it);
}

static void test_what_is_needed_and_missing_says_how_to_give_it(void **state)
{
    char *environment[] = {NULL};
    bk_config_opts opts = {.environment = environment, .dotenv = "/nowhere/env"};
    struct needs needs;
    bk_config *config;
    size_t count;

    (void)state;
    assert_int_equal(bk_config_load(needs_desc, &opts, &needs, &config), BK_EINVAL);
    assert_text(bk_config_errors(config, &count)[0],
                "token is missing: set TOKEN, name a file that has it in TOKEN_FILE, give --token, "
                "or write \"token = ...\" in a file that --config names");
    assert_int_equal(count, 1);
    bk_config_free(config);
    bk_config_free(NULL);
}

static void assert_reads(const char *entry, int64_t want)
{
    struct bench *it = bench_open();

    add_env(it, entry);
    assert_int_equal(load(it), BK_OK);
    int64_t got =
        strncmp(entry, "TIMEOUT", 7) == 0 ? it->settings.timeout_ms : it->settings.body_limit;
    assert_int_equal(got, want);
    bench_close(it);
}

static void assert_refuses(const char *entry, const char *why)
{
    struct bench *it = bench_open();

    add_env(it, entry);
    assert_int_equal(load(it), BK_EINVAL);
    if (strstr(errors(it), why) == NULL)
        fail_msg("no \"%s\" in: %s", why, errors(it));
    bench_close(it);
}

static void test_numbers_have_units(void **state)
{
    (void)state;
    assert_reads("TIMEOUT=250ms", 250);
    assert_reads("TIMEOUT=60s", 60000);
    assert_reads("TIMEOUT=5M", 300000);
    assert_reads("TIMEOUT=1h", 3600000);
    assert_reads("TIMEOUT=0", 0);
    assert_reads("BODY_LIMIT=2048", 2048);
    assert_reads("BODY_LIMIT=64 KB", 64 << 10);
    assert_reads("BODY_LIMIT=1GiB", 1 << 30);
    assert_refuses("TIMEOUT=60", "must be a duration, not \"60\": give a duration such as");
    assert_refuses("TIMEOUT=61m", "must be at most 1h");
    assert_refuses("TIMEOUT=-1s", "must be a duration");
    assert_refuses("TIMEOUT=1.5s", "must be a duration");
    assert_refuses("TIMEOUT=99999999999999999d", "is too large");
    assert_refuses("BODY_LIMIT=1tb", "must be a size");
    assert_refuses("BODY_LIMIT=1kb1", "must be a size");
    assert_refuses("BODY_LIMIT=1023", "must be at least 1kb");
    assert_refuses("RATIO=1.01", "must be at most 1");
    assert_refuses("RATIO=x", "must be a number");
    assert_refuses("DEBUG=maybe", "must be true or false");
    assert_refuses("LOG_FORMAT=xml", "must be one of: json, pretty, not \"xml\"");
    assert_refuses("PROXIES=a,b,c,d", "must have at most 3 items");
}

static void test_lists_have_commas(void **state)
{
    struct bench *it = bench_open();
    const bk_str *items;

    (void)state;
    add_env(it, "PROXIES=10.0.0.0/8, ::1 ,unix");
    assert_int_equal(load(it), BK_OK);
    items = it->settings.proxies.items;
    assert_int_equal(it->settings.proxies.count, 3);
    assert_string_equal(items[0].ptr, "10.0.0.0/8");
    assert_string_equal(items[1].ptr, "::1");
    assert_string_equal(items[2].ptr, "unix");
    const char *const *words = bk_config_words(it->config, &it->settings.proxies);
    assert_string_equal(words[2], "unix");
    assert_null(words[3]);
    bench_close(it);
}

static void test_a_secret_is_never_shown(void **state)
{
    struct bench *it = bench_open();
    bk_buf out = {.arena = it->arena}, json = {.arena = it->arena}, help = {.arena = it->arena};

    (void)state;
    add_env(it, "SECRET=very secret");
    add_env(it,
            "DATABASE_URL=postgresql://app:hidden@h:5432/db?sslmode=require&password=hidden&x=1");
    assert_int_equal(load(it), BK_OK);
    bk_config_write(it->config, &out);
    bk_buf_add_char(&out, '\0');
    bk_config_write_json(it->config, &json);
    bk_buf_add_char(&json, '\0');
    bk_config_write_help(it->config, &help);
    bk_buf_add_char(&help, '\0');
    assert_non_null(strstr(out.ptr, "port          8080 "));
    assert_non_null(strstr(out.ptr, "secret        *** "));
    assert_non_null(
        strstr(out.ptr, "postgresql://app:***@h:5432/db?sslmode=require&password=***&x=1"));
    assert_non_null(strstr(json.ptr,
                           "{\"key\":\"body_limit\",\"value\":\"10mb\",\"source\":\"default\","
                           "\"live\":true}"));
    assert_null(strstr(out.ptr, "hidden"));
    assert_null(strstr(json.ptr, "hidden"));
    assert_null(strstr(json.ptr, "very"));
    assert_non_null(
        strstr(help.ptr, "--host          where to listen; text (default 127.0.0.1)\n"));
    it->environment[0] = (char *)(uintptr_t) "SECRET=abc";
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it), "environment SECRET: secret must have at least 4 characters: "
                                    "give text of 4 to 100 characters\n");
    bench_close(it);
}

static void collect(const bk_config_change *change, void *data)
{
    bk_buf *out = data;

    bk_buf_printf(out, "%.*s: %.*s -> %.*s%s\n", BK_PRI(change->key), BK_PRI(change->before),
                  BK_PRI(change->after), change->live ? "" : ", needs a restart");
}

static void test_a_reload_changes_what_may_and_tells_the_rest(void **state)
{
    struct bench *it = bench_open();
    bk_buf out = {.arena = it->arena};

    (void)state;
    write_file(it->file, "port = 1\nbody_limit = 1mb\nsecret = 1111\n");
    assert_int_equal(load(it), BK_OK);
    bk_str kept = it->settings.secret;
    write_file(it->file, "port = 2\nbody_limit = 2mb\nsecret = 2222\nlog_format = pretty\n");
    assert_int_equal(bk_config_reload(it->config, collect, &out), BK_OK);
    assert_text(bk_buf_str(&out), "port: 1 -> 2, needs a restart\n"
                                  "secret: *** -> ***\n"
                                  "body_limit: 1mb -> 2mb\n"
                                  "log_format: json -> pretty\n");
    assert_int_equal(it->settings.port, 1);
    assert_int_equal(it->settings.body_limit, 2 << 20);
    assert_int_equal(it->settings.log_format, 1);
    assert_text(it->settings.secret, "2222");
    assert_text(kept, "1111");
    assert_source(it, "log_format", "app.conf:4");
    out.len = 0;
    assert_int_equal(bk_config_reload(it->config, collect, &out), BK_OK);
    assert_text(bk_buf_str(&out), "port: 1 -> 2, needs a restart\n");
    bench_close(it);
}

static void test_a_wrong_file_reloads_nothing(void **state)
{
    struct bench *it = bench_open();
    bk_buf out = {.arena = it->arena};

    (void)state;
    write_file(it->file, "body_limit = 1mb\n");
    assert_int_equal(load(it), BK_OK);
    write_file(it->file, "body_limit = 2mb\ntimeout = never\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bk_config_reload(it->config, collect, &out), BK_EINVAL);
        assert_non_null(strstr(errors(it), "app.conf:2: timeout must be a duration"));
        assert_int_equal(it->settings.body_limit, 1 << 20);
        assert_int_equal(out.len, 0);
    }
    write_file(it->file, "body_limit = 2mb\n");
    assert_int_equal(bk_config_reload(it->config, NULL, NULL), BK_OK);
    assert_int_equal(it->settings.body_limit, 2 << 20);
    assert_string_equal(errors(it), "");
    bench_close(it);
}

static void test_two_configs_are_compared(void **state)
{
    struct bench *before = bench_open(), *after = bench_open();
    bk_buf out = {.arena = before->arena};

    (void)state;
    add_env(after, "HOST=::");
    add_env(after, "PROXIES=unix");
    assert_int_equal(load(before), BK_OK);
    assert_int_equal(load(after), BK_OK);
    assert_int_equal(bk_config_diff(before->config, after->config, collect, &out), 2);
    assert_text(bk_buf_str(&out), "host: 127.0.0.1 -> ::, needs a restart\n"
                                  "proxies:  -> unix, needs a restart\n");
    assert_int_equal(bk_config_diff(before->config, before->config, NULL, NULL), 0);
    bench_close(before);
    bench_close(after);
}

static bk_err check(void *settings, bk_arena *arena, void *data)
{
    struct settings *it = settings;

    (void)data;
    assert_non_null(arena);
    if (it->port == 13)
        return bk_fail(BK_EINVAL, "not on a Friday");
    if (it->port == 0 && !it->debug)
        return bk_fail_field(BK_EINVAL, BK_LIT("port"), BK_LIT("debug"),
                             BK_LIT("may be 0 with --debug only"));
    if (it->host.len == 0)
        it->host = BK_LIT("::");
    return BK_OK;
}

static void test_a_program_has_rules_of_its_own(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    it->opts.check = check;
    write_file(it->file, "port = 0\nhost =\n");
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it), "app.conf:1: port may be 0 with --debug only\n");
    write_file(it->file, "port = 13\n");
    assert_int_equal(load(it), BK_EINVAL);
    assert_string_equal(errors(it), "not on a Friday\n");
    write_file(it->file, "port = 1\nhost =\n");
    assert_int_equal(load(it), BK_OK);
    assert_text(it->settings.host, "::");
    bench_close(it);
}

static int run_app(struct bench *it, const char *first, const char *second)
{
    char *argv[] = {it->folder, (char *)(uintptr_t) "config", (char *)(uintptr_t)first,
                    (char *)(uintptr_t)second, NULL};
    bk_app *app = bk_app_new(NULL);

    bk_config_use(app, bk_config_open(settings_desc, &it->opts, &it->settings));
    return bk_app_main(app, 2 + (first != NULL) + (second != NULL), argv);
}

static void test_an_app_has_commands_for_its_config(void **state)
{
    struct bench *it = bench_open();

    (void)state;
    assert_int_equal(run_app(it, "check", NULL), 0);
    assert_int_equal(run_app(it, "print", NULL), 0);
    assert_int_equal(run_app(it, "print", "--json"), 0);
    assert_int_equal(run_app(it, "--help", NULL), 0);
    assert_int_equal(run_app(it, "print", "--xml"), 2);
    assert_int_equal(run_app(it, NULL, NULL), 2);
    bench_close(it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_hold_where_nothing_is_said),
        cmocka_unit_test(test_flags_win_over_environment_over_dotenv_over_file),
        cmocka_unit_test(test_dotenv_is_for_development_only),
        cmocka_unit_test(test_dotenv_gives_libraries_their_variables),
        cmocka_unit_test(test_flags_are_taken_out_of_the_command_line),
        cmocka_unit_test(test_sections_are_the_first_part_of_a_key),
        cmocka_unit_test(test_a_file_named_must_exist),
        cmocka_unit_test(test_secrets_come_from_files),
        cmocka_unit_test(test_what_is_wrong_is_told_all_at_once),
        cmocka_unit_test(test_a_wrong_config_leaves_the_settings_empty),
        cmocka_unit_test(test_what_is_needed_and_missing_says_how_to_give_it),
        cmocka_unit_test(test_numbers_have_units),
        cmocka_unit_test(test_lists_have_commas),
        cmocka_unit_test(test_a_secret_is_never_shown),
        cmocka_unit_test(test_a_reload_changes_what_may_and_tells_the_rest),
        cmocka_unit_test(test_a_wrong_file_reloads_nothing),
        cmocka_unit_test(test_two_configs_are_compared),
        cmocka_unit_test(test_a_program_has_rules_of_its_own),
        cmocka_unit_test(test_an_app_has_commands_for_its_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
