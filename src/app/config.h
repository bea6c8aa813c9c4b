/* config.h - what the server was told: a flag beats the environment, the environment beats the file.
 *
 * Each option has one name: --engine-hang-ms, RUNNEL_ENGINE_HANG_MS, and "engine-hang-ms" in the file, which is one JSON object.
 *
 * Owner   main; strings live until config_deinit.
 */
#ifndef RUNNEL_APP_CONFIG_H
#define RUNNEL_APP_CONFIG_H

#include "access/rate.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_LIST_MAX 8

struct config {
    char *host;
    uint16_t port;
    uint16_t ollama; /* 0: there is none */
    char *data;
    char *models[CONFIG_LIST_MAX + 1]; /* NULL ends the list */
    char *model;                       /* NULL: none was named */
    char *engine;
    bool engine_is_default; /* nobody named one */
    char *log;
    uint32_t context; /* 0: the settings' */
    uint32_t threads; /* 0: the engine chooses */
    uint32_t step_ms; /* 0: the engine chooses */
    char *speculation;
    uint32_t engine_hang_ms;
    uint32_t memory_mb;      /* 0: by what the machine has */
    uint32_t loaded;         /* models at a time; 0: as many as the program can */
    uint32_t unload_after_s; /* 0: never */
    uint32_t queue;          /* answers at a time */
    char *token;             /* NULL: none */
    char *hub_token;         /* NULL: none */
    char *rate_text;         /* NULL: none was named */
    struct rate rate;        /* of a key that has none of its own */
    uint32_t concurrent;     /* likewise; 0: no limit */
    char *tls_cert;          /* NULL: no TLS; else tls_key is one too */
    char *tls_key;
    char *access_log; /* NULL: none */
    char *socket;     /* path of the Unix socket; NULL: in the data directory */
    char *allow_hosts[CONFIG_LIST_MAX + 1];
    char *allow_origins[CONFIG_LIST_MAX + 1];
    bool no_open;
    bool no_titles;
    bool no_sandbox;
    bool json; /* of bench */
    bool help;
    bool version;
#ifdef RUNNEL_FAULTS
    char *faults[CONFIG_LIST_MAX + 1]; /* base/fault_point.h */
    uint32_t slow_ms;                  /* 0: NET_SLOW_MS */
#endif
};

/* config_read fills in everything. On failure the fault is the line to print. */
MUST_CHECK enum status config_read(int argc, char **argv, struct config *out, struct fault *fault);
void config_deinit(struct config *config);

/* config_is_exposed: others than this machine's programs can reach its address. */
bool config_is_exposed(const struct config *config);

/* config_print_help writes the table of options to standard output. */
void config_print_help(void);

#endif
