/* store_name.h - names of files: given without writing over anything, and found.
 *
 * Thread  any. Blocks. */
#ifndef RUNNEL_STORE_STORE_NAME_H
#define RUNNEL_STORE_STORE_NAME_H

#include "base/status.h"

/* store_name_take gives the file `from` the name `to`, which nobody has. −1 and errno; EEXIST: somebody has it; EXDEV: it lies on
 * another file system. Needs neither hard links nor renameat2: where the file system has no way to do it in one step, an empty file
 * takes the name first, and only a crash right then leaves it. */
MUST_CHECK int store_name_take(const char *from, const char *to);

/* store_name_each calls `found` with the path of each file of the folder whose name matches a pattern of fnmatch(3), in no order. A
 * folder that is not there has none. */
void store_name_each(const char *folder, const char *pattern, void (*found)(void *ctx, const char *path),
                     void *ctx);

#endif
