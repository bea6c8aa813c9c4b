/* store_wal.h - the write-ahead log as it lies in its file, written again after a sync that failed.
 *
 * When fsync fails, Linux takes the pages that it could not write for clean and says so once to each descriptor: the next fsync
 * succeeds and means nothing. Writing the same bytes again makes them dirty again. But a clean page may be dropped from memory at any
 * time, and then reading brings what the disk has, which is older. So what is read is only written again when it is what SQLite wrote:
 * each frame carries a checksum over all before it since the log began anew, and the salts of that beginning.
 * (https://www.sqlite.org/fileformat2.html#walformat)
 *
 * Thread  that of the connection, in no transaction. */
#ifndef RUNNEL_STORE_STORE_WAL_H
#define RUNNEL_STORE_STORE_WAL_H

#include "base/status.h"

#include <stdint.h>

/* store_wal_rewrite writes the frames up to n_frames again, of which each was committed; 0: it is not known how many were: all that
 * fit. STATUS_IO: reading or writing failed; again may help. STATUS_CORRUPT: fewer than n_frames fit: what was committed is not in the
 * file any more. *n_written: the frames. Blocks. */
MUST_CHECK enum status store_wal_rewrite(int fd, uint32_t n_frames, uint32_t *n_written);

#endif
