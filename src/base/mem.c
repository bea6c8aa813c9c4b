#include "base/mem.h"

#include "base/fault_point.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mem_checked(void *memory) {
    if (memory == NULL || FAULT_POINT_FAILS("mem.alloc")) {
        static const char message[] = "runnel: out of memory\n";
        fwrite(message, 1, sizeof message - 1, stderr);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t n_bytes) {
    return mem_checked(calloc(1, n_bytes ? n_bytes : 1));
}

void *mem_try_alloc(size_t n_bytes) {
    return malloc(n_bytes ? n_bytes : 1);
}

void *mem_resize(void *memory, size_t n_bytes) {
    return mem_checked(realloc(memory, n_bytes ? n_bytes : 1));
}

void *mem_grow_array(void *array, size_t n, size_t *capacity, size_t element_bytes, size_t max) {
    assert(n < max);
    if (n < *capacity) {
        return array;
    }
    size_t wanted = *capacity ? *capacity * 2 : 8;
    *capacity = wanted < max ? wanted : max;
    return mem_resize(array, *capacity * element_bytes);
}

char *mem_copy_string(const char *text) {
    return text ? mem_copy_bytes(text, strlen(text)) : NULL;
}

char *mem_copy_bytes(const void *bytes, size_t n_bytes) {
    char *copy = mem_checked(malloc(n_bytes + 1));
    if (n_bytes) {
        memcpy(copy, bytes, n_bytes);
    }
    copy[n_bytes] = '\0';
    return copy;
}

char *mem_format(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return mem_checked(length < 0 ? NULL : text);
}
