/* fault_point.h - named places where a test makes the server die, stop or fail.
 *
 *     --fault NAME:N[+][:kill|abort|eio|stop]      several by ','
 *
 * acts at the N-th pass, with + at every one from the N-th on. kill (the default) is SIGKILL, abort is abort(), stop is SIGSTOP; eio
 * makes a place that can fail behave as if the operating system had said EIO.
 *
 *     mem.alloc             memory was asked for (mem.h)                  eio: there is none, and the program ends
 *     store.before_commit   a batch has run, its commit has not begun     eio: the commit fails
 *     store.after_commit    the batch is committed, nobody was told
 *     sync.before           fdatasync of the log is about to be called    eio: it fails
 *     sync.after            the log is on the disk, nobody was told
 *     migrate.inside        a migration has run, it is not committed      eio: it fails
 *     ack.before            a send is stored and safe; its ack is not with the socket yet
 *     ack.after             its ack is with the socket
 *     stream.before_start   the first event of a stream is stored; nobody was told
 *     end.before_frame      an end is stored and safe; nobody was told
 *     salvage.ready         the new database is whole and on the disk
 *     salvage.decided       it has the name under which it will be put in place
 *     salvage.log_moved     the damaged one's log is moved away
 *     salvage.moved         the damaged one is moved away too
 *     salvage.placed        the new one has its name; that is not on the disk yet
 *
 * Only builds with RUNNEL_FAULTS have this (Debug and those with a sanitizer); in others the points are nothing, and the option is no
 * option.
 *
 * Thread  points: any. fault_point_arm: before threads start.
 * Limits  FAULT_POINTS_MAX armed at a time.
 */
#ifndef RUNNEL_BASE_FAULT_POINT_H
#define RUNNEL_BASE_FAULT_POINT_H

#include "base/status.h"

#include <stdbool.h>

#ifdef RUNNEL_FAULTS

#define FAULT_POINTS_MAX 8

/* fault_point_arm takes one NAME:N[+][:KIND]. STATUS_INVALID: the fault says what is wrong with it. */
MUST_CHECK enum status fault_point_arm(const char *text, struct fault *fault);

/* True: fail with EIO. */
bool fault_point_pass(const char *name);

#define FAULT_POINT(name)       ((void)fault_point_pass(name))
#define FAULT_POINT_FAILS(name) fault_point_pass(name)

#else

#define FAULT_POINT(name)       ((void)0)
#define FAULT_POINT_FAILS(name) false

#endif

#endif
