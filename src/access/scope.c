#include "access/scope.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = { "public", "metrics", "read", "chat", "admin" };

const char *scope_name(enum scope scope) {
    return names[scope];
}

bool scope_parse(const char *name, enum scope *out) {
    for (size_t i = SCOPE_METRICS; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum scope)i;
            return true;
        }
    }
    return false;
}
