#include "store/store_name.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The name is ours from the moment that the empty file has it. */
static int take_in_two_steps(const char *from, const char *to) {
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    close(fd);
    if (rename(from, to) == 0) {
        return 0;
    }
    int error = errno;
    unlink(to);
    errno = error;
    return -1;
}

int store_name_take(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    return errno == EINVAL || errno == ENOSYS ? take_in_two_steps(from, to) : -1;
}

void store_name_each(const char *folder, const char *pattern, void (*found)(void *ctx, const char *path),
                     void *ctx) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (fnmatch(pattern, entry->d_name, FNM_PERIOD) == 0) {
            char *path = mem_format("%s/%s", folder, entry->d_name);
            found(ctx, path);
            free(path);
        }
    }
    if (entries) {
        closedir(entries);
    }
}
