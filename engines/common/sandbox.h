/* sandbox.h - an engine shuts itself in before it reads the first file of a person ([E51]).
 *
 * A model file may be hostile, and what reads it is millions of lines of other people's code. So the process gives up, for good and for all
 * its threads, what computing does not need:
 *
 *   privileges   no program that it might start could have more (PR_SET_NO_NEW_PRIVS)
 *   calls        a filter (seccomp) lets through what memory, threads, clocks and reading need. All else fails as if the kernel did not have it:
 *                sockets, other programs, other processes, memory that is code
 *   files        of the file system it sees the model, what the machine says of itself, and the folder it may write to (Landlock)
 *
 * A kernel that lacks one of them is named in the log, and the others hold. With a graphics card (SANDBOX_DEVICES) its driver is other people's
 * code too: it needs ioctl, code that it makes, its libraries and /dev, and the filter only takes away what is certain to be of no use to it.
 *
 * Thread  once, by the only thread of the program, or at least before one that reads files.
 * Limits  SANDBOX_READS_MAX paths.
 */
#ifndef RUNNEL_ENGINES_COMMON_SANDBOX_H
#define RUNNEL_ENGINES_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#define SANDBOX_READS_MAX 32

enum sandbox_kind { SANDBOX_PROCESSOR, SANDBOX_DEVICES };

struct sandbox {
    bool is_wanted;                       /* --sandbox */
    const char *reads[SANDBOX_READS_MAX]; /* files and folders; borrowed */
    size_t n_reads;
    const char *writes; /* a folder, which is made; NULL: none */
};

/* What holds. */
struct sandbox_state {
    bool keeps_privileges; /* the kernel is older than 3.5 */
    bool has_filter;
    int files_version; /* of Landlock's interface; 0: the kernel has none */
};

/* sandbox_enter does what can be done, and says in one line of the log what could not. */
struct sandbox_state sandbox_enter(const struct sandbox *sandbox, enum sandbox_kind kind);

/* Leak detectors trace their own process at its end, which the filter refuses. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_IS_POSSIBLE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_IS_POSSIBLE false
#endif
#endif
#ifndef SANDBOX_IS_POSSIBLE
#define SANDBOX_IS_POSSIBLE true
#endif

/* ---- Its parts ---- */

/* sandbox_filter.c, sandbox_files.c. False and 0: the kernel has no such thing, or refused; errno says why. */
bool sandbox_filter_enter(enum sandbox_kind kind, bool may_write);
int sandbox_files_enter(const struct sandbox *sandbox, enum sandbox_kind kind);

#endif
