/*
 * config.c: the settings, and the secrets that are made up where nobody is harmed by it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const environments[] = {"development", "test", "production", NULL};
static const char *const log_formats[] = {"auto", "json", "pretty", NULL}; /* as bk_log_format */

/* clang-format off */
BK_DESCRIBE(settings_desc, struct settings,
    BK_ENUM(app_env, environments, BK_DOC("what is at stake")),
    BK_STR(host, BK_DEFAULT("127.0.0.1"), BK_DOC("where to listen")),
    BK_I32(port, BK_DEFAULT("8080"), BK_MIN(0), BK_MAX(65535), BK_DOC("0 takes a free one")),
    BK_I32(web_workers, BK_DEFAULT("0"), BK_MIN(0), BK_MAX(31), BK_DOC("0: as many as processors")),
    BK_I32(job_workers, BK_DEFAULT("1"), BK_MIN(0), BK_MAX(31), BK_DOC("0: web workers run jobs")),
    BK_STR(tls_cert, BK_DOC("PEM with the certificate chain: HTTPS, and HTTP/2 by ALPN")),
    BK_STR(tls_key, BK_DOC("PEM with its key")),
    BK_STR(database_url, BK_DEFAULT("postgresql:///service"), BK_DOC("PostgreSQL")),
    BK_I32(db_pool_min, BK_DEFAULT("5"), BK_MIN(1), BK_MAX(1000), BK_DOC("of all workers together")),
    BK_I32(db_pool_max, BK_DEFAULT("50"), BK_MIN(1), BK_MAX(1000), BK_DOC("likewise")),
    BK_STR(redis_url, BK_DEFAULT("redis://127.0.0.1:6379"),
           BK_DOC("redis://, unix://, or memory:// for one worker")),
    BK_STR(queue_redis_url, BK_DOC("one with noeviction; else the same Redis")),
    BK_I32(rate_limit, BK_DEFAULT("100"), BK_MIN(0), BK_MAX(1000000),
           BK_DOC("requests of a client in rate_window; 0: any number")),
    BK_I64(rate_window_ms, BK_KEY("rate_window"), BK_UNIT(BK_UNIT_MS), BK_DEFAULT("60s"), BK_MIN(1000),
           BK_MAX(86400000)),
    BK_I64(body_limit, BK_UNIT(BK_UNIT_BYTES), BK_DEFAULT("10mb"), BK_MIN(1024), BK_MAX(1 << 30)),
    BK_STR(jwt_secret, BK_SECRET, BK_LEN(32, 1024), BK_DOC("signs tokens")),
    BK_STR(session_secret, BK_SECRET, BK_LEN(32, 1024), BK_DOC("signs session cookies")),
    BK_STR(admin_token, BK_SECRET, BK_LEN(16, 1024), BK_DOC("for the dashboard")),
    BK_STR(public_url, BK_LIVE, BK_DOC("in mails; as https://shop.example")),
    BK_STR(smtp_url, BK_DOC("else mails become .eml files in dev_dir")),
    BK_STR(mail_from, BK_FORMAT(BK_FORMAT_EMAIL), BK_DEFAULT("service@example.test")),
    BK_STR(log_level, BK_DEFAULT("info"), BK_DOC("as info,pg=debug")),
    BK_ENUM(log_format, log_formats, BK_DOC("auto: pretty on a terminal")),
    BK_ARRAY(cors_origins, BK_TYPE_STR, BK_LEN(0, 32), BK_DOC("pages that may call")),
    BK_ARRAY(trusted_proxies, BK_TYPE_STR, BK_LEN(0, 32), BK_DOC("networks, as 10.0.0.0/8")),
    BK_BOOL(express_sessions, BK_DOC("share sessions with express-session")),
    BK_STR(dev_dir, BK_DEFAULT("build/dev"), BK_DOC("for what is made up in development")))
/* clang-format on */

bool config_is_production(const struct settings *settings)
{
    return bk_str_eq(bk_str_of(environments[settings->app_env]), BK_LIT("production"));
}

