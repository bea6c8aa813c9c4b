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

/* backend_has_devices: something besides the processor can compute. */
bool backend_has_devices(void);

/* backend_last_error is the latest error that the library logged, "" when there was none. */
const char *backend_last_error(void);

/* backend_expect_errors: from now on, or no longer, what the library calls an error was asked for. */
void backend_expect_errors(bool is_expected);

/* backend_choose_threads is the number of physical cores that this process may use; `wanted` when that is not 0. */
int backend_choose_threads(int wanted);

/* backend_new_threads makes compute threads that sleep as soon as there is no work; NULL when the CPU backend has none of its own.
 * They are attached to a context, and freed after it, or once it has computed with others. */
struct ggml_threadpool *backend_new_threads(int n_threads);
void backend_free_threads(struct ggml_threadpool *threads);

#endif
