/*
 * tls.c: the TLS that is spoken: 1.2 and 1.3, forward secrecy, authenticated ciphers, "h2" before
 * "http/1.1".
 *
 * Everything is set here rather than left to what OpenSSL was built with.
 */
#include <h2o.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/assert.h"
#include "http/listener.h"

static bk_err explain(SSL_CTX *ctx, const char *what, const char *file)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return bk_fail(BK_EIO, "cannot use the TLS %s in %s: %s", what, file, text);
}

bk_err bk__tls_context(const char *cert, const char *key, SSL_CTX **out)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    bk_assert(ctx != NULL);
    if (key == NULL)
        key = cert;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* an idle connection gives 34 KiB back */
    bk_assert(SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
    static const unsigned char id[] = "libbackend";
    SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return explain(ctx, "certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return explain(ctx, "key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return explain(ctx, "key, which does not fit the certificate,", key);
    h2o_ssl_register_alpn_protocols(ctx, h2o_alpn_protocols);
    *out = ctx;
    return BK_OK;
}
