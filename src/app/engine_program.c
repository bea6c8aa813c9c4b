#include "app/engine_program.h"

#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

bool engine_program_find(const char *name, char out[PATH_MAX]) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    int wanted = snprintf(out, PATH_MAX, "%s/runnel-engine-%s", dirname(self), name);
    return wanted > 0 && wanted < PATH_MAX && access(out, X_OK) == 0;
}
