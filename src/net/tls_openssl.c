/* tls_openssl.c - the module runnel-tls.so: TLS by OpenSSL. The one file that knows it.
 *
 * TLS 1.2 and 1.3, and only ciphers that keep yesterday's bytes secret when a key leaks tomorrow. What OpenSSL offers besides is left off:
 * renegotiation, compression, early data (it can be replayed), a cache of sessions (tickets resume them, and cost no memory here).
 *
 * A record is read into memory that is given back at once (SSL_MODE_RELEASE_BUFFERS), and nothing is read ahead: what is not read yet is
 * in the kernel, which tells of it again. One call handles one record that brings no bytes (no SSL_MODE_AUTO_RETRY), and the loop
 * TLS_RECORDS_MAX of those that do.
 */
#include "net/tls_library.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const unsigned char alpn[] = "\x08http/1.1";

static SSL_CTX *ctx_of(const struct tls_context *context) {
    return (SSL_CTX *)(uintptr_t)context;
}

static SSL *ssl_of(const struct tls_conn *conn) {
    return (SSL *)(uintptr_t)conn;
}

/* ---- The certificate and its key ---- */

/* The newest error says what failed, the oldest why. */
static struct tls_context *fail(SSL_CTX *ctx, char *error, size_t error_bytes, const char *path,
                                const char *what) {
    const char *why = ERR_reason_error_string(ERR_peek_error());
    snprintf(error, error_bytes, "%s %s: %s", path, what, why ? why : "it cannot be read");
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

/* A client that speaks something else by this door is told so: its bytes must not be taken for a request (RFC 7301 section 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n_out,
                           const unsigned char *offered, unsigned n_offered, void *ctx) {
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto(&chosen, n_out, alpn, sizeof alpn - 1, offered, n_offered) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_up(SSL_CTX *ctx) {
    static const unsigned char name[] = "runnel";
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, name, sizeof name - 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

static int refuse_to_ask(char *buffer, int size, int for_writing, void *ctx) {
    (void)buffer;
    (void)size;
    (void)for_writing;
    (void)ctx;
    return -1;
}

static struct tls_context *context_new(const char *certificate, const char *key, char *error,
                                       size_t error_bytes) {
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        return fail(NULL, error, error_bytes, "TLS", "cannot begin");
    }
    set_up(ctx);
    SSL_CTX_set_default_passwd_cb(ctx, refuse_to_ask); /* it would wait at the terminal */
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
        return fail(ctx, error, error_bytes, certificate, "is no certificate in PEM form");
    }
    /* It would compare the key with the certificate at once, and call the file unreadable. */
    SSL_CTX *alone = SSL_CTX_new(TLS_server_method());
    if (alone) {
        SSL_CTX_set_default_passwd_cb(alone, refuse_to_ask);
    }
    bool is_key = alone && SSL_CTX_use_PrivateKey_file(alone, key, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_free(alone);
    if (!is_key) {
        return fail(ctx, error, error_bytes, key, "is no private key in PEM form without a password");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        fail(ctx, error, error_bytes, key, "");
        snprintf(error, error_bytes, "the key %s does not belong to the certificate %s", key, certificate);
        return NULL;
    }
    return (struct tls_context *)ctx;
}

static void context_free(struct tls_context *context) {
    SSL_CTX_free(ctx_of(context));
}

static int64_t context_expires_s(const struct tls_context *context) {
    struct tm end = { 0 };
    const X509 *certificate = SSL_CTX_get0_certificate(ctx_of(context));
    return certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? timegm(&end) : 0;
}

/* ---- One connection ---- */

static struct tls_conn *conn_new(struct tls_context *context, int fd) {
    SSL *ssl = SSL_new(ctx_of(context));
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl) {
        SSL_set_accept_state(ssl);
    }
    return (struct tls_conn *)ssl;
}

static void conn_free(struct tls_conn *conn) {
    SSL_free(ssl_of(conn));
}

/* After a failure nothing may be said, not even the end. */
static ssize_t of_error(SSL *ssl, int result) {
    int error = SSL_get_error(ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return 0;
    }
    if (error != SSL_ERROR_ZERO_RETURN) {
        SSL_set_quiet_shutdown(ssl, 1);
    }
    ERR_clear_error();
    return TLS_GONE;
}

static ssize_t conn_receive(struct tls_conn *conn, char *out, size_t n_bytes) {
    SSL *ssl = ssl_of(conn);
    size_t n = 0;
    for (int i = 0; i < TLS_RECORDS_MAX && n < n_bytes; i++) {
        size_t n_read = 0;
        ERR_clear_error();
        int result = SSL_read_ex(ssl, out + n, n_bytes - n, &n_read);
        if (result != 1) {
            ssize_t state = of_error(ssl, result);
            return n > 0 ? (ssize_t)n : state; /* an end is told again */
        }
        n += n_read;
    }
    return (ssize_t)n;
}

static ssize_t conn_send(struct tls_conn *conn, const char *bytes, size_t n_bytes) {
    SSL *ssl = ssl_of(conn);
    size_t n = 0;
    while (n < n_bytes && n < TLS_SEND_BYTES_MAX) {
        size_t n_written = 0;
        ERR_clear_error();
        int result = SSL_write_ex(ssl, bytes + n, n_bytes - n, &n_written);
        if (result != 1) {
            ssize_t state = of_error(ssl, result);
            return n > 0 ? (ssize_t)n : state;
        }
        n += n_written;
    }
    return (ssize_t)n;
}

static bool conn_wants_write(const struct tls_conn *conn) {
    return SSL_want_write(ssl_of(conn));
}

static bool conn_is_open(const struct tls_conn *conn) {
    return SSL_is_init_finished(ssl_of(conn));
}

static void conn_end(struct tls_conn *conn) {
    SSL *ssl = ssl_of(conn);
    if (SSL_is_init_finished(ssl)) {
        ERR_clear_error();
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
}

const struct tls_library tls_library = {
    .context_new = context_new,
    .context_free = context_free,
    .context_expires_s = context_expires_s,
    .conn_new = conn_new,
    .conn_free = conn_free,
    .conn_receive = conn_receive,
    .conn_send = conn_send,
    .conn_wants_write = conn_wants_write,
    .conn_is_open = conn_is_open,
    .conn_end = conn_end,
};
