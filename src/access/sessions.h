/* sessions.h - browsers that have signed in: sessions.json of a data directory.
 *
 * A session is a secret of its own, of which the hash is kept, with the hash of the key that it came by. So it ends with that key, and a
 * restart of the server ends none. The file is written without waiting for the disk: what a power loss takes is a sign-in.
 *
 * Owner   access.c.
 * Thread  the loop thread.
 * Limits  ACCESS_SESSIONS_MAX.
 */
#ifndef RUNNEL_ACCESS_SESSIONS_H
#define RUNNEL_ACCESS_SESSIONS_H

#include "access/access.h"

#include <stddef.h>

#define SESSIONS_FILE_NAME "sessions.json"

struct session {
    uint64_t number;
    struct secret_hash hash;
    struct secret_hash holder;
    int64_t expires_s;
};

struct sessions {
    char *path;
    struct session rows[ACCESS_SESSIONS_MAX]; /* the oldest first */
    size_t n;
};

/* sessions_read: a file that cannot be read, or is damaged, is one without sessions. Numbers are given from *number on. */
void sessions_read(struct sessions *sessions, const char *directory, uint64_t *number);
void sessions_deinit(struct sessions *sessions);

/* These write the file. */
void sessions_add(struct sessions *sessions, const struct session *session);
/* sessions_keep forgets those of which `is_wanted` is false; true: there were some. */
bool sessions_keep(struct sessions *sessions, bool (*is_wanted)(const struct session *session, void *ctx),
                   void *ctx);

#endif
