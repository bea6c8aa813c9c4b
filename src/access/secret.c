#include "access/secret.h"

#include "base/id.h"

#include <sha2.h>
#include <stdio.h>
#include <string.h>

void secret_make_hex(char out[SECRET_HEX_BYTES]) {
    id_make_hex(out);
    id_make_hex(out + ID_HEX_BYTES - 1);
}

void secret_make_key(char out[SECRET_KEY_BYTES]) {
    char hex[SECRET_HEX_BYTES];
    secret_make_hex(hex);
    snprintf(out, SECRET_KEY_BYTES, SECRET_KEY_PREFIX "%s", hex);
}

struct secret_hash secret_hash_of(const char *text) {
    struct secret_hash hash;
    SHA2_CTX sha256;
    SHA256Init(&sha256);
    SHA256Update(&sha256, (const uint8_t *)text, strlen(text));
    SHA256Final(hash.bytes, &sha256);
    return hash;
}

bool secret_is_same(const struct secret_hash *a, const struct secret_hash *b) {
    unsigned difference = 0;
    for (size_t i = 0; i < SECRET_HASH_BYTES; i++) {
        difference |= (unsigned)(a->bytes[i] ^ b->bytes[i]);
    }
    return difference == 0;
}

void secret_format_hash(const struct secret_hash *hash, char out[SECRET_HEX_BYTES]) {
    for (size_t i = 0; i < SECRET_HASH_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", hash->bytes[i]);
    }
}

static unsigned value_of(char digit) {
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

bool secret_parse_hash(const char *text, struct secret_hash *out) {
    if (strspn(text, "0123456789abcdef") != SECRET_HEX_BYTES - 1 || text[SECRET_HEX_BYTES - 1] != '\0') {
        return false;
    }
    for (size_t i = 0; i < SECRET_HASH_BYTES; i++) {
        out->bytes[i] = (uint8_t)(value_of(text[2 * i]) << 4 | value_of(text[2 * i + 1]));
    }
    return true;
}
