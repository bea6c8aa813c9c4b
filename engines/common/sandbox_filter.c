/* sandbox_filter.c - which system calls an engine may make: a small program for the kernel (seccomp(2), classic BPF).
 *
 * It is written out call by call: a comparison that does not jump over more than the answer behind it. The kernel keeps a map of the calls that
 * are always allowed, so they cost nothing.
 */
#include "common/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

#define INSTRUCTIONS_MAX 512
#define X32_BIT          0x40000000u

/* What computing needs, whatever its arguments are. */
static const unsigned allowed[] = {
    /* reading */
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_preadv,
    SYS_lseek,
    SYS_close,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_statfs,
    SYS_fstatfs,
    SYS_fcntl,
    SYS_dup,
    SYS_fadvise64,
    SYS_readahead,
    /* the channel and the log */
    SYS_write,
    SYS_writev,
    SYS_ppoll,
    SYS_pselect6,
    SYS_eventfd2,
    /* memory */
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_msync,
    SYS_mincore,
    SYS_mlock,
    SYS_munlock,
    SYS_mlock2,
    SYS_get_mempolicy,
    SYS_set_mempolicy,
    SYS_mbind,
    /* threads */
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_membarrier,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_setscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_getcpu,
    SYS_gettid,
    SYS_exit,
    SYS_exit_group,
    SYS_getpriority,
#ifdef SYS_rseq
    SYS_rseq,
#endif
    /* signals of its own */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    /* clocks, and what the machine is */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_times,
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
#ifdef __x86_64__
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_poll,
    SYS_select,
    SYS_time,
    SYS_getrlimit,
    SYS_arch_prctl,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
};

/* Besides, where it may write; Landlock says where that is. */
static const unsigned writing[] = {
    SYS_pwrite64,  SYS_pwritev,         SYS_fsync,     SYS_fdatasync, SYS_ftruncate,
    SYS_fallocate, SYS_sync_file_range, SYS_unlinkat,  SYS_renameat,  SYS_renameat2,
    SYS_mkdirat,   SYS_flock,           SYS_utimensat, SYS_fchmod,    SYS_umask,
#ifdef __x86_64__
    SYS_unlink,    SYS_rename,          SYS_mkdir,     SYS_rmdir,
#endif
};

/* With a driver of a graphics card only this is refused. */
static const unsigned refused_with_devices[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_open_by_handle_at,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_personality,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_capset,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_fanotify_init,
    SYS_clone3,
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
#endif
#ifdef __x86_64__
    SYS_fork,
    SYS_vfork,
#endif
};

struct filter {
    struct sock_filter code[INSTRUCTIONS_MAX];
    unsigned short n;
};

#define NR_AT      ((unsigned)offsetof(struct seccomp_data, nr))
#define ARG_AT(i)  ((unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)(i)))
#define ANSWER(no) (SECCOMP_RET_ERRNO | ((unsigned)(no)&SECCOMP_RET_DATA))

static void add(struct filter *filter, struct sock_filter instruction) {
    assert(filter->n < INSTRUCTIONS_MAX);
    filter->code[filter->n++] = instruction;
}

static void load(struct filter *filter, unsigned at) {
    add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
}

static void answer(struct filter *filter, unsigned value) {
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* The number of the call is loaded here, and again behind each look at an argument. */
static void answer_call(struct filter *filter, unsigned number, unsigned value) {
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    answer(filter, value);
}

static void answer_calls(struct filter *filter, const unsigned *numbers, size_t n, unsigned value) {
    for (size_t i = 0; i < n; i++) {
        answer_call(filter, numbers[i], value);
    }
}

/* Allowed where none of these bits of an argument is set. */
static void allow_without(struct filter *filter, unsigned number, int argument, unsigned bits, int error) {
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4));
    load(filter, ARG_AT(argument));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    answer(filter, ANSWER(error));
    answer(filter, SECCOMP_RET_ALLOW);
}

/* Allowed where an argument, of 32 bits, is this. */
static void allow_with(struct filter *filter, unsigned number, int argument, unsigned value, int error) {
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4));
    load(filter, ARG_AT(argument));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    answer(filter, ANSWER(error));
    answer(filter, SECCOMP_RET_ALLOW);
}

/* A thread, and no process. clone3 has its flags in memory, where a filter cannot look: the C library then does without it. */
static void allow_threads(struct filter *filter) {
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 5));
    load(filter, ARG_AT(0));
    add(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, CLONE_VM | CLONE_THREAD));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE_VM | CLONE_THREAD, 1, 0));
    answer(filter, ANSWER(EPERM));
    answer(filter, SECCOMP_RET_ALLOW);
}

/* Names of threads and of memory. */
static void allow_names(struct filter *filter) {
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 7));
    load(filter, ARG_AT(0));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_NAME, 4, 0));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_GET_NAME, 3, 0));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_VMA, 2, 0));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_GET_NO_NEW_PRIVS, 1, 0));
    answer(filter, ANSWER(EPERM));
    answer(filter, SECCOMP_RET_ALLOW);
}

static void begin(struct filter *filter) {
    load(filter, (unsigned)offsetof(struct seccomp_data, arch));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    answer(filter, SECCOMP_RET_KILL_PROCESS);
    load(filter, NR_AT);
#ifdef __x86_64__
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    answer(filter, SECCOMP_RET_KILL_PROCESS);
#endif
}

static void fill_for_processor(struct filter *filter, bool may_write) {
    answer_calls(filter, allowed, sizeof allowed / sizeof allowed[0], SECCOMP_RET_ALLOW);
    if (may_write) {
        answer_calls(filter, writing, sizeof writing / sizeof writing[0], SECCOMP_RET_ALLOW);
    }
    unsigned to_write = may_write ? 0 : O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    allow_without(filter, SYS_openat, 2, to_write, EACCES);
    allow_without(filter, SYS_mmap, 2, PROT_EXEC, EACCES);
    allow_without(filter, SYS_mprotect, 2, PROT_EXEC, EACCES);
#ifdef __x86_64__
    allow_without(filter, SYS_open, 1, to_write, EACCES);
#endif
    /* abort() signals the process itself. */
    allow_with(filter, SYS_tgkill, 0, (unsigned)getpid(), EPERM);
    allow_with(filter, SYS_kill, 0, (unsigned)getpid(), EPERM);
    allow_with(filter, SYS_prlimit64, 0, 0, EPERM);
    allow_threads(filter);
    allow_names(filter);
    answer(filter, ANSWER(ENOSYS));
}

static void fill_for_devices(struct filter *filter) {
    answer_calls(filter, refused_with_devices, sizeof refused_with_devices / sizeof refused_with_devices[0],
                 ANSWER(ENOSYS));
    allow_with(filter, SYS_tgkill, 0, (unsigned)getpid(), EPERM);
    allow_with(filter, SYS_kill, 0, (unsigned)getpid(), EPERM);
    allow_threads(filter);
    answer(filter, SECCOMP_RET_ALLOW);
}

bool sandbox_filter_enter(enum sandbox_kind kind, bool may_write) {
#ifdef ARCHITECTURE
    static struct filter filter;
    filter.n = 0;
    begin(&filter);
    if (kind == SANDBOX_DEVICES) {
        fill_for_devices(&filter);
    } else {
        fill_for_processor(&filter, may_write);
    }
    struct sock_fprog program = { .len = filter.n, .filter = filter.code };
    /* Without the second flag older kernels make memory slower for a process with a filter (a remedy against code that guesses, which
     * an engine does not run). */
    unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0;
#else
    (void)kind;
    (void)may_write;
    errno = ENOSYS;
    return false;
#endif
}
