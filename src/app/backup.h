/* backup.h - a backup of a data directory: by the server that has it, or by this process when none does. Blocks. */
#ifndef RUNNEL_APP_BACKUP_H
#define RUNNEL_APP_BACKUP_H

#include "base/status.h"

#include <stdint.h>

struct backup_made {
    char *path; /* the receiver's */
    uint64_t size_bytes;
};

/* backup_make: `file` NULL: under <data>/backups. `token` NULL: none. Nothing is written over (STATUS_CONFLICT). */
MUST_CHECK enum status backup_make(const char *data, const char *token, const char *file,
                                   struct backup_made *made, struct fault *fault);

#endif
