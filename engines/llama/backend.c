#include "backend.h"

#include "chat_format.h"

#include "base/log.h"

#include <dlfcn.h>
#include <ggml-backend.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define CPUS_MAX 1024

/* Between two steps the threads wait some 0.2 ms. Looking for work that long is cheaper than being woken (8 % of the speed of
 * a small model); this level looks for about 3 ms, and then they sleep. */
#define POLL_LEVEL 1

typedef struct ggml_threadpool *(*threadpool_new_function)(struct ggml_threadpool_params *params);
typedef void (*threadpool_free_function)(struct ggml_threadpool *threadpool);

static char last_error[BACKEND_ERROR_BYTES];
static bool are_errors_expected;

static enum log_level level_of(enum ggml_log_level level) {
    if (are_errors_expected) {
        return LOG_LEVEL_DEBUG;
    }
    switch (level) {
    case GGML_LOG_LEVEL_ERROR:
        return LOG_LEVEL_ERROR;
    case GGML_LOG_LEVEL_WARN:
        return LOG_LEVEL_WARN;
    default:
        return LOG_LEVEL_DEBUG;
    }
}

static void on_library_log(enum ggml_log_level level, const char *text, void *ctx) {
    (void)ctx;
    static _Thread_local enum log_level current = LOG_LEVEL_DEBUG;
    if (level != GGML_LOG_LEVEL_CONT) {
        current = level_of(level);
    }
    size_t size = strcspn(text, "\n");
    if (size == 0) {
        return;
    }
    if (level == GGML_LOG_LEVEL_ERROR && !are_errors_expected) {
        snprintf(last_error, sizeof last_error, "%.*s", (int)size, text);
    }
    LOG_AT(current, "llama", "%.*s", (int)size, text);
}

void backend_expect_errors(bool is_expected) {
    are_errors_expected = is_expected;
}

/* The folder of the shared library that holds libllama. */
static bool find_folder(char *folder, size_t n_bytes) {
    Dl_info info;
    void *symbol;
    const char *(*function)(void) = llama_print_system_info;
    memcpy(&symbol, &function, sizeof symbol); /* ISO C has no cast from a function to an object pointer */
    if (dladdr(symbol, &info) == 0 || info.dli_fname == NULL) {
        return false;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    size_t size = slash ? (size_t)(slash - info.dli_fname) : 0;
    if (size == 0 || size >= n_bytes) {
        return false;
    }
    memcpy(folder, info.dli_fname, size);
    folder[size] = '\0';
    return true;
}

bool backend_init(struct fault *fault) {
    llama_log_set(on_library_log, NULL);
    chat_format_set_log(log_level_now >= LOG_LEVEL_DEBUG);
    char folder[PATH_MAX];
    if (find_folder(folder, sizeof folder)) {
        ggml_backend_load_all_from_path(folder);
    }
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) == NULL) {
        fault_set(fault, STATUS_NOT_FOUND, "no compute backend for this processor beside libllama in %.200s",
                  folder);
        return false;
    }
    llama_backend_init();
    return true;
}

void backend_deinit(void) {
    llama_backend_free();
}

bool backend_has_devices(void) {
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        if (ggml_backend_dev_type(ggml_backend_dev_get(i)) != GGML_BACKEND_DEVICE_TYPE_CPU &&
            ggml_backend_dev_type(ggml_backend_dev_get(i)) != GGML_BACKEND_DEVICE_TYPE_ACCEL) {
            return true;
        }
    }
    return false;
}

const char *backend_last_error(void) {
    return last_error;
}

/* The first of the hardware threads that share a core with `cpu`; `cpu` itself when the kernel does not say. */
static size_t first_sibling(size_t cpu) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "r");
    size_t first = cpu;
    if (file) {
        if (fscanf(file, "%zu", &first) != 1 || first >= CPUS_MAX) {
            first = cpu;
        }
        fclose(file);
    }
    return first;
}

int backend_choose_threads(int wanted) {
    if (wanted > 0) {
        return wanted;
    }
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return 1;
    }
    bool seen[CPUS_MAX] = { false };
    int n_cores = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && cpu < CPUS_MAX; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            size_t core = first_sibling(cpu);
            n_cores += !seen[core];
            seen[core] = true;
        }
    }
    return n_cores > 0 ? n_cores : 1;
}

static void *find_function(const char *name) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    return device ? ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name) : NULL;
}

struct ggml_threadpool *backend_new_threads(int n_threads) {
    threadpool_new_function make;
    void *symbol = find_function("ggml_threadpool_new");
    if (symbol == NULL) {
        return NULL;
    }
    memcpy(&make, &symbol, sizeof make);
    struct ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
    params.poll = POLL_LEVEL;
    return make(&params);
}

void backend_free_threads(struct ggml_threadpool *threads) {
    threadpool_free_function release;
    void *symbol = find_function("ggml_threadpool_free");
    if (threads && symbol) {
        memcpy(&release, &symbol, sizeof release);
        release(threads);
    }
}
