/* tape.h - the bytes of one event stream, for readers who come back with an offset into them.
 *
 * The events of a stream are made again for each reader, and are the same bytes each time; what comes between them by chance, signs of life
 * and progress, is kept here with its place. So every reader is given the same bytes, and none of the text is kept twice.
 *
 * Owner   whoever made it, and its readers: counted references.
 * Thread  the loop thread only.
 * Units   offsets in bytes, from the beginning of the stream.
 * Limits  TAPE_EXTRAS_MAX between the events; beyond them nothing more comes in between.
 */
#ifndef RUNNEL_API_TAPE_H
#define RUNNEL_API_TAPE_H

#include "base/bytes.h"

#include <stdint.h>

#define TAPE_EXTRAS_MAX 20000 /* a day of signs of life */

struct tape;

struct tape *tape_new(void);
struct tape *tape_ref(struct tape *tape);
void tape_unref(struct tape *tape); /* NULL is fine */

/* tape_size: how far the reader that is furthest has been given it. */
uint64_t tape_size(const struct tape *tape);

/* Zeroed memory is a reader of no tape: everything is written, nothing is noted. */
struct tape_reader {
    struct tape *tape;
    uint64_t offset;   /* of what comes next */
    uint64_t skip_to;  /* bytes before it are not wanted */
    size_t next_extra; /* the first that it has not been given */
};

/* tape_follow appends what stands before the next event; true: there was something. */
bool tape_follow(struct tape_reader *reader, struct bytes *frame);

/* tape_may_add: nobody has been given more than this reader, so something may be put in here. */
bool tape_may_add(const struct tape_reader *reader);

/* tape_wrote: the bytes of `frame` from `from` on are the next of the stream; those that are not wanted are taken out again. is_extra: they
 * are no event, and others are given them too. */
void tape_wrote(struct tape_reader *reader, struct bytes *frame, size_t from, bool is_extra);

#endif
