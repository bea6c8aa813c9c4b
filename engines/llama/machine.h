/* machine.h - how much memory this process can still get.
 *
 * The least of what the kernel calls available and what the control groups leave (version 1 and 2, every level). Pages of files that can be
 * read again count as available.
 *
 * Thread  any. Reads a few files of /proc and /sys.
 */
#ifndef RUNNEL_ENGINES_LLAMA_MACHINE_H
#define RUNNEL_ENGINES_LLAMA_MACHINE_H

#include <stdint.h>

/* machine_available_bytes: UINT64_MAX when nobody says. `root` is "" but for tests, which bring a /proc and a /sys of their own. */
uint64_t machine_available_bytes(const char *root);

/* machine_address_bytes: what a limit on the address space leaves; UINT64_MAX: there is none. */
uint64_t machine_address_bytes(void);

#endif
