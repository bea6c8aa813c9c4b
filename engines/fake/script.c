#include "script.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INLINE_PREFIX        "fake:"
#define DEFAULT_CONTEXT_SIZE 8192
#define DEFAULT_SLOTS        8
#define MS_MAX               3600000
#define MEMORY_MB_MAX        4096

static const struct {
    const char *name;
    enum script_action action;
} actions[] = {
    { "crash", SCRIPT_CRASH }, { "abort", SCRIPT_ABORT },     { "exit", SCRIPT_EXIT },
    { "hang", SCRIPT_HANG },   { "garbage", SCRIPT_GARBAGE }, { "longline", SCRIPT_LONGLINE },
    { "sleep", SCRIPT_SLEEP }, { "gate", SCRIPT_GATE },       { "error", SCRIPT_ERROR },
};

static const struct {
    const char *key;
    enum script_point point;
} points[] = {
    { "token", SCRIPT_AT_TOKEN },
    { "prefill", SCRIPT_AT_PREFILL },
    { "load", SCRIPT_AT_LOAD },
};

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

static enum status read_hex(const char *hex, struct script_token *token, struct fault *fault) {
    size_t n = strlen(hex);
    token->data = mem_alloc(n / 2 + 1);
    token->size = n / 2;
    for (size_t i = 0; i < n / 2; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return fault_set(fault, STATUS_INVALID, "\"%s\" is not lower-case hex", hex);
        }
        token->data[i] = (char)(high * 16 + low);
    }
    return n % 2 ? fault_set(fault, STATUS_INVALID, "\"%s\" has an odd number of digits", hex) : STATUS_OK;
}

/* {"reasoning":"…"} or {"tool":{"index","id","name","arguments"}}; false: neither. */
static bool read_other(const json_t *item, struct step_item *other) {
    const json_t *tool = json_object_get(item, "tool");
    other->kind = tool ? ITEM_TOOL : ITEM_REASONING;
    other->text = tool ? json_get_text(tool, "arguments", "") : json_get_text(item, "reasoning", "");
    other->size = strlen(other->text);
    other->index = (size_t)json_integer_value(json_object_get(tool, "index"));
    other->call_id = json_get_text(tool, "id", NULL);
    other->name = json_get_text(tool, "name", NULL);
    return tool || json_object_get(item, "reasoning");
}

static enum status read_token(const json_t *item, struct script_token *token, struct fault *fault) {
    const char *hex = json_get_text(item, "hex", NULL);
    if (hex) {
        return read_hex(hex, token, fault);
    }
    token->has_other = read_other(item, &token->other);
    if (token->has_other) {
        item = json_object_get(item, "text");
    } else if (!json_is_string(item)) {
        return fault_set(
            fault, STATUS_INVALID,
            "a token must be a string, {\"hex\":\"…\"}, {\"reasoning\":\"…\"} or {\"tool\":{…}}");
    }
    token->size = json_string_length(item);
    token->data = mem_copy_bytes(token->size ? json_string_value(item) : "", token->size);
    return STATUS_OK;
}

static enum status read_tokens(const json_t *object, struct script_token **tokens, size_t *n_tokens,
                               struct fault *fault) {
    const json_t *list = json_object_get(object, "tokens");
    size_t n = json_array_size(list);
    *tokens = mem_alloc((n + 1) * sizeof **tokens);
    *n_tokens = n;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = read_token(json_array_get(list, i), &(*tokens)[i], fault);
    }
    return status;
}

static enum status read_answers(struct script *script, struct fault *fault) {
    const json_t *list = json_object_get(script->json, "answers");
    size_t n = json_array_size(list);
    script->answers = mem_alloc((n + 1) * sizeof *script->answers);
    script->n_answers = n;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        const json_t *item = json_array_get(list, i);
        struct script_answer *answer = &script->answers[i];
        answer->when = json_get_text(item, "when", "");
        status = read_tokens(item, &answer->tokens, &answer->n_tokens, fault);
    }
    return status;
}

