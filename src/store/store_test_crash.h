/* store_test_crash.h - death by SIGKILL in the middle of a write, at every write in turn. */
#ifndef RUNNEL_STORE_STORE_TEST_CRASH_H
#define RUNNEL_STORE_STORE_TEST_CRASH_H

#include <stdbool.h>

/* crash_at_write lives in a child: from crash_arm on, the n-th write of SQLite writes half of its bytes and dies. False: the
 * life was over before. No store may be open here. */
bool crash_at_write(int n, void (*live)(void *ctx), void *ctx);

/* crash_arm is for the child. */
void crash_arm(void);

#endif
