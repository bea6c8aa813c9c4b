#include "common/events.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void events_init(struct events *events, struct channel *channel) {
    *events = (struct events){ .channel = channel };
    bytes_init(&events->line, ENGINE_LINE_BYTES_MAX);
}

void events_deinit(struct events *events) {
    bytes_deinit(&events->line);
}

void engine_error_set(struct engine_error *error, const char *code, const char *format, ...) {
    error->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
}

static void begin(struct events *events, const char *event) {
    bytes_clear(&events->line);
    bytes_add_format(&events->line, "{\"ev\":\"%s\"", event);
}

static void add_string(struct events *events, const char *key, const char *text) {
    bytes_add_format(&events->line, ",\"%s\":", key);
    bytes_add_json_string(&events->line, text, strlen(text));
}

static void send_line(struct events *events) {
    bytes_add_char(&events->line, '\n');
    if (events->line.failed) {
        LOG_ERROR("line_too_long", "max=%u begins=%.40s", ENGINE_LINE_BYTES_MAX, events->line.data);
        return;
    }
    if (!events->channel->at_end || !events->channel->is_live) {
        channel_write(events->channel, events->line.data, events->line.size);
    }
}

static void finish(struct events *events) {
    bytes_add_char(&events->line, '}');
    send_line(events);
}

static void add_error(struct events *events, const struct engine_error *error) {
    bytes_add_text(&events->line, ",\"error\":{\"code\":");
    bytes_add_json_string(&events->line, error->code, strlen(error->code));
    add_string(events, "text", error->text);
    bytes_add_char(&events->line, '}');
}

void events_hello(struct events *events, const char *engine, const char *version) {
    begin(events, "hello");
    bytes_add_format(&events->line, ",\"protocol\":%d", ENGINE_PROTOCOL_VERSION);
    add_string(events, "engine", engine);
    add_string(events, "version", version);
    finish(events);
}

void events_pong(struct events *events, int64_t n) {
    begin(events, "pong");
    bytes_add_format(&events->line, ",\"n\":%lld", (long long)n);
    finish(events);
}

void events_load(struct events *events, const char *stage, double progress) {
    begin(events, "load");
    add_string(events, "stage", stage);
    bytes_add_format(&events->line, ",\"progress\":%.3f", progress);
    finish(events);
}

void events_json(struct events *events, json_t *event) {
    char *text = json_text(event);
    bytes_clear(&events->line);
    bytes_add_text(&events->line, text);
    free(text);
    json_decref(event);
    send_line(events);
}

void events_failed(struct events *events, const char *op, const struct engine_error *error) {
    begin(events, "failed");
    add_string(events, "op", op);
    add_error(events, error);
    finish(events);
}

void events_queued(struct events *events, const char *id, int position) {
    begin(events, "queued");
    add_string(events, "id", id);
    bytes_add_format(&events->line, ",\"position\":%d", position);
    finish(events);
}

void events_prefill(struct events *events, const char *id, int done, int total, int cached) {
    begin(events, "prefill");
    add_string(events, "id", id);
    bytes_add_format(&events->line, ",\"done\":%d,\"total\":%d,\"cached\":%d", done, total, cached);
    finish(events);
}

void events_dropped(struct events *events, const char *id, int n_messages) {
    begin(events, "dropped");
    add_string(events, "id", id);
    bytes_add_format(&events->line, ",\"messages\":%d", n_messages);
    finish(events);
}

void events_step_begin(struct events *events, uint64_t t_ns) {
    begin(events, "step");
    bytes_add_format(&events->line, ",\"t_ns\":%llu,\"out\":[", (unsigned long long)t_ns);
    events->n_items = 0;
}

static void add_call(struct events *events, const struct step_item *item) {
    bytes_add_format(&events->line, ",\"tool\":{\"index\":%zu", item->index);
    if (item->call_id) {
        add_string(events, "id", item->call_id);
        add_string(events, "name", item->name);
    }
    if (item->size > 0) {
        bytes_add_text(&events->line, ",\"arguments\":");
        bytes_add_json_string(&events->line, item->text, item->size);
    }
    bytes_add_char(&events->line, '}');
}

void events_step_add(struct events *events, const struct step_item *item) {
    bytes_add_text(&events->line, events->n_items ? ",{\"id\":" : "{\"id\":");
    bytes_add_json_string(&events->line, item->id, strlen(item->id));
    bytes_add_format(&events->line, ",\"tok\":%d", item->token);
    if (item->kind == ITEM_TOOL) {
        add_call(events, item);
    } else {
        bytes_add_text(&events->line, item->kind == ITEM_TEXT ? ",\"text\":" : ",\"reasoning\":");
        bytes_add_json_string(&events->line, item->text, item->size);
    }
    if (item->probabilities) {
        bytes_add_text(&events->line, item->probabilities);
    }
    bytes_add_char(&events->line, '}');
    events->n_items++;
}

