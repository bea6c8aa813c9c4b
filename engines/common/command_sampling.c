/* command_sampling.c - the part of `sampling` that names tokens. */
#include "common/command_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

#define BIAS_MAX 100

static bool parse_token(const char *text, int32_t *out) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *out = (int32_t)number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number <= INT32_MAX;
}

enum status command_decode_biases(const json_t *object, struct sampling *sampling, struct fault *fault) {
    json_t *biases = json_object_get(object, "logit_bias");
    if (biases == NULL || json_is_null(biases)) {
        return STATUS_OK;
    }
    size_t n = json_object_size(biases);
    if (!json_is_object(biases) || n > COMMAND_BIASES_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"logit_bias\" must be an object of at most %d token ids",
                         COMMAND_BIASES_MAX);
    }
    sampling->biases = mem_alloc((n + 1) * sizeof *sampling->biases);
    const char *key;
    json_t *value;
    json_object_foreach(biases, key, value) {
        struct token_bias *bias = &sampling->biases[sampling->n_biases++];
        double number = json_number_value(value);
        if (!parse_token(key, &bias->token)) {
            return fault_set(fault, STATUS_INVALID, "logit_bias: \"%.40s\" is not a token id", key);
        }
        if (!json_is_number(value) || number < -BIAS_MAX || number > BIAS_MAX) {
            return fault_set(fault, STATUS_INVALID, "logit_bias: \"%.40s\" must be a number from -%d to %d",
                             key, BIAS_MAX, BIAS_MAX);
        }
        bias->bias = (float)number;
    }
    return STATUS_OK;
}
