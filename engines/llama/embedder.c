#include "embedder.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The library rounds contexts up to this. */
#define CONTEXT_STEP 256

struct embedder_text {
    llama_token *tokens;
    int n_tokens;
    int n_done;
    int n_batch;   /* in the chunk under way */
    float *vector; /* summed up so far */
};

struct embedder_job {
    struct embedder_job *next;
    struct command *command;
    struct embedder_text texts[COMMAND_EMBED_MAX];
    size_t at; /* the texts before it are complete */
    int n_longest;
};

/* ---- What is asked ---- */

static enum llama_pooling_type find_pooling(const struct model *model, bool *is_named) {
    char architecture[64] = "";
    char value[16] = "";
    llama_model_meta_val_str(model->weights, "general.architecture", architecture, sizeof architecture);
    char *key = mem_format("%s.pooling_type", architecture);
    *is_named = llama_model_meta_val_str(model->weights, key, value, sizeof value) > 0;
    free(key);
    long type = *is_named ? strtol(value, NULL, 10) : LLAMA_POOLING_TYPE_NONE;
    return type == LLAMA_POOLING_TYPE_CLS || type == LLAMA_POOLING_TYPE_LAST ||
                   type == LLAMA_POOLING_TYPE_RANK
               ? (enum llama_pooling_type)type
               : LLAMA_POOLING_TYPE_MEAN;
}

void embedder_init(struct embedder *embedder, const struct model *model, struct events *events,
                   const struct cost *guess, bool (*must_stop)(void *ctx), void *ctx) {
    *embedder = (struct embedder){
        .model = model, .events = events, .guess = guess, .must_stop = must_stop, .ctx = ctx
    };
    embedder->pooling = find_pooling(model, &embedder->has_own_pooling);
    tuner_init(&embedder->tuner, model->n_threads, model->has_fixed_threads);
}

static void close_context(struct embedder *embedder) {
    if (embedder->context) {
        compute_deinit(&embedder->compute);
        llama_batch_free(embedder->batch);
        llama_free(embedder->context);
        embedder->context = NULL;
    }
}

static void free_job(struct embedder *embedder, struct embedder_job *job) {
    for (size_t i = 0; i < COMMAND_EMBED_MAX; i++) {
        free(job->texts[i].tokens);
        free(job->texts[i].vector);
    }
    command_free(job->command);
    free(job);
    embedder->n_jobs--;
}

void embedder_deinit(struct embedder *embedder) {
    embedder_cancel(embedder, NULL);
    close_context(embedder);
}

static void end(struct embedder *embedder, const struct command *command, const char *reason,
                const struct engine_error *error) {
    events_end(embedder->events, command->id, &(struct end_report){ .reason = reason, .error = error });
}

/* What is too long loses its end; the token that the model wants there stays. */
static void truncate(const struct model *model, struct embedder_text *text) {
    llama_token last = text->tokens[text->n_tokens - 1];
    text->n_tokens = model->n_context;
    if (llama_vocab_get_add_eos(model->vocab)) {
        text->tokens[text->n_tokens - 1] = last;
    }
}

static bool take_tokens(const struct model *model, struct embed_input *input, struct embedder_text *text,
                        struct engine_error *error) {
    if (input->text) {
        text->tokens = model_tokenize(model, input->text, strlen(input->text), true, false, &text->n_tokens);
    } else {
        text->tokens = input->tokens;
        text->n_tokens = (int)input->n_tokens;
        input->tokens = NULL;
    }
    for (int i = 0; i < text->n_tokens; i++) {
        if (text->tokens[i] >= model->n_vocab) {
            engine_error_set(error, ERROR_BAD_REQUEST, "a token id is not in the vocabulary of the model");
            return false;
        }
    }
    if (text->n_tokens == 0) {
        engine_error_set(error, ERROR_BAD_REQUEST, "a text is empty: send one with words in it");
    }
    return text->n_tokens > 0;
}

