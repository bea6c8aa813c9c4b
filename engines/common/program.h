/* program.h - what every engine program does before and after its work. */
#ifndef RUNNEL_ENGINES_COMMON_PROGRAM_H
#define RUNNEL_ENGINES_COMMON_PROGRAM_H

#include "common/inbox.h"
#include "common/sandbox.h"

#include <stdbool.h>

/* One engine program's connection to the server. */
struct program {
    struct channel channel;
    struct events events;
    struct inbox inbox;
    struct sandbox
        sandbox; /* what was asked for; entering it is the engine's, once its libraries are there */
};

/* program_init reads the arguments (--log LEVEL, --sandbox [E51], --version, --help), takes standard input and output, and says hello.
 * False: the program ends now with *exit_code. */
bool program_init(struct program *program, const char *engine, int n_args, char **args, int *exit_code);
void program_deinit(struct program *program);

#endif
