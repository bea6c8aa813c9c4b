/* runnel-engine-llama: one GGUF model behind the engine protocol, on libllama.
 *
 *   empty ──load──▶ loading ──▶ ready ──▶ gone
 *      └────────────── failed, unload, end of input ───▲
 *
 * One loop: take the commands, compute a step while there is work, else wait without using the processor. A step that takes in
 * a prompt looks for commands on the way, and stops when they make it useless. Only the load has a thread of its own, so that pings
 * are answered meanwhile.
 */
#include "backend.h"
#include "embedder.h"
#include "inspect.h"
#include "kv_folder.h"
#include "model.h"
#include "overflow.h"
#include "scheduler.h"
#include "step.h"

#include "base/log.h"
#include "common/program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_MS 50 /* at most 20 a second ([E7]) */
#define ABANDON_TIMEOUT_MS   2000
/* With MODEL_CLOSE_MS less than what the server waits after `unload`. */
#define FLUSH_MS 500
/* A wait for the disk ends with its answer; this is only so that a lost one would not hang the engine. */
#define DISK_WAIT_MS 1000

enum engine_state { ENGINE_EMPTY, ENGINE_LOADING, ENGINE_READY, ENGINE_GONE };

struct engine {
    struct program program;
    enum engine_state state;
    struct model_load *load;
    double progress; /* as last told */
    struct model *model;
    struct scheduler scheduler;
    struct embedder embedder;
};

static void fail(struct engine *engine, const char *op, const char *code, const char *text) {
    struct engine_error error;
    engine_error_set(&error, code, "%s", text);
    events_failed(&engine->program.events, op, &error);
}

/* Asked in the middle of a long step: has something come that makes it useless? Nothing is carried out here. */
static bool must_stop(void *ctx) {
    struct engine *engine = ctx;
    struct inbox *inbox = &engine->program.inbox;
    inbox_collect(inbox);
    for (const struct command *command = inbox->kept; command; command = command->next) {
        if (command->op == COMMAND_UNLOAD || scheduler_can_give_up(&engine->scheduler, command) ||
            embedder_can_give_up(&engine->embedder, command)) {
            return true;
        }
    }
    return inbox_must_go(inbox);
}

static void begin_load(struct engine *engine, const struct command *command) {
    if (engine->state != ENGINE_EMPTY) {
        fail(engine, "load", ERROR_BAD_REQUEST, "load comes once per process, and this one has a model");
        return;
    }
    engine->state = ENGINE_LOADING;
    engine->progress = -1;
    engine->load = model_load_begin(command);
}

static void tell_progress(struct engine *engine) {
    double progress = model_load_progress(engine->load);
    if (progress > engine->progress) {
        engine->progress = progress;
        events_load(&engine->program.events, "weights", progress);
    }
}

static void finish_load(struct engine *engine) {
    struct engine_error error;
    tell_progress(engine);
    engine->model = model_load_finish(engine->load, &error);
    engine->load = NULL;
    if (engine->model == NULL) {
        LOG_ERROR("load_failed", "code=%s reason=%s", error.code, error.text);
        events_failed(&engine->program.events, "load", &error);
        engine->state = ENGINE_GONE;
        return;
    }
    LOG_INFO("model_ready", "context=%d kv_type=%s slots=%d threads=%d", engine->model->n_context,
             ggml_type_name(engine->model->plan.context.type_k), engine->model->n_slots,
             engine->model->n_threads);
    scheduler_init(&engine->scheduler, engine->model, &engine->program.events, must_stop, engine);
    embedder_init(&engine->embedder, engine->model, &engine->program.events,
                  &engine->scheduler.costs[STEP_PREFILL], must_stop, engine);
    engine->state = ENGINE_READY;
    events_json(&engine->program.events, model_describe(engine->model));
}

static void inspect(struct engine *engine, const struct command *command) {
    struct engine_error error;
    json_t *event;
    if (inspect_model(command->model, &event, &error)) {
        events_failed(&engine->program.events, "inspect", &error);
    } else {
        events_json(&engine->program.events, event);
    }
}

static void refuse(struct engine *engine, const struct command *command, const char *code, const char *text) {
    struct engine_error error;
    engine_error_set(&error, code, "%s", text);
    events_end(&engine->program.events, command->id,
               &(struct end_report){ .reason = "error", .error = &error });
}

