/* What memory is left, read from a /proc and a /sys of the test's own. */
#include "base/machine.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static char root[64];

static void put(const char *name, const char *text) {
    char *command = mem_format("mkdir -p $(dirname %s/%s)", root, name);
    assert_int_equal(system(command), 0);
    free(command);
    char *path = mem_format("%s/%s", root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static int make(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/runnel-machine-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("proc/meminfo", "MemTotal:       9000000 kB\nMemFree:  5 kB\nMemAvailable:    4096000 kB\n");
    return 0;
}

static int destroy(void **state) {
    (void)state;
    char *command = mem_format("rm -rf %s", root);
    assert_int_equal(system(command), 0);
    free(command);
    return 0;
}

static void test_without_limits_it_is_what_the_kernel_says(void **state) {
    (void)state;
    assert_int_equal(machine_available_bytes(root), 4000 * MIB);
}

static void test_nobody_says(void **state) {
    (void)state;
    put("proc/meminfo", "");
    assert_true(machine_available_bytes(root) == UINT64_MAX);
}

/* Version 2: the tightest of the group and those above it; pages of files can be had back. */
static void test_every_level_of_a_control_group_counts(void **state) {
    (void)state;
    put("proc/self/cgroup", "0::/a/b\n");
    put("sys/fs/cgroup/a/b/memory.max", "max\n");
    put("sys/fs/cgroup/a/b/memory.current", "5\n");
    put("sys/fs/cgroup/a/memory.max", "1048576000\n");
    put("sys/fs/cgroup/a/memory.current", "524288000\n");
    put("sys/fs/cgroup/a/memory.stat",
        "anon 7\nfile 209715200\ninactive_file 104857600\nactive_file 104857600\n");
    assert_int_equal(machine_available_bytes(root), 700 * MIB);
    put("sys/fs/cgroup/memory.max", "10485760\n");
    put("sys/fs/cgroup/memory.current", "20971520\n");
    assert_int_equal(machine_available_bytes(root), 0);
}

static void test_the_older_control_groups_count_too(void **state) {
    (void)state;
    put("proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/docker/z\n");
    put("sys/fs/cgroup/memory/docker/z/memory.limit_in_bytes", "209715200\n");
    put("sys/fs/cgroup/memory/docker/z/memory.usage_in_bytes", "104857600\n");
    assert_int_equal(machine_available_bytes(root), 100 * MIB);
}

static void test_a_process_has_what_it_wrote_to(void **state) {
    (void)state;
    uint64_t before = machine_private_bytes(getpid());
    size_t n_bytes = 64 * MIB;
    char *memory = malloc(n_bytes);
    assert_non_null(memory);
    memset(memory, 1, n_bytes);
    assert_true(before > 0 && machine_private_bytes(getpid()) >= before + n_bytes - MIB);
    free(memory);
    assert_int_equal(machine_private_bytes(0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_limits_it_is_what_the_kernel_says, make, destroy),
        cmocka_unit_test_setup_teardown(test_nobody_says, make, destroy),
        cmocka_unit_test_setup_teardown(test_every_level_of_a_control_group_counts, make, destroy),
        cmocka_unit_test_setup_teardown(test_the_older_control_groups_count_too, make, destroy),
        cmocka_unit_test(test_a_process_has_what_it_wrote_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
