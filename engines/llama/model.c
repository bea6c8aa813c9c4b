#include "model.h"

#include "backend.h"
#include "constraint.h"
#include "file_pages.h"
#include "inspect.h"
#include "kv_store.h"
#include "model_id.h"
#include "parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROGRESS_SCALE 10000
#define PIECE_BYTES    256
#define HEX_BYTES_MAX  (1u << 20)

/* The first prompt should find what is on the disk; it has had the whole load to look. */
#define STORE_WAIT_MS 300

struct model_load {
    pthread_t thread;
    int fd_over;
    char *path;
    struct load_options options; /* cache_dir is our own */
    atomic_int progress;         /* of PROGRESS_SCALE */
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
    if (strstr(last, "cache type")) {
        engine_error_set(&load->error, ERROR_BAD_REQUEST,
                         "the cache of %.160s cannot have 8 bits (%.160s): choose f16", load->path, last);
    } else if (is_memory) {
        engine_error_set(&load->error, ERROR_NO_MEMORY,
                         "not enough memory for %s of %.160s: %.160s; choose a smaller context or model",
                         what, load->path, last);
    } else {
        engine_error_set(&load->error, ERROR_MODEL_CORRUPT, "%.160s cannot be loaded: %.200s", load->path,
                         last[0] ? last : "the library does not say why");
    }
}

static bool make_plan(struct model_load *load, struct model *model) {
    model->n_slots = load->options.slots > 0 ? load->options.slots : MODEL_SLOTS_DEFAULT;
    return plan_make(load->path, &load->options, model->n_slots, &model->plan, &load->error) == STATUS_OK;
}

/* All that changes the bytes of a state, beside the model: what is kept under other parameters is of no use. */
static struct kv_id cache_params(const struct model *model) {
    const struct llama_context_params *context = &model->plan.context;
    char text[256];
    int n = snprintf(text, sizeof text, "%s %d %d %d %u", llama_version(), (int)context->type_k,
                     (int)context->type_v, (int)context->flash_attn_type, context->n_ctx);
    return kv_id_of(text, (size_t)n);
}

/* What is on the disk is looked at while the weights are loaded. */
static void open_store(struct model_load *load, struct model *model, const struct kv_id *stamp) {
    if (load->options.cache_dir) {
        model->store = kv_store_open(&(struct kv_store_options){ .folder = load->options.cache_dir,
                                                                 .bytes_max = load->options.cache_bytes,
                                                                 .model_path = load->path,
                                                                 .stamp = *stamp,
                                                                 .params = cache_params(model) });
    }
}

/* What the process has more of than before is a copy of the weights in another order. */
static void drop_read_pages(const char *path, uint64_t own_bytes_before) {
    uint64_t own_bytes = file_pages_own_bytes();
    if (own_bytes < own_bytes_before + parts_bytes(path) / 2) {
        return;
    }
    for (int part = 0; part < parts_count(path); part++) {
        char name[PATH_MAX];
        parts_path(path, part, name, sizeof name);
        file_pages_drop(name);
    }
}

static bool open_weights(struct model_load *load, struct model *model) {
    struct llama_model_params params = model->plan.model;
    params.progress_callback = on_progress;
    params.progress_callback_user_data = load;
    uint64_t own_bytes = file_pages_own_bytes();
    model->weights = llama_model_load_from_file(load->path, params);
    if (model->weights == NULL) {
        explain_library_error(load, "the weights");
        return false;
    }
    drop_read_pages(load->path, own_bytes);
    if (!llama_model_has_decoder(model->weights) || llama_model_has_encoder(model->weights)) {
        engine_error_set(&load->error, ERROR_MODEL_CORRUPT,
                         "%.240s is not a model for chat: it has no plain decoder", load->path);
        return false;
    }
    model->vocab = llama_model_get_vocab(model->weights);
    model->n_vocab = llama_vocab_n_tokens(model->vocab);
    return true;
}

