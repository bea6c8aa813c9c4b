/* A file of conversations: what is taken of it is whole, whatever it was, and nothing else is found by looking through it than by reading it. */
#include "base/utf8.h"
#include "chat/import_read.h"
#include "chat/import_split.h"

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static void check_attachments(const struct store_import_message *message) {
    HOLDS(message->n_attachments <= STORE_ATTACHED_MAX);
    for (size_t i = 0; i < message->n_attachments; i++) {
        HOLDS(strlen(message->attachments[i].id) == STORE_HASH_BYTES - 1);
        HOLDS(message->attachments[i].name && message->attachments[i].type);
    }
}

static void check_import(const struct store_import *import) {
    HOLDS(import->n_messages > 0 && import->n_messages <= IMPORT_MESSAGES_MAX);
    HOLDS(import->title && utf8_is_valid(import->title, strlen(import->title)));
    HOLDS(import->created_ms > 0 && import->updated_ms > 0);
    HOLDS(import->origin || import->messages[0].id[0]);
    HOLDS(import->current == SIZE_MAX || import->current < import->n_messages);
    HOLDS(import->own.folder == NULL || strlen(import->own.folder) <= STORE_FOLDER_BYTES_MAX);
    for (size_t i = 0; i < import->n_messages; i++) {
        const struct store_import_message *message = &import->messages[i];
        HOLDS(message->parent == SIZE_MAX || message->parent < i);
        HOLDS(message->created_ms > 0);
        for (size_t j = 0; j < message->n_generations; j++) {
            HOLDS(message->generations[j].reason);
        }
        check_attachments(message);
    }
}

static void read_piece(const struct import_split *split, const struct bytes *piece) {
    struct store_import *import = NULL;
    struct import_file file = { 0 };
    struct fault fault;
    char title[IMPORT_TITLE_BYTES];
    char *exact = fuzz_copy((const uint8_t *)(piece->size ? piece->data : ""), piece->size);
    enum status status = split->form == IMPORT_TEXT
                             ? import_read_text(exact, piece->size, &import, title, &fault)
                             : import_read_json(exact, piece->size, &import, &file, title, &fault);
    free(exact);
    HOLDS(memchr(title, '\0', sizeof title));
    HOLDS(status == STATUS_OK ? !import == !!file.name : !import && !file.name);
    if (import) {
        check_import(import);
    }
    store_import_free(import);
    import_file_deinit(&file);
}

/* How many pieces there are; *status: how it ended. */
static size_t walk(int fd, bool reads, enum status *status) {
    static struct import_split split;
    struct fault fault;
    bool is_end = false;
    size_t n = 0;
    *status = import_split_open(&split, fd, &fault);
    while (*status == STATUS_OK && !is_end) {
        struct bytes piece;
        bytes_init(&piece, IMPORT_PIECE_BYTES_MAX);
        *status = import_split_next(&split, reads ? &piece : NULL, &is_end, &fault);
        if (*status == STATUS_OK && !is_end) {
            n++;
            if (reads) {
                read_piece(&split, &piece);
            }
        }
        bytes_deinit(&piece);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static int fd = -1;
    enum status looked, read;
    fd = fd >= 0 ? fd : memfd_create("import", MFD_CLOEXEC);
    HOLDS(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, n_bytes, 0) == (ssize_t)n_bytes);
    size_t n = walk(fd, false, &looked);
    HOLDS(walk(fd, true, &read) == n && looked == read);
    return 0;
}
