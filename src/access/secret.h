/* secret.h - texts that open doors: made, hashed, compared.
 *
 * What is kept of a secret is its SHA-256. A slow hash is for passwords, which people choose and others guess; these are 256 random bits, of
 * which no guess comes near, and every request is hashed anew.
 *
 * Pure, but for the randomness of the system.
 * Thread  any.
 */
#ifndef RUNNEL_ACCESS_SECRET_H
#define RUNNEL_ACCESS_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#define SECRET_HASH_BYTES 32
/* "runnel_" and 64 hex digits, with a NUL. The prefix is there for programs that look for secrets where none belong. */
#define SECRET_KEY_PREFIX "runnel_"
#define SECRET_KEY_BYTES  72
#define SECRET_HEX_BYTES  65

struct secret_hash {
    uint8_t bytes[SECRET_HASH_BYTES];
};

/* 64 hex digits of fresh randomness; and a key of it. */
void secret_make_hex(char out[SECRET_HEX_BYTES]);
void secret_make_key(char out[SECRET_KEY_BYTES]);

struct secret_hash secret_hash_of(const char *text);

/* secret_is_same takes as long whatever the difference is. */
bool secret_is_same(const struct secret_hash *a, const struct secret_hash *b);

/* The hash as 64 hex digits, and back; false: it is none. */
void secret_format_hash(const struct secret_hash *hash, char out[SECRET_HEX_BYTES]);
bool secret_parse_hash(const char *text, struct secret_hash *out);

#endif
