/* id.h - the names of things.
 *
 * A message or generation id is 128 random bits as 32 lower-case hex digits: not guessable (threat T9). A
 * conversation id is chat_YYYY-MM-DD-HH-MM-SS-mmm.txt in UTC, with _2, _3 … before .txt when it is taken.
 */
#ifndef RUNNEL_BASE_ID_H
#define RUNNEL_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_HEX_BYTES          33
#define ID_CONVERSATION_BYTES 48
#define ID_CLIENT_BYTES_MAX   64

/* id_make_hex fills `out` with a fresh random id. */
void id_make_hex(char out[ID_HEX_BYTES]);

uint64_t id_make_u64(void);

bool id_is_hex(const char *text);

/* id_make_conversation: `suffix` < 2 means none. */
void id_make_conversation(int64_t wall_ms, unsigned suffix, char out[ID_CONVERSATION_BYTES]);

/* id_parse_conversation checks `text` to the letter, adds a missing ".txt", and copies it. False: it is no
 * id; such a text never reaches a query or a path. */
bool id_parse_conversation(const char *text, char out[ID_CONVERSATION_BYTES]);

/* id_copy copies an id into a place of out_bytes; a longer text is no id, and is cut. */
void id_copy(char *out, size_t out_bytes, const char *id);

/* id_is_client: 1 to 64 of A–Z a–z 0–9 - _ . */
bool id_is_client(const char *text);

#endif
