/* store_memory.c - store_use_mem: where SQLite has its memory from. */
#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"

#include <sqlite3.h>

/* Pages, rows and statements are smaller. */
#define SMALL_BYTES (1 << 20)

static sqlite3_mem_methods system_methods;

static void *take(int n_bytes) {
    void *memory = system_methods.xMalloc(n_bytes);
    return n_bytes <= SMALL_BYTES ? mem_checked(memory) : memory;
}

static void *resize(void *memory, int n_bytes) {
    void *resized = system_methods.xRealloc(memory, n_bytes);
    return n_bytes <= SMALL_BYTES ? mem_checked(resized) : resized;
}

void store_use_mem(void) {
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_methods);
    sqlite3_mem_methods methods = system_methods;
    methods.xMalloc = take;
    methods.xRealloc = resize;
    int result = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    if (result != SQLITE_OK) {
        LOG_ERROR("store_memory", "result=%d", result);
    }
}
