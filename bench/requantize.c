/* requantize.c - the same model with weights in Q4_0, which the library computes faster on many processors.
 *
 * usage: runnel-bench-requantize IN.gguf OUT.gguf
 * From weights that are quantised already it loses more than from the original ones: good for measuring speed, not for answers.
 */
#include "llama.h"

#include <stdio.h>

static void on_log(enum ggml_log_level level, const char *text, void *ctx) {
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR) {
        fputs(text, stderr);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s IN.gguf OUT.gguf\n", argv[0]);
        return 2;
    }
    llama_log_set(on_log, NULL);
    llama_backend_init();
    struct llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = LLAMA_FTYPE_MOSTLY_Q4_0;
    params.allow_requantize = true;
    return llama_model_quantize(argv[1], argv[2], &params) == 0 ? 0 : 1;
}
