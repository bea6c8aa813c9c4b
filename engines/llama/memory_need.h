/* memory_need.h - how much memory a context will take, asked of the library before anything is loaded.
 *
 * A C face for libllama-common; no exception leaves it.
 *
 * Thread  one at a time: the library's log is redirected meanwhile.
 */
#ifndef RUNNEL_ENGINES_LLAMA_MEMORY_NEED_H
#define RUNNEL_ENGINES_LLAMA_MEMORY_NEED_H

#include <llama.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memory_need {
    uint64_t context_bytes; /* in main memory */
    uint64_t compute_bytes;
};

/* memory_need_measure reads the metadata and lays everything out without memory for it (150 ms for a vocabulary of 50,000). False: the
 * library does not take the file; loading it will say why. */
bool memory_need_measure(const char *path, const struct llama_model_params *model,
                         const struct llama_context_params *context, struct memory_need *out);

#ifdef __cplusplus
}
#endif

#endif
