#include "model.h"

#include "backend.h"
#include "inspect.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROGRESS_SCALE 10000

struct model_load {
    pthread_t thread;
    int fd_over;
    char *path;
    struct load_options options;
    atomic_int progress; /* of PROGRESS_SCALE */
    atomic_bool is_cancelled;
    struct model *model; /* NULL: failed, see error */
    struct engine_error error;
};

static bool on_progress(float progress, void *ctx) {
    struct model_load *load = ctx;
    atomic_store(&load->progress, (int)(progress * PROGRESS_SCALE));
    return !atomic_load(&load->is_cancelled);
}

static bool should_abort(void *ctx) {
    struct model_load *load = ctx;
    return atomic_load(&load->is_cancelled);
}

/* Tells apart what a person can do something about: a broken file, and too little memory. */
static void explain_library_error(struct model_load *load, const char *what) {
    const char *last = backend_last_error();
    bool is_memory = strstr(last, "alloc") || strstr(last, "memory");
    if (is_memory) {
        engine_error_set(&load->error, ERROR_NO_MEMORY,
                         "not enough memory for %s of %.160s: %.160s; choose a smaller context or model",
                         what, load->path, last);
    } else {
        engine_error_set(&load->error, ERROR_MODEL_CORRUPT, "%.160s cannot be loaded: %.200s", load->path,
                         last[0] ? last : "the library does not say why");
    }
}

static bool open_weights(struct model_load *load, struct model *model) {
    struct llama_model_params params = llama_model_default_params();
    params.progress_callback = on_progress;
    params.progress_callback_user_data = load;
    if (load->options.gpu_layers >= 0) {
        params.n_gpu_layers = load->options.gpu_layers;
    }
    model->weights = llama_model_load_from_file(load->path, params);
    if (model->weights == NULL) {
        explain_library_error(load, "the weights");
        return false;
    }
    if (!llama_model_has_decoder(model->weights) || llama_model_has_encoder(model->weights)) {
        engine_error_set(&load->error, ERROR_MODEL_CORRUPT,
                         "%.240s is not a model for chat: it has no plain decoder", load->path);
        return false;
    }
    model->vocab = llama_model_get_vocab(model->weights);
    model->n_vocab = llama_vocab_n_tokens(model->vocab);
    return true;
}

static int choose_context(const struct model_load *load, const struct model *model) {
    int n_train = llama_model_n_ctx_train(model->weights);
    if (load->options.context_size > 0) {
        return load->options.context_size;
    }
    return n_train > 0 && n_train < MODEL_CONTEXT_TOKENS_DEFAULT ? n_train : MODEL_CONTEXT_TOKENS_DEFAULT;
}

static bool open_context(struct model_load *load, struct model *model) {
    struct llama_context_params params = llama_context_default_params();
    model->n_slots = load->options.slots > 0 ? load->options.slots : MODEL_SLOTS_DEFAULT;
    model->n_threads = backend_choose_threads(load->options.threads);
    model->has_fixed_threads = load->options.threads > 0;
    model->budget_ms = load->options.step_ms;
    model->n_context = choose_context(load, model);
    params.n_ctx = (uint32_t)model->n_context;
    params.n_batch = MODEL_BATCH_TOKENS_MAX;
    params.n_ubatch = MODEL_BATCH_TOKENS_MAX;
    params.n_seq_max = (uint32_t)model->n_slots;
    /* Logits for one token of each slot at most: for all tokens of a batch they would take 100 MB and more. */
    params.n_outputs_max = (uint32_t)model->n_slots;
    params.n_threads = model->n_threads;
    params.n_threads_batch = model->n_threads;
    params.kv_unified = true;
    params.no_perf = true;
    params.abort_callback = should_abort;
    params.abort_callback_data = load;
    model->context = llama_init_from_model(model->weights, params);
    if (model->context == NULL) {
        explain_library_error(load, "the context");
        return false;
    }
    int n_given = (int)llama_n_ctx(model->context);
    model->n_context = model->n_context < n_given ? model->n_context : n_given;
    model->memory = llama_get_memory(model->context);
    if (model->memory == NULL) {
        engine_error_set(&load->error, ERROR_MODEL_CORRUPT,
                         "%.240s is not a model for chat: it keeps no context", load->path);
        return false;
    }
    model->n_window = llama_model_n_swa(model->weights);
    model->can_cut = !llama_model_is_recurrent(model->weights) && !llama_model_is_hybrid(model->weights);
    model->threads = backend_new_threads(model->n_threads);
    if (model->threads) {
        llama_attach_threadpool(model->context, model->threads, NULL);
    }
    return true;
}

