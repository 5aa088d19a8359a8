/* config.h: what the service can be told, by flags, environment, .env or service.conf. */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include <backend/backend.h>

struct settings {
    int app_env;
    bk_str host, tls_cert, tls_key;
    int32_t port;
    bk_str database_url, redis_url, queue_redis_url, smtp_url, mail_from;
    int32_t db_pool_min, db_pool_max;
    int32_t rate_limit;
    int64_t rate_window_ms, body_limit;
    bk_str jwt_secret, session_secret, admin_token, public_url;
    bk_str log_level;
    int log_format; /* bk_log_format */
    int32_t web_workers, job_workers;
    bk_array cors_origins, trusted_proxies;
    bool express_sessions;
    bk_str dev_dir;
    bk_str mail_url; /* smtp_url, or a folder in dev_dir; not a setting */
};

/* Reads them, or ends the program having said what is wrong. Flags are taken out of @p argv. */
bk_config *config_open(int *argc, char **argv, struct settings *settings);

bool config_is_production(const struct settings *settings);

/* Where bk_app_main() listens. */
bk_listen_opts config_listen(const struct settings *settings);

#endif
