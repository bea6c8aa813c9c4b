#include "chat/figures.h"

#include <string.h>

static const char *const reasons[FIGURES_REASONS] = { "stop", "length", "cancelled", "interrupted", "error" };

const char *figures_reason_name(size_t i) {
    return reasons[i];
}

void figures_add_token(struct figures *figures, struct figures_clock *clock, uint64_t now_ns) {
    figures->n_tokens++;
    if (clock->begun_ns) {
        histogram_add(&figures->first_token, now_ns - clock->begun_ns);
    } else if (clock->last_ns) {
        histogram_add(&figures->token_gap, now_ns - clock->last_ns);
    }
    clock->begun_ns = 0;
    clock->last_ns = now_ns;
}

static uint64_t count_of(const json_t *object, const char *key) {
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static double seconds_of(const json_t *object, const char *key) {
    double ms = json_number_value(json_object_get(object, key));
    return ms > 0 ? ms / 1000 : 0;
}

void figures_add_end(struct figures *figures, const char *reason, const json_t *usage,
                     const json_t *timings) {
    for (size_t i = 0; i < FIGURES_REASONS; i++) {
        figures->n_ends[i] += strcmp(reason, reasons[i]) == 0;
    }
    uint64_t n_prompt = count_of(usage, "prompt_tokens");
    uint64_t n_cached = count_of(usage, "cached_tokens");
    uint64_t n_all = n_prompt + count_of(usage, "completion_tokens");
    figures->n_cached_tokens += n_cached;
    figures->n_prompt_tokens += n_prompt > n_cached ? n_prompt - n_cached : 0;
    figures->n_tokens_max = n_all > figures->n_tokens_max ? n_all : figures->n_tokens_max;
    figures->prefill_s += seconds_of(timings, "prefill_ms");
    figures->decode_s += seconds_of(timings, "decode_ms");
}
