#include "app/config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE_BYTES_MAX (64u << 10)
/* So much of a token is compared. */
#define CONFIG_TOKEN_BYTES_MAX 500

enum kind { KIND_TEXT, KIND_LIST, KIND_U16, KIND_U32, KIND_BOOL };

struct option_row {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *argument; /* NULL: takes none */
    const char *help;
};

#define AT(member) offsetof(struct config, member)

static const struct option_row rows[] = {
    { "port", KIND_U16, AT(port), "N", "listen on this port (8000); 0: any free one" },
    { "ollama", KIND_U16, AT(ollama), "N",
      "listen on this port too, for clients of Ollama (off; theirs is 11434)" },
    { "host", KIND_TEXT, AT(host), "ADDRESS",
      "listen on this address (127.0.0.1); one that others can reach needs a key or --token" },
    { "data", KIND_TEXT, AT(data), "DIR", "conversations and settings ($XDG_DATA_HOME/runnel)" },
    { "models", KIND_LIST, AT(models), "DIR",
      "folders of model files, separated by ':' ($XDG_DATA_HOME/runnel/models)" },
    { "model", KIND_TEXT, AT(model), "PATH", "the model to use" },
    { "engine", KIND_TEXT, AT(engine), "NAME", "the program runnel-engine-NAME runs models (llama)" },
    { "context", KIND_U32, AT(context), "N", "size of the context in tokens (the setting, 8192)" },
    { "threads", KIND_U32, AT(threads), "N", "threads of the engine (it chooses, and chooses again)" },
    { "step-ms", KIND_U32, AT(step_ms), "N",
      "longest wait of running answers while a prompt is read (the engine chooses)" },
    { "speculation", KIND_TEXT, AT(speculation), "WHEN",
      "guess what an answer repeats, and compute it ahead: auto, off or always (auto)" },
    { "engine-hang-ms", KIND_U32, AT(engine_hang_ms), "N",
      "kill an engine that is silent for so long (30000)" },
    { "memory-mb", KIND_U32, AT(memory_mb), "N", "memory of all models together (by what the machine has)" },
    { "loaded", KIND_U32, AT(loaded), "N", "models that are loaded at a time (8)" },
    { "unload-after", KIND_U32, AT(unload_after_s), "SECONDS",
      "unload a model that nobody uses (1800); 0: never" },
    { "queue", KIND_U32, AT(queue), "N", "answers that are made or wait at a time; more are refused (256)" },
    { "token", KIND_TEXT, AT(token), "TEXT", "a key for everything, besides those of \"runnel key\"" },
    { "hub-token", KIND_TEXT, AT(hub_token), "TEXT",
      "for the hub of models that the settings name (better in the environment than here)" },
    { "rate", KIND_TEXT, AT(rate_text), "N/UNIT",
      "answers that a key may begin, as in 60/min; s, min, h or d (no limit)" },
    { "concurrent", KIND_U32, AT(concurrent), "N", "answers that a key may have made at a time (no limit)" },
    { "tls-cert", KIND_TEXT, AT(tls_cert), "FILE", "speak TLS: a certificate with its chain, PEM" },
    { "tls-key", KIND_TEXT, AT(tls_key), "FILE", "its private key, PEM" },
    { "socket", KIND_TEXT, AT(socket), "PATH",
      "the Unix socket for programs of this user (DATA/runnel.sock)" },
    { "access-log", KIND_TEXT, AT(access_log), "FILE",
      "a line of JSON for each request, without anybody's text" },
    { "allow-host", KIND_LIST, AT(allow_hosts), "NAME", "more names for this server, separated by ','" },
    { "allow-origin", KIND_LIST, AT(allow_origins), "ORIGIN",
      "web pages that may use it besides its own, by ','" },
    { "log", KIND_TEXT, AT(log), "LEVEL", "error, warn, info, debug or trace (info)" },
#ifdef RUNNEL_FAULTS
    { "slow-ms", KIND_U32, AT(slow_ms), "N", "drop a client that takes nothing for so long (30000)" },
    { "fault", KIND_LIST, AT(faults), "POINT", "fail there: NAME:N[+][:kill|abort|eio|stop], by ','" },
#endif
    { "no-sandbox", KIND_BOOL, AT(no_sandbox), NULL, "let engines see all files and the network" },
    { "no-titles", KIND_BOOL, AT(no_titles), NULL,
      "no model makes titles in its idle time, whatever the settings say" },
    { "no-open", KIND_BOOL, AT(no_open), NULL, "do not open a browser" },
    { "json", KIND_BOOL, AT(json), NULL, "bench: the figures as JSON" },
    { "help", KIND_BOOL, AT(help), NULL, "print this" },
    { "version", KIND_BOOL, AT(version), NULL, "print the version" },
};

