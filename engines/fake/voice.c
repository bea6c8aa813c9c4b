#include "voice.h"

#include <string.h>

void voice_init(struct voice *voice, const struct script *script, const struct generate *generate) {
    const char *message = generate->messages[generate->n_messages - 1].content;
    *voice = (struct voice){ .tokens = script->tokens,
                             .n_tokens = script->n_tokens,
                             .n_max = script->count ? (size_t)script->count : script->n_tokens,
                             .echo = script->echo,
                             .rest = message,
                             .ignores_end = generate->ignore_eos };
    for (size_t i = script->n_answers; i-- > 0;) {
        const struct script_answer *answer = &script->answers[i];
        if (strstr(message, answer->when)) {
            voice->tokens = answer->tokens;
            voice->n_tokens = voice->n_max = answer->n_tokens;
            voice->echo = false;
        }
    }
}

bool voice_next(struct voice *voice, const char **data, size_t *size, int *token) {
    *token = voice->n_tokens ? (int)((size_t)voice->n_said % voice->n_tokens) : 0;
    if (voice->echo) {
        *size = script_next_word(&voice->rest, data);
        voice->n_said += *size > 0;
        return *size > 0;
    }
    if (voice->n_tokens == 0 || (!voice->ignores_end && (size_t)voice->n_said >= voice->n_max)) {
        return false;
    }
    *data = voice->tokens[*token].data;
    *size = voice->tokens[*token].size;
    voice->n_said++;
    return true;
}

const struct step_item *voice_other(const struct voice *voice, int token) {
    bool is_scripted = token >= 0 && !voice->echo && (size_t)token < voice->n_tokens;
    const struct script_token *item = is_scripted ? &voice->tokens[token] : NULL;
    return item && item->has_other ? &item->other : NULL;
}

/* A token of the prefix stands for its own bytes; a word of an echo has no id that could be looked up. */
static bool add_token(struct voice *voice, int token, struct piece *piece) {
    const char *data = "";
    size_t size = 0;
    if (voice->echo) {
        size = script_next_word(&voice->rest, &data);
    } else {
        data = voice->tokens[token].data;
        size = voice->tokens[token].size;
    }
    voice->n_said++;
    return piece_add(piece, data, size);
}

static enum status take_tokens(struct voice *voice, const struct generate *generate, struct piece *piece,
                               bool *stopped, struct engine_error *error) {
    size_t n_vocab = voice->n_tokens;
    bool has_second = false; /* the token before was said in two items */
    for (size_t i = 0; i < generate->n_prefix_tokens; i++) {
        int token = generate->prefix_tokens[i];
        if (token < 0 && has_second) {
            has_second = false;
        } else if (token < 0) {
            *stopped = piece_finish_said(piece) || *stopped;
        } else if (!voice->echo && (size_t)token >= n_vocab) {
            engine_error_set(error, ERROR_BAD_REQUEST,
                             "prefix.tokens[%zu] is %d, and this script has %zu tokens", i, token, n_vocab);
            return STATUS_INVALID;
        } else {
            *stopped = add_token(voice, token, piece) || *stopped;
            has_second = voice_other(voice, token) && piece->text.size > 0;
        }
    }
    piece_clear_text(piece);
    return STATUS_OK;
}

/* Moves to the first token that says something beyond the text. */
static void skip_text(struct voice *voice, size_t n_bytes) {
    struct utf8_joiner joiner = { 0 };
    struct bytes whole;
    const char *data;
    size_t size;
    int token;
    bytes_init(&whole, SCRIPT_FILE_BYTES_MAX);
    for (size_t n = 0; n < n_bytes && voice_next(voice, &data, &size, &token); n += whole.size) {
        bytes_clear(&whole);
        utf8_joiner_add(&joiner, data, size, &whole);
    }
    bytes_deinit(&whole);
}

enum status voice_take_prefix(struct voice *voice, const struct generate *generate, struct piece *piece,
                              bool *stopped, struct engine_error *error) {
    *stopped = false;
    if (generate->prefix_text == NULL) {
        return take_tokens(voice, generate, piece, stopped, error);
    }
    size_t size = strlen(generate->prefix_text);
    skip_text(voice, size);
    *stopped = piece_add_said(piece, generate->prefix_text, size);
    *stopped =
        piece_finish_said(piece) || *stopped; /* a text is what people saw: nothing of it is held back */
    return STATUS_OK;
}
