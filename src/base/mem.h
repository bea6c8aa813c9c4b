/* mem.h - memory that is small and ours: running out of it ends the program, which is a crash like any other: what anyone saw is there
 * after the next start (P4).
 *
 * Sizes that come from outside are bounded before they get here; docs/reliability.md lists the bounds. A KV state, whose size is the model's,
 * is asked for with mem_try_alloc, and goes unkept when it cannot be had.
 *
 * Thread  any. Free with free().
 */
#ifndef RUNNEL_BASE_MEM_H
#define RUNNEL_BASE_MEM_H

#include <stddef.h>

/* mem_checked ends the program when `memory` is NULL, and else returns it: for what others allocate. */
void *mem_checked(void *memory);

/* mem_alloc returns zeroed memory, never NULL. */
void *mem_alloc(size_t n_bytes) __attribute__((malloc));

/* mem_try_alloc is for sizes that come from outside: not zeroed; NULL: it cannot be had. */
void *mem_try_alloc(size_t n_bytes) __attribute__((malloc));

/* mem_resize keeps the contents; new bytes are not zeroed. Never NULL. */
void *mem_resize(void *memory, size_t n_bytes);

/* mem_grow_array makes room for one more element: returns `array`, moved and doubled when n == *capacity.
 * `max` is the named maximum of the array; reaching it is a programmer's error: check before. */
void *mem_grow_array(void *array, size_t n, size_t *capacity, size_t element_bytes, size_t max);

/* mem_copy_string: NULL stays NULL. mem_copy_bytes adds a terminator that does not count. */
char *mem_copy_string(const char *text);
char *mem_copy_bytes(const void *bytes, size_t n_bytes);

/* mem_format is printf into new memory. */
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2), malloc));

#endif
