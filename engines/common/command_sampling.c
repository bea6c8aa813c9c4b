/* command_sampling.c - the part of `sampling` that names tokens. */
#include "common/command_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIAS_MAX 100

static bool parse_token(const char *text, int32_t *out) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *out = (int32_t)number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number <= INT32_MAX;
}

/* A number, or false: never. `key` is for the fault. */
static enum status take_bias(const json_t *value, const char *key, float *out, struct fault *fault) {
    double number = json_number_value(value);
    if (json_is_false(value)) {
        *out = -INFINITY;
        return STATUS_OK;
    }
    if (!json_is_number(value) || number < -BIAS_MAX || number > BIAS_MAX) {
        return fault_set(fault, STATUS_INVALID, "logit_bias: \"%.40s\" must be a number from -%d to %d", key,
                         BIAS_MAX, BIAS_MAX);
    }
    *out = (float)number;
    return STATUS_OK;
}

/* {"1234":-2.5} */
static enum status decode_object(json_t *biases, struct sampling *sampling, struct fault *fault) {
    const char *key;
    json_t *value;
    enum status status = STATUS_OK;
    json_object_foreach(biases, key, value) {
        struct token_bias *bias = &sampling->biases[sampling->n_biases++];
        if (!parse_token(key, &bias->token)) {
            return fault_set(fault, STATUS_INVALID, "logit_bias: \"%.40s\" is not a token id", key);
        }
        status = status ? status : take_bias(value, key, &bias->bias, fault);
    }
    return status;
}

/* [[1234,-2.5],[" river",false]] ([E54]) */
static enum status decode_list(json_t *biases, struct sampling *sampling, struct fault *fault) {
    size_t index;
    json_t *pair;
    enum status status = STATUS_OK;
    json_array_foreach(biases, index, pair) {
        struct token_bias *bias = &sampling->biases[sampling->n_biases++];
        const json_t *token = json_array_get(pair, 0);
        json_int_t number = json_integer_value(token);
        bool is_id = json_is_integer(token) && number >= 0 && number <= INT32_MAX;
        bool is_text = json_is_string(token) && strlen(json_string_value(token)) == json_string_length(token);
        if (json_array_size(pair) != 2 || (!is_id && !is_text)) {
            return fault_set(fault, STATUS_INVALID,
                             "logit_bias[%zu] must be a token id or a text, and a number or false", index);
        }
        bias->token = is_id ? (int32_t)number : 0;
        bias->text = json_string_value(token);
        status = status ? status
                        : take_bias(json_array_get(pair, 1), bias->text ? bias->text : "a token", &bias->bias,
                                    fault);
    }
    return status;
}

enum status command_decode_biases(const json_t *object, struct sampling *sampling, struct fault *fault) {
    json_t *biases = json_object_get(object, "logit_bias");
    if (biases == NULL || json_is_null(biases)) {
        return STATUS_OK;
    }
    size_t n = json_is_array(biases) ? json_array_size(biases) : json_object_size(biases);
    if ((!json_is_object(biases) && !json_is_array(biases)) || n > COMMAND_BIASES_MAX) {
        return fault_set(fault, STATUS_INVALID, "\"logit_bias\" must be an object of at most %d token ids",
                         COMMAND_BIASES_MAX);
    }
    sampling->biases = mem_alloc((n + 1) * sizeof *sampling->biases);
    return json_is_array(biases) ? decode_list(biases, sampling, fault)
                                 : decode_object(biases, sampling, fault);
}
