/* cells.h - how many sequences use each cell of the KV cache.
 *
 * The library's unified cache lets sequences share cells: a copied beginning takes no room. These counts follow it, so that room is
 * known without asking. A number here names a cell for its users alone; which place the library gave it does not matter.
 *
 * Owner   the slots.
 * Thread  one.
 * Memory  cells_deinit frees.
 * Limits  n cells; taking one more is a programmer's error: look at cells_count_free first.
 */
#ifndef RUNNEL_ENGINES_LLAMA_CELLS_H
#define RUNNEL_ENGINES_LLAMA_CELLS_H

struct cells {
    int *n_users;
    int *free;
    int n_free;
    int n;
};

void cells_init(struct cells *cells, int n);
void cells_deinit(struct cells *cells);

/* cells_take gives a free cell its first user; cells_share adds one, cells_drop removes one. */
int cells_take(struct cells *cells);
void cells_share(struct cells *cells, int cell);
void cells_drop(struct cells *cells, int cell);

int cells_count_free(const struct cells *cells);

#endif
