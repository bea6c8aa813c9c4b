/* ollama_keep.c - [W104] Ollama's "keep_alive": how long a model stays loaded that nobody uses. */
#include "api/ollama.h"

#include <stdlib.h>
#include <string.h>

#define MS_PER_S 1000.0
/* A hundred years: as good as for ever. */
#define KEEP_MS_MAX 3.2e12

static const struct {
    const char *name;
    double ms;
} units[] = { { "ns", 1e-6 }, { "us", 1e-3 },  { "ms", 1 },          { "s", MS_PER_S },
              { "m", 60e3 },  { "h", 3600e3 }, { "\xc2\xb5s", 1e-3 } };

/* The longest name that fits: "m" is the beginning of "ms". 0: there is none. */
static size_t take_unit(const char *text, double *ms) {
    size_t longest = 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i].name);
        if (length > longest && strncmp(text, units[i].name, length) == 0) {
            longest = length;
            *ms = units[i].ms;
        }
    }
    return longest;
}

/* False: it is no duration. */
static bool parse(const char *text, double *out) {
    double sign = *text == '-' ? -1 : 1;
    double sum = 0;
    text += *text == '-' || *text == '+';
    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    const char *begin = text;
    while (*text) {
        char *end;
        double unit_ms;
        if (strspn(text, "0123456789.") == 0) {
            return false;
        }
        double number = strtod(text, &end);
        size_t length = take_unit(end, &unit_ms);
        if (length == 0) {
            return false;
        }
        sum += number * unit_ms;
        text = end + length;
    }
    *out = sign * sum;
    return text != begin;
}

bool ollama_keep_take(const json_t *body, int64_t *keep_ms, struct openai_error *error) {
    const json_t *value = json_object_get(body, "keep_alive");
    double ms = json_number_value(value) * MS_PER_S;
    *keep_ms = OLLAMA_KEEP_UNSAID;
    if (value == NULL || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0)) {
        return true;
    }
    bool is_good = json_is_number(value) || (json_is_string(value) && parse(json_string_value(value), &ms));
    if (!is_good) {
        return openai_error_set(error, 400, NULL, NULL,
                                "\"keep_alive\" must be a number of seconds, or a time as \"5m\"");
    }
    *keep_ms = ms < 0 ? -1 : (int64_t)(ms < KEEP_MS_MAX ? ms : KEEP_MS_MAX);
    return true;
}

void ollama_keep_set(struct api *api, const struct net_conn *net, const char *path, int64_t keep_ms) {
    if (keep_ms != OLLAMA_KEEP_UNSAID && gate_may(api, net, SCOPE_ADMIN)) {
        models_keep(chat_models(api->chat), path, keep_ms);
    }
}
