/*
 * password.c: passwords are hashed on a thread. See <backend/password.h>.
 *
 * A job is a copy of all that the thread needs, on the fiber's stack; copies of passwords are
 * wiped. Where there is no hash, the default one is computed all the same.
 */
#include <backend/password.h>

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <backend/fiber.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/random.h"
#include "crypto/hmac.h"
#include "crypto/password_hash.h"

enum {
    SALT_LEN = 16,
    KEY_LEN = 32,
    ENCODED_MAX = 160,
    BCRYPT_LEN = 60
};

static const bk_password_opts defaults = {.memory_kib = 19456, .passes = 2, .lanes = 1};

static bk_password_opts opts_of(const bk_password_opts *opts)
{
    bk_password_opts all = opts != NULL ? *opts : defaults;

    all.memory_kib = all.memory_kib != 0 ? all.memory_kib : defaults.memory_kib;
    all.passes = all.passes != 0 ? all.passes : defaults.passes;
    all.lanes = all.lanes != 0 ? all.lanes : defaults.lanes;
    return all;
}

static bk_err check_password(bk_str password)
{
    if (password.len > BK_PASSWORD_MAX)
        return bk_fail(BK_ETOOBIG, "a password has at most %d bytes", BK_PASSWORD_MAX);
    return BK_OK;
}

/* --- hashing ---------------------------------------------------------------------------------- */

struct make {
    bk_str password;
    bk_password_opts opts;
    unsigned char salt[SALT_LEN];
    char encoded[ENCODED_MAX];
    int failed;
};

static void make(void *data)
{
    struct make *job = data;

    job->failed = argon2id_hash_encoded(job->opts.passes, job->opts.memory_kib, job->opts.lanes,
                                        job->password.ptr, job->password.len, job->salt, SALT_LEN,
                                        KEY_LEN, job->encoded, sizeof job->encoded);
}

bk_err bk_password_hash(bk_arena *arena, bk_str password, const bk_password_opts *opts, bk_str *out)
{
    struct make job = {.password = password, .opts = opts_of(opts)};
    uint32_t costs[] = {job.opts.memory_kib, job.opts.passes, job.opts.lanes};

    BK_TRY(check_password(password));
    if (password.len == 0)
        return bk_fail(BK_EINVAL, "the password is empty");
    BK_TRY(bk__hash_check_costs(BK__HASH_ARGON2ID, costs));
    bk__random(job.salt, sizeof job.salt);
    BK_TRY(bk_offload(make, &job));
    bk_assert(job.failed == ARGON2_OK); /* all that it checks was checked; memory is not scarce */
    *out = bk_arena_dup(arena, bk_str_of(job.encoded));
    return BK_OK;
}

/* --- checking --------------------------------------------------------------------------------- */

struct check {
    bk_str password;
    char text[BCRYPT_LEN + 1]; /* bcrypt: the hash */
    struct bk__hash hash;
    bk_str salt; /* of scrypt; not in `hash` */
    bool right;
};

static bool by_argon2(const struct check *job, unsigned char *key)
{
    const struct bk__hash *hash = &job->hash;
    argon2_type type = hash->kind == BK__HASH_ARGON2ID  ? Argon2_id
                       : hash->kind == BK__HASH_ARGON2I ? Argon2_i
                                                        : Argon2_d;

    return argon2_hash(hash->costs[1], hash->costs[0], hash->costs[2], job->password.ptr,
                       job->password.len, hash->salt, hash->salt_len, key, hash->key_len, NULL, 0,
                       type, ARGON2_VERSION_13) == ARGON2_OK;
}

static bool by_scrypt(const struct check *job, unsigned char *key)
{
    const struct bk__hash *hash = &job->hash;
    uint64_t n = (uint64_t)1 << hash->costs[0];
    uint64_t bytes = 128 * (uint64_t)hash->costs[1] * (n + hash->costs[2] + 2);

    return EVP_PBE_scrypt(job->password.ptr, job->password.len,
                          (const unsigned char *)job->salt.ptr, job->salt.len, n, hash->costs[1],
                          hash->costs[2], bytes, key, hash->key_len) == 1;
}

