/* store_test_power_loss.h - a disk that loses power: for tests.
 *
 * It stands between SQLite, the store's own threads and the real files of one folder: the writes go through, and each is remembered
 * until its file is synced, as the making and removing of names is until the folder is. At the N-th call the power goes: what is on
 * the disk then is what was synced, and of the rest a part that a seed chooses: whole writes, some of their 512-byte sectors, in any
 * order, and the names up to some moment.
 *
 * A sync that fails leaves what it should have written clean and lost, as Linux does: only writing it again helps.
 *
 * Thread  all but the hooks: one. */
#ifndef RUNNEL_STORE_STORE_TEST_POWER_LOSS_H
#define RUNNEL_STORE_STORE_TEST_POWER_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* power_loss_install hooks into SQLite's table of system calls; fdatasync and fsync are taken over by the link. Once. */
void power_loss_install(void);

/* power_loss_begin watches the files of `folder`, which is empty; the power goes at the at_call-th call, 0: never. */
void power_loss_begin(const char *folder, size_t at_call, void (*on_loss)(void *ctx), void *ctx);

/* How many calls there were; whether the power is gone. */
size_t power_loss_count(void);
bool power_loss_is_over(void);

/* power_loss_fail_sync makes the next sync of the log by the store's sync thread fail. */
void power_loss_fail_sync(void);

/* power_loss_write_image makes in `folder` what the disk has after the loss, as `seed` chooses; any number of times. When the power
 * never went, that of now. */
void power_loss_write_image(const char *folder, uint64_t seed);

/* power_loss_end forgets all. */
void power_loss_end(void);

#endif
