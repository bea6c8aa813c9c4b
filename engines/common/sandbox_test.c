/* [E51]: what an engine that shut itself in can do, and what it cannot. Each try has a process of its own. */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum outcome { WORKS, REFUSED, IS_UNKNOWN /* to this kernel */ };

static char folder[] = "/tmp/runnel-sandbox-XXXXXX";
static char readable[64];
static char writable[64];
static char elsewhere[64];

static const char *below(const char *base, const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return path;
}

static void write_file(const char *base) {
    int fd = open(below(base, "file"), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && write(fd, "text", 4) == 4);
    close(fd);
}

static int make_world(void **state) {
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(readable, sizeof readable, "%s/readable", folder);
    snprintf(writable, sizeof writable, "%s/writable", folder); /* sandbox_enter makes it */
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    assert_int_equal(mkdir(readable, 0700) | mkdir(elsewhere, 0700), 0);
    write_file(readable);
    write_file(elsewhere);
    return 0;
}

static int remove_world(void **state) {
    (void)state;
    unlink(below(readable, "file"));
    unlink(below(elsewhere, "file"));
    return rmdir(readable) | rmdir(writable) | rmdir(elsewhere) | rmdir(folder);
}

/* What comes of a try in a process that is shut in. Only calls that do not return to cmocka are safe there. */
static enum outcome find_out(bool (*attempt)(void), enum sandbox_kind kind, bool may_write) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sandbox sandbox = { .reads = { readable, "/nowhere" }, .n_reads = 2 };
        sandbox.writes = may_write ? writable : NULL;
        struct sandbox_state state = sandbox_enter(&sandbox, kind);
        _exit(state.has_filter && state.files_version > 0 ? attempt() ? WORKS : REFUSED : IS_UNKNOWN);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (enum outcome)WEXITSTATUS(status);
}

static void expect(bool (*attempt)(void), enum sandbox_kind kind, bool may_write, enum outcome wanted) {
    enum outcome outcome = find_out(attempt, kind, may_write);
    if (outcome == IS_UNKNOWN) {
        skip();
    }
    assert_int_equal(outcome, wanted);
}

static void expect_both(bool (*attempt)(void), enum outcome wanted) {
    expect(attempt, SANDBOX_PROCESSOR, false, wanted);
    expect(attempt, SANDBOX_PROCESSOR, true, wanted);
    expect(attempt, SANDBOX_DEVICES, false, wanted);
}

static bool opens(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0;
}

/* ---- The tries: true is "it worked" ---- */

static bool read_model(void) {
    char text[4];
    int fd = open(below(readable, "file"), O_RDONLY);
    return fd >= 0 && read(fd, text, 4) == 4 && mmap(NULL, 4, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED;
}

static bool read_elsewhere(void) {
    return opens(below(elsewhere, "file"), O_RDONLY) || opens("/etc/passwd", O_RDONLY);
}

static bool read_devices_elsewhere(void) {
    return opens(below(elsewhere, "file"), O_RDONLY);
}

static bool write_model(void) {
    return opens(below(readable, "file"), O_WRONLY) || opens(below(readable, "new"), O_WRONLY | O_CREAT) ||
           unlink(below(readable, "file")) == 0 || truncate(below(readable, "file"), 0) == 0;
}

static bool write_cache(void) {
    char from[128];
    snprintf(from, sizeof from, "%s", below(writable, "new"));
    int fd = open(from, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, "text", 4) == 4 && fdatasync(fd) == 0 && ftruncate(fd, 2) == 0;
    return is_written && rename(from, below(writable, "renamed")) == 0 &&
           unlink(below(writable, "renamed")) == 0 && mkdir(below(writable, "folder"), 0700) == 0 &&
           rmdir(below(writable, "folder")) == 0;
}

static bool open_socket(void) {
    int pair[2];
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
           socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static bool run_program(void) {
    char *args[] = { (char *)"/bin/true", NULL };
    execve(args[0], args, NULL);
    return syscall(SYS_execveat, AT_FDCWD, args[0], args, NULL, 0) == 0;
}

static bool make_process(void) {
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0;
}

static bool touch_other_process(void) {
    return kill(getppid(), 0) == 0 || syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 ||
           syscall(SYS_ptrace, 16L, (long)getppid(), 0L, 0L) == 0;
}

static bool make_code(void) {
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool has_new_privileges(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static void *run_thread(void *ctx) {
    return ctx;
}

static bool compute(void) {
    pthread_t thread;
    void *result = NULL;
    void *memory = malloc((size_t)8 << 20);
    bool has_thread = pthread_create(&thread, NULL, run_thread, &memory) == 0;
    return memory && has_thread && pthread_join(thread, &result) == 0 && result == &memory &&
           opens("/proc/self/status", O_RDONLY) && opens("/proc/meminfo", O_RDONLY) && kill(getpid(), 0) == 0;
}

/* ---- The tests ---- */

static void test_it_computes_and_reads_its_model(void **state) {
    (void)state;
    expect_both(compute, WORKS);
    expect_both(read_model, WORKS);
}

static void test_the_model_is_read_only(void **state) {
    (void)state;
    expect_both(write_model, REFUSED);
}

static void test_other_files_are_out_of_reach(void **state) {
    (void)state;
    expect(read_elsewhere, SANDBOX_PROCESSOR, false, REFUSED);
    expect(read_elsewhere, SANDBOX_PROCESSOR, true, REFUSED);
    expect(read_devices_elsewhere, SANDBOX_DEVICES, false, REFUSED);
}

static void test_the_cache_folder_is_made_and_can_be_written_to(void **state) {
    (void)state;
    expect(write_cache, SANDBOX_PROCESSOR, true, WORKS);
    expect(write_cache, SANDBOX_DEVICES, true, WORKS);
    expect(write_cache, SANDBOX_PROCESSOR, false, REFUSED);
    expect(write_cache, SANDBOX_DEVICES, false, REFUSED);
}

static void test_no_network_no_program_no_process(void **state) {
    (void)state;
    expect_both(open_socket, REFUSED);
    expect_both(run_program, REFUSED);
    expect_both(make_process, REFUSED);
    expect_both(touch_other_process, REFUSED);
    expect_both(has_new_privileges, REFUSED);
}

/* A driver makes code for its card. */
static void test_memory_becomes_code_for_a_driver_only(void **state) {
    (void)state;
    expect(make_code, SANDBOX_PROCESSOR, false, REFUSED);
    expect(make_code, SANDBOX_DEVICES, false, WORKS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_computes_and_reads_its_model),
        cmocka_unit_test(test_the_model_is_read_only),
        cmocka_unit_test(test_other_files_are_out_of_reach),
        cmocka_unit_test(test_the_cache_folder_is_made_and_can_be_written_to),
        cmocka_unit_test(test_no_network_no_program_no_process),
        cmocka_unit_test(test_memory_becomes_code_for_a_driver_only),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
