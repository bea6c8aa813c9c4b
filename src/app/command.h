/* command.h - runnel check, salvage, backup, key: what is done to a data directory from outside the server; and runnel bench (bench.h), runnel fields.
 *
 *     runnel check   [FILE]   is the database whole? 0: yes, 1: no (what is wrong is said), 2: it cannot be looked at
 *     runnel salvage          a new database of what can be read in a damaged one, which is kept beside it
 *     runnel backup  [FILE]   a copy of the database, also while a server uses it: that server is asked to make it
 *     runnel key     …        the keys of programs and browsers (key_command.h)
 *     runnel bench   [MODEL]  how fast a model is on this machine, and what would suit it better
 *     runnel fields           what the compatible APIs do with each field of a request (api/fields.h), as JSON
 *
 * with the options of the server, of which --data, --token and --config matter here, and for bench --models, --model, --context, --threads and
 * --json. Exit code 3: a server has the directory. */
#ifndef RUNNEL_APP_COMMAND_H
#define RUNNEL_APP_COMMAND_H

#include "app/config.h"
#include "app/key_command.h"

struct command {
    const char *name; /* NULL: none, the server is meant */
    const char *file; /* NULL: none was named */
    struct key_command key;
};

/* command_take takes the command and its file out of the arguments. */
struct command command_take(int *argc, char **argv);

/* command_run does it and says how it went. The exit code. */
int command_run(const struct command *command, const struct config *config);

#endif
