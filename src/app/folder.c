#include "app/folder.h"

#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum status folder_make(const char *path, mode_t mode, struct fault *fault) {
    char *copy = mem_copy_string(path);
    for (char *at = copy + 1;; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char kept = *at;
        *at = '\0';
        bool is_made = mkdir(copy, mode) == 0 || errno == EEXIST;
        *at = kept;
        if (!is_made) {
            free(copy);
            return fault_set(fault, STATUS_IO, "cannot make the folder %.200s: %s", path, strerror(errno));
        }
        if (kept == '\0') {
            free(copy);
            return STATUS_OK;
        }
    }
}
