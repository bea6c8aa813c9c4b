#include "inspect.h"

#include "gguf_head.h"
#include "parts.h"

#include <limits.h>
#include <llama.h>
#include <stdio.h>

#define LAYERS_MAX GGUF_HEAD_ROW_NUMBERS
#define SIZE_MAX_I                                                                                           \
    ((int64_t)1 << 20) /* heads, and numbers in one: no model is near it, and no product passes 64 bits */

enum status inspect_check_file(const char *path, struct engine_error *error) {
    struct gguf_head head;
    enum status status = gguf_head_read(path, &head, error);
    gguf_head_deinit(&head);
    return status;
}

static json_t *text_or_null(const char *text) {
    json_t *value = text ? json_string(text) : NULL; /* NULL too when it is no UTF-8 */
    return value ? value : json_null();
}

static json_t *number_or_null(int64_t number) {
    return number >= 0 ? json_integer((json_int_t)number) : json_null();
}

/* A value under the architecture's own prefix: "llama.block_count". */
static const struct gguf_pair *find_own(const struct gguf_head *head, const char *name) {
    const char *architecture = gguf_head_text(head, "general.architecture");
    char key[160];
    snprintf(key, sizeof key, "%.80s.%s", architecture ? architecture : "", name);
    return gguf_head_find(head, key);
}

/* Of a row with a number for each layer, that of layer i. −1: the file does not say. */
static int64_t own_number_of(const struct gguf_head *head, const char *name, uint64_t i) {
    const struct gguf_pair *pair = find_own(head, name);
    if (pair == NULL || (pair->is_row && (pair->items == NULL || i >= pair->n_items))) {
        return -1;
    }
    return pair->is_row ? pair->items[i] : gguf_head_number(head, pair->key);
}

static int64_t own_number(const struct gguf_head *head, const char *name) {
    return own_number_of(head, name, 0);
}

static json_t *count_vocabulary(const struct gguf_head *head) {
    const struct gguf_pair *tokens = gguf_head_find(head, "tokenizer.ggml.tokens");
    return tokens && tokens->is_row ? json_integer((json_int_t)tokens->n_items) : json_null();
}

static json_t *file_type(const struct gguf_head *head) {
    int64_t number = gguf_head_number(head, "general.file_type");
    return number >= 0 && number <= INT_MAX ? text_or_null(llama_ftype_name((enum llama_ftype)number))
                                            : json_null();
}

/* ---- What it takes of memory ---- */

#define MIB ((int64_t)1 << 20)

/* Beside weights and context: what the library and the tokenizer take, and the buffers of one batch. The first is what a model of 135M
 * parameters and 49,152 tokens was seen to take, by the token; the batch is of 512 tokens, with the widest of its rows four times. */
#define OTHER_BYTES           (32 * MIB)
#define TOKENIZER_TOKEN_BYTES 400
#define BATCH_TOKENS          512
#define BATCH_ROWS            4

static int64_t positive_or(int64_t number, int64_t otherwise) {
    return number > 0 && number < SIZE_MAX_I ? number : otherwise;
}

/* Keys and values of one token, in 16 bits. Windows of attention are not known here: a model that has some takes less. */
static int64_t token_bytes(const struct gguf_head *head) {
    int64_t n_layers = own_number(head, "block_count");
    int64_t n_width = positive_or(own_number(head, "embedding_length"), 0);
    int64_t n_numbers = 0;
    for (int64_t i = 0; i < n_layers && i < LAYERS_MAX; i++) {
        int64_t n_heads = positive_or(own_number_of(head, "attention.head_count", (uint64_t)i), 1);
        int64_t n_kept = own_number_of(head, "attention.head_count_kv", (uint64_t)i);
        n_kept = n_kept == 0 ? 0 : positive_or(n_kept, n_heads);
        int64_t n_key = positive_or(own_number(head, "attention.key_length"), n_width / n_heads);
        int64_t n_value = positive_or(own_number(head, "attention.value_length"), n_width / n_heads);
        n_numbers += n_kept * (n_key + n_value);
    }
    return 2 * n_numbers;
}

static int64_t other_bytes(const struct gguf_head *head) {
    const struct gguf_pair *tokens = gguf_head_find(head, "tokenizer.ggml.tokens");
    int64_t n_width = positive_or(own_number(head, "embedding_length"), 0);
    int64_t n_wide = positive_or(own_number(head, "feed_forward_length"), n_width);
    int64_t n_tokens = tokens ? (int64_t)tokens->n_items : 0;
    return OTHER_BYTES + n_tokens * TOKENIZER_TOKEN_BYTES +
           (int64_t)sizeof(float) * BATCH_TOKENS * BATCH_ROWS * (n_wide > n_width ? n_wide : n_width);
}

/* ---- The event ---- */

static json_t *describe(const struct gguf_head *head, const char *path) {
    json_t *info = json_object();
    json_object_set_new(info, "architecture", text_or_null(gguf_head_text(head, "general.architecture")));
    json_object_set_new(info, "name", text_or_null(gguf_head_text(head, "general.name")));
    json_object_set_new(info, "context_length", number_or_null(own_number(head, "context_length")));
    json_object_set_new(info, "block_count", number_or_null(own_number(head, "block_count")));
    json_object_set_new(info, "embedding_length", number_or_null(own_number(head, "embedding_length")));
    json_object_set_new(info, "file_type", file_type(head));
    json_object_set_new(info, "parameters", json_integer((json_int_t)head->n_parameters));
    json_object_set_new(info, "size_bytes", json_integer((json_int_t)head->size_bytes));
    json_object_set_new(info, "tokenizer", text_or_null(gguf_head_text(head, "tokenizer.ggml.model")));
    json_object_set_new(info, "vocab_size", count_vocabulary(head));
    json_object_set_new(info, "chat_template", text_or_null(gguf_head_text(head, "tokenizer.chat_template")));
    json_object_set_new(info, "memory",
                        json_pack("{s:I, s:I, s:I}", "weights_bytes", (json_int_t)parts_bytes(path),
                                  "token_bytes", (json_int_t)token_bytes(head), "other_bytes",
                                  (json_int_t)other_bytes(head)));
    return info;
}

enum status inspect_model(const char *path, json_t **out, struct engine_error *error) {
    struct gguf_head head;
    enum status status = gguf_head_read(path, &head, error);
    if (status == STATUS_OK) {
        *out = json_pack("{s:s, s:s, s:o}", "ev", "inspect", "model", path, "info", describe(&head, path));
    }
    gguf_head_deinit(&head);
    return status;
}
