/**
 * @file backend/config.h
 * @brief Settings: a described struct, filled from flags, the environment, a file and defaults.
 *
 * @code
 * struct settings { int32_t port; bk_str database_url; int64_t body_limit, timeout_ms; };
 *
 * BK_DESCRIBE(settings_desc, struct settings,
 *     BK_I32(port, BK_DEFAULT("8080"), BK_MIN(0), BK_MAX(65535), BK_DOC("where to listen")),
 *     BK_STR(database_url, BK_REQUIRED, BK_SECRET),
 *     BK_I64(body_limit, BK_UNIT(BK_UNIT_BYTES), BK_DEFAULT("10mb"), BK_LIVE),
 *     BK_I64(timeout_ms, BK_KEY("timeout"), BK_UNIT(BK_UNIT_MS), BK_DEFAULT("30s"), BK_LIVE))
 *
 * struct settings settings;
 * bk_config *config = bk_config_open(settings_desc, &opts, &settings); // or it ends, with words
 * @endcode
 *
 * A setting's key says where it is looked for, the first that has it counts:
 *
 * 1. the flag `--database-url URL`, or `--database-url=URL`; of a bool `--debug`, `--no-debug`;
 * 2. the environment variable `DATABASE_URL`, or the file that `DATABASE_URL_FILE` names;
 * 3. in development, the same names in `.env`;
 * 4. `database_url = URL` in the file, or `url = URL` under `[database]`; `database_url_file` too;
 * 5. its BK_DEFAULT(), written as in the file: `BK_DEFAULT("10mb")`, `BK_DEFAULT("127.0.0.1")`.
 *
 * An empty environment variable is one that is not set. Members may be BK_STR, BK_I64, BK_I32,
 * BK_F64, BK_BOOL, BK_ENUM, and BK_ARRAY of BK_TYPE_STR, written with commas. All rules of
 * descriptions hold, in addition to those below. Texts end with a NUL: `settings.host.ptr` is a C
 * string. The file may have no key that is no setting.
 *
 * Development is where APP_ENV is not set, or is "development".
 */
#ifndef BACKEND_CONFIG_H
#define BACKEND_CONFIG_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>

/** Never shown: "***" stands for it. Passwords inside of URLs are hidden without it. */
#define BK_SECRET BK_WRITE_ONLY
/** What the number counts, and so in which units it is written: one of bk_unit. */
#define BK_UNIT(what) BK__RULE(unit, what)
/** bk_config_reload() changes it while the program runs. */
#define BK_LIVE BK__RULE(live, true)

BK_BEGIN_DECLS

typedef struct bk_config bk_config; /**< Where settings come from; see bk_config_load(). */

/** Checks what rules of single settings cannot say, and fills in what follows from others.
 *  Reports with `bk_fail_field(BK_EINVAL, BK_LIT("jwt_secret"), BK_LIT("required"), words)`.
 *  @param settings  All were read, with no error. Of a reload it is not the one in use.
 *  @param arena     For what is filled in. */
typedef bk_err (*bk_config_check_fn)(void *settings, bk_arena *arena, void *data);

/** How settings are found. Zero means default. */
typedef struct bk_config_opts {
    const char *file;   /**< Read where it exists. `--config FILE` or CONFIG_FILE name another one,
                             which then must exist. Default: none but those. */
    const char *dotenv; /**< Default ".env". It need not exist. */
    int        *argc;   /**< Of main(): what were flags of settings is taken out of it. NULL: there
                             are no flags. Arguments after "--" are left alone. */
    char             **argv; /**< Likewise. What is taken is borrowed as long as the config. */
    char *const       *environment; /**< "NAME=value", ends with NULL. Default: the process's. */
    bk_config_check_fn check;       /**< May be NULL. */
    void              *data;        /**< For check. */
} bk_config_opts;

/** A setting whose value is not what it was. */
typedef struct bk_config_change {
    bk_str key;    /**< Of the setting. */
    bk_str before; /**< As one would write it; "***" for a secret. */
    bk_str after;  /**< Likewise. */
    bk_str source; /**< Where the new one comes from. */
    bool   live;   /**< BK_LIVE: it is in force. Else it needs a restart. */
} bk_config_change;

/** Hears of a change; its texts are borrowed for the call. */
typedef void (*bk_config_change_fn)(const bk_config_change *change, void *data);

/**
 * Fills @p settings.
 *
 * In development names in `.env` that are no settings become environment variables where there are
 * none of that name, for the libraries that read those (PGPASSWORD, SSL_CERT_FILE).
 *
 * @param desc      Described as above; a description that is not ends the program with words.
 * @param opts      May be NULL. Copied; what it points to is borrowed as long as the config.
 * @param settings  Of the described type; zeroed on error. Must live as long as the config, whose
 *                  the texts in it are.
 * @param out       Receives the config also on error. Yours: bk_config_free().
 * @return BK_OK; BK_EINVAL: bk_config_errors() tells all that is wrong.
 */
BK_API BK_NODISCARD bk_err bk_config_load(bk_desc_fn desc, const bk_config_opts *opts,
                                          void *settings, bk_config **out);

/** bk_config_load() for main(): where something is wrong, it prints it and ends the program with
 *  exit status 2. */
BK_API BK_NODISCARD bk_config *bk_config_open(bk_desc_fn desc, const bk_config_opts *opts,
                                              void *settings);

/** Frees what bk_config_load() made, and the texts in the settings. NULL is fine. */
BK_API void bk_config_free(bk_config *config);

/** What is wrong, a sentence each: where, which setting, why, and what to do.
 *  @param count  Receives how many there are; 0 after success. */
BK_API const bk_str *bk_config_errors(const bk_config *config, size_t *count);

/**
 * Reads everything again. What changed and is BK_LIVE is changed in the settings.
 *
 * Texts that were replaced stay valid as long as the config. The environment is that of the
 * process, the flags those of its start.
 *
 * @param each  Told of every difference, also of those that need a restart. May be NULL.
 * @return BK_OK; BK_EINVAL, and nothing has changed: bk_config_errors() tells why.
 */
BK_API BK_NODISCARD bk_err bk_config_reload(bk_config *config, bk_config_change_fn each,
                                            void *data);

/** Tells the differences between two configs of the same description. Returns how many. */
BK_API size_t bk_config_diff(const bk_config *before, const bk_config *after,
                             bk_config_change_fn each, void *data);

/** Where the setting's value comes from: "service.conf:4", "environment PORT", "flag --port",
 *  ".env:2", "default", or a path and the variable that named it. Absent for no such key. */
BK_API bk_str bk_config_source(const bk_config *config, bk_str key);

/** A list as options want it: C strings, ended by NULL. Lives as long as the config.
 *  @param list  A BK_ARRAY of the settings. */
BK_API const char *const *bk_config_words(bk_config *config, const bk_array *list);

/** Writes a table of all: key, value, where it comes from. Secrets are hidden. */
BK_API void bk_config_write(const bk_config *config, bk_buf *out);

/** Likewise as a JSON array of `{"key","value","source","live"}`. */
BK_API void bk_config_write_json(const bk_config *config, bk_buf *out);

/** Writes what a program's --help says: a line each with flag, unit or range, default and words. */
BK_API void bk_config_write_help(const bk_config *config, bk_buf *out);

/**
 * Gives the app's command line (bk_app_main()) the commands `config check` and `config print`, and
 * adds the settings' flags to its help.
 *
 * @param config  Taken: freed with the app.
 */
BK_API void bk_config_use(bk_app *app, bk_config *config);

BK_END_DECLS

#endif
