/* rest_system.c - [W25]: how busy the machine is, log lines of the page, and whether anything can answer. */
#include "api/api_internal.h"
#include "api/request.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINES_PER_SECOND 50
#define LOG_LINE_BYTES_MAX   1000
/* Two looks at the counters closer than this say nothing. */
#define CPU_SAMPLE_MS 250

struct rest_system {
    uint64_t cpu_busy;
    uint64_t cpu_total;
    uint64_t cpu_sampled_ms;
    double cpu_percent;
    uint64_t log_second;
    unsigned n_log_lines;
};

/* ---- GET /api/system/usage ---- */

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks since the start. */
static bool read_cpu(uint64_t *busy, uint64_t *total) {
    char line[512];
    FILE *file = fopen("/proc/stat", "re");
    bool is_read = file && fgets(line, sizeof line, file) && strncmp(line, "cpu ", 4) == 0;
    if (file) {
        fclose(file);
    }
    if (!is_read) {
        return false;
    }
    uint64_t idle = 0;
    char *at = line + 4;
    *total = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t ticks = strtoull(at, &at, 10);
        *total += ticks;
        idle += i == 3 || i == 4 ? ticks : 0;
    }
    *busy = *total - idle;
    return true;
}

static void sample_cpu(struct rest_system *system) {
    uint64_t now_ms = clock_now_ms();
    uint64_t busy;
    uint64_t total;
    bool is_early = system->cpu_sampled_ms && now_ms - system->cpu_sampled_ms < CPU_SAMPLE_MS;
    if (is_early || !read_cpu(&busy, &total) || total <= system->cpu_total) {
        return;
    }
    double share = (double)(busy - system->cpu_busy) / (double)(total - system->cpu_total);
    system->cpu_percent = share < 0 ? 0 : share > 1 ? 100 : 100 * share;
    system->cpu_busy = busy;
    system->cpu_total = total;
    system->cpu_sampled_ms = now_ms;
}

static uint64_t meminfo_kb(const char *text, const char *name) {
    const char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

static void read_memory(double *total_mb, double *used_mb) {
    char text[4096] = "";
    FILE *file = fopen("/proc/meminfo", "re");
    if (file) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    uint64_t total_kb = meminfo_kb(text, "MemTotal:");
    *total_mb = (double)total_kb / 1024;
    *used_mb = (double)(total_kb - meminfo_kb(text, "MemAvailable:")) / 1024;
}

void rest_system_usage_handle(struct api *api, struct net_conn *net) {
    double total_mb;
    double used_mb;
    sample_cpu(api->system);
    read_memory(&total_mb, &used_mb);
    json_t *details =
        json_pack("{s:I, s:f, s:f, s:f, s:I, s:n}", "cpu_count", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN),
                  "ram_total_mb", total_mb, "ram_used_mb", used_mb, "engine_memory_mb",
                  (double)models_memory_bytes(chat_models(api->chat)) / 1e6, "connections",
                  (json_int_t)net_conn_count(api->net), "gpu");
    reply_json(net, 200,
               json_pack("{s:f, s:i, s:f, s:o}", "cpu", api->system->cpu_percent, "gpu", 0, "ram",
                         total_mb > 0 ? 100 * used_mb / total_mb : 0.0, "details", details));
}

/* ---- POST /api/logs/frontend ---- */

static bool may_log(struct rest_system *system) {
    uint64_t second = clock_now_ms() / 1000;
    if (second != system->log_second) {
        if (system->n_log_lines > LOG_LINES_PER_SECOND) {
            LOG_WARN("frontend_lines_dropped", "lines=%u", system->n_log_lines - LOG_LINES_PER_SECOND);
        }
        system->log_second = second;
        system->n_log_lines = 0;
    }
    return ++system->n_log_lines <= LOG_LINES_PER_SECOND;
}

static enum log_level level_of(const char *name) {
    enum log_level level = LOG_LEVEL_INFO;
    return log_parse_level(name, &level) ? level : LOG_LEVEL_INFO;
}

static bool is_string_or_absent(const json_t *line, const char *key) {
    const json_t *value = json_object_get(line, key);
    return value == NULL || json_is_null(value) || json_is_string(value);
}

static bool are_lines(const json_t *lines) {
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        if (!json_is_object(line) || !is_string_or_absent(line, "level") ||
            !is_string_or_absent(line, "message")) {
            return false;
        }
    }
    return json_is_array(lines);
}

static void log_line(struct rest_system *system, const json_t *line) {
    const char *message = json_get_text(line, "message", "");
    if (*message == '\0' || !may_log(system)) {
        return;
    }
    char text[LOG_LINE_BYTES_MAX];
    snprintf(text, sizeof text, "%s", message);
    for (char *at = text; *at; at++) {
        /* A terminal obeys control characters. */
        *at = (unsigned char)*at < 0x20 || *at == 0x7F ? ' ' : *at;
    }
    LOG_AT(level_of(json_get_text(line, "level", "info")), "frontend", "message=\"%s\"", text);
}

void rest_logs_handle(struct api *api, struct net_conn *net) {
    json_t *body = request_body(net);
    if (body == NULL) {
        return;
    }
    const json_t *lines = json_object_get(body, "logs");
    if (!are_lines(lines)) {
        reply_error(net, 400, "\"logs\" must be a list of {\"level\",\"message\"}, which are strings");
    } else {
        for (size_t i = 0; i < json_array_size(lines); i++) {
            log_line(api->system, json_array_get(lines, i));
        }
        reply_json(net, 200, json_pack("{s:b}", "success", true));
    }
    json_decref(body);
}

/* ---- GET /health ---- */

void rest_health_handle(struct api *api, struct net_conn *net) {
    const struct models *models = chat_models(api->chat);
    bool is_loading = models_is_loading(models) && !models_can_answer(models);
    reply_json(net, is_loading ? 503 : 200,
               json_pack("{s:s, s:s, s:s}", "status", is_loading ? "loading model" : "ok", "service",
                         "runnel", "storage", store_trouble_name(chat_storage(api->chat))));
}

struct rest_system *rest_system_new(void) {
    return mem_alloc(sizeof(struct rest_system));
}

void rest_system_free(struct rest_system *system) {
    free(system);
}