#define N_ROWS (sizeof rows / sizeof rows[0])

void config_print_help(void) {
    printf("usage: runnel [OPTION…]             a chat server for language models on your own machine\n"
           "       runnel check [FILE]          is the database (or a backup of it) whole?\n"
           "       runnel salvage               a new database of all that can be read in a damaged one\n"
           "       runnel backup [FILE]         a copy of the database, also while the server runs\n"
           "       runnel key add NAME [--scope metrics|read|chat|admin] [--expires 90d|12h|DATE] [--rate "
           "60/min]\n"
           "                      [--concurrent N]       a key for a program or a browser (chat)\n"
           "       runnel key list | revoke NAME\n"
           "       runnel bench [MODEL]         how fast a model is on this machine, and what would suit "
           "it\n\n");
    for (size_t i = 0; i < N_ROWS; i++) {
        char left[40];
        snprintf(left, sizeof left, "--%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
        printf("  %-22s %s\n", left, rows[i].help);
    }
    printf("  %-22s %s\n", "--config FILE",
           "a JSON object of these names ($XDG_CONFIG_HOME/runnel/config.json)");
    printf("\nEach is also RUNNEL_NAME in the environment (RUNNEL_PORT, RUNNEL_ENGINE_HANG_MS, …).\n"
           "A flag beats the environment, the environment beats the file.\n");
}

static void free_list(char **list) {
    for (size_t i = 0; list[i]; i++) {
        free(list[i]);
        list[i] = NULL;
    }
}

void config_deinit(struct config *config) {
    for (size_t i = 0; i < N_ROWS; i++) {
        char *place = (char *)config + rows[i].offset;
        if (rows[i].kind == KIND_TEXT) {
            free(*(char **)(void *)place);
        } else if (rows[i].kind == KIND_LIST) {
            free_list((char **)(void *)place);
        }
    }
    *config = (struct config){ 0 };
}

static enum status set_number(const struct option_row *row, void *place, const char *value,
                              const char *source, struct fault *fault) {
    unsigned long max = row->kind == KIND_U16 ? UINT16_MAX : UINT32_MAX;
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (errno || end == value || *end || value[0] == '-' || number > max) {
        return fault_set(fault, STATUS_INVALID, "%s %s: \"%.60s\" is no number from 0 to %lu", source,
                         row->name, value, max);
    }
    if (row->kind == KIND_U16) {
        *(uint16_t *)place = (uint16_t)number;
    } else {
        *(uint32_t *)place = (uint32_t)number;
    }
    return STATUS_OK;
}

static enum status set_list(const struct option_row *row, char **list, const char *value, const char *source,
                            struct fault *fault) {
    const char *separator = row->offset == AT(models) ? ":" : ",";
    free_list(list);
    size_t n = 0;
    while (*value) {
        size_t length = strcspn(value, separator);
        if (n == CONFIG_LIST_MAX) {
            return fault_set(fault, STATUS_INVALID, "%s %s: at most %d entries", source, row->name,
                             CONFIG_LIST_MAX);
        }
        if (length > 0) {
            list[n++] = mem_copy_bytes(value, length);
        }
        value += length + (value[length] != '\0');
    }
    return STATUS_OK;
}

static enum status set_bool(const struct option_row *row, bool *place, const char *value, const char *source,
                            struct fault *fault) {
    if (strcmp(value, "1") != 0 && strcmp(value, "true") != 0 && strcmp(value, "0") != 0 &&
        strcmp(value, "false") != 0) {
        return fault_set(fault, STATUS_INVALID, "%s %s: \"%.60s\" must be true or false", source, row->name,
                         value);
    }
    *place = value[0] == '1' || value[0] == 't';
    return STATUS_OK;
}

static enum status set(struct config *config, const struct option_row *row, const char *value,
                       const char *source, struct fault *fault) {
    char *place = (char *)config + row->offset;
    switch (row->kind) {
    case KIND_TEXT:
        free(*(char **)(void *)place);
        *(char **)(void *)place = mem_copy_string(value);
        return STATUS_OK;
    case KIND_LIST:
        return set_list(row, (char **)(void *)place, value, source, fault);
    case KIND_BOOL:
        return set_bool(row, (bool *)place, value, source, fault);
    default:
        return set_number(row, place, value, source, fault);
    }
}

/* ---- The file ---- */

static char *value_text(const json_t *value) {
    return json_is_string(value) ? mem_copy_string(json_string_value(value)) : json_text(value);
}

static enum status apply_object(struct config *config, const char *path, const json_t *object,
                                struct fault *fault) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        const struct option_row *row = NULL;
        for (size_t i = 0; i < N_ROWS; i++) {
            row = strcmp(rows[i].name, name) == 0 ? &rows[i] : row;
        }
        if (row == NULL) {
            return fault_set(fault, STATUS_INVALID, "%.200s: \"%.60s\" is no option: see runnel --help", path,
                             name);
        }
        char *text = value_text(value);
        enum status status = set(config, row, text, path, fault);
        free(text);
        if (status) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status apply_file(struct config *config, const char *path, bool must_exist, struct fault *fault) {
    if (!must_exist && access(path, R_OK) != 0) {
        return STATUS_OK;
    }
    struct bytes text;
    bytes_init(&text, CONFIG_FILE_BYTES_MAX);
    json_t *object = NULL;
    struct fault why;
    enum status status = file_read(path, &text, fault);
    if (status == STATUS_OK) {
        status = json_parse_object(text.data ? text.data : "", text.size, &object, &why);
        if (status) {
            fault_set(fault, status, "%.150s: %.200s", path, why.text);
        }
    }
    if (status == STATUS_OK) {
        status = apply_object(config, path, object, fault);
    }
    json_decref(object);
    bytes_deinit(&text);
    return status;
}

/* ---- The environment ---- */

static enum status apply_environment(struct config *config, struct fault *fault) {
    for (size_t i = 0; i < N_ROWS; i++) {
        char name[64];
        snprintf(name, sizeof name, "RUNNEL_%s", rows[i].name);
        for (char *c = name; *c; c++) {
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        }
        const char *value = getenv(name);
        if (value && *value && strcmp(rows[i].name, "help") != 0 && strcmp(rows[i].name, "version") != 0) {
            enum status status = set(config, &rows[i], value, "environment:", fault);
            if (status) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

/* ---- Flags ---- */

static void fill_options(struct option options[N_ROWS + 2]) {
    for (size_t i = 0; i < N_ROWS; i++) {
        options[i] =
            (struct option){ rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, (int)i };
    }
    options[N_ROWS] = (struct option){ "config", required_argument, NULL, N_ROWS };
    options[N_ROWS + 1] = (struct option){ 0 };
}

/* Two passes: the first looks for --config only, because the file must come before the flags. */
static enum status apply_flags(struct config *config, int argc, char **argv, const char **config_path,
                               struct fault *fault) {
    struct option options[N_ROWS + 2];
    fill_options(options);
    opterr = 0;
    optind = 1;
    int found;
    while ((found = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (found == '?' || found == ':') {
            return fault_set(fault, STATUS_INVALID, "%.100s: %s: see runnel --help", argv[optind - 1],
                             found == ':' ? "a value is missing" : "no such option");
        }
        if ((size_t)found == N_ROWS) {
            *config_path = optarg;
        } else if (config) {
            enum status status = set(config, &rows[found], optarg ? optarg : "true", "option", fault);
            if (status) {
                return status;
            }
        }
    }
    return optind < argc
               ? fault_set(fault, STATUS_INVALID, "%.100s: no such option: see runnel --help", argv[optind])
               : STATUS_OK;
}

/* ---- What nobody said ---- */

static char *home_path(const char *variable, const char *below_home, const char *name) {
    const char *base = getenv(variable);
    if (base && base[0] == '/') {
        return mem_format("%s/%s", base, name);
    }
    const char *home = getenv("HOME");
    return mem_format("%s/%s/%s", home && *home ? home : ".", below_home, name);
}

static void fill_in(struct config *config) {
    config->engine_is_default = config->engine == NULL;
    config->host = config->host ? config->host : mem_copy_string("127.0.0.1");
    config->engine = config->engine ? config->engine : mem_copy_string("llama");
    config->speculation = config->speculation ? config->speculation : mem_copy_string("auto");
    config->log = config->log ? config->log : mem_copy_string("info");
    config->data = config->data ? config->data : home_path("XDG_DATA_HOME", ".local/share", "runnel");
    if (config->models[0] == NULL) {
        config->models[0] = home_path("XDG_DATA_HOME", ".local/share", "runnel/models");
    }
}

bool config_is_exposed(const struct config *config) {
    uint8_t v4[4] = { 0 };
    struct in6_addr v6 = { 0 };
    bool is_loopback = (inet_pton(AF_INET, config->host, v4) == 1 && v4[0] == 127) ||
                       (inet_pton(AF_INET6, config->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
    return !is_loopback;
}

static enum status check_limits(struct config *config, struct fault *fault) {
    if (config->rate_text && !rate_parse(config->rate_text, &config->rate)) {
        return fault_set(fault, STATUS_INVALID,
                         "--rate %.40s is no rate: as in 60/min, 5/s, 1000/h or 10000/d", config->rate_text);
    }
    return STATUS_OK;
}

/* It goes into a header as it is. */
static bool is_token(const char *token) {
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++) {
        if (token[i] <= ' ' || token[i] > '~') {
            return false;
        }
    }
    return n > 0 && n <= CONFIG_TOKEN_BYTES_MAX;
}

static enum status check(struct config *config, struct fault *fault) {
    enum log_level level;
    if (!log_parse_level(config->log, &level)) {
        return fault_set(fault, STATUS_INVALID, "--log %.40s: use error, warn, info, debug or trace",
                         config->log);
    }
    if (config->token && (config->token[0] == '\0' || strlen(config->token) > CONFIG_TOKEN_BYTES_MAX)) {
        return fault_set(fault, STATUS_INVALID, "--token must have 1 to %d bytes", CONFIG_TOKEN_BYTES_MAX);
    }
    if (config->hub_token && !is_token(config->hub_token)) {
        return fault_set(fault, STATUS_INVALID,
                         "--hub-token must be 1 to %d visible ASCII characters, without spaces",
                         CONFIG_TOKEN_BYTES_MAX);
    }
    if ((config->tls_cert == NULL) != (config->tls_key == NULL)) {
        return fault_set(fault, STATUS_INVALID, "--tls-cert and --tls-key need each other: name both files");
    }
    if (strchr(config->engine, '/')) {
        return fault_set(fault, STATUS_INVALID, "--engine %.60s: give a name, as in --engine llama",
                         config->engine);
    }
    if (strcmp(config->speculation, "auto") != 0 && strcmp(config->speculation, "off") != 0 &&
        strcmp(config->speculation, "always") != 0) {
        return fault_set(fault, STATUS_INVALID, "--speculation %.40s: use auto, off or always",
                         config->speculation);
    }
    if (config->engine_hang_ms < 100) {
        return fault_set(fault, STATUS_INVALID, "--engine-hang-ms must be at least 100");
    }
    if (config->queue < 1) {
        return fault_set(fault, STATUS_INVALID, "--queue must be at least 1");
    }
    return check_limits(config, fault);
}

enum status config_read(int argc, char **argv, struct config *out, struct fault *fault) {
    *out = (struct config){ .port = 8000, .engine_hang_ms = 30000, .unload_after_s = 1800, .queue = 256 };
    const char *path = getenv("RUNNEL_CONFIG");
    enum status status = apply_flags(NULL, argc, argv, &path, fault);
    char *usual = home_path("XDG_CONFIG_HOME", ".config", "runnel/config.json");
    if (status == STATUS_OK) {
        status = apply_file(out, path ? path : usual, path != NULL, fault);
    }
    free(usual);
    if (status == STATUS_OK) {
        status = apply_environment(out, fault);
    }
    if (status == STATUS_OK) {
        status = apply_flags(out, argc, argv, &path, fault);
    }
    if (status == STATUS_OK) {
        fill_in(out);
        status = check(out, fault);
    }
    if (status) {
        config_deinit(out);
    }
    return status;
}