/* One token through the whole model: pages and buffers are touched before the first person waits for them. */
static bool warm_up(struct model_load *load, struct model *model) {
    llama_token token = llama_vocab_bos(model->vocab);
    if (token == LLAMA_TOKEN_NULL) {
        token = 0;
    }
    for (int round = 0; round < 2; round++) {
        uint64_t began_ns = clock_now_ns();
        int failed = llama_decode(model->context, llama_batch_get_one(&token, 1));
        llama_synchronize(model->context);
        model->step_ms = (double)(clock_now_ns() - began_ns) / 1e6;
        llama_memory_clear(model->memory, true);
        if (failed) {
            engine_error_set(&load->error, ERROR_INTERNAL, "%.160s cannot compute one token (%d): %.200s",
                             load->path, failed, backend_last_error());
            return false;
        }
    }
    return true;
}

static void find_end_tokens(struct model *model) {
    model->end_tokens = mem_alloc((size_t)model->n_vocab * sizeof *model->end_tokens);
    for (llama_token token = 0; token < model->n_vocab; token++) {
        if (llama_vocab_is_eog(model->vocab, token)) {
            model->end_tokens[model->n_end_tokens++] = token;
        }
    }
    size_t n_kept = model->n_end_tokens > 0 ? (size_t)model->n_end_tokens : 1;
    model->end_tokens = mem_resize(model->end_tokens, n_kept * sizeof *model->end_tokens);
}

static bool open_format(struct model_load *load, struct model *model) {
    struct fault fault;
    model->format = chat_format_new(model->weights, &fault);
    if (model->format == NULL) {
        engine_error_set(&load->error, ERROR_MODEL_CORRUPT, "%.160s: %.200s", load->path, fault.text);
        return false;
    }
    if (!chat_format_is_own(model->format)) {
        LOG_WARN("no_chat_template", "model=%s using=chatml", load->path);
    }
    return true;
}

static void *run_load(void *ctx) {
    struct model_load *load = ctx;
    struct model *model = mem_alloc(sizeof *model);
    bool is_good = inspect_check_file(load->path, NULL, &load->error) == STATUS_OK &&
                   open_weights(load, model) && open_context(load, model) && open_format(load, model) &&
                   warm_up(load, model);
    if (is_good) {
        /* The load is over for good: its memory must not be asked any more. */
        llama_set_abort_callback(model->context, NULL, NULL);
        find_end_tokens(model);
        load->model = model;
    } else {
        model_close(model);
    }
    uint64_t one = 1;
    ssize_t n_written = write(load->fd_over, &one, sizeof one);
    assert(n_written == sizeof one);
    return NULL;
}

struct model_load *model_load_begin(const struct command *command) {
    struct model_load *load = mem_alloc(sizeof *load);
    load->path = mem_copy_string(command->model);
    load->options = command->load;
    load->fd_over = eventfd(0, EFD_CLOEXEC);
    int failed = pthread_create(&load->thread, NULL, run_load, load);
    assert(load->fd_over >= 0 && !failed);
    return load;
}

double model_load_progress(struct model_load *load) {
    return (double)atomic_load(&load->progress) / PROGRESS_SCALE;
}

int model_load_fd(const struct model_load *load) {
    return load->fd_over;
}

