/* tls_library.h - what the program asks of the library that speaks TLS.
 *
 * libssl and libcrypto take as much memory as all the rest of the server. So they are in a module of their own, runnel-tls.so beside the
 * program, which is loaded when a certificate is given and not before. Its one symbol is TLS_LIBRARY_SYMBOL.
 *
 * Thread  the loop thread. Nothing blocks but context_new, which reads two files.
 * Errors  a text for people; TLS_GONE of a connection: there is nothing to do but to close it.
 */
#ifndef RUNNEL_NET_TLS_LIBRARY_H
#define RUNNEL_NET_TLS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_GONE           (-1)
#define TLS_LIBRARY_SYMBOL "tls_library"
/* Of the first byte of a connection: a handshake (RFC 8446 section 5.1). */
#define TLS_RECORD_HANDSHAKE 22
/* In one call. A client that sends tiny records keeps the others waiting no longer than one that sends large ones. */
#define TLS_RECORDS_MAX 4
/* Encrypted in one call. */
#define TLS_SEND_BYTES_MAX (256u << 10)

struct tls_context; /* a certificate with its key */
struct tls_conn;    /* a connection; it keeps its context alive */

struct tls_library {
    /* NULL: `error` says why, with the name of the file. */
    struct tls_context *(*context_new)(const char *certificate, const char *key, char *error,
                                       size_t error_bytes);
    void (*context_free)(struct tls_context *context); /* NULL is fine */
    /* When the certificate ends; Unix time. */
    int64_t (*context_expires_s)(const struct tls_context *context);

    struct tls_conn *(*conn_new)(struct tls_context *context,
                                 int fd);     /* the server's side; NULL: no memory */
    void (*conn_free)(struct tls_conn *conn); /* NULL is fine; says no word */
    /* How many bytes came or were taken; 0: none now. What send has not taken is given again, from the same byte on. The handshake is
     * made by receive. */
    ssize_t (*conn_receive)(struct tls_conn *conn, char *out, size_t n_bytes);
    ssize_t (*conn_send)(struct tls_conn *conn, const char *bytes, size_t n_bytes);
    /* It waits for room to send, though nobody has given it bytes. */
    bool (*conn_wants_write)(const struct tls_conn *conn);
    bool (*conn_is_open)(const struct tls_conn *conn); /* the handshake is done */
    void (*conn_end)(struct tls_conn *conn);           /* says that nothing more comes */
};

extern const struct tls_library tls_library;

#endif
