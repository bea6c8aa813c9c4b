#include "engine/runs.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a. The ids are our own: nobody else can choose them to collide. */
static size_t bucket_of(const char *id) {
    uint32_t hash = 2166136261u;
    for (; *id; id++) {
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    }
    return hash % RUNS_BUCKETS;
}

void runs_init(struct runs *runs) {
    *runs = (struct runs){ 0 };
    list_init(&runs->order);
}

void runs_deinit(struct runs *runs) {
    for (struct run *run = runs_first(runs); run; run = runs_first(runs)) {
        runs_take(runs, run);
        free(run);
    }
}

void runs_add(struct runs *runs, const char *id) {
    assert(runs->count < RUNS_MAX);
    size_t size = strlen(id) + 1;
    struct run *run = mem_alloc(sizeof *run + size);
    memcpy(run->id, id, size);
    struct run **bucket = &runs->buckets[bucket_of(id)];
    run->next = *bucket;
    *bucket = run;
    list_append(&runs->order, &run->in_order);
    runs->count++;
}

struct run *runs_find(const struct runs *runs, const char *id) {
    struct run *run = runs->buckets[bucket_of(id)];
    while (run && strcmp(run->id, id) != 0) {
        run = run->next;
    }
    return run;
}

struct run *runs_first(const struct runs *runs) {
    return list_is_empty(&runs->order) ? NULL : CONTAINER_OF(runs->order.next, struct run, in_order);
}

void runs_take(struct runs *runs, struct run *run) {
    struct run **link = &runs->buckets[bucket_of(run->id)];
    while (*link != run) {
        link = &(*link)->next;
    }
    *link = run->next;
    list_remove(&run->in_order);
    runs->count--;
}
