/* runnel-engine-fake: the engine protocol from a script, for tests. It makes every fault repeatable.
 *
 * One thread, one loop: take the commands, do what is due, wait for either.
 */
#include "embeds.h"
#include "faults.h"
#include "script.h"
#include "speech.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/program.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS    1000000u
#define GATE_LOOK_MS 5

enum fake_state { FAKE_EMPTY, FAKE_LOADING, FAKE_READY, FAKE_GONE };

struct fake {
    struct program program;
    enum fake_state state;
    struct script script;
    struct speeches speeches;
    struct embeds embeds;
    uint64_t load_began_ns;
    int load_step;
    size_t next_fault;
    char *memory; /* of "memory_mb"; NULL: none */
};

static void begin_load(struct fake *fake, const struct command *command) {
    struct engine_error error;
    struct events *events = &fake->program.events;
    if (fake->state != FAKE_EMPTY) {
        engine_error_set(&error, ERROR_BAD_REQUEST, "load comes once per process, and this one has a model");
        events_failed(events, "load", &error);
    } else if (script_read(command->model, &command->load, &fake->script, &error)) {
        events_failed(events, "load", &error);
        fake->state = FAKE_GONE;
    } else {
        fake->state = FAKE_LOADING;
        fake->load_began_ns = clock_now_ns();
    }
}

static void fail_load(struct fake *fake, const char *code, const char *text) {
    struct engine_error error;
    engine_error_set(&error, code, "%s", text);
    events_failed(&fake->program.events, "load", &error);
    fake->state = FAKE_GONE;
}

/* Resident, page by page. */
static void take_memory(struct fake *fake) {
    size_t n_bytes = (size_t)fake->script.memory_mb << 20;
    if (n_bytes) {
        fake->memory = mem_alloc(n_bytes);
        memset(fake->memory, 1, n_bytes);
    }
}

static void finish_load(struct fake *fake) {
    const struct script *script = &fake->script;
    struct events *events = &fake->program.events;
    if (script->load_error_code) {
        fail_load(fake, script->load_error_code, script->load_error_text);
        return;
    }
    take_memory(fake);
    speeches_init(&fake->speeches, events, script);
    fake->state = FAKE_READY;
    events_json(events,
                json_pack("{s:s, s:{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:b}, s:i, s:{s:i, s:i}}", "ev",
                          "ready", "model", "name", script->name, "architecture", "fake", "parameters", 0,
                          "size_bytes", 0, "context_size", script->context_size, "context_train",
                          script->context_size, "vocab_size", (int)script->n_tokens, "chat_template", 0,
                          "slots", script->slots, "memory", "weights_bytes", 0, "kv_bytes", 0));
}

/* Does what the script says for this point of the load; false: a gate is closed, or the load failed. */
static bool may_go_on(struct fake *fake, enum script_point point, int number) {
    enum faults_outcome outcome =
        faults_do(&fake->script, &fake->program.channel, point, number, "", &fake->next_fault);
    if (outcome == FAULTS_ERROR) {
        fail_load(fake, ERROR_INTERNAL, "the script says that the load fails");
    }
    return outcome == FAULTS_DONE;
}

/* Tells the progress that is due; returns the time until there is more to tell. */
static int advance_load(struct fake *fake) {
    const struct script *script = &fake->script;
    uint64_t step_ns = (uint64_t)script->load_ms * NS_PER_MS / (uint64_t)script->load_steps;
    while (fake->load_step < script->load_steps) {
        uint64_t due = fake->load_began_ns + step_ns * (uint64_t)(fake->load_step + 1);
        uint64_t now = clock_now_ns();
        if (now < due) {
            return (int)((due - now + NS_PER_MS - 1) / NS_PER_MS);
        }
        if (!may_go_on(fake, SCRIPT_AT_LOAD, fake->load_step + 1)) {
            return fake->state == FAKE_GONE ? 0 : GATE_LOOK_MS;
        }
        events_load(&fake->program.events, "weights", ++fake->load_step * 1.0 / script->load_steps);
    }
    if (!may_go_on(fake, SCRIPT_AT_TOKEN, 0)) {
        return fake->state == FAKE_GONE ? 0 : GATE_LOOK_MS;
    }
    finish_load(fake);
    return 0;
}

static void inspect(struct fake *fake, const struct command *command) {
    struct script script;
    struct engine_error error;
    if (script_read(command->model, &command->load, &script, &error)) {
        events_failed(&fake->program.events, "inspect", &error);
        return;
    }
    events_json(&fake->program.events,
                json_pack("{s:s, s:s, s:{s:s, s:s, s:i, s:i, s:i, s:s, s:i, s:i, s:s, s:i, s:n}}", "ev",
                          "inspect", "model", command->model, "info", "architecture", "fake", "name",
                          script.name, "context_length", script.context_size, "block_count", 0,
                          "embedding_length", 0, "file_type", "script", "parameters", 0, "size_bytes", 0,
                          "tokenizer", "words", "vocab_size", (int)script.n_tokens, "chat_template"));
    script_deinit(&script);
}

static void tokenize(struct fake *fake, const struct command *command) {
    const char *text = command->text;
    const char *word;
    size_t size;
    int32_t *tokens = mem_alloc((size_t)script_count_words(text) * sizeof *tokens);
    struct bytes pieces;
    size_t n = 0;
    bytes_init(&pieces, ENGINE_LINE_BYTES_MAX);
    while ((size = script_next_word(&text, &word)) > 0) {
        bytes_add_text(&pieces, n ? ",\"" : "\"");
        for (size_t i = 0; i < size; i++) {
            bytes_add_format(&pieces, "%02x", (unsigned)(unsigned char)word[i]);
        }
        bytes_add_char(&pieces, '"');
        tokens[n++] = script_word_token(word, size);
    }
    bytes_add_char(&pieces, '\0');
    events_tokens(&fake->program.events, command->id, tokens, n, command->pieces ? pieces.data : NULL);
    bytes_deinit(&pieces);
    free(tokens);
}