static void tokenize(struct engine *engine, const struct command *command) {
    int n_tokens;
    llama_token *tokens = model_tokenize(engine->model, command->text, strlen(command->text),
                                         command->add_special, command->special, &n_tokens);
    if (tokens == NULL) {
        refuse(engine, command, ERROR_INTERNAL, "the text could not be turned into tokens");
        return;
    }
    struct bytes pieces;
    bytes_init(&pieces, ENGINE_LINE_BYTES_MAX);
    for (int i = 0; command->pieces && i < n_tokens; i++) {
        bytes_add_text(&pieces, i ? "," : "");
        model_add_hex(engine->model, tokens[i], &pieces);
    }
    bytes_add_char(&pieces, '\0');
    events_tokens(&engine->program.events, command->id, tokens, (size_t)n_tokens,
                  command->pieces ? pieces.data : NULL);
    bytes_deinit(&pieces);
    free(tokens);
}

/* Bytes that are no characters become U+FFFD, as in an answer. */
static void detokenize(struct engine *engine, const struct command *command) {
    struct bytes bytes;
    struct piece piece;
    bytes_init(&bytes, ENGINE_LINE_BYTES_MAX);
    for (size_t i = 0; i < command->n_tokens; i++) {
        if (command->tokens[i] >= engine->model->n_vocab) {
            refuse(engine, command, ERROR_BAD_REQUEST, "a token id is not in the vocabulary of the model");
            bytes_deinit(&bytes);
            return;
        }
        model_add_piece(engine->model, command->tokens[i], true, &bytes);
    }
    piece_init(&piece, NULL, 0);
    piece_add(&piece, bytes.size ? bytes.data : "", bytes.size);
    piece_finish(&piece);
    events_text(&engine->program.events, command->id, piece.text.size ? piece.text.data : "",
                piece.text.size);
    piece_deinit(&piece);
    bytes_deinit(&bytes);
}

static void render_template(struct engine *engine, const struct command *command) {
    struct overflow_prompt prompt;
    struct fault fault;
    if (overflow_render(engine->model, &command->generate, &prompt, &fault)) {
        refuse(engine, command, ERROR_BAD_REQUEST, fault.text);
    } else {
        events_prompt(&engine->program.events, command->id, prompt.chat.text, prompt.chat.size,
                      prompt.n_tokens);
    }
    chat_prompt_deinit(&prompt.chat);
    free(prompt.tokens);
}

/* What the disk has goes also without a model ([E32]). */
static void forget(struct engine *engine, const struct command *command) {
    const char *cache_key = command->generate.cache_key;
    if (engine->state == ENGINE_READY) {
        keep_forget(&engine->scheduler.keep, cache_key);
    }
    bool has_store = engine->state == ENGINE_READY && engine->scheduler.keep.store;
    if (command->load.cache_dir && !has_store) {
        struct kv_id owner = keep_owner(cache_key);
        kv_folder_forget(command->load.cache_dir, &owner, NULL);
    }
}

static void unload(struct engine *engine) {
    if (engine->state == ENGINE_READY) {
        scheduler_cancel(&engine->scheduler, NULL);
        embedder_cancel(&engine->embedder, NULL);
    }
    engine->state = ENGINE_GONE;
}

/* Carries out one command and disposes of it. */
static void carry_out(struct engine *engine, struct command *command) {
    bool is_ready = engine->state == ENGINE_READY;
    bool needs_model = command->op == COMMAND_GENERATE || command->op == COMMAND_TOKENIZE ||
                       command->op == COMMAND_PREFILL || command->op == COMMAND_TEMPLATE ||
                       command->op == COMMAND_DETOKENIZE || command->op == COMMAND_EMBED;
    if (needs_model && !is_ready) {
        refuse(engine, command, ERROR_BAD_REQUEST, "no model is loaded: send load first");
        command_free(command);
        return;
    }
    switch (command->op) {
    case COMMAND_GENERATE:
    case COMMAND_PREFILL:
        scheduler_add(&engine->scheduler, command);
        return; /* it owns the command now */
    case COMMAND_EMBED:
        embedder_add(&engine->embedder, command);
        return;
    case COMMAND_LOAD:
        begin_load(engine, command);
        break;
    case COMMAND_INSPECT:
        inspect(engine, command);
        break;
    case COMMAND_UNLOAD:
        unload(engine);
        break;
    case COMMAND_TOKENIZE:
        tokenize(engine, command);
        break;
    case COMMAND_DETOKENIZE:
        detokenize(engine, command);
        break;
    case COMMAND_TEMPLATE:
        render_template(engine, command);
        break;
    case COMMAND_FORGET:
        forget(engine, command);
        break;
    case COMMAND_CANCEL:
        if (is_ready) {
            scheduler_cancel(&engine->scheduler, command->id);
            embedder_cancel(&engine->embedder, command->id);
        }
        break;
    case COMMAND_PING:
    case COMMAND_UNKNOWN:
        break;
    }
    command_free(command);
}

