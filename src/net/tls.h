/* tls.h - a certificate and its key, for the listeners that speak TLS.
 *
 * The files are looked at once a second (tls_tick) and loaded again when they have changed and have then been still for that long, so that
 * a certificate whose key is not there yet is not tried. What is open goes on with what it began with. Files that cannot be used change
 * nothing but the log. A signal is not needed for it: SIGHUP is what a terminal sends when it goes.
 *
 * Owner   tls_open and tls_close; it outlives the listeners and connections that were given it.
 * Thread  the loop thread.
 * Errors  STATUS_INVALID: a file that cannot be used. STATUS_UNAVAILABLE: the library is missing. The fault says what to do.
 */
#ifndef RUNNEL_NET_TLS_H
#define RUNNEL_NET_TLS_H

#include "base/status.h"
#include "net/tls_library.h"

struct tls;

MUST_CHECK enum status tls_open(const char *certificate, const char *key, struct tls **out,
                                struct fault *fault);
void tls_close(struct tls *tls); /* NULL is fine */
void tls_tick(struct tls *tls);

/* tls_conn_new is a connection's side of the handshake; NULL: no memory. What it can do is tls_functions. */
struct tls_conn *tls_conn_new(struct tls *tls, int fd);
const struct tls_library *tls_functions(const struct tls *tls);

/* tls_expires_s: Unix time; 0: not known. */
int64_t tls_expires_s(const struct tls *tls);

#endif