void events_step_send(struct events *events) {
    if (events->n_items > 0) {
        bytes_add_text(&events->line, "]}");
        send_line(events);
    }
}

static double per_second(int n_tokens, double ms) {
    return n_tokens > 0 && ms > 0 ? n_tokens * 1000.0 / ms : 0;
}

void events_end(struct events *events, const char *id, const struct end_report *report) {
    begin(events, "end");
    add_string(events, "id", id);
    add_string(events, "reason", report->reason);
    if (report->error) {
        add_error(events, report->error);
    }
    bytes_add_format(&events->line,
                     ",\"usage\":{\"prompt_tokens\":%d,\"cached_tokens\":%d,\"completion_tokens\":%d",
                     report->n_prompt, report->n_cached, report->n_completion);
    if (report->n_dropped > 0) {
        bytes_add_format(&events->line, ",\"dropped_messages\":%d", report->n_dropped);
    }
    if (report->stop) {
        add_string(events, "stop", report->stop);
    }
    if (report->prompt) {
        add_string(events, "prompt", report->prompt);
    }
    bytes_add_char(&events->line, '}');
    /* The first token comes out of the prefill: decoding produced the others. */
    bytes_add_format(&events->line,
                     ",\"timings\":{\"queued_ms\":%.3f,\"prefill_ms\":%.3f,\"decode_ms\":%.3f,"
                     "\"prefill_per_second\":%.1f,\"decode_per_second\":%.1f}",
                     report->queued_ms, report->prefill_ms, report->decode_ms,
                     per_second(report->n_prompt - report->n_cached, report->prefill_ms),
                     per_second(report->n_completion - 1, report->decode_ms));
    finish(events);
}

void events_tokens(struct events *events, const char *id, const int32_t *tokens, size_t n_tokens,
                   const char *pieces) {
    begin(events, "tokens");
    add_string(events, "id", id);
    bytes_add_text(&events->line, ",\"tokens\":[");
    for (size_t i = 0; i < n_tokens; i++) {
        bytes_add_format(&events->line, i ? ",%d" : "%d", tokens[i]);
    }
    bytes_add_char(&events->line, ']');
    if (pieces) {
        bytes_add_format(&events->line, ",\"pieces\":[%s]", pieces);
    }
    finish(events);
}

void events_text(struct events *events, const char *id, const char *text, size_t size) {
    begin(events, "text");
    add_string(events, "id", id);
    bytes_add_text(&events->line, ",\"text\":");
    bytes_add_json_string(&events->line, text, size);
    finish(events);
}

void events_prompt(struct events *events, const char *id, const char *text, size_t size, int n_tokens) {
    begin(events, "prompt");
    add_string(events, "id", id);
    bytes_add_format(&events->line, ",\"n_tokens\":%d,\"text\":", n_tokens);
    bytes_add_json_string(&events->line, text, size);
    finish(events);
}

static bool normalise(float *vector, int n_dimensions) {
    double sum = 0;
    for (int i = 0; i < n_dimensions; i++) {
        sum += (double)vector[i] * (double)vector[i];
    }
    double length = sqrt(sum);
    if (!isfinite(length) || length <= 0) {
        return false;
    }
    for (int i = 0; i < n_dimensions; i++) {
        vector[i] = (float)((double)vector[i] / length);
    }
    return true;
}

bool events_embeddings(struct events *events, const char *id, struct embedding *list, size_t n,
                       int n_dimensions) {
    for (size_t i = 0; i < n; i++) {
        if (!normalise(list[i].vector, n_dimensions)) {
            return false;
        }
    }
    begin(events, "embeddings");
    add_string(events, "id", id);
    bytes_add_text(&events->line, ",\"vectors\":[");
    for (size_t i = 0; i < n; i++) {
        bytes_add_text(&events->line, i ? ",\"" : "\"");
        base64_add(&events->line, list[i].vector, (size_t)n_dimensions * sizeof list[i].vector[0]);
        bytes_add_char(&events->line, '"');
    }
    bytes_add_text(&events->line, "],\"n_tokens\":[");
    for (size_t i = 0; i < n; i++) {
        bytes_add_format(&events->line, i ? ",%d" : "%d", list[i].n_tokens);
    }
    bytes_add_char(&events->line, ']');
    finish(events);
    return true;
}