/* A secret of DEV_DIR/NAME, which is made when it is not there, so that it outlives a restart. The
 * arena is the config's: what a check fills in must live as long. */
static bk_err made_up(bk_arena *arena, bk_str dir, const char *name, bk_str *out)
{
    char text[44];
    bk_str path = bk_arena_printf(arena, "%.*s/%s", BK_PRI(dir), name);
    bk_str fresh = bk_token_new(arena);

    mkdir(dir.ptr, 0700);
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool written = write(fd, fresh.ptr, fresh.len) == (ssize_t)fresh.len;
        close(fd);
        *out = fresh;
        return written ? BK_OK : bk_fail(BK_EIO, "cannot write %s", path.ptr);
    }
    if (errno != EEXIST)
        return bk_fail(BK_EIO, "%s: %s", path.ptr, strerror(errno));
    fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0)
        close(fd);
    if (len < 32)
        return bk_fail(BK_EIO, "%s is no secret: remove it", path.ptr);
    *out = bk_arena_dup(arena, bk_str_at(text, (size_t)len));
    return BK_OK;
}

/* Where mails go: to a server, or as files into DEV_DIR/mail. */
static bk_err settle_mail(struct settings *settings, bk_arena *arena)
{
    settings->mail_url = settings->smtp_url;
    if (settings->smtp_url.len > 0)
        return BK_OK;
    if (config_is_production(settings))
        return bk_fail_field(BK_EINVAL, BK_LIT("smtp_url"), BK_LIT("required"),
                             BK_LIT("is needed in production: smtp://user:password@host:587"));
    bk_str folder = bk_arena_printf(arena, "%s/mail", settings->dev_dir.ptr);
    mkdir(settings->dev_dir.ptr, 0700);
    mkdir(folder.ptr, 0700);
    char *path = realpath(folder.ptr, NULL);
    if (path == NULL)
        return bk_fail(BK_EIO, "dev_dir: there can be no folder %s", folder.ptr);
    settings->mail_url = bk_arena_printf(arena, "file://%s", path);
    free(path);
    return BK_OK;
}

static bk_err check_secret(const struct settings *settings, bk_arena *arena, const char *name,
                           bk_str *secret)
{
    if (secret->len > 0)
        return BK_OK;
    if (config_is_production(settings))
        return bk_fail_field(BK_EINVAL, bk_str_of(name), BK_LIT("required"),
                             BK_LIT("is needed in production: openssl rand -base64 32"));
    return made_up(arena, settings->dev_dir, name, secret);
}

static bk_err check(void *data, bk_arena *arena, void *unused)
{
    struct settings *settings = data;
    bk_err err = BK_OK;

    (void)unused;
    if (settings->db_pool_min > settings->db_pool_max)
        err = bk_fail_field(BK_EINVAL, BK_LIT("db_pool_min"), BK_LIT("maximum"),
                            BK_LIT("is above db_pool_max"));
    if (settings->queue_redis_url.len == 0)
        settings->queue_redis_url = settings->redis_url;
    if (settings->public_url.len == 0)
        settings->public_url =
            bk_arena_printf(arena, "http://%s:%d", settings->host.ptr, settings->port);
    const bk_err others[] = {
        settle_mail(settings, arena),
        check_secret(settings, arena, "jwt_secret", &settings->jwt_secret),
        check_secret(settings, arena, "session_secret", &settings->session_secret),
        check_secret(settings, arena, "admin_token", &settings->admin_token),
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        err = others[i] != BK_OK ? others[i] : err; /* all are told */
    return err;
}

bk_config *config_open(int *argc, char **argv, struct settings *settings)
{
    bk_config_opts opts = {.file = "service.conf", .argc = argc, .argv = argv, .check = check};

    return bk_config_open(settings_desc, &opts, settings);
}

bk_listen_opts config_listen(const struct settings *settings)
{
    return (bk_listen_opts){
        .host = settings->host.ptr,
        .port = (uint16_t)settings->port,
        .tls_cert = settings->tls_cert.ptr,
        .tls_key = settings->tls_key.ptr,
    };
}
