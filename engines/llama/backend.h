/* backend.h - the compute libraries and their threads.
 *
 * Owner   the program, once.
 * Thread  backend_init before any other thread; the rest with the model's owner.
 */
#ifndef RUNNEL_ENGINES_LLAMA_BACKEND_H
#define RUNNEL_ENGINES_LLAMA_BACKEND_H

#include "base/status.h"

#include <llama.h>
#include <stdbool.h>

#define BACKEND_ERROR_BYTES 320

/* backend_init sends the library's log to ours and loads the compute backends that lie beside libllama. False: there is none
 * that runs on this machine. */
bool backend_init(struct fault *fault);
void backend_deinit(void);

/* backend_last_error is the latest error that the library logged, "" when there was none. */
const char *backend_last_error(void);

/* backend_choose_threads is the number of physical cores that this process may use; `wanted` when that is not 0. */
int backend_choose_threads(int wanted);

/* backend_attach_threads gives the context compute threads that sleep as soon as there is no work, and returns them; NULL
 * when the CPU backend has none of its own. Detach by freeing the context, then backend_free_threads. */
struct ggml_threadpool *backend_attach_threads(struct llama_context *context, int n_threads);
void backend_free_threads(struct ggml_threadpool *threads);

#endif
