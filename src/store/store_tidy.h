/* store_tidy.h - what a crash left beside the database.
 *
 * Owner   who holds the lock of the folder: then nobody is at work on any of it. Thread: any. Blocks. */
#ifndef RUNNEL_STORE_STORE_TIDY_H
#define RUNNEL_STORE_STORE_TIDY_H

#include "base/status.h"

/* store_tidy_folder finishes a salvage that was cut off when its work was done (store_place.h), and removes what is half done and
 * certainly ours: copies that have not got their name, empty files that hold a name for one, and the new database of a salvage. */
MUST_CHECK enum status store_tidy_folder(const char *directory, struct fault *fault);

#endif
