/* store_test_disk.h - a disk that refuses, is slow, or loses what it could not write: for tests.
 *
 * It takes the place of the calls that SQLite makes through its table, and of the C library's fdatasync, fsync and pwrite.
 *
 * Thread  any. */
#ifndef RUNNEL_STORE_STORE_TEST_DISK_H
#define RUNNEL_STORE_STORE_TEST_DISK_H

#include "store/store_test_driver.h"

#include <stdatomic.h>

#define DISK_FOREVER    1000000000
#define DISK_PAGE_BYTES 4096

struct disk {
    atomic_int n_writes_to_fail;
    atomic_int write_error;      /* what they say */
    atomic_llong file_bytes_max; /* writes beyond it fail; 0: no limit */
    atomic_int n_reads_to_fail;  /* of what lies at bad_offset */
    atomic_llong bad_offset;
    atomic_int read_error;
    atomic_int n_syncs_to_fail; /* of the sync thread */
    atomic_int
        n_store_syncs_to_fail; /* of the store thread: at the end its own one comes before those of SQLite */
    atomic_bool
        loses; /* a sync that fails brings back what was on the disk: the pages are dropped and read again */
    atomic_llong n_bytes_rewritten; /* of the log, by the store itself */
};
extern struct disk disk;

/* For cmocka: the group's setup, and each test's, with a driver as state. */
int disk_install(void **state);
int disk_setup(void **state);
int disk_teardown(void **state);

/* disk_shut_gate: the sync thread waits before its fdatasync. disk_count_syncs: how often it came there. */
void disk_shut_gate(bool is_shut);
int disk_count_syncs(void);
void disk_wait_for_sync(int n);

/* disk_hold_copies: whoever waits for a copy waits before its fsync. disk_wait_for_copy: until one does. */
void disk_hold_copies(bool are_held);
void disk_wait_for_copy(void);

/* disk_wait_for_trouble drains until the store says it. */
void disk_wait_for_trouble(struct driver *driver, enum store_trouble trouble);

#endif