static void take_commands(struct engine *engine) {
    struct command *command;
    while (engine->state != ENGINE_GONE &&
           (command = inbox_next(&engine->program.inbox, engine->state == ENGINE_LOADING)) != NULL) {
        carry_out(engine, command);
    }
}

static void advance_load(struct engine *engine) {
    if (model_load_is_over(engine->load)) {
        finish_load(engine);
        return;
    }
    tell_progress(engine);
    channel_wait(&engine->program.channel, model_load_fd(engine->load), PROGRESS_INTERVAL_MS);
}

static bool has_work(const struct engine *engine) {
    return scheduler_has_work(&engine->scheduler) || embedder_has_work(&engine->embedder);
}

static void step(struct engine *engine) {
    double max_ms;
    if (embedder_has_work(&engine->embedder) && step_can_spare(&engine->scheduler, &max_ms)) {
        step_spent(&engine->scheduler, embedder_step(&engine->embedder, max_ms));
        return;
    }
    scheduler_step(&engine->scheduler);
    if (engine->scheduler.is_waiting && scheduler_has_work(&engine->scheduler)) {
        channel_wait(&engine->program.channel, scheduler_fd(&engine->scheduler), DISK_WAIT_MS);
    }
}

static void rest(struct engine *engine) {
    bool is_ready = engine->state == ENGINE_READY;
    int wait_ms = is_ready ? scheduler_rest(&engine->scheduler) : -1;
    int idle_ms = is_ready ? embedder_rest(&engine->embedder) : -1;
    wait_ms = wait_ms < 0 || (idle_ms >= 0 && idle_ms < wait_ms) ? idle_ms : wait_ms;
    channel_wait(&engine->program.channel, is_ready ? scheduler_fd(&engine->scheduler) : -1, wait_ms);
}

static void run(struct engine *engine) {
    for (;;) {
        take_commands(engine);
        if (engine->state == ENGINE_GONE || inbox_must_go(&engine->program.inbox)) {
            return;
        }
        if (engine->state == ENGINE_LOADING) {
            advance_load(engine);
        } else if (engine->state == ENGINE_READY && has_work(engine)) {
            step(engine);
        } else if (inbox_is_done(&engine->program.inbox)) {
            return;
        } else {
            rest(engine);
        }
    }
}

static void shut_down(struct engine *engine) {
    if (engine->load && !model_load_abandon(engine->load, ABANDON_TIMEOUT_MS)) {
        _exit(0); /* a library call that cannot be interrupted; the process gives everything back */
    }
    if (engine->model) {
        scheduler_cancel(&engine->scheduler, NULL);
        embedder_deinit(&engine->embedder);
        scheduler_flush(&engine->scheduler, FLUSH_MS);
        scheduler_deinit(&engine->scheduler);
        model_close(engine->model);
    }
    backend_deinit();
    program_deinit(&engine->program);
}

/* The libraries are loaded; no file of a person has been read. */
static void shut_in(const struct sandbox *sandbox) {
    if (sandbox->is_wanted && SANDBOX_IS_POSSIBLE) {
        sandbox_enter(sandbox, backend_has_devices() ? SANDBOX_DEVICES : SANDBOX_PROCESSOR);
    }
}

int main(int n_args, char **args) {
    static struct engine engine;
    int exit_code;
    struct fault fault;
    if (!program_init(&engine.program, "llama", n_args, args, &exit_code)) {
        return exit_code;
    }
    if (!backend_init(&fault)) {
        fail(&engine, "", ERROR_INTERNAL, fault.text);
        return EXIT_FAILURE;
    }
    shut_in(&engine.program.sandbox);
    run(&engine);
    shut_down(&engine);
    return 0;
}
