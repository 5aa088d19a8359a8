/* configuration.c: the snippets of docs/guide/configuration.md; tests/unit/app_config_test.c is
 * where the same is tried case by case. */
#include <backend/backend.h>

int serve_with_settings(int argc, char **argv);

/* snippet: describe */
static const char *const log_formats[] = {"json", "pretty", NULL};

struct settings {
    bk_str database_url, session_secret;
    int64_t body_limit, handler_timeout_ms;
    int32_t workers;
    int log_format;
    bk_array trusted_proxies;
};

/* clang-format off */
BK_DESCRIBE(settings_desc, struct settings,
    BK_STR(database_url, BK_REQUIRED, BK_DOC("PostgreSQL")),
    BK_STR(session_secret, BK_SECRET, BK_LEN(32, 1024)),
    BK_I64(body_limit, BK_UNIT(BK_UNIT_BYTES), BK_DEFAULT("10mb"), BK_MIN(1024), BK_MAX(1 << 30)),
    BK_I64(handler_timeout_ms, BK_KEY("handler_timeout"), BK_UNIT(BK_UNIT_MS), BK_DEFAULT("30s"),
           BK_LIVE),
    BK_I32(workers, BK_DEFAULT("2"), BK_MIN(1), BK_MAX(64)),
    BK_ENUM(log_format, log_formats, BK_LIVE),
    BK_ARRAY(trusted_proxies, BK_TYPE_STR, BK_LEN(0, 16)))
/* clang-format on */
/* end of snippet */

/* snippet: check */
/* What the rules of single settings cannot say. */
static bk_err check(void *data, bk_arena *arena, void *unused)
{
    struct settings *settings = data;

    (void)arena, (void)unused;
    if (settings->session_secret.len == 0 && settings->workers > 1)
        return bk_fail_field(BK_EINVAL, BK_LIT("session_secret"), BK_LIT("required"),
                             BK_LIT("is missing: workers must share one"));
    return BK_OK;
}
/* end of snippet */

/* snippet: open */
int serve_with_settings(int argc, char **argv)
{
    struct settings settings;
    bk_config *config = bk_config_open(
        settings_desc,
        &(bk_config_opts){.file = "shop.conf", .argc = &argc, .argv = argv, .check = check},
        &settings); /* or the program ends, having said what is wrong */
    bk_app *app = bk_app_new(&(bk_app_opts){
        .name = "shop",
        .data = &settings,
        .secret = settings.session_secret,
        .limits.body_bytes = (uint32_t)settings.body_limit,
        .timeouts.handler_ms = (uint32_t)settings.handler_timeout_ms,
    });

    bk_config_use(app, config);
    return bk_app_main(app, argc, argv);
}
/* end of snippet */