static int choose_context(const struct model *model) {
    int n_train = llama_model_n_ctx_train(model->weights);
    if (model->plan.context.n_ctx > 0) {
        return (int)model->plan.context.n_ctx;
    }
    return n_train > 0 && n_train < PLAN_CONTEXT_TOKENS ? n_train : PLAN_CONTEXT_TOKENS;
}

static bool open_context(struct model_load *load, struct model *model) {
    struct llama_context_params params = model->plan.context;
    model->n_threads = backend_choose_threads(load->options.threads);
    model->has_fixed_threads = load->options.threads > 0;
    model->budget_ms = load->options.step_ms;
    model->n_context = choose_context(model);
    params.n_ctx = (uint32_t)model->n_context;
    params.n_threads = model->n_threads;
    params.n_threads_batch = model->n_threads;
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
    /* What was not said is cut off again; and in a window it would have pushed out what is still needed. */
    bool can_undo = model->can_cut && model->n_window == 0;
    model->speculation = can_undo ? load->options.speculation : SPECULATION_OFF;
    model->threads = backend_new_threads(model->n_threads);
    if (model->threads) {
        llama_attach_threadpool(model->context, model->threads, NULL);
    }
    return true;
}

/* One token through the whole model, twice: pages and buffers are touched before the first person waits for them. The second one says
 * what a token takes of time and of the cache. */
