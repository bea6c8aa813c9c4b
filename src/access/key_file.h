/* key_file.h - keys.json of a data directory: the API keys that there are.
 *
 * What is kept of a key is its hash, so whoever reads the file can open nothing with it. The file is this user's alone. A command writes it,
 * and a server that runs takes notice (access.h): the two share nothing but the file, which is replaced in one step.
 *
 *     {"version":1,"keys":[{"name":"phone","hash":"…64 hex…","scope":"chat","created":1790000000,"expires":null,"rate":"60/min","concurrent":4}]}
 *
 * Owner   key_file_read fills a struct key_file, key_file_deinit frees it.
 * Thread  any; blocks. key_file_lock keeps other commands away between reading and writing.
 * Limits  KEY_FILE_KEYS_MAX.
 * Errors  STATUS_CORRUPT: it is not what was written; the fault says what to do. No file is no error: there are no keys then.
 */
#ifndef RUNNEL_ACCESS_KEY_FILE_H
#define RUNNEL_ACCESS_KEY_FILE_H

#include "access/rate.h"
#include "access/scope.h"
#include "access/secret.h"
#include "base/status.h"

#include <stddef.h>

#define KEY_FILE_NAME      "keys.json"
#define KEY_FILE_KEYS_MAX  256
#define KEY_FILE_BYTES_MAX (256u << 10)
#define KEY_NAME_BYTES     65
#define KEY_CONCURRENT_MAX 1000

struct key {
    char name[KEY_NAME_BYTES]; /* 1 to 64 of A–Z a–z 0–9 - _ . */
    struct secret_hash hash;
    enum scope scope;
    int64_t created_s;
    int64_t expires_s;   /* Unix time; 0: never */
    struct rate rate;    /* answers begun; n 0: the server's */
    uint32_t concurrent; /* answers at a time; 0: the server's */
};

struct key_file {
    struct key *keys;
    size_t n_keys;
    bool is_there; /* a file without keys lets nobody in; no file is no guard */
};

bool key_name_is_good(const char *name);

MUST_CHECK enum status key_file_read(const char *directory, struct key_file *out, struct fault *fault);
void key_file_deinit(struct key_file *file);

/* key_file_write is durable when it returns. */
MUST_CHECK enum status key_file_write(const char *directory, const struct key_file *file,
                                      struct fault *fault);

/* key_file_lock waits for other commands; the descriptor is closed to unlock. */
MUST_CHECK enum status key_file_lock(const char *directory, int *fd, struct fault *fault);

/* key_file_find: NULL: there is none of that name. key_file_add: there is room and none of that name. */
struct key *key_file_find(const struct key_file *file, const char *name);
void key_file_add(struct key_file *file, const struct key *key);
void key_file_remove(struct key_file *file, struct key *key);

#endif
