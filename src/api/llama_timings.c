#include "api/llama_timings.h"

#include "base/clock.h"

static double rate(int64_t n, double ms) {
    return n > 0 && ms > 0 ? (double)n * 1000.0 / ms : 0;
}

static double each(int64_t n, double ms) {
    return n > 0 ? ms / (double)n : 0;
}

static json_t *pack(int64_t n_cached, int64_t n_prompt, double prompt_ms, int64_t n_said, double said_ms) {
    int64_t n_computed = n_prompt > n_cached ? n_prompt - n_cached : 0;
    return json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "cache_n", (json_int_t)n_cached,
                     "prompt_n", (json_int_t)n_computed, "prompt_ms", prompt_ms, "prompt_per_token_ms",
                     each(n_computed, prompt_ms), "prompt_per_second", rate(n_computed, prompt_ms),
                     "predicted_n", (json_int_t)n_said, "predicted_ms", said_ms, "predicted_per_token_ms",
                     each(n_said - 1, said_ms), "predicted_per_second", rate(n_said - 1, said_ms));
}

/* A generation that goes on with the answer says, as its prompt, again what was said: that belongs to neither. */
json_t *llama_timings_whole(const struct attached *attached) {
    struct attached_usage usage = attached_usage(attached);
    const struct stream *first = attached->events.message->first;
    double prompt_ms = json_number_value(json_object_get(first->timings, "prefill_ms"));
    double said_ms = 0;
    for (const struct stream *at = first; at; at = at->next) {
        said_ms += json_number_value(json_object_get(at->timings, "decode_ms"));
    }
    return pack(usage.n_cached, usage.n_prompt, prompt_ms, usage.n_completion, said_ms);
}

static double ms_between(uint64_t from_ns, uint64_t to_ns) {
    return from_ns && to_ns > from_ns ? (double)(to_ns - from_ns) / 1e6 : 0;
}

json_t *llama_timings_now(const struct attached *attached, const struct watch_item *item) {
    const struct attached_pace *pace = &attached->pace;
    uint32_t n_prompt = attached->events.message->first->n_prompt_tokens;
    uint32_t n_said = item->tokens_used > n_prompt ? item->tokens_used - n_prompt : 0;
    return pack(pace->n_cached, n_prompt, ms_between(pace->begun_ns, pace->first_ns), n_said,
                ms_between(pace->first_ns, clock_now_ns()));
}

/* JSON allows white space before a number. */
void llama_timings_add_now(struct bytes *frame, const struct attached *attached,
                           const struct watch_item *item) {
    json_t *timings = llama_timings_now(attached, item);
    const char *key;
    json_t *value;
    const char *separator = "{";
    json_object_foreach(timings, key, value) {
        bytes_add_format(frame, "%s\"%s\":", separator, key);
        if (json_is_integer(value)) {
            bytes_add_format(frame, "%9lld", (long long)json_integer_value(value));
        } else {
            bytes_add_format(frame, "%13.3f", json_real_value(value));
        }
        separator = ",";
    }
    bytes_add_char(frame, '}');
    json_decref(timings);
}

json_t *llama_timings_progress(const struct attached_progress *progress) {
    return json_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t)progress->total, "cache",
                     (json_int_t)progress->cached, "processed", (json_int_t)progress->processed, "time_ms",
                     (json_int_t)progress->time_ms);
}
