/* engine_program.h - where the engine programs are: beside this one. */
#ifndef RUNNEL_APP_ENGINE_PROGRAM_H
#define RUNNEL_APP_ENGINE_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* engine_program_find writes the path of runnel-engine-NAME. False: it is not there, or cannot be started. */
bool engine_program_find(const char *name, char out[PATH_MAX]);

#endif