/* It reads the password as C text. Not crypt_r(): a sanitizer's library has that name, too, and a
 * linker that drops what seems not needed then drops libcrypt. */
static bool by_bcrypt(const struct check *job)
{
    struct crypt_data *room = calloc(1, sizeof *room);
    char *password = calloc(1, job->password.len + 1);

    bk_assert(room != NULL && password != NULL);
    memcpy(password, job->password.ptr, job->password.len);
    const char *made = crypt_rn(password, job->text, room, sizeof *room);
    bool right = made != NULL && strlen(made) == BCRYPT_LEN &&
                 bk__same_secret(made, job->text, BCRYPT_LEN) &&
                 memchr(job->password.ptr, '\0', job->password.len) == NULL;
    OPENSSL_cleanse(password, job->password.len);
    OPENSSL_cleanse(room, sizeof *room);
    free(password);
    free(room);
    return right;
}

static void check(void *data)
{
    struct check *job = data;
    unsigned char key[BK__KEY_MAX] = {0};

    if (job->hash.kind == BK__HASH_BCRYPT) {
        job->right = by_bcrypt(job);
        return;
    }
    bool made = job->hash.kind == BK__HASH_SCRYPT ? by_scrypt(job, key) : by_argon2(job, key);
    job->right = made && bk__same_secret(key, job->hash.key, job->hash.key_len);
    OPENSSL_cleanse(key, sizeof key);
}

/* A wrong password, whatever it was. */
static bk_err answer(const struct check *job)
{
    return job->right ? BK_OK : bk_fail(BK_EUNAUTHORIZED, "wrong user or password");
}

/* Takes as long as a check of a hash with these costs. */
static bk_err check_nobody(bk_str password, const bk_password_opts *opts)
{
    struct check job = {.password = password,
                        .hash = {.kind = BK__HASH_ARGON2ID,
                                 .costs = {opts->memory_kib, opts->passes, opts->lanes},
                                 .salt_len = SALT_LEN,
                                 .key_len = KEY_LEN}};

    BK_TRY(bk_offload(check, &job));
    job.right = false;
    return answer(&job);
}

bk_err bk_password_verify(bk_str password, bk_str hash, const bk_password_opts *opts, bool *rehash)
{
    bk_password_opts now = opts_of(opts);
    uint32_t costs[] = {now.memory_kib, now.passes, now.lanes};
    struct check job = {.password = password};

    BK_TRY(check_password(password));
    BK_TRY(bk__hash_check_costs(BK__HASH_ARGON2ID, costs));
    if (!bk_str_present(hash))
        return check_nobody(password, &now);
    BK_TRY(bk__hash_parse(hash, &job.hash));
    job.salt = bk_str_at((const char *)job.hash.salt, job.hash.salt_len);
    if (job.hash.kind == BK__HASH_BCRYPT)
        memcpy(job.text, hash.ptr, BCRYPT_LEN);
    BK_TRY(bk_offload(check, &job));
    BK_TRY(answer(&job));
    if (rehash != NULL)
        *rehash = job.hash.kind != BK__HASH_ARGON2ID || job.hash.salt_len < SALT_LEN ||
                  job.hash.key_len < KEY_LEN || memcmp(job.hash.costs, costs, sizeof costs) != 0;
    return BK_OK;
}

bk_err bk_password_verify_scrypt(bk_str password, const bk_scrypt *made)
{
    struct check job = {.password = password,
                        .salt = made->salt,
                        .hash = {.kind = BK__HASH_SCRYPT,
                                 .costs = {made->cost_log2 != 0 ? made->cost_log2 : 14,
                                           made->block_size != 0 ? made->block_size : 8,
                                           made->parallelism != 0 ? made->parallelism : 1},
                                 .key_len = made->key.len}};

    BK_TRY(check_password(password));
    if (made->key.len < 16 || made->key.len > BK__KEY_MAX)
        return bk_fail(BK_EINVAL, "a key of scrypt has 16 to %d bytes here", BK__KEY_MAX);
    BK_TRY(bk__hash_check_costs(BK__HASH_SCRYPT, job.hash.costs));
    memcpy(job.hash.key, made->key.ptr, made->key.len);
    BK_TRY(bk_offload(check, &job));
    return answer(&job);
}