static bool take_text(const struct embedder *embedder, struct embedder_job *job, size_t index,
                      struct engine_error *error) {
    const struct model *model = embedder->model;
    struct embedder_text *text = &job->texts[index];
    if (!take_tokens(model, &job->command->embed.inputs[index], text, error)) {
        return false;
    }
    if (text->n_tokens > model->n_context && !job->command->embed.truncate) {
        engine_error_set(error, ERROR_CONTEXT_FULL,
                         "text %zu has %d tokens, and the context has room for %d: send a shorter text",
                         index + 1, text->n_tokens, model->n_context);
        return false;
    }
    if (text->n_tokens > model->n_context) {
        truncate(model, text);
    }
    job->n_longest = text->n_tokens > job->n_longest ? text->n_tokens : job->n_longest;
    text->vector = mem_alloc((size_t)llama_model_n_embd_out(model->weights) * sizeof *text->vector);
    return true;
}

static bool check(const struct embedder *embedder, const struct command *command,
                  struct engine_error *error) {
    int n_dimensions = llama_model_n_embd_out(embedder->model->weights);
    if (embedder->n_jobs > EMBEDDER_QUEUED_MAX) {
        engine_error_set(error, ERROR_INTERNAL, "too many texts wait: try again later");
    } else if (embedder->pooling == LLAMA_POOLING_TYPE_RANK) {
        engine_error_set(error, ERROR_BAD_REQUEST,
                         "this model ranks texts and has no vectors: choose another");
    } else if (command->embed.dimensions > n_dimensions) {
        engine_error_set(error, ERROR_BAD_REQUEST,
                         "\"dimensions\": the vectors of this model have %d, ask for at most so many",
                         n_dimensions);
    } else {
        return true;
    }
    return false;
}

void embedder_add(struct embedder *embedder, struct command *command) {
    struct embedder_job *job = mem_alloc(sizeof *job);
    struct engine_error error;
    job->command = command;
    embedder->n_jobs++;
    bool is_good = check(embedder, command, &error);
    for (size_t i = 0; is_good && i < command->embed.n_inputs; i++) {
        is_good = take_text(embedder, job, i, &error);
    }
    if (!is_good) {
        end(embedder, command, "error", &error);
        free_job(embedder, job);
        return;
    }
    struct embedder_job **tail = &embedder->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = job;
}

/* Takes the first one out; what the context has of it goes. */
static void finish(struct embedder *embedder) {
    struct embedder_job *job = embedder->first;
    embedder->first = job->next;
    if (embedder->context) {
        llama_memory_clear(llama_get_memory(embedder->context), false);
    }
    embedder->used_ms = clock_now_ms();
    free_job(embedder, job);
}

void embedder_cancel(struct embedder *embedder, const char *id) {
    for (struct embedder_job **at = &embedder->first; *at;) {
        struct embedder_job *job = *at;
        if (id && strcmp(job->command->id, id) != 0) {
            at = &job->next;
            continue;
        }
        end(embedder, job->command, "cancelled", NULL);
        if (job == embedder->first) {
            finish(embedder);
        } else {
            *at = job->next;
            free_job(embedder, job);
        }
    }
}

bool embedder_has_work(const struct embedder *embedder) {
    return embedder->first != NULL;
}

bool embedder_can_give_up(const struct embedder *embedder, const struct command *command) {
    if (!embedder->is_computing || !embedder->model->can_cut) {
        return false;
    }
    return command->op == COMMAND_GENERATE
               ? embedder->is_alone
               : command->op == COMMAND_CANCEL && strcmp(embedder->first->command->id, command->id) == 0;
}

/* ---- The context ---- */

static int context_for(const struct embedder_job *job) {
    int n = job->n_longest + EMBEDDER_CHUNK_TOKENS;
    return (n + CONTEXT_STEP - 1) / CONTEXT_STEP * CONTEXT_STEP;
}

/* The cache, and twice the rows of a chunk as wide as the vocabulary. */
static uint64_t needed_bytes(const struct model *model, int n_context) {
    return (uint64_t)model->token_bytes * (uint64_t)n_context +
           2 * (uint64_t)EMBEDDER_CHUNK_TOKENS * (uint64_t)model->n_vocab * sizeof(float);
}