static enum status take_int(const json_t *object, const char *key, int max, int *out, struct fault *fault) {
    int64_t number = *out;
    enum status status = json_take_int(object, key, 0, max, &number, fault);
    *out = (int)number;
    return status;
}

static enum status read_action(const json_t *item, enum script_action *out, struct fault *fault) {
    const char *name = json_get_text(item, "do", "");
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(name, actions[i].name) == 0) {
            *out = actions[i].action;
            return STATUS_OK;
        }
    }
    return fault_set(fault, STATUS_INVALID, "at: do not know how to do \"%s\"", name);
}

/* A fault has one of "token", "prefill" and "load"; without any it is token 1. */
static enum status read_point(const json_t *item, struct script_fault *out, struct fault *fault) {
    int n_found = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof points / sizeof points[0]; i++) {
        if (json_object_get(item, points[i].key)) {
            out->point = points[i].point;
            status = take_int(item, points[i].key, INT32_MAX, &out->number, fault);
            n_found++;
        }
    }
    return status == STATUS_OK && n_found > 1
               ? fault_set(fault, STATUS_INVALID, "at: one of \"token\", \"prefill\" and \"load\"")
               : status;
}

static enum status read_fault(const json_t *item, struct script_fault *out, struct fault *fault) {
    *out = (struct script_fault){ .signal = SIGSEGV, .code = 1, .number = 1 };
    enum status status = read_action(item, &out->action, fault);
    const struct {
        const char *key;
        int max, *out;
    } numbers[] = { { "signal", 64, &out->signal }, { "code", 255, &out->code }, { "ms", MS_MAX, &out->ms } };
    for (size_t i = 0; status == STATUS_OK && i < sizeof numbers / sizeof numbers[0]; i++) {
        status = take_int(item, numbers[i].key, numbers[i].max, numbers[i].out, fault);
    }
    if (status == STATUS_OK) {
        status = read_point(item, out, fault);
    }
    out->gate = json_get_text(item, "gate", NULL);
    out->when = json_get_text(item, "when", NULL);
    out->once = json_get_text(item, "once", NULL);
    if (status == STATUS_OK && out->action == SCRIPT_GATE && out->gate == NULL) {
        status = fault_set(fault, STATUS_INVALID, "at: a gate needs its file: \"gate\":\"FILE\"");
    }
    return status;
}

static enum status read_faults(struct script *script, struct fault *fault) {
    const json_t *list = json_object_get(script->json, "at");
    size_t n = json_array_size(list);
    script->faults = mem_alloc((n + 1) * sizeof *script->faults);
    script->n_faults = n;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = read_fault(json_array_get(list, i), &script->faults[i], fault);
    }
    return status;
}

static void read_load_error(struct script *script) {
    const json_t *error = json_object_get(script->json, "load_error");
    if (json_is_object(error)) {
        script->load_error_code = json_get_text(error, "code", ERROR_INTERNAL);
        script->load_error_text =
            json_get_text(error, "text", "the script says that this model cannot be loaded");
    }
}

