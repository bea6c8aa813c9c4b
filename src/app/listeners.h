/* listeners.h - where clients come in: the address, with or without TLS, and the Unix socket of this user's own programs.
 *
 * Owner   main; listeners_close after the net's clients are gone.
 * Errors  the fault is the line to print. A socket in the data directory that cannot be had is only said in the log: its file system may
 *         know none, or its path be too long. One that was asked for must be had.
 */
#ifndef RUNNEL_APP_LISTENERS_H
#define RUNNEL_APP_LISTENERS_H

#include "app/config.h"
#include "net/net.h"

struct listeners {
    struct tls *tls;   /* NULL: none */
    char *url;         /* for people: http://127.0.0.1:8000 */
    char *control_url; /* for the sub-commands: unix:PATH where there is a socket, else `url` */
};

/* listeners_prepare reads the certificate. */
MUST_CHECK enum status listeners_prepare(const struct config *config, struct listeners *out,
                                         struct fault *fault);
/* listeners_open lets clients in; net_serve was called. */
MUST_CHECK enum status listeners_open(struct listeners *listeners, const struct config *config,
                                      struct net *net, struct fault *fault);
void listeners_close(struct listeners *listeners);

#endif