static bool wait_over(struct model_load *load, int timeout_ms) {
    struct pollfd pollfd = { .fd = load->fd_over, .events = POLLIN };
    return poll(&pollfd, 1, timeout_ms) > 0;
}

bool model_load_is_over(struct model_load *load) {
    return wait_over(load, 0);
}

struct model *model_load_finish(struct model_load *load, struct engine_error *error) {
    pthread_join(load->thread, NULL);
    struct model *model = load->model;
    *error = load->error;
    close(load->fd_over);
    free(load->path);
    free(load);
    return model;
}

bool model_load_abandon(struct model_load *load, int timeout_ms) {
    struct engine_error error;
    atomic_store(&load->is_cancelled, true);
    if (!wait_over(load, timeout_ms)) {
        return false;
    }
    model_close(model_load_finish(load, &error));
    return true;
}

void model_close(struct model *model) {
    if (model == NULL) {
        return;
    }
    chat_format_free(model->format);
    if (model->context) {
        llama_free(model->context);
    }
    backend_free_threads(model->threads);
    if (model->weights) {
        llama_model_free(model->weights);
    }
    free(model->end_tokens);
    free(model);
}

/* Keys and values of all layers in 16 bits, as the context was made. */
static json_int_t kv_bytes(const struct model *model) {
    json_int_t n_layer = llama_model_n_layer(model->weights);
    json_int_t n_head = llama_model_n_head(model->weights);
    json_int_t head_size = n_head > 0 ? llama_model_n_embd(model->weights) / n_head : 0;
    return 2 * 2 * n_layer * head_size * llama_model_n_head_kv(model->weights) * llama_n_ctx(model->context);
}

static void read_meta(const struct model *model, const char *key, char *out, size_t n_bytes) {
    if (llama_model_meta_val_str(model->weights, key, out, n_bytes) < 0) {
        out[0] = '\0';
    }
}

json_t *model_describe(const struct model *model) {
    char name[256];
    char architecture[64];
    read_meta(model, "general.name", name, sizeof name);
    read_meta(model, "general.architecture", architecture, sizeof architecture);
    json_t *json_name = json_string(name);
    json_t *info = json_pack("{s:o, s:s, s:I, s:I, s:i, s:i, s:i, s:b}", "name",
                             json_name ? json_name : json_string(""), "architecture", architecture,
                             "parameters", (json_int_t)llama_model_n_params(model->weights), "size_bytes",
                             (json_int_t)llama_model_size(model->weights), "context_size", model->n_context,
                             "context_train", llama_model_n_ctx_train(model->weights), "vocab_size",
                             model->n_vocab, "chat_template", chat_format_is_own(model->format));
    return json_pack("{s:s, s:o, s:i, s:i, s:{s:I, s:I}}", "ev", "ready", "model", info, "slots",
                     model->n_slots, "threads", model->n_threads, "memory", "weights_bytes",
                     (json_int_t)llama_model_size(model->weights), "kv_bytes", kv_bytes(model));
}

llama_token *model_tokenize(const struct model *model, const char *text, size_t n_bytes, bool add_special,
                            bool parse_special, int *n_tokens) {
    /* A token has at least one byte, but for the few that are added. */
    int n_max = (int)n_bytes + 16;
    llama_token *tokens = mem_alloc((size_t)n_max * sizeof *tokens);
    int n = llama_tokenize(model->vocab, text, (int)n_bytes, tokens, n_max, add_special, parse_special);
    if (n < 0 && n != INT32_MIN) { /* some tokenizers take a character apart first */
        n_max = -n;
        tokens = mem_resize(tokens, (size_t)n_max * sizeof *tokens);
        n = llama_tokenize(model->vocab, text, (int)n_bytes, tokens, n_max, add_special, parse_special);
    }
    if (n < 0) {
        free(tokens);
        *n_tokens = 0;
        return NULL;
    }
    *n_tokens = n;
    return tokens;
}

bool model_is_end_token(const struct model *model, llama_token token) {
    return llama_vocab_is_eog(model->vocab, token);
}
