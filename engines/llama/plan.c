#include "plan.h"

#include "memory_need.h"
#include "parts.h"
#include "speculation.h"

#include "base/log.h"
#include "base/machine.h"

#include <string.h>

#define MIB ((uint64_t)1 << 20)

/* Beside weights, context and buffers: the vocabulary, the answers under way, the library's own. */
#define OTHER_BYTES (64 * MIB)

/* What is certain to be enough, without a measure that costs time: for each 8,192 tokens of context four times the weights (a model of
 * 135M parameters in 4 bits takes twice as much, larger ones less), and the buffers. */
#define CONTEXT_WEIGHTS_MAX 4
#define BUFFERS_BYTES       (1024 * MIB)

static uint64_t enough_bytes(uint64_t n_weights, uint32_t n_context) {
    return n_weights + CONTEXT_WEIGHTS_MAX * n_weights * n_context / PLAN_CONTEXT_TOKENS + BUFFERS_BYTES;
}

/* Where the address space is limited, the file and what is made of it for this processor are both in it for a while, and so is what the
 * C library sets aside for each thread. */
#define ADDRESS_BYTES (128 * MIB)

static uint64_t available_bytes(uint64_t n_weights) {
    uint64_t memory = machine_available_bytes("");
    uint64_t address = machine_address_bytes();
    if (address == UINT64_MAX) {
        return memory;
    }
    address = address > n_weights + ADDRESS_BYTES ? address - n_weights - ADDRESS_BYTES : 0;
    return address < memory ? address : memory;
}

static void set_kv_type(struct llama_context_params *params, enum kv_type type) {
    params->type_k = params->type_v = type == KV_TYPE_Q8_0 ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
}

static void set_params(struct plan *plan, const struct load_options *options, int n_slots) {
    static const enum llama_flash_attn_type attentions[] = {
        [FLASH_ATTENTION_AUTO] = LLAMA_FLASH_ATTN_TYPE_AUTO,
        [FLASH_ATTENTION_ON] = LLAMA_FLASH_ATTN_TYPE_ENABLED,
        [FLASH_ATTENTION_OFF] = LLAMA_FLASH_ATTN_TYPE_DISABLED,
    };
    struct llama_context_params *context = &plan->context;
    plan->model = llama_model_default_params();
    *context = llama_context_default_params();
    if (options->gpu_layers >= 0) {
        plan->model.n_gpu_layers = options->gpu_layers;
    }
    context->n_ctx = (uint32_t)options->context_size;
    context->n_batch = PLAN_BATCH_TOKENS;
    context->n_ubatch = PLAN_BATCH_TOKENS;
    /* One sequence more than slots, for the way to the disk and back (keep.h). */
    context->n_seq_max = (uint32_t)n_slots + 1;
    /* Logits for one token of each sequence at most, or for what is computed ahead: for all tokens of a batch they would take 100 MB and
     * more. */
    context->n_outputs_max = (uint32_t)(n_slots >= SPECULATION_ROWS_MAX ? n_slots + 1 : SPECULATION_ROWS_MAX);
    context->kv_unified = true;
    context->no_perf = true;
    context->flash_attn_type = attentions[options->flash_attention];
    set_kv_type(context, options->kv_type);
}

/* What was looked for, to say so when nothing fits. */
struct search {
    const char *path;
    struct plan *plan;
    uint64_t weights;
    uint64_t needed;  /* by the last try */
    uint32_t n_ctx;   /* and its context */
    bool is_measured; /* the library took one of the tries, or none was needed */
};

/* False: it does not fit, or the library does not take it. */
static bool try_context(struct search *search, uint32_t n_context, enum kv_type type) {
    struct memory_need need;
    struct plan *plan = search->plan;
    struct llama_context_params params = plan->context;
    params.n_ctx = n_context;
    set_kv_type(&params, type);
    if (!memory_need_measure(search->path, &plan->model, &params, &need)) {
        return false;
    }
    search->is_measured = true;
    search->needed = search->weights + need.context_bytes + need.compute_bytes + OTHER_BYTES;
    search->n_ctx = n_context;
    LOG_INFO("memory_plan", "context=%u kv_type=%s needed=%llu available=%llu", n_context,
             type == KV_TYPE_Q8_0 ? "q8_0" : "f16", (unsigned long long)search->needed,
             (unsigned long long)plan->available_bytes);
    if (search->needed > plan->available_bytes) {
        return false;
    }
    plan->context = params;
    return true;
}

/* Tries what the options allow, the best first. Not every model can have 8 bits. */
static bool find_fit(struct search *search, const struct load_options *options, uint32_t n_context) {
    if (search->weights + OTHER_BYTES > search->plan->available_bytes) {
        search->needed = search->weights + OTHER_BYTES; /* at least; it is not worth a measure */
        search->n_ctx = n_context;
        search->is_measured = true;
        return false;
    }
    bool may_be_large = options->kv_type != KV_TYPE_Q8_0;
    bool may_be_small = options->kv_type != KV_TYPE_F16 && options->flash_attention != FLASH_ATTENTION_OFF;
    uint32_t n_least = options->context_size > 0 ? n_context : PLAN_CONTEXT_TOKENS_MIN;
    for (; n_context >= n_least; n_context /= 2) {
        if (may_be_large && try_context(search, n_context, KV_TYPE_F16)) {
            return true;
        }
        if (may_be_small && try_context(search, n_context, KV_TYPE_Q8_0)) {
            return true;
        }
        if (!search->is_measured) {
            return false;
        }
    }
    return false;
}

static enum status refuse(const struct search *search, struct engine_error *error) {
    const char *slash = strrchr(search->path, '/');
    engine_error_set(
        error, ERROR_NO_MEMORY,
        "%.120s with a context of %u tokens needs %.2f GB of memory, and %.2f GB can be had: choose a "
        "smaller context or model, or close other programs",
        slash ? slash + 1 : search->path, search->n_ctx, (double)search->needed / 1e9,
        (double)search->plan->available_bytes / 1e9);
    return STATUS_NOMEM;
}

enum status plan_make(const char *path, const struct load_options *options, int n_slots, struct plan *out,
                      struct engine_error *error) {
    uint32_t n_context = options->context_size > 0 ? (uint32_t)options->context_size : PLAN_CONTEXT_TOKENS;
    struct search search = { .path = path, .plan = out, .weights = parts_bytes(path) };
    if (options->kv_type == KV_TYPE_Q8_0 && options->flash_attention == FLASH_ATTENTION_OFF) {
        engine_error_set(error, ERROR_BAD_REQUEST, "kv_type q8_0 needs flash attention: turn it on");
        return STATUS_INVALID;
    }
    *out = (struct plan){ .available_bytes = available_bytes(search.weights) };
    set_params(out, options, n_slots);
    if (enough_bytes(search.weights, n_context) <= out->available_bytes ||
        find_fit(&search, options, n_context)) {
        return STATUS_OK;
    }
    /* A file that the library does not take is its own affair: loading it says why. */
    return search.is_measured ? refuse(&search, error) : STATUS_OK;
}