/* A token's number is its place in the script. */
static void detokenize(struct fake *fake, const struct command *command) {
    struct bytes text;
    bytes_init(&text, ENGINE_LINE_BYTES_MAX);
    for (size_t i = 0; i < command->n_tokens; i++) {
        if ((size_t)command->tokens[i] < fake->script.n_tokens) {
            const struct script_token *token = &fake->script.tokens[command->tokens[i]];
            bytes_add(&text, token->data, token->size);
        }
    }
    events_text(&fake->program.events, command->id, text.size ? text.data : "", text.size);
    bytes_deinit(&text);
}

/* "ROLE: CONTENT" in lines, and what the answer is begun with. */
static void render_template(struct fake *fake, const struct command *command) {
    const struct generate *generate = &command->generate;
    struct bytes text;
    bytes_init(&text, ENGINE_LINE_BYTES_MAX);
    for (size_t i = 0; i < generate->n_messages; i++) {
        bytes_add_format(&text, "%s: %s\n", generate->messages[i].role, generate->messages[i].content);
    }
    bytes_add_text(&text, generate->begun ? generate->begun : "");
    events_prompt(&fake->program.events, command->id, text.data, text.size,
                  speeches_count_prompt(&fake->script, generate));
    bytes_deinit(&text);
}

static void refuse_without_model(struct fake *fake, const struct command *command) {
    struct engine_error error;
    engine_error_set(&error, ERROR_BAD_REQUEST, "no model is loaded: send load first");
    events_end(&fake->program.events, command->id,
               &(struct end_report){ .reason = "error", .error = &error });
}

/* Carries out one command and disposes of it. */
static void carry_out(struct fake *fake, struct command *command) {
    bool is_kept = false;
    switch (command->op) {
    case COMMAND_LOAD:
        begin_load(fake, command);
        break;
    case COMMAND_INSPECT:
        inspect(fake, command);
        break;
    case COMMAND_UNLOAD:
        if (fake->state == FAKE_READY) {
            speeches_cancel(&fake->speeches, NULL);
            embeds_cancel(&fake->embeds, &fake->program.events, NULL);
        }
        fake->state = FAKE_GONE;
        break;
    case COMMAND_GENERATE:
        is_kept = fake->state == FAKE_READY;
        if (is_kept) {
            speeches_add(&fake->speeches, command);
        } else {
            refuse_without_model(fake, command);
        }
        break;
    case COMMAND_PREFILL:
        is_kept = fake->state == FAKE_READY;
        if (is_kept) {
            speeches_add_draft(&fake->speeches, command);
        } else {
            refuse_without_model(fake, command);
        }
        break;
    case COMMAND_FORGET:
        speeches_forget(&fake->speeches, command->generate.cache_key);
        break;
    case COMMAND_CANCEL:
        if (fake->state == FAKE_READY) {
            speeches_cancel(&fake->speeches, command->id);
            embeds_cancel(&fake->embeds, &fake->program.events, command->id);
        }
        break;
    case COMMAND_TOKENIZE:
        tokenize(fake, command);
        break;
    case COMMAND_DETOKENIZE:
        detokenize(fake, command);
        break;
    case COMMAND_TEMPLATE:
        render_template(fake, command);
        break;
    case COMMAND_EMBED:
        is_kept = fake->state == FAKE_READY;
        if (is_kept) {
            embeds_add(&fake->embeds, &fake->script, &fake->program.events, command);
        } else {
            refuse_without_model(fake, command);
        }
        break;
    case COMMAND_PING:
    case COMMAND_UNKNOWN:
        break;
    }
    if (!is_kept) {
        command_free(command);
    }
}

static void take_commands(struct fake *fake) {
    struct command *command;
    while (fake->state != FAKE_GONE &&
           (command = inbox_next(&fake->program.inbox, fake->state == FAKE_LOADING)) != NULL) {
        carry_out(fake, command);
    }
}

/* Does what is due; returns the time until there is more. */
static int advance(struct fake *fake) {
    int timeout_ms = speeches_advance(&fake->speeches);
    bool is_held = !embeds_advance(&fake->embeds, &fake->script, &fake->program.events);
    return is_held && (timeout_ms < 0 || timeout_ms > GATE_LOOK_MS) ? GATE_LOOK_MS : timeout_ms;
}

static void run(struct fake *fake) {
    for (;;) {
        take_commands(fake);
        if (fake->state == FAKE_GONE || inbox_must_go(&fake->program.inbox)) {
            return;
        }
        int timeout_ms = -1;
        if (fake->state == FAKE_LOADING) {
            timeout_ms = advance_load(fake);
        } else if (fake->state == FAKE_READY) {
            timeout_ms = advance(fake);
        }
        if (timeout_ms < 0 && inbox_is_done(&fake->program.inbox)) {
            return;
        }
        channel_wait(&fake->program.channel, -1, timeout_ms);
    }
}

int main(int n_args, char **args) {
    static struct fake fake;
    int exit_code;
    if (!program_init(&fake.program, "fake", n_args, args, &exit_code)) {
        return exit_code;
    }
    run(&fake);
    embeds_cancel(&fake.embeds, &fake.program.events, NULL);
    speeches_deinit(&fake.speeches);
    script_deinit(&fake.script);
    free(fake.memory);
    program_deinit(&fake.program);
    return 0;
}
