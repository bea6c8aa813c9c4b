/* Pages of a file that are let go are not in memory any more, and say the same when they are read again. */
#include "file_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define N_BYTES ((size_t)8 << 20)

/* proc(5), statm, third number: pages of files and shared memory. */
static size_t shared_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    char line[256] = "";
    char *at = line;
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    strtoul(at, &at, 10);
    strtoul(at, &at, 10);
    return strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned long sum_of(const unsigned char *bytes) {
    unsigned long sum = 0;
    for (size_t i = 0; i < N_BYTES; i += 512) {
        sum += bytes[i];
    }
    return sum;
}

static void test_pages_are_dropped_and_come_back(void **state) {
    (void)state;
    char path[] = "/tmp/runnel file_pages XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unsigned char *text = malloc(N_BYTES);
    assert_non_null(text);
    memset(text, 'a', N_BYTES);
    assert_int_equal(write(fd, text, N_BYTES), N_BYTES);
    unsigned char *mapped = mmap(NULL, N_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(mapped != MAP_FAILED);
    size_t before = shared_bytes();
    assert_int_equal(sum_of(mapped), sum_of(text));
    assert_true(shared_bytes() > before + N_BYTES / 2);
    assert_int_equal(file_pages_drop(path), N_BYTES);
    assert_true(shared_bytes() < before + N_BYTES / 2);
    assert_int_equal(sum_of(mapped), sum_of(text));
    assert_int_equal(file_pages_drop("/nowhere"), 0);
    munmap(mapped, N_BYTES);
    unlink(path);
    close(fd);
    free(text);
}

static void test_what_is_written_to_is_its_own(void **state) {
    (void)state;
    uint64_t before = file_pages_own_bytes();
    unsigned char *bytes = mmap(NULL, N_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(bytes != MAP_FAILED);
    memset(bytes, 1, N_BYTES);
    assert_true(before > 0 && file_pages_own_bytes() > before + N_BYTES / 2);
    munmap(bytes, N_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_pages_are_dropped_and_come_back),
                                        cmocka_unit_test(test_what_is_written_to_is_its_own) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
