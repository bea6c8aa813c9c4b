/* scope.h - what a key is good for. Each allows what the ones before it do.
 *
 * Pure. */
#ifndef RUNNEL_ACCESS_SCOPE_H
#define RUNNEL_ACCESS_SCOPE_H

#include <stdbool.h>

enum scope {
    SCOPE_PUBLIC,  /* of a route: nobody needs to say who he is */
    SCOPE_METRICS, /* figures about the server, and no word of a conversation */
    SCOPE_READ,    /* everything, and change nothing */
    SCOPE_CHAT,    /* answers and conversations */
    SCOPE_ADMIN,   /* settings, models, backups */
};

const char *scope_name(enum scope scope);

/* scope_parse knows the names but for "public", which is no key's. */
bool scope_parse(const char *name, enum scope *out);

#endif
