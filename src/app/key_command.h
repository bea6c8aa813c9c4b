/* key_command.h - runnel key add, list, revoke: the API keys of a data directory.
 *
 *     runnel key add NAME [--scope metrics|read|chat|admin] [--expires 90d|12h|DATE] [--rate 60/min] [--concurrent N]
 *     runnel key list
 *     runnel key revoke NAME
 *
 * Whoever may write into the directory may make keys; no server is needed. One that runs has taken notice when the command is over: what a
 * revoked key has opened is closed then. */
#ifndef RUNNEL_APP_KEY_COMMAND_H
#define RUNNEL_APP_KEY_COMMAND_H

#include "access/key_file.h"
#include "base/status.h"

#include <stdbool.h>

struct key_command {
    const char *action;     /* "add", "list", "revoke"; NULL: none of them was named */
    const char *name;       /* NULL: none */
    const char *scope;      /* NULL: chat */
    const char *expires;    /* NULL: never */
    const char *rate;       /* NULL: the server's */
    const char *concurrent; /* NULL: the server's */
};

/* key_command_take takes its words out of the arguments behind "key"; the options that others have too stay. */
void key_command_take(int *argc, char **argv, struct key_command *out);

/* key_command_run says what was done. The fault is the line to print. */
MUST_CHECK enum status key_command_run(const struct key_command *command, const char *data,
                                       struct fault *fault);

#endif
