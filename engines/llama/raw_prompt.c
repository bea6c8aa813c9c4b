#include "raw_prompt.h"

#include "base/mem.h"
#include "common/piece.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX (1u << 26)
/* What stands between files where the model has no token for that. */
#define FILE_SEPARATOR "\n\n--- snippet ---\n\n"

struct tokens {
    llama_token *items;
    size_t n;
    size_t capacity;
};

static void add_token(struct tokens *tokens, llama_token token) {
    tokens->items =
        mem_grow_array(tokens->items, tokens->n, &tokens->capacity, sizeof *tokens->items, TOKENS_MAX);
    tokens->items[tokens->n++] = token;
}

static void add_range(struct tokens *tokens, const struct tokens *from, size_t first, size_t n) {
    for (size_t i = 0; i < n; i++) {
        add_token(tokens, from->items[first + i]);
    }
}

static void add_text(struct tokens *tokens, const struct model *model, const char *text, bool add_special,
                     bool parse_special) {
    int n = 0;
    llama_token *items = model_tokenize(model, text, strlen(text), add_special, parse_special, &n);
    for (int i = 0; i < n; i++) {
        add_token(tokens, items[i]);
    }
    free(items);
}

/* ---- Texts and tokens ---- */

/* What the model wants at the beginning of a text comes only before a text. */
static enum status add_parts(struct tokens *tokens, const struct model *model, const json_t *parts,
                             struct fault *fault) {
    size_t index;
    json_t *part;
    json_array_foreach(parts, index, part) {
        json_int_t token = json_integer_value(part);
        if (json_is_string(part)) {
            add_text(tokens, model, json_string_value(part), index == 0, true);
        } else if (token >= model->n_vocab) {
            return fault_set(fault, STATUS_INVALID, "prompt[%zu]: the model has %d tokens", index,
                             model->n_vocab);
        } else {
            add_token(tokens, (llama_token)token);
        }
    }
    return STATUS_OK;
}

/* ---- Around a gap ---- */

static void begin_file(struct tokens *tokens, const struct model *model, const char *name) {
    llama_token separator = llama_vocab_fim_sep(model->vocab);
    if (separator == LLAMA_TOKEN_NULL) {
        return;
    }
    add_token(tokens, separator);
    add_text(tokens, model, name, false, false);
    add_text(tokens, model, "\n", false, false);
}

static void add_files(struct tokens *tokens, const struct model *model, const json_t *files) {
    bool has_separator = llama_vocab_fim_sep(model->vocab) != LLAMA_TOKEN_NULL;
    size_t index;
    json_t *file;
    if (llama_vocab_fim_rep(model->vocab) != LLAMA_TOKEN_NULL) {
        add_token(tokens, llama_vocab_fim_rep(model->vocab));
        add_text(tokens, model, "myproject\n", false, false);
    }
    json_array_foreach(files, index, file) {
        if (has_separator) {
            begin_file(tokens, model, json_get_text(file, "filename", "tmp"));
        } else {
            add_text(tokens, model, FILE_SEPARATOR, false, false);
        }
        add_text(tokens, model, json_get_text(file, "text", ""), false, false);
    }
    begin_file(tokens, model, "filename");
}

static size_t at_most(size_t n, size_t n_max) {
    return n < n_max ? n : n_max;
}

/* The end of what is before the gap, the beginning of what is behind it. */
static void add_gap(struct tokens *tokens, const struct model *model, const json_t *infill) {
    struct tokens before = { 0 };
    struct tokens begun = { 0 };
    struct tokens behind = { 0 };
    struct tokens files = { 0 };
    size_t n_room = (size_t)(model->n_context - model->n_context / 8);
    size_t n_around = at_most(n_room, RAW_PROMPT_INFILL_TOKENS);
    add_text(&before, model, json_get_text(infill, "prefix", ""), false, false);
    add_text(&behind, model, json_get_text(infill, "suffix", ""), false, false);
    add_text(&begun, model, json_get_text(infill, "prompt", ""), false, true);
    add_files(&files, model, json_object_get(infill, "extra"));
    size_t n_quarter = n_around / 4;
    size_t n_before = at_most(before.n, 3 * n_quarter);
    size_t n_behind = at_most(behind.n, n_quarter > 2 + begun.n ? n_quarter - 2 - begun.n : 0);
    size_t n_gap = n_before + n_behind + begun.n;
    size_t n_files = at_most(files.n, n_gap < n_room ? n_room - n_gap : 0);
    if (llama_vocab_get_add_bos(model->vocab)) {
        add_token(tokens, llama_vocab_bos(model->vocab));
    }
    add_range(tokens, &files, files.n - n_files, n_files);
    add_token(tokens, llama_vocab_fim_pre(model->vocab));
    add_range(tokens, &before, before.n - n_before, n_before);
    add_range(tokens, &begun, 0, begun.n);
    add_token(tokens, llama_vocab_fim_suf(model->vocab));
    add_range(tokens, &behind, 0, n_behind);
    add_token(tokens, llama_vocab_fim_mid(model->vocab));
    free(before.items);
    free(behind.items);
    free(begun.items);
    free(files.items);
}

static enum status check_gap(const struct model *model, struct fault *fault) {
    const struct {
        llama_token token;
        const char *name;
    } needed[] = { { llama_vocab_fim_pre(model->vocab), "prefix" },
                   { llama_vocab_fim_suf(model->vocab), "suffix" },
                   { llama_vocab_fim_mid(model->vocab), "middle" } };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (needed[i].token == LLAMA_TOKEN_NULL) {
            return fault_set(fault, STATUS_UNAVAILABLE,
                             "infill is not supported by this model: its %s token is missing. Use a model "
                             "that was trained to fill gaps in code",
                             needed[i].name);
        }
    }
    return STATUS_OK;
}

/* ---- All of them ---- */

enum status raw_prompt_tokenize(const struct model *model, const struct generate *generate, const char *text,
                                size_t size, llama_token **out, int *n_tokens, struct fault *fault) {
    struct tokens tokens = { 0 };
    enum status status = STATUS_OK;
    if (generate->infill) {
        status = check_gap(model, fault);
        if (status == STATUS_OK) {
            add_gap(&tokens, model, generate->infill);
        }
    } else if (generate->prompt_parts) {
        status = add_parts(&tokens, model, generate->prompt_parts, fault);
    } else {
        *out = model_tokenize(model, text, size, true, true, n_tokens);
        return STATUS_OK;
    }
    *out = tokens.items;
    *n_tokens = (int)tokens.n;
    return status;
}

char *raw_prompt_text(const struct model *model, const llama_token *tokens, int n_tokens) {
    struct bytes bytes;
    struct piece piece;
    bytes_init(&bytes, RAW_PROMPT_TEXT_BYTES_MAX);
    for (int i = 0; i < n_tokens; i++) {
        model_add_piece(model, tokens[i], true, &bytes);
    }
    piece_init(&piece, NULL, 0);
    piece_add(&piece, bytes.size ? bytes.data : "", bytes.size);
    piece_finish(&piece);
    char *text =
        bytes.failed ? NULL : mem_copy_bytes(piece.text.size ? piece.text.data : "", piece.text.size);
    piece_deinit(&piece);
    bytes_deinit(&bytes);
    return text;
}
