#include "probabilities.h"

#include "candidates.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct probabilities {
    int n_vocab;
    size_t n_top;
    float *logits;
    double log_sum; /* of all exponentials */
    llama_token_data *top;
};

struct probabilities *probabilities_new(int n_vocab, int n_top) {
    struct probabilities *probabilities = mem_alloc(sizeof *probabilities);
    probabilities->n_vocab = n_vocab;
    probabilities->n_top = (size_t)(n_top < n_vocab ? n_top : n_vocab);
    probabilities->logits = mem_alloc((size_t)n_vocab * sizeof *probabilities->logits);
    probabilities->top = mem_alloc((probabilities->n_top + 1) * sizeof *probabilities->top);
    return probabilities;
}

void probabilities_free(struct probabilities *probabilities) {
    if (probabilities) {
        free(probabilities->logits);
        free(probabilities->top);
        free(probabilities);
    }
}

void probabilities_take(struct probabilities *probabilities, const float *logits) {
    int n = probabilities->n_vocab;
    memcpy(probabilities->logits, logits, (size_t)n * sizeof *logits);
    float best = logits[candidates_best(logits, n)];
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += (double)expf(logits[i] - best);
    }
    probabilities->log_sum = (double)best + log(sum);
    if (probabilities->n_top > 0) {
        candidates_take_top(probabilities->logits, n, probabilities->n_top, probabilities->top);
    }
}

void probabilities_add(const struct probabilities *probabilities, const struct model *model,
                       llama_token token, struct bytes *out) {
    bytes_add_format(
        out, ",\"logprob\":%.6f,\"bytes\":", (double)probabilities->logits[token] - probabilities->log_sum);
    model_add_hex(model, token, out);
    bytes_add_text(out, ",\"top\":[");
    for (size_t i = 0; i < probabilities->n_top; i++) {
        bytes_add_text(out, i ? ",[" : "[");
        model_add_hex(model, probabilities->top[i].id, out);
        bytes_add_format(out, ",%.6f,%d]", (double)probabilities->top[i].logit - probabilities->log_sum,
                         (int)probabilities->top[i].id);
    }
    bytes_add_char(out, ']');
}
