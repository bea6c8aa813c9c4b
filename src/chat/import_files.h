/* import_files.h - the files that come with an imported conversation, as files that come in (attachment_file.h): chat_attach takes them from there.
 *
 * Owner   whoever declares it, zeroed; import_files_clear frees, and removes what was not taken.
 * Thread  any, one at a time. Blocks for the disk.
 */
#ifndef RUNNEL_CHAT_IMPORT_FILES_H
#define RUNNEL_CHAT_IMPORT_FILES_H

#include "chat/import_read.h"

struct import_files {
    struct import_incoming {
        char *path;
        char *name;
    } * list;
    size_t n;
    size_t capacity;
    size_t at; /* of the next that is to be taken */
};

void import_files_clear(struct import_files *files);

/* STATUS_IO: it cannot be written. */
MUST_CHECK enum status import_files_add(struct import_files *files, const char *folder,
                                        const struct import_file *file);

/* import_files_add_texts adds those of a conversation that are their text, byte for byte, and are not there. */
MUST_CHECK enum status import_files_add_texts(struct import_files *files, const char *folder,
                                              const struct store_import *import);

#endif
