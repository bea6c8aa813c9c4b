/* incoming.h - the body of a POST that goes to a file while it arrives: the one file of multipart/form-data, or the body itself.
 *
 * Owner   the connection whose first member it is. What was not handed over (`path` set to NULL, `fd` to −1) goes with it.
 * Thread  the loop thread only. It writes to the page cache: what waits for the disk is the receiver's, aside (chat_aside).
 * Limits  the options'.
 */
#ifndef RUNNEL_API_INCOMING_H
#define RUNNEL_API_INCOMING_H

#include "api/api_internal.h"
#include "api/multipart.h"

struct incoming_options {
    uint64_t n_bytes_max;
    const char *too_large; /* what is said then (413) */
    bool needs_name;
};

struct incoming {
    struct api_call call;
    const struct incoming_options *options;
    struct multipart multipart;
    bool is_multipart;
    int fd; /* open for reading too */
    char *path;
    char *name; /* NULL: none was given */
    uint64_t n_bytes;
};

/* incoming_begin is for on_head: it makes one of n_bytes, which begins with a struct incoming, and takes the pieces; or it answers. */
void incoming_begin(size_t n_bytes, const struct incoming_options *options, struct api *api,
                    struct net_conn *net);

/* incoming_take is for on_request: NULL: it has been answered. */
struct incoming *incoming_take(struct net_conn *net);

#endif
