/* raw.c - the limit: what libllama itself does with one sequence and greedy choice, nothing around it.
 *
 * usage: runnel-bench-raw MODEL N_TOKENS N_THREADS
 * Prints one JSON line: {"tokens_per_second":…,"prompt_tokens":…}. The first token is not counted, as at a client.
 */
#include "ggml-backend.h"
#include "llama.h"

#include <dlfcn.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROMPT "<|im_start|>user\nTell me a story about a river.<|im_end|>\n<|im_start|>assistant\n"

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_log(enum ggml_log_level level, const char *text, void *ctx) {
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR) {
        fputs(text, stderr);
    }
}

static void load_backends(void) {
    Dl_info info;
    char path[4096];
    if (dladdr((void *)(uintptr_t)llama_backend_init, &info) == 0) {
        ggml_backend_load_all();
        return;
    }
    snprintf(path, sizeof path, "%s", info.dli_fname);
    ggml_backend_load_all_from_path(dirname(path));
}

static llama_token best(const float *logits, int n) {
    int index = 0;
    for (int i = 1; i < n; i++) {
        index = logits[i] > logits[index] ? i : index;
    }
    return index;
}

static struct llama_context *open_context(struct llama_model *model, int n_threads) {
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = 8192;
    params.n_threads = params.n_threads_batch = n_threads;
    return llama_init_from_model(model, params);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL N_TOKENS N_THREADS\n", argv[0]);
        return 2;
    }
    llama_log_set(on_log, NULL);
    load_backends();
    llama_backend_init();
    struct llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
    struct llama_context *context = model ? open_context(model, atoi(argv[3])) : NULL;
    if (context == NULL) {
        return 1;
    }
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    llama_token tokens[256];
    int n_prompt = llama_tokenize(vocab, PROMPT, (int)strlen(PROMPT), tokens, 256, true, true);
    int n_tokens = atoi(argv[2]);
    struct llama_batch batch = llama_batch_get_one(tokens, n_prompt);
    double start_s = 0;
    for (int i = 0; i < n_tokens && llama_decode(context, batch) == 0; i++) {
        start_s = i == 0 ? now_s() : start_s;
        tokens[0] = best(llama_get_logits_ith(context, -1), llama_vocab_n_tokens(vocab));
        batch = llama_batch_get_one(tokens, 1);
    }
    printf("{\"tokens_per_second\":%.2f,\"prompt_tokens\":%d}\n", (n_tokens - 1) / (now_s() - start_s),
           n_prompt);
    llama_free(context);
    llama_model_free(model);
    return 0;
}
