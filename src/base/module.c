#include "base/module.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

const void *module_load(const char *name, const char *symbol, const char *what, struct fault *fault) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *path = mem_format("%s/%s", dirname(self), name);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const void *found = module ? dlsym(module, symbol) : NULL;
    if (found == NULL) {
        const char *why = dlerror();
        fault_set(fault, STATUS_UNAVAILABLE, "%s needs the file %.150s: %.150s", what, path, why ? why : "");
    }
    free(path);
    return found;
}
