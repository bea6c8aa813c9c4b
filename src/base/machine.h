/* machine.h - how much memory there is to be had, and what a process has taken.
 *
 * To be had is the least of what the kernel calls available and what the control groups leave (version 1 and 2, every level). Pages of files that can be
 * read again count as available.
 *
 * Thread  any. Reads a few files of /proc and /sys.
 */
#ifndef RUNNEL_BASE_MACHINE_H
#define RUNNEL_BASE_MACHINE_H

#include <stdint.h>
#include <sys/types.h>

/* machine_available_bytes: UINT64_MAX when nobody says. `root` is "" but for tests, which bring a /proc and a /sys of their own. */
uint64_t machine_available_bytes(const char *root);

/* machine_address_bytes: what a limit on the address space leaves this process; UINT64_MAX: there is none. */
uint64_t machine_address_bytes(void);

/* machine_private_bytes: what a process has in memory that is no file's, which is what machine_available_bytes has gone down by; 0: unknown. */
uint64_t machine_private_bytes(pid_t pid);

/* machine_resident_bytes: all that a process has in memory; 0: unknown. */
uint64_t machine_resident_bytes(pid_t pid);

#endif