static enum status read_fields(struct script *script, const struct load_options *options,
                               struct fault *fault) {
    script->context_size = options->context_size ? options->context_size : DEFAULT_CONTEXT_SIZE;
    script->slots = options->slots ? options->slots : DEFAULT_SLOTS;
    script->load_steps = 4;
    script->token_ms = 5;
    script->prefill_chunk = 512;
    const struct {
        const char *key;
        int max, *out;
    } numbers[] = {
        { "context_size", COMMAND_CONTEXT_TOKENS_MAX, &script->context_size },
        { "slots", COMMAND_SLOTS_MAX, &script->slots },
        { "load_ms", MS_MAX, &script->load_ms },
        { "memory_mb", MEMORY_MB_MAX, &script->memory_mb },
        { "load_steps", 1000, &script->load_steps },
        { "count", INT32_MAX, &script->count },
        { "token_ms", MS_MAX, &script->token_ms },
        { "prefill_chunk", 1 << 20, &script->prefill_chunk },
        { "prefill_ms", MS_MAX, &script->prefill_ms },
        { "prompt_tokens", COMMAND_CONTEXT_TOKENS_MAX, &script->prompt_tokens },
    };
    enum status status = json_take_bool(script->json, "echo", &script->echo, fault);
    status = status ? status : json_take_bool(script->json, "hold_drafts", &script->hold_drafts, fault);
    for (size_t i = 0; status == STATUS_OK && i < sizeof numbers / sizeof numbers[0]; i++) {
        status = take_int(script->json, numbers[i].key, numbers[i].max, numbers[i].out, fault);
    }
    script->prefill_chunk = script->prefill_chunk ? script->prefill_chunk : 1;
    script->load_steps = script->load_steps ? script->load_steps : 1;
    script->slots = script->slots ? script->slots : 1;
    script->name = json_get_text(script->json, "name", "fake");
    script->start_gate = json_get_text(script->json, "start_gate", NULL);
    read_load_error(script);
    if (status == STATUS_OK) {
        status = read_tokens(script->json, &script->tokens, &script->n_tokens, fault);
    }
    status = status ? status : read_answers(script, fault);
    return status ? status : read_faults(script, fault);
}

/* The whole file; NULL when it cannot be read. */
static char *read_file(const char *path, size_t *n_bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = mem_alloc(SCRIPT_FILE_BYTES_MAX);
    *n_bytes = fread(text, 1, SCRIPT_FILE_BYTES_MAX, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) {
        free(text);
        return NULL;
    }
    return text;
}

enum status script_read(const char *model, const struct load_options *options, struct script *script,
                        struct engine_error *error) {
    *script = (struct script){ 0 };
    struct fault fault;
    char *text = NULL;
    size_t n_bytes = 0;
    if (strncmp(model, INLINE_PREFIX, strlen(INLINE_PREFIX)) == 0) {
        text = mem_copy_string(model + strlen(INLINE_PREFIX));
        n_bytes = strlen(text);
    } else {
        text = read_file(model, &n_bytes);
    }
    if (text == NULL) {
        engine_error_set(error, ERROR_MODEL_NOT_FOUND, "cannot read %.300s: %s", model, strerror(errno));
        return STATUS_NOT_FOUND;
    }
    enum status status = json_parse_object(text, n_bytes, &script->json, &fault);
    if (status == STATUS_OK) {
        status = read_fields(script, options, &fault);
    }
    if (status) {
        engine_error_set(error, ERROR_MODEL_CORRUPT, "not a script: %s", fault.text);
        script_deinit(script);
    }
    free(text);
    return status;
}

static void free_tokens(struct script_token *tokens, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(tokens[i].data);
    }
    free(tokens);
}

void script_deinit(struct script *script) {
    free_tokens(script->tokens, script->n_tokens);
    for (size_t i = 0; i < script->n_answers; i++) {
        free_tokens(script->answers[i].tokens, script->answers[i].n_tokens);
    }
    free(script->answers);
    free(script->faults);
    json_decref(script->json);
    *script = (struct script){ 0 };
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t script_next_word(const char **text, const char **word) {
    const char *at = *text;
    *word = at;
    while (is_space(*at)) {
        at++;
    }
    while (*at && !is_space(*at)) {
        at++;
    }
    *text = at;
    return (size_t)(at - *word);
}

int script_count_words(const char *text) {
    const char *word;
    int n = 0;
    while (script_next_word(&text, &word) > 0) {
        n++;
    }
    return n;
}

int32_t script_word_token(const char *word, size_t size) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (unsigned char)word[i]) * 16777619u;
    }
    return (int32_t)(hash & 0xFFFF);
}
