/* file_pages.h - the pages of a mapped file that nobody needs any more.
 *
 * libllama maps the file, and where the processor has kernels for another order of the weights (AMX, repacked Q4_0) it makes a copy in that order:
 * the pages that it was made from stay in the process, as large as the model. Those that are still needed come back when they are touched,
 * from the file or the machine's own cache of it.
 *
 * Thread  any; no state.
 * Limits  what /proc/self says; where it says nothing, nothing is done.
 */
#ifndef RUNNEL_ENGINES_LLAMA_FILE_PAGES_H
#define RUNNEL_ENGINES_LLAMA_FILE_PAGES_H

#include <stdint.h>

/* file_pages_own_bytes is what the process has in memory beside the pages of files (proc(5), statm: resident less shared). */
uint64_t file_pages_own_bytes(void);

/* file_pages_drop lets go of all pages of the file that are mapped here; returns the bytes of its mappings. */
uint64_t file_pages_drop(const char *path);

#endif
