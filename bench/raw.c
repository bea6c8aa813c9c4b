/* raw.c - the limit: what libllama itself does with N sequences side by side and greedy choice, nothing around it.
 *
 * usage: runnel-bench-raw MODEL N_TOKENS N_THREADS [N_SEQUENCES [DEPTH [shared|separate]]]
 * Prints one JSON line: {"tokens_per_second":…,"prompt_tokens":…}, of all sequences together. The first token of each is not
 * counted, as at a client. DEPTH is how many tokens each sequence has before its prompt. The cache is shared by all sequences, as
 * Runnel has it, or each has its own part. The compute threads are kept between two steps, as llama-bench and llama-server
 * keep them: without a pool of its own the library makes new threads for every step.
 */
#include "ggml-backend.h"
#include "llama.h"

#include <dlfcn.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROMPT            "<|im_start|>user\nTell me a story about a river.<|im_end|>\n<|im_start|>assistant\n"
#define PROMPT_TOKENS_MAX 256
#define SEQUENCES_MAX     64
#define CONTEXT_TOKENS    32768
#define BATCH_TOKENS      512

struct raw {
    struct llama_context *context;
    const struct llama_vocab *vocab;
    struct llama_batch batch;
    int n_sequences;
    int depth;
    bool is_shared;
};

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

static void attach_threads(struct llama_context *context, int n_threads) {
    typedef struct ggml_threadpool *(*threadpool_new_function)(struct ggml_threadpool_params * params);
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    void *symbol =
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_threadpool_new");
    threadpool_new_function make;
    memcpy(&make, &symbol, sizeof make);
    struct ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
    llama_attach_threadpool(context, make(&params), NULL);
}

static struct llama_context *open_context(struct llama_model *model, int n_threads, const struct raw *raw) {
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = CONTEXT_TOKENS;
    params.n_batch = params.n_ubatch = BATCH_TOKENS;
    params.n_seq_max = params.n_outputs_max = (uint32_t)raw->n_sequences;
    params.n_threads = params.n_threads_batch = n_threads;
    params.kv_unified = raw->is_shared;
    params.no_perf = true;
    struct llama_context *context = llama_init_from_model(model, params);
    if (context) {
        attach_threads(context, n_threads);
    }
    return context;
}

static void add(struct llama_batch *batch, llama_token token, int position, int sequence, bool has_output) {
    int at = batch->n_tokens++;
    batch->token[at] = token;
    batch->pos[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = sequence;
    batch->logits[at] = has_output;
}

/* What is said before the prompt does not matter, only that it is there. */
static bool fill(struct raw *raw, int sequence, llama_token token) {
    for (int done = 0; done < raw->depth; done += raw->batch.n_tokens) {
        raw->batch.n_tokens = 0;
        while (raw->batch.n_tokens < BATCH_TOKENS && done + raw->batch.n_tokens < raw->depth) {
            add(&raw->batch, token, done + raw->batch.n_tokens, sequence, false);
        }
        if (llama_decode(raw->context, raw->batch)) {
            return false;
        }
    }
    return true;
}

/* The prompts, one after the other; leaves the first token of each. */
static bool read_prompts(struct raw *raw, const llama_token *prompt, int n_prompt, llama_token *next) {
    for (int sequence = 0; sequence < raw->n_sequences; sequence++) {
        if (!fill(raw, sequence, prompt[0])) {
            return false;
        }
        raw->batch.n_tokens = 0;
        for (int i = 0; i < n_prompt; i++) {
            add(&raw->batch, prompt[i], raw->depth + i, sequence, i == n_prompt - 1);
        }
        if (llama_decode(raw->context, raw->batch)) {
            return false;
        }
        next[sequence] =
            best(llama_get_logits_ith(raw->context, n_prompt - 1), llama_vocab_n_tokens(raw->vocab));
    }
    return true;
}

static bool step(struct raw *raw, int position, llama_token *next) {
    raw->batch.n_tokens = 0;
    for (int sequence = 0; sequence < raw->n_sequences; sequence++) {
        add(&raw->batch, next[sequence], position, sequence, true);
    }
    if (llama_decode(raw->context, raw->batch)) {
        return false;
    }
    for (int sequence = 0; sequence < raw->n_sequences; sequence++) {
        next[sequence] = best(llama_get_logits_ith(raw->context, sequence), llama_vocab_n_tokens(raw->vocab));
    }
    return true;
}

static int measure(struct raw *raw, int n_tokens) {
    llama_token prompt[PROMPT_TOKENS_MAX];
    llama_token next[SEQUENCES_MAX];
    int n_prompt =
        llama_tokenize(raw->vocab, PROMPT, (int)strlen(PROMPT), prompt, PROMPT_TOKENS_MAX, true, true);
    if (!read_prompts(raw, prompt, n_prompt, next)) {
        return 1;
    }
    double start_s = now_s();
    for (int i = 1; i < n_tokens; i++) {
        if (!step(raw, raw->depth + n_prompt + i - 1, next)) {
            return 1;
        }
    }
    printf("{\"tokens_per_second\":%.2f,\"prompt_tokens\":%d}\n",
           (n_tokens - 1) * raw->n_sequences / (now_s() - start_s), n_prompt);
    return 0;
}

/* The argument, or what holds without it. */
static long number(int argc, char **argv, int at, long otherwise) {
    return argc > at ? strtol(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv) {
    struct raw raw = { .n_sequences = (int)number(argc, argv, 4, 1), .depth = (int)number(argc, argv, 5, 0) };
    raw.is_shared = argc <= 6 || strcmp(argv[6], "shared") == 0;
    if (argc < 4 || raw.n_sequences < 1 || raw.n_sequences > SEQUENCES_MAX || raw.depth < 0) {
        fprintf(stderr,
                "usage: %s MODEL N_TOKENS N_THREADS [N_SEQUENCES (1 to %d) [DEPTH [shared|separate]]]\n",
                argv[0], SEQUENCES_MAX);
        return 2;
    }
    llama_log_set(on_log, NULL);
    load_backends();
    llama_backend_init();
    struct llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
    raw.context = model ? open_context(model, (int)number(argc, argv, 3, 1), &raw) : NULL;
    if (raw.context == NULL) {
        return 1;
    }
    raw.vocab = llama_model_get_vocab(model);
    raw.batch = llama_batch_init(BATCH_TOKENS, 0, 1);
    int failed = measure(&raw, (int)number(argc, argv, 2, 0));
    llama_batch_free(raw.batch);
    llama_free(raw.context);
    llama_model_free(model);
    return failed;
}