static bool open_context(struct embedder *embedder, int n_context, struct engine_error *error) {
    const struct model *model = embedder->model;
    struct llama_context_params params = model->plan.context;
    uint64_t n_needed = needed_bytes(model, n_context);
    uint64_t n_available = machine_available_bytes("");
    if (n_needed > n_available) {
        engine_error_set(
            error, ERROR_NO_MEMORY,
            "a text of this length needs %.2f GB of memory, and %.2f GB can be had: send a shorter one",
            (double)n_needed / 1e9, (double)n_available / 1e9);
        return false;
    }
    params.n_ctx = (uint32_t)n_context;
    params.n_batch = params.n_ubatch = params.n_outputs_max = EMBEDDER_CHUNK_TOKENS;
    params.n_seq_max = COMMAND_EMBED_MAX;
    params.n_threads = params.n_threads_batch = model->n_threads;
    params.embeddings = true;
    if (embedder->has_own_pooling) {
        params.pooling_type = LLAMA_POOLING_TYPE_NONE; /* else it is so, and the library would wonder */
    }
    embedder->context = llama_init_from_model(model->weights, params);
    if (embedder->context == NULL) {
        engine_error_set(
            error, ERROR_NO_MEMORY,
            "the memory for these texts cannot be had: close other programs, or choose a smaller model");
        return false;
    }
    if (model->threads) {
        llama_attach_threadpool(embedder->context, model->threads, NULL);
    }
    compute_init(&embedder->compute, model, embedder->context, embedder->must_stop, embedder->ctx);
    embedder->batch = llama_batch_init(EMBEDDER_CHUNK_TOKENS, 0, 1);
    embedder->cost = *embedder->guess;
    embedder->n_context = n_context;
    LOG_INFO("embed_context", "tokens=%d", n_context);
    return true;
}

static bool need_context(struct embedder *embedder, struct engine_error *error) {
    int n_context = context_for(embedder->first);
    if (embedder->context && embedder->n_context >= n_context) {
        return true;
    }
    close_context(embedder);
    return open_context(embedder, n_context, error);
}

int embedder_rest(struct embedder *embedder) {
    if (embedder->context == NULL || embedder->first) {
        return -1;
    }
    uint64_t idle_ms = clock_now_ms() - embedder->used_ms;
    if (idle_ms < EMBEDDER_IDLE_MS) {
        return (int)(EMBEDDER_IDLE_MS - idle_ms);
    }
    close_context(embedder);
    LOG_INFO("embed_context_freed", "idle_ms=%llu", (unsigned long long)idle_ms);
    return -1;
}

/* ---- A chunk ---- */

/* The largest that is foreseen to fit; 0: all do. */
static int choose_size(const struct embedder *embedder, int lane, double max_ms) {
    const struct embedder_job *job = embedder->first;
    int n = EMBEDDER_CHUNK_TOKENS;
    struct cost_work work = cost_work_of(n, job->texts[job->at].n_done);
    while (max_ms > 0 && n > 1 && cost_predict(&embedder->cost, lane, work) > max_ms) {
        n /= 2;
        work = cost_work_of(n, job->texts[job->at].n_done);
    }
    return n;
}

