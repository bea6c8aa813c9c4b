/* access.h - who is who, and what he may do: the token, the API keys, and browsers that have signed in with one of them.
 *
 * A caller is known by a number. It stays the same while the right lasts, also when keys.json is read again, and never comes back; so a
 * connection keeps the number, and whoever asks about it later learns that it is gone.
 *
 *   ACCESS_ANYBODY  everybody, with every right, until there is a token or a file of keys: then nobody, for good
 *   ACCESS_OWNER    a program of the user that this server runs for
 *   others          the token, a key, a session
 *
 * Owner   access_open and access_close.
 * Thread  the loop thread. access_refresh asks the file system for one file, and reads it when it has changed. access_sign_in and
 *         access_sign_out write a small file and do not wait for the disk.
 * Memory  a struct access_caller is a copy; its name lives until the next access_refresh.
 * Limits  KEY_FILE_KEYS_MAX keys, ACCESS_SESSIONS_MAX sessions: the next one ends the oldest of its key, or of all. ACCESS_SESSION_S.
 */
#ifndef RUNNEL_ACCESS_ACCESS_H
#define RUNNEL_ACCESS_ACCESS_H

#include "access/rate.h"
#include "access/scope.h"
#include "access/secret.h"
#include "base/status.h"

#define ACCESS_SESSIONS_MAX 256
#define ACCESS_SESSION_S    (30 * 86400)
#define ACCESS_ONCE_S       600

#define ACCESS_NOBODY  0
#define ACCESS_ANYBODY 1
#define ACCESS_OWNER   2

struct access;

struct access_options {
    const char *directory;
    const char *token; /* NULL: none */
    bool is_exposed;   /* others than this machine's can come: there must be a token or a key */
    struct rate rate;  /* of a caller that has none of his own */
    uint32_t concurrent;
};

struct access_caller {
    uint64_t number;
    uint64_t
        holder; /* the number of the key that this one has signed in with; its own, where it is no session */
    const char *name;
    enum scope scope;
    uint32_t concurrent; /* 0: without a limit */
    bool is_session;
    int64_t expires_s; /* Unix time; 0: never */
};

/* access_open: STATUS_DENIED: it is exposed, and there is neither a token nor a key. STATUS_CORRUPT: keys.json cannot be used. */
MUST_CHECK enum status access_open(const struct access_options *options, struct access **out,
                                   struct fault *fault);
void access_close(struct access *access); /* NULL is fine */

/* access_refresh: true: somebody who was known may be gone. Before each question, and now and then. */
bool access_refresh(struct access *access);

/* access_is_guarded: not everybody may come in. */
bool access_is_guarded(const struct access *access);

/* Who has said this. ACCESS_NOBODY: nobody that is known. `address`: from where (guesses.h). *wait_s: 0, or after so many seconds he is
 * heard: too many wrong keys came from there. */
uint64_t access_by_key(struct access *access, const char *text, const uint8_t *address, uint32_t *wait_s);
uint64_t access_by_session(struct access *access, const char *text);

/* access_find: false: he is known no more. */
bool access_find(struct access *access, uint64_t number, struct access_caller *out);

/* access_take: he begins an answer. 0, or the seconds that he has to wait. */
uint32_t access_take(struct access *access, uint64_t number);

/* access_sign_in gives a browser a secret of its own, for as long as the key that it knows is good; by a key, the token, or what
 * access_make_once gave. ACCESS_NOBODY: it is none of them, or, with *wait_s, as in access_by_key. */
uint64_t access_sign_in(struct access *access, const char *text, const uint8_t *address,
                        char session[SECRET_HEX_BYTES] /* out */, uint32_t *wait_s);
void access_sign_out(struct access *access, uint64_t number);

/* access_make_once is a text that signs in once, as the owner, within ACCESS_ONCE_S. The one before is good no more. */
void access_make_once(struct access *access, char out[SECRET_HEX_BYTES]);

#endif
