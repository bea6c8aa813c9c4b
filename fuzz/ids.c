/* Ids and cursors from outside: what is taken for one has its form, and is no path. */
#include "api/sse.h"
#include "base/id.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_string(data, n_bytes);
    char name[ID_CONVERSATION_BYTES];
    if (id_parse_conversation(text, name)) {
        HOLDS(strncmp(name, "chat_", 5) == 0 && strcmp(name + strlen(name) - 4, ".txt") == 0);
        HOLDS(strspn(name, "chat_0123456789-.x") == strlen(name) && strstr(name, "..") == NULL);
        char again[ID_CONVERSATION_BYTES];
        HOLDS(id_parse_conversation(name, again) && strcmp(name, again) == 0);
    }
    if (id_is_hex(text)) {
        HOLDS(strspn(text, "0123456789abcdef") == 32 && text[32] == '\0');
    }
    if (id_is_client(text)) {
        HOLDS(strlen(text) >= 1 && strlen(text) <= ID_CLIENT_BYTES_MAX &&
              strpbrk(text, "/\\ \r\n\"<") == NULL);
    }
    struct cursor cursor;
    if (sse_parse_id(text, &cursor)) {
        char digits[24];
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)cursor.after_seq);
        HOLDS(id_is_hex(cursor.generation) && strncmp(text, cursor.generation, 32) == 0);
        HOLDS(strstr(text, digits) && strlen(cursor.epoch) == STORE_EPOCH_BYTES - 1);
    }
    free(text);
    return 0;
}