static bool warm_up(struct model_load *load, struct model *model) {
    llama_token token = llama_vocab_bos(model->vocab);
    if (token == LLAMA_TOKEN_NULL) {
        token = 0;
    }
    for (int round = 0; round < 2; round++) {
        uint64_t began_ns = clock_now_ns();
        int failed = llama_decode(model->context, llama_batch_get_one(&token, 1));
        llama_synchronize(model->context);
        if (failed) {
            engine_error_set(&load->error, ERROR_INTERNAL, "%.160s cannot compute one token (%d): %.200s",
                             load->path, failed, backend_last_error());
            return false;
        }
        model->step_ms = (double)(clock_now_ns() - began_ns) / 1e6;
        size_t n_bytes = llama_state_seq_get_size(model->context, 0);
        model->token_bytes = round == 0 ? n_bytes : n_bytes - model->token_bytes;
    }
    llama_memory_clear(model->memory, true);
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

/* What was loaded must be what the store takes it for. */
static void check_store(const struct model_load *load, struct model *model, const struct kv_id *stamp) {
    struct kv_id now = model_id_stamp(load->path);
    if (model->store && !kv_id_equals(&now, stamp)) {
        LOG_WARN("kv_disk_off", "reason=the model file was replaced during the load");
        kv_store_close(model->store, 0);
        model->store = NULL;
    }
}

static void *run_load(void *ctx) {
    struct model_load *load = ctx;
    struct model *model = mem_alloc(sizeof *model);
    bool is_good = inspect_check_file(load->path, &load->error) == STATUS_OK && make_plan(load, model);
    if (is_good) {
        struct kv_id stamp = model_id_stamp(load->path);
        open_store(load, model, &stamp);
        is_good = open_weights(load, model) && open_context(load, model) && open_format(load, model) &&
                  warm_up(load, model);
        check_store(load, model, &stamp);
    }
    if (is_good) {
        /* The load is over for good: its memory must not be asked any more. */
        llama_set_abort_callback(model->context, NULL, NULL);
        find_end_tokens(model);
        model->words = constraint_new_words();
        if (model->store) {
            kv_store_wait(model->store, STORE_WAIT_MS);
        }
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
    load->options.cache_dir = mem_copy_string(command->load.cache_dir);
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
    free((char *)(uintptr_t)load->options.cache_dir);
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
    kv_store_close(model->store, MODEL_CLOSE_MS);
    chat_format_free(model->format);
    if (model->context) {
        llama_free(model->context);
    }
    backend_free_threads(model->threads);
    if (model->weights) {
        llama_model_free(model->weights);
    }
    free(model->end_tokens);
    constraint_free_words(model->words);
    free(model);
}

static void read_meta(const struct model *model, const char *key, char *out, size_t n_bytes) {
    if (llama_model_meta_val_str(model->weights, key, out, n_bytes) < 0) {
        out[0] = '\0';
    }
}

/* What the context takes, and what it was chosen from ([E34]). */
static json_t *describe_memory(const struct model *model) {
    const struct llama_context_params *context = &model->plan.context;
    /* Left to the library, it is on where the device of a layer can do it: the processor can. */
    bool is_open = context->flash_attn_type == LLAMA_FLASH_ATTN_TYPE_AUTO && llama_supports_gpu_offload();
    bool is_off = context->flash_attn_type == LLAMA_FLASH_ATTN_TYPE_DISABLED;
    const char *attention = is_open ? "auto" : is_off ? "off" : "on";
    int n_layers = llama_model_n_layer(model->weights) + 1; /* and the output */
    int n_wanted = model->plan.model.n_gpu_layers;
    int n_gpu_layers = !llama_supports_gpu_offload()         ? 0
                       : n_wanted < 0 || n_wanted > n_layers ? n_layers
                                                             : n_wanted;
    json_t *memory =
        json_pack("{s:I, s:I, s:s, s:s, s:i}", "weights_bytes", (json_int_t)llama_model_size(model->weights),
                  "kv_bytes", (json_int_t)model->token_bytes * model->n_context, "kv_type",
                  ggml_type_name(context->type_k), "flash_attention", attention, "gpu_layers", n_gpu_layers);
    if (model->plan.available_bytes < INT64_MAX) {
        json_object_set_new(memory, "available_bytes", json_integer((json_int_t)model->plan.available_bytes));
    }
    return memory;
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
    json_t *memory = describe_memory(model);
    return json_pack("{s:s, s:o, s:i, s:i, s:o}", "ev", "ready", "model", info, "slots", model->n_slots,
                     "threads", model->n_threads, "memory", memory);
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

void model_add_piece(const struct model *model, llama_token token, bool is_text, struct bytes *out) {
    char buffer[PIECE_BYTES];
    int n = llama_token_to_piece(model->vocab, token, buffer, sizeof buffer, 0, is_text);
    if (n >= 0) {
        bytes_add(out, buffer, (size_t)n);
        return;
    }
    char *large = mem_alloc((size_t)-n);
    n = llama_token_to_piece(model->vocab, token, large, -n, 0, is_text);
    bytes_add(out, large, n > 0 ? (size_t)n : 0);
    free(large);
}

void model_add_hex(const struct model *model, llama_token token, struct bytes *out) {
    struct bytes piece;
    bytes_init(&piece, HEX_BYTES_MAX);
    model_add_piece(model, token, true, &piece);
    bytes_add_char(out, '"');
    for (size_t i = 0; i < piece.size; i++) {
        bytes_add_format(out, "%02x", (unsigned)(unsigned char)piece.data[i]);
    }
    bytes_add_char(out, '"');
    bytes_deinit(&piece);
}

void model_find_tokens(const struct model *model, char *const *texts, size_t n_texts,
                       struct model_tokens *out) {
    out->n = 0;
    for (size_t i = 0; i < n_texts && out->n < MODEL_TOKENS_MAX; i++) {
        int n_tokens;
        llama_token *tokens = model_tokenize(model, texts[i], strlen(texts[i]), false, true, &n_tokens);
        if (tokens && n_tokens == 1) {
            out->tokens[out->n++] = tokens[0];
        }
        free(tokens);
    }
}

bool model_has_token(const struct model_tokens *tokens, llama_token token) {
    for (size_t i = 0; i < tokens->n; i++) {
        if (tokens->tokens[i] == token) {
            return true;
        }
    }
    return false;
}

bool model_is_end_token(const struct model *model, llama_token token) {
    return llama_vocab_is_eog(model->vocab, token);
}
