#include "embeds.h"

#include "base/log.h"

#include <string.h>
#include <unistd.h>

static void end(struct events *events, const struct command *command, const char *reason,
                const struct engine_error *error) {
    events_end(events, command->id, &(struct end_report){ .reason = reason, .error = error });
}

static void count_token(float *vector, int32_t token) {
    vector[(uint32_t)token % EMBEDS_DIMENSIONS] += 1;
}

/* Counts at most n_max tokens; returns how many there are. */
static int count(const struct embed_input *input, int n_max, float *vector) {
    const char *text = input->text;
    const char *word;
    size_t size;
    int n = 0;
    for (size_t i = 0; i < input->n_tokens; i++, n++) {
        if (n < n_max) {
            count_token(vector, input->tokens[i]);
        }
    }
    for (; text && (size = script_next_word(&text, &word)) > 0; n++) {
        if (n < n_max) {
            count_token(vector, script_word_token(word, size));
        }
    }
    return n;
}

static bool make(const struct script *script, const struct embed *embed, float (*vectors)[EMBEDS_DIMENSIONS],
                 struct embedding *list, struct engine_error *error) {
    int n_max = script->context_size;
    for (size_t i = 0; i < embed->n_inputs; i++) {
        list[i].vector = vectors[i];
        list[i].n_tokens = count(&embed->inputs[i], n_max, vectors[i]);
        if (list[i].n_tokens > n_max && !embed->truncate) {
            engine_error_set(error, ERROR_CONTEXT_FULL,
                             "text %zu has %d tokens, and the context has room for %d: send less", i + 1,
                             list[i].n_tokens, n_max);
            return false;
        }
        list[i].n_tokens = list[i].n_tokens < n_max ? list[i].n_tokens : n_max;
        if (list[i].n_tokens == 0) {
            engine_error_set(error, ERROR_BAD_REQUEST, "text %zu is empty: send one with words in it", i + 1);
            return false;
        }
    }
    if (embed->dimensions > EMBEDS_DIMENSIONS) {
        engine_error_set(error, ERROR_BAD_REQUEST,
                         "\"dimensions\": the vectors of this model have %d, ask for at most so many",
                         EMBEDS_DIMENSIONS);
        return false;
    }
    return true;
}

static void answer(const struct script *script, struct events *events, const struct command *command) {
    const struct embed *embed = &command->embed;
    float vectors[COMMAND_EMBED_MAX][EMBEDS_DIMENSIONS] = { 0 };
    struct embedding list[COMMAND_EMBED_MAX];
    struct engine_error error;
    int n_dimensions = embed->dimensions ? embed->dimensions : EMBEDS_DIMENSIONS;
    if (!make(script, embed, vectors, list, &error)) {
        end(events, command, "error", &error);
    } else if (!events_embeddings(events, command->id, list, embed->n_inputs, n_dimensions)) {
        engine_error_set(&error, ERROR_INTERNAL, "a vector of so few dimensions has no length");
        end(events, command, "error", &error);
    }
}

static bool is_held(const struct script *script) {
    return script->start_gate && access(script->start_gate, F_OK) != 0;
}

void embeds_add(struct embeds *embeds, const struct script *script, struct events *events,
                struct command *command) {
    struct command **tail = &embeds->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = command;
    command->next = NULL;
    embeds_advance(embeds, script, events);
}

bool embeds_advance(struct embeds *embeds, const struct script *script, struct events *events) {
    while (embeds->first && !is_held(script)) {
        struct command *command = embeds->first;
        embeds->first = command->next;
        answer(script, events, command);
        command_free(command);
    }
    return embeds->first == NULL;
}

void embeds_cancel(struct embeds *embeds, struct events *events, const char *id) {
    for (struct command **at = &embeds->first; *at;) {
        struct command *command = *at;
        if (id == NULL || strcmp(command->id, id) == 0) {
            *at = command->next;
            LOG_INFO("embed_cancelled", "id=%s", command->id);
            end(events, command, "cancelled", NULL);
            command_free(command);
        } else {
            at = &command->next;
        }
    }
}
