#include "chat/import_files.h"

#include "base/file.h"
#include "base/mem.h"
#include "chat/attachment_file.h"

#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX (IMPORT_MESSAGES_MAX * STORE_ATTACHED_MAX)

void import_files_clear(struct import_files *files) {
    for (size_t i = 0; i < files->n; i++) {
        if (i >= files->at) {
            unlink(files->list[i].path);
        }
        free(files->list[i].path);
        free(files->list[i].name);
    }
    free(files->list);
    *files = (struct import_files){ 0 };
}

static enum status add(struct import_files *files, const char *folder, const char *name, const char *bytes,
                       size_t n_bytes) {
    char *path = NULL;
    int fd = attachment_file_create(folder, &path);
    bool is_written = fd >= 0 && file_write(fd, bytes, n_bytes);
    if (fd >= 0) {
        close(fd);
    }
    if (path == NULL) {
        return STATUS_IO;
    }
    files->list = mem_grow_array(files->list, files->n, &files->capacity, sizeof files->list[0], FILES_MAX);
    files->list[files->n++] = (struct import_incoming){ .path = path, .name = mem_copy_string(name) };
    return is_written ? STATUS_OK : STATUS_IO;
}

enum status import_files_add(struct import_files *files, const char *folder, const struct import_file *file) {
    return add(files, folder, file->name, file->data.size ? file->data.data : "", file->data.size);
}

/* What is known of a file that is text says all of it. */
static bool is_its_text(const struct store_attachment *attachment) {
    char id[SHA256_DIGEST_STRING_LENGTH];
    SHA2_CTX sha256;
    if (attachment->text == NULL || attachment->text_size == 0) {
        return false;
    }
    SHA256Init(&sha256);
    SHA256Update(&sha256, (const uint8_t *)attachment->text, attachment->text_size);
    SHA256End(&sha256, id);
    return strcmp(id, attachment->id) == 0;
}

static bool is_there(const char *folder, const char *id) {
    int fd = attachment_file_open(folder, id);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

enum status import_files_add_texts(struct import_files *files, const char *folder,
                                   const struct store_import *import) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < import->n_messages; i++) {
        const struct store_import_message *message = &import->messages[i];
        for (size_t j = 0; j < message->n_attachments && status == STATUS_OK; j++) {
            const struct store_attachment *attachment = &message->attachments[j];
            if (is_its_text(attachment) && !is_there(folder, attachment->id)) {
                status = add(files, folder, attachment->name, attachment->text, attachment->text_size);
            }
        }
    }
    return status;
}