static void add_token(struct llama_batch *batch, llama_token token, int position, llama_seq_id id) {
    int at = batch->n_tokens++;
    batch->token[at] = token;
    batch->pos[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = id;
    batch->logits[at] = true;
}

static struct cost_work build_batch(struct embedder *embedder, int n_max) {
    struct embedder_job *job = embedder->first;
    struct cost_work work = { .n_tokens = 0 };
    embedder->batch.n_tokens = 0;
    for (size_t i = job->at; i < job->command->embed.n_inputs; i++) {
        struct embedder_text *text = &job->texts[i];
        int n_left = text->n_tokens - text->n_done;
        int n_room = n_max - embedder->batch.n_tokens;
        text->n_batch = n_left < n_room ? n_left : n_room;
        for (int k = 0; k < text->n_batch; k++) {
            add_token(&embedder->batch, text->tokens[text->n_done + k], text->n_done + k, (llama_seq_id)i);
        }
        if (text->n_batch > 0) {
            work = cost_add_work(work, cost_work_of(text->n_batch, text->n_done));
        }
    }
    return work;
}

static bool counts(const struct embedder *embedder, const struct embedder_text *text, int position) {
    return embedder->pooling == LLAMA_POOLING_TYPE_CLS    ? position == 0
           : embedder->pooling == LLAMA_POOLING_TYPE_LAST ? position + 1 == text->n_tokens
                                                          : true;
}

/* The rows of the batch are in the order of its tokens. */
static void accept_batch(struct embedder *embedder) {
    struct embedder_job *job = embedder->first;
    int n_dimensions = llama_model_n_embd_out(embedder->model->weights);
    int row = 0;
    for (size_t i = job->at; i < job->command->embed.n_inputs; i++) {
        struct embedder_text *text = &job->texts[i];
        for (int k = 0; k < text->n_batch; k++, row++) {
            const float *said = llama_get_embeddings_ith(embedder->context, row);
            for (int d = 0; counts(embedder, text, text->n_done + k) && d < n_dimensions; d++) {
                text->vector[d] += said[d];
            }
        }
        text->n_done += text->n_batch;
        if (text->n_batch > 0 && text->n_done == text->n_tokens) {
            llama_memory_seq_rm(llama_get_memory(embedder->context), (llama_seq_id)i, -1, -1);
            job->at = i + 1;
        }
    }
}

/* The chunk was not computed to its end: what the context has of it goes. */
static void cut(struct embedder *embedder) {
    const struct embedder_job *job = embedder->first;
    for (size_t i = job->at; i < job->command->embed.n_inputs; i++) {
        if (job->texts[i].n_batch > 0) {
            llama_memory_seq_rm(llama_get_memory(embedder->context), (llama_seq_id)i, job->texts[i].n_done,
                                -1);
        }
    }
}

static void fail(struct embedder *embedder, const struct engine_error *error) {
    end(embedder, embedder->first->command, "error", error);
    finish(embedder);
}

static void answer(struct embedder *embedder) {
    struct embedder_job *job = embedder->first;
    const struct embed *embed = &job->command->embed;
    struct embedding list[COMMAND_EMBED_MAX];
    struct engine_error error;
    for (size_t i = 0; i < embed->n_inputs; i++) {
        list[i] = (struct embedding){ .vector = job->texts[i].vector, .n_tokens = job->texts[i].n_tokens };
    }
    int n_dimensions =
        embed->dimensions ? embed->dimensions : llama_model_n_embd_out(embedder->model->weights);
    if (events_embeddings(embedder->events, job->command->id, list, embed->n_inputs, n_dimensions)) {
        finish(embedder);
    } else {
        engine_error_set(&error, ERROR_INTERNAL, "what the model computed for a text is no vector");
        fail(embedder, &error);
    }
}

/* What the chunk took teaches those who choose. */
static void learn(struct embedder *embedder, int lane, struct cost_work work, double ms) {
    tuner_note(&embedder->tuner, lane, cost_compare(&embedder->cost, work, ms), ms);
    cost_learn(&embedder->cost, lane, work, ms);
}

double embedder_step(struct embedder *embedder, double max_ms) {
    struct engine_error error;
    double ms = 0;
    if (!need_context(embedder, &error)) {
        fail(embedder, &error);
        return ms;
    }
    int lane = tuner_choose(&embedder->tuner);
    struct cost_work work = build_batch(embedder, choose_size(embedder, lane, max_ms));
    embedder->is_alone = max_ms <= 0;
    embedder->is_computing = true;
    enum compute_result result = compute_run(&embedder->compute, embedder->batch,
                                             embedder->tuner.counts[lane], embedder->model->can_cut, &ms);
    embedder->is_computing = false;
    if (result == COMPUTE_STOPPED) {
        cut(embedder);
    } else if (result != COMPUTE_DONE) {
        engine_error_set(&error, ERROR_INTERNAL,
                         "the model could not compute this text; the engine's log says more");
        fail(embedder, &error);
    } else {
        learn(embedder, lane, work, ms);
        accept_batch(embedder);
        if (embedder->first->at == embedder->first->command->embed.n_inputs) {
            answer(embedder);
        }
    }
    return ms;
}
