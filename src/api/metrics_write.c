/* metrics_write.c - the text of GET /metrics. [W48]
 *
 * Names follow Prometheus: base units, _total for what only grows. Those of llama-server (llamacpp:…) are there where they mean the same,
 * so that a board made for it shows something; process_… are the ones that every exporter has.
 */
#include "api/access_log.h"
#include "api/api_internal.h"
#include "api/metrics.h"
#include "base/clock.h"
#include "base/machine.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S          1e9
#define METRICS_BYTES_MAX (1u << 20)

/* ---- Lines ---- */

static void add_head(struct bytes *out, const char *name, const char *type, const char *help) {
    bytes_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct bytes *out, const char *name, const char *type, const char *help, double value) {
    add_head(out, name, type, help);
    bytes_add_format(out, "%s %.17g\n", name, value);
}

static void add_labelled(struct bytes *out, const char *name, const char *label, const char *value,
                         uint64_t n) {
    bytes_add_format(out, "%s{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)n);
}

/* Bounds are cumulative here. */
static void add_histogram(struct bytes *out, const char *name, const char *help,
                          const struct histogram *histogram) {
    struct histogram_values values;
    uint64_t n = 0;
    histogram_read(histogram, &values);
    add_head(out, name, "histogram", help);
    for (size_t i = 0; i < HISTOGRAM_N_BOUNDS; i++) {
        n += values.counts[i];
        bytes_add_format(out, "%s_bucket{le=\"%g\"} %llu\n", name, (double)histogram_bound_ns(i) / NS_PER_S,
                         (unsigned long long)n);
    }
    bytes_add_format(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
                     (unsigned long long)values.n, name, (double)values.sum_ns / NS_PER_S, name,
                     (unsigned long long)values.n);
}

/* ---- Answers ---- */

static void add_answers(struct bytes *out, const struct chat *chat) {
    const struct figures *figures = chat_figures(chat);
    size_t n_running;
    size_t n_waiting;
    chat_count_answers(chat, &n_running, &n_waiting);
    add_value(out, "runnel_tokens_total", "counter", "Tokens of answers that are committed.",
              (double)figures->n_tokens);
    add_value(out, "runnel_prompt_tokens_total", "counter", "Prompt tokens that were computed.",
              (double)figures->n_prompt_tokens);
    add_value(out, "runnel_prompt_tokens_cached_total", "counter", "Prompt tokens that were in the cache.",
              (double)figures->n_cached_tokens);
    add_head(out, "runnel_generations_total", "counter", "Generations that have ended, by reason.");
    for (size_t i = 0; i < FIGURES_REASONS; i++) {
        add_labelled(out, "runnel_generations_total", "reason", figures_reason_name(i), figures->n_ends[i]);
    }
    add_value(out, "runnel_answers_running", "gauge", "Answers that the engine works at.", (double)n_running);
    add_value(out, "runnel_answers_waiting", "gauge",
              "Answers that wait for their conversation, the model, or a slot.", (double)n_waiting);
    add_histogram(out, "runnel_time_to_first_token_seconds",
                  "From the question to the first committed token of its answer.", &figures->first_token);
    add_histogram(out, "runnel_token_gap_seconds", "Between two committed tokens of an answer.",
                  &figures->token_gap);
}

static void add_llamacpp(struct bytes *out, const struct chat *chat) {
    const struct figures *figures = chat_figures(chat);
    size_t n_running;
    size_t n_waiting;
    chat_count_answers(chat, &n_running, &n_waiting);
    const struct {
        const char *name;
        const char *type;
        const char *help;
        double value;
    } rows[] = {
        { "llamacpp:prompt_tokens_total", "counter", "Prompt tokens processed, without cached ones.",
          (double)figures->n_prompt_tokens },
        { "llamacpp:prompt_tokens_cached_total", "counter", "Prompt tokens reused from the cache.",
          (double)figures->n_cached_tokens },
        { "llamacpp:prompt_seconds_total", "counter", "Time spent on prompts.", figures->prefill_s },
        { "llamacpp:tokens_predicted_total", "counter", "Generated tokens.", (double)figures->n_tokens },
        { "llamacpp:tokens_predicted_seconds_total", "counter", "Time spent on generated tokens.",
          figures->decode_s },
        { "llamacpp:n_tokens_max", "counter", "The longest prompt with its answer so far.",
          (double)figures->n_tokens_max },
        { "llamacpp:requests_processing", "gauge", "Answers that are being made.", (double)n_running },
        { "llamacpp:requests_deferred", "gauge", "Answers that wait.", (double)n_waiting },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        add_value(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
    }
}

/* ---- The engine and the disk ---- */

static void add_engine(struct bytes *out, const struct api *api) {
    const struct engine *engine = models_engine(chat_models(api->chat));
    add_head(out, "runnel_engine_state", "gauge", "1 for the state that the engine is in.");
    for (int state = -1; state <= ENGINE_STOPPED; state++) {
        bool is_it = state == (engine ? (int)engine_state(engine) : -1);
        add_labelled(out, "runnel_engine_state", "state",
                     state < 0 ? "none" : engine_state_name((enum engine_state)state), is_it);
    }
    add_value(out, "runnel_engine_restarts_total", "counter",
              "How often an engine died and was started again.", (double)api->metrics->n_engine_restarts);
    add_value(out, "runnel_engine_resident_memory_bytes", "gauge", "Resident memory of the engine's process.",
              engine ? (double)engine_memory_bytes(engine) : 0);
    add_value(out, "runnel_engine_slots", "gauge", "Answers that the engine can make side by side.",
              engine ? (double)engine_slot_count(engine) : 0);
    add_value(out, "runnel_engine_context_tokens", "gauge", "Size of the engine's KV cache.",
              engine ? (double)engine_context_size(engine) : 0);
}

static void add_store(struct bytes *out, const struct api *api) {
    struct chat_disk disk = chat_disk(api->chat);
    add_histogram(out, "runnel_store_commit_seconds", "Transactions of the database (D1).", disk.commits);
    add_histogram(out, "runnel_store_sync_seconds", "fdatasync of its write-ahead log (D2).", disk.syncs);
    add_value(out, "runnel_store_jobs_pending", "gauge", "Jobs that the database has not answered.",
              (double)disk.n_pending);
    add_head(out, "runnel_storage_state", "gauge", "1 for the state that the disk is in.");
    for (int state = STORE_FINE; state <= STORE_READ_ONLY; state++) {
        add_labelled(out, "runnel_storage_state", "state", store_trouble_name((enum store_trouble)state),
                     state == (int)chat_storage(api->chat));
    }
}

/* ---- Clients ---- */

static void add_requests(struct bytes *out, const struct metrics *metrics) {
    add_head(out, "runnel_http_requests_total", "counter",
             "Requests that have ended, by route and status; 101: WebSockets; 0: the client left first.");
    for (size_t route = 0; route < router_n_kinds(); route++) {
        for (size_t i = 0; i < METRICS_N_STATUSES; i++) {
            if (metrics->n_requests[route][i] > 0) {
                bytes_add_format(out, "runnel_http_requests_total{route=\"%s\",status=\"%d\"} %llu\n",
                                 router_kind_name(route), metrics_status_at(i),
                                 (unsigned long long)metrics->n_requests[route][i]);
            }
        }
    }
    add_head(out, "runnel_http_refused_total", "counter", "What came and was no request, by status.");
    for (size_t i = 0; i < METRICS_N_STATUSES; i++) {
        if (metrics->n_refused[i] > 0) {
            bytes_add_format(out, "runnel_http_refused_total{status=\"%d\"} %llu\n", metrics_status_at(i),
                             (unsigned long long)metrics->n_refused[i]);
        }
    }
}

static void add_access_log(struct bytes *out, const struct api *api) {
    add_value(out, "runnel_access_log_dropped_total", "counter",
              "Lines of the access log that could not be written at once.",
              (double)access_log_dropped(api->options.access_log));
}

struct kinds {
    uint64_t n_websockets;
    uint64_t n_requests;
};

static void count_kind(void *ctx, struct net_conn *net) {
    struct kinds *kinds = ctx;
    *(net_conn_is_websocket(net) ? &kinds->n_websockets : &kinds->n_requests) += 1;
}

static void add_net(struct bytes *out, const struct api *api) {
    struct net_figures figures = net_figures(api->net);
    struct kinds kinds = { 0 };
    net_each_conn(api->net, count_kind, &kinds);
    add_value(out, "runnel_sockets", "gauge", "Sockets of clients that are open.", (double)figures.n_sockets);
    add_value(out, "runnel_sockets_accepted_total", "counter", "Sockets of clients that were accepted.",
              (double)figures.n_accepted);
    add_head(out, "runnel_connections", "gauge", "What is under way, by kind.");
    add_labelled(out, "runnel_connections", "kind", "websocket", kinds.n_websockets);
    add_labelled(out, "runnel_connections", "kind", "request", kinds.n_requests);
    add_value(out, "runnel_received_bytes_total", "counter", "Bytes from clients, without what TLS adds.",
              (double)figures.n_bytes_received);
    add_value(out, "runnel_sent_bytes_total", "counter", "Bytes to clients, without what TLS adds.",
              (double)figures.n_bytes_sent);
    add_head(out, "runnel_tls_handshakes_total", "counter", "Handshakes of TLS, by how they ended.");
    add_labelled(out, "runnel_tls_handshakes_total", "result", "done", figures.n_handshakes);
    add_labelled(out, "runnel_tls_handshakes_total", "result", "failed", figures.n_handshakes_failed);
    if (figures.certificate_expires_s) {
        add_value(out, "runnel_tls_certificate_expiry_timestamp_seconds", "gauge",
                  "When the certificate ends.", (double)figures.certificate_expires_s);
    }
}

/* ---- The process ---- */

/* Newer kernels know the number; else they are counted. */
static double open_descriptors(void) {
    struct stat info;
    if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0) {
        return (double)info.st_size;
    }
    double n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) {
        n++;
    }
    if (folder) {
        closedir(folder);
    }
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

static void add_process(struct bytes *out, const struct api *api) {
    struct timespec cpu = { 0 };
    struct rlimit limit = { 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    getrlimit(RLIMIT_NOFILE, &limit);
    add_value(out, "process_cpu_seconds_total", "counter",
              "Processor time of the server, without its engines.",
              (double)cpu.tv_sec + (double)cpu.tv_nsec / NS_PER_S);
    add_value(out, "process_resident_memory_bytes", "gauge", "Resident memory of the server.",
              (double)machine_resident_bytes(getpid()));
    add_value(out, "process_open_fds", "gauge", "Open descriptors.", open_descriptors());
    add_value(out, "process_max_fds", "gauge", "Descriptors that may be open.", (double)limit.rlim_cur);
    add_value(out, "process_start_time_seconds", "gauge", "When the server was started.",
              (double)api->started_ms / 1000);
    add_head(out, "runnel_build_info", "gauge", "1, with the version.");
    add_labelled(out, "runnel_build_info", "version", api->options.version, 1);
}

static void add_all(struct api *api, struct bytes *out) {
    add_answers(out, api->chat);
    add_engine(out, api);
    add_store(out, api);
    add_requests(out, api->metrics);
    add_net(out, api);
    add_access_log(out, api);
    add_process(out, api);
    add_llamacpp(out, api->chat);
}

void rest_metrics_handle(struct api *api, struct net_conn *net) {
    struct bytes text;
    bytes_init(&text, METRICS_BYTES_MAX);
    add_all(api, &text);
    reply_text(net, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.size);
    bytes_deinit(&text);
}
