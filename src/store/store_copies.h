/* store_copies.h - which copies of a database are there and good: for who has to put one in its place.
 *
 * Thread  any. Blocks: each is looked at as a whole. Limits: the STORE_COPIES_SAID newest good ones are told, and no more than
 * STORE_COPIES_LOOKED are looked at. */
#ifndef RUNNEL_STORE_STORE_COPIES_H
#define RUNNEL_STORE_STORE_COPIES_H

#include <stddef.h>

#define STORE_COPIES_SAID   3
#define STORE_COPIES_LOOKED 10

/* store_copies_say looks among the backups and what migrations kept, the newest first; how many were good. */
size_t store_copies_say(const char *directory, void (*say)(void *ctx, const char *line), void *ctx);

#endif
