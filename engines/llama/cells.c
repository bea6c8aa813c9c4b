#include "cells.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

void cells_init(struct cells *cells, int n) {
    *cells = (struct cells){ .n = n, .n_free = n };
    cells->n_users = mem_alloc((size_t)n * sizeof *cells->n_users);
    cells->free = mem_alloc((size_t)n * sizeof *cells->free);
    for (int i = 0; i < n; i++) {
        cells->free[i] = n - 1 - i;
    }
}

void cells_deinit(struct cells *cells) {
    free(cells->n_users);
    free(cells->free);
    *cells = (struct cells){ 0 };
}

int cells_take(struct cells *cells) {
    assert(cells->n_free > 0);
    int cell = cells->free[--cells->n_free];
    cells->n_users[cell] = 1;
    return cell;
}

void cells_share(struct cells *cells, int cell) {
    assert(cells->n_users[cell] > 0);
    cells->n_users[cell]++;
}

void cells_drop(struct cells *cells, int cell) {
    assert(cells->n_users[cell] > 0);
    if (--cells->n_users[cell] == 0) {
        cells->free[cells->n_free++] = cell;
    }
}

int cells_count_free(const struct cells *cells) {
    return cells->n_free;
}
