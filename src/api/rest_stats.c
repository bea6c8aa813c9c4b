/* rest_stats.c - [W69] [W70]: what all of it has added up to, for a person who looks; and the newest lines of the log. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log_memory.h"
#include "base/utf8.h"

#include <string.h>

#define NS_PER_MS 1e6

/* ---- GET /api/stats ---- */

static json_t *encode_histogram(const struct histogram *histogram) {
    struct histogram_values values;
    histogram_read(histogram, &values);
    json_t *counts = json_array();
    for (size_t i = 0; i <= HISTOGRAM_N_BOUNDS; i++) {
        json_array_append_new(counts, json_integer((json_int_t)values.counts[i]));
    }
    return json_pack("{s:I, s:f, s:o}", "n", (json_int_t)values.n, "sum_ms",
                     (double)values.sum_ns / NS_PER_MS, "counts", counts);
}

static json_t *encode_bounds(void) {
    json_t *bounds = json_array();
    for (size_t i = 0; i < HISTOGRAM_N_BOUNDS; i++) {
        json_array_append_new(bounds, json_real((double)histogram_bound_ns(i) / NS_PER_MS));
    }
    return bounds;
}

static json_t *encode_times(const struct chat *chat) {
    const struct figures *figures = chat_figures(chat);
    struct chat_disk disk = chat_disk(chat);
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "bounds_ms", encode_bounds(), "first_token",
                     encode_histogram(&figures->first_token), "token_gap",
                     encode_histogram(&figures->token_gap), "commit", encode_histogram(disk.commits), "sync",
                     encode_histogram(disk.syncs));
}

static json_t *encode_ends(const struct figures *figures) {
    json_t *ends = json_object();
    for (size_t i = 0; i < FIGURES_REASONS; i++) {
        json_object_set_new(ends, figures_reason_name(i), json_integer((json_int_t)figures->n_ends[i]));
    }
    return ends;
}

static json_t *encode_answers(const struct chat *chat) {
    const struct figures *figures = chat_figures(chat);
    size_t n_running;
    size_t n_waiting;
    chat_count_answers(chat, &n_running, &n_waiting);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "tokens", (json_int_t)figures->n_tokens,
                     "prompt_tokens", (json_int_t)figures->n_prompt_tokens, "cached_tokens",
                     (json_int_t)figures->n_cached_tokens, "running", (json_int_t)n_running, "waiting",
                     (json_int_t)n_waiting, "ends", encode_ends(figures));
}

static json_t *encode_wire(const struct api *api) {
    struct net_figures net = net_figures(api->net);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "frames", (json_int_t)api->counts.n_frames,
                     "events", (json_int_t)api->counts.n_events, "repeats", (json_int_t)api->counts.n_repeats,
                     "holes", (json_int_t)api->counts.n_holes, "connections",
                     (json_int_t)net_conn_count(api->net), "bytes_sent", (json_int_t)net.n_bytes_sent,
                     "bytes_received", (json_int_t)net.n_bytes_received);
}

void rest_stats_handle(struct api *api, struct net_conn *net) {
    json_t *store = json_pack("{s:I, s:s}", "pending", (json_int_t)chat_disk(api->chat).n_pending, "state",
                              store_trouble_name(chat_storage(api->chat)));
    reply_json(net, 200,
               json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "t_ms", (json_int_t)clock_now_ms(), "uptime_s",
                         (json_int_t)((clock_wall_ms() - api->started_ms) / 1000), "answers",
                         encode_answers(api->chat), "wire", encode_wire(api), "store", store, "times",
                         encode_times(api->chat)));
}

/* ---- GET /api/logs ---- */

/* As log_write puts a line together: a time of 24 characters, the level in 5, and what is told. */
#define TIME_CHARS  24
#define LEVEL_CHARS 5
#define TEXT_AT     (TIME_CHARS + 1 + LEVEL_CHARS + 1)

/* Names of files may be any bytes. */
static json_t *clean_text(const char *text, size_t n_bytes) {
    char clean[LOG_MEMORY_LINE_BYTES];
    for (size_t i = 0; i < n_bytes;) {
        int step = utf8_step(text + i, n_bytes - i);
        size_t n = step > 0 ? (size_t)step : 1;
        memcpy(clean + i, step > 0 ? text + i : "?", n);
        i += n;
    }
    return json_stringn(clean, n_bytes);
}

static void add_line(void *ctx, uint64_t number, const char *line, size_t n_bytes) {
    size_t n_level = LEVEL_CHARS;
    if (n_bytes < TEXT_AT) {
        return;
    }
    while (n_level > 0 && line[TIME_CHARS + n_level] == ' ') {
        n_level--;
    }
    json_array_append_new(ctx, json_pack("{s:I, s:s%, s:s%, s:o}", "n", (json_int_t)number, "time", line,
                                         (size_t)TIME_CHARS, "level", line + TIME_CHARS + 1, n_level, "text",
                                         clean_text(line + TEXT_AT, n_bytes - TEXT_AT)));
}

void rest_log_lines_handle(struct api *api, struct net_conn *net) {
    uint64_t after = 0;
    struct fault fault;
    (void)api;
    if (request_take_number(net, "after", 0, INT64_MAX, &after, &fault) != STATUS_OK) {
        reply_error(net, 400, fault.text);
        return;
    }
    json_t *lines = json_array();
    uint64_t newest = log_memory_visit(after, add_line, lines);
    reply_json(net, 200, json_pack("{s:o, s:I}", "lines", lines, "next", (json_int_t)newest));
}
