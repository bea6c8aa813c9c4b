/* module.h - a part of the program that is loaded when it is needed, because its libraries take more memory than all the rest.
 *
 * It lies beside the program, as the engines do, and stays loaded: its threads' and its own memory end with the process.
 *
 * Thread  any. Blocks: reads files.
 */
#ifndef RUNNEL_BASE_MODULE_H
#define RUNNEL_BASE_MODULE_H

#include "base/status.h"

/* module_load returns what `symbol` of the file `name` is. NULL: the fault says why; `what` is what it is needed for. */
const void *module_load(const char *name, const char *symbol, const char *what, struct fault *fault);

#endif
