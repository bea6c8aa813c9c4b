/* parts.h - a model in several files: NAME-00001-of-00005.gguf and so on.
 *
 * Thread  any; no state.
 * Limits  PARTS_MAX files.
 */
#ifndef RUNNEL_ENGINES_LLAMA_PARTS_H
#define RUNNEL_ENGINES_LLAMA_PARTS_H

#include <stddef.h>
#include <stdint.h>

#define PARTS_MAX 999

/* parts_count: 1 unless the name is that of the first of several. */
int parts_count(const char *path);

/* parts_path writes the name of a part, from 0. */
void parts_path(const char *path, int part, char *out, size_t out_bytes);

/* parts_bytes is the size of the file, or of all parts together that are there. */
uint64_t parts_bytes(const char *path);

#endif
