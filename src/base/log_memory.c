#include "base/log_memory.h"

#include <pthread.h>
#include <string.h>

/* Lines lie one behind the other; one that does not fit before the end begins at the front. So the oldest lies next behind the newest. */
static struct {
    pthread_mutex_t lock;
    char text[LOG_MEMORY_BYTES];
    struct {
        uint32_t at;
        uint32_t n_bytes;
    } places[LOG_MEMORY_LINES_MAX]; /* of line n: n % LOG_MEMORY_LINES_MAX */
    uint64_t oldest;                /* the lines oldest … newest are there */
    uint64_t newest;
    size_t end; /* of the newest line */
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER, .oldest = 1 };

static size_t place_of(uint64_t number) {
    return (size_t)(number % LOG_MEMORY_LINES_MAX);
}

/* Lines that begin between the two give way, if they are the oldest. */
static void clear(size_t from, size_t to) {
    while (memory.oldest <= memory.newest && memory.places[place_of(memory.oldest)].at >= from &&
           memory.places[place_of(memory.oldest)].at < to) {
        memory.oldest++;
    }
}

static void add(const char *line, size_t n_bytes) {
    if (memory.end + n_bytes > LOG_MEMORY_BYTES) {
        clear(memory.end, LOG_MEMORY_BYTES);
        memory.end = 0;
    }
    clear(memory.end, memory.end + n_bytes);
    memory.newest++;
    memory.oldest += memory.newest - memory.oldest == LOG_MEMORY_LINES_MAX;
    memory.places[place_of(memory.newest)].at = (uint32_t)memory.end;
    memory.places[place_of(memory.newest)].n_bytes = (uint32_t)n_bytes;
    memcpy(memory.text + memory.end, line, n_bytes);
    memory.end += n_bytes;
}

void log_memory_add(const char *line, size_t n_bytes) {
    pthread_mutex_lock(&memory.lock);
    add(line, n_bytes < LOG_MEMORY_LINE_BYTES ? n_bytes : LOG_MEMORY_LINE_BYTES);
    pthread_mutex_unlock(&memory.lock);
}

uint64_t log_memory_visit(uint64_t after,
                          void (*visit)(void *ctx, uint64_t number, const char *line, size_t n_bytes),
                          void *ctx) {
    pthread_mutex_lock(&memory.lock);
    uint64_t newest = memory.newest;
    uint64_t first = after < memory.oldest ? memory.oldest : after + 1;
    for (uint64_t number = first; number <= newest && number > 0; number++) {
        visit(ctx, number, memory.text + memory.places[place_of(number)].at,
              memory.places[place_of(number)].n_bytes);
    }
    pthread_mutex_unlock(&memory.lock);
    return newest;
}
