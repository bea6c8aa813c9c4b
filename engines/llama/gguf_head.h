/* gguf_head.h - the head of a GGUF file, read with no trust in it.
 *
 * Every count, length and offset is compared with what is left of the file before it is used, and the weights must lie inside the file: so
 * what is cut short, damaged or made up is refused here, in milliseconds, before libllama maps it. What is kept is small: numbers, texts,
 * and short rows of numbers; of other rows only how long they are.
 *
 * Memory  gguf_head_read allocates, gguf_head_deinit frees; a zeroed head may be freed. A find is borrowed.
 * Thread  any.
 * Limits  the constants below, and the length of the file.
 * Errors  STATUS_NOT_FOUND: no file that can be read; STATUS_CORRUPT: what is wrong with it, and its name.
 */
#ifndef RUNNEL_ENGINES_LLAMA_GGUF_HEAD_H
#define RUNNEL_ENGINES_LLAMA_GGUF_HEAD_H

#include "base/status.h"
#include "common/events.h"

#include <gguf.h>
#include <stdint.h>

#define GGUF_HEAD_PAIRS_MAX   65536
#define GGUF_HEAD_TENSORS_MAX (1u << 20)
#define GGUF_HEAD_KEY_BYTES   65535
#define GGUF_HEAD_TEXT_BYTES  (1u << 20) /* of a value that is kept: a chat template */
#define GGUF_HEAD_KEPT_BYTES  (4u << 20) /* of all texts together; beyond it texts are not kept */
#define GGUF_HEAD_ROW_NUMBERS 1024       /* of a row that is kept: one for each layer */

struct gguf_pair {
    char *key;
    enum gguf_type type; /* of the value, or of what is in the row */
    int64_t number;      /* a whole number or a bool */
    char *text;          /* a text that is kept; NULL: none is */
    uint64_t n_items;    /* of a row */
    int64_t *items;      /* a row of whole numbers that is kept; NULL: none is */
    bool is_row;
};

struct gguf_head {
    uint64_t size_bytes; /* of the file */
    uint64_t n_tensors;
    uint64_t n_parameters;
    struct gguf_pair *pairs;
    size_t n_pairs;
};

MUST_CHECK enum status gguf_head_read(const char *path, struct gguf_head *out, struct engine_error *error);
void gguf_head_deinit(struct gguf_head *head);

/* NULL: the file does not say. gguf_head_number: -1 where it says no whole number that is not negative. */
const struct gguf_pair *gguf_head_find(const struct gguf_head *head, const char *key);
const char *gguf_head_text(const struct gguf_head *head, const char *key);
int64_t gguf_head_number(const struct gguf_head *head, const char *key);

#endif
