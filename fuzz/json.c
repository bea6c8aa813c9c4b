/* The JSON door and UTF-8: what comes in is valid UTF-8 without an end, comes out as text that comes in again as the same, and nothing
 * is nested deeper than it may be. */
#include "base/json.h"
#include "base/bytes.h"
#include "base/utf8.h"

#include "fuzz.h"

static void check_depth(const json_t *value, int depth) {
    HOLDS(depth <= JSON_DEPTH_MAX || !(json_is_object(value) || json_is_array(value)));
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        HOLDS(utf8_is_valid(key, strlen(key)));
        check_depth(member, depth + 1);
    }
    json_array_foreach(value, i, member) {
        check_depth(member, depth + 1);
    }
    if (json_is_string(value)) {
        HOLDS(utf8_is_valid(json_string_value(value), json_string_length(value)));
    }
}

static void check_utf8(const char *text, size_t n_bytes) {
    bool is_valid = true;
    for (size_t at = 0; at < n_bytes;) {
        int step = utf8_step(text + at, n_bytes - at);
        is_valid = is_valid && step > 0;
        HOLDS(step <= 4 && (step <= 0 || at + (size_t)step <= n_bytes));
        at += step > 0 ? (size_t)step : 1;
    }
    HOLDS(is_valid == utf8_is_valid(text, n_bytes));
    size_t n_whole = utf8_whole_length(text, n_bytes);
    HOLDS(n_whole <= n_bytes && n_bytes - n_whole <= 3);
    if (is_valid) {
        struct bytes out;
        bytes_init(&out, n_bytes * 6 + 16);
        bytes_add_json_string(&out, text, n_bytes);
        HOLDS(!out.failed && memchr(out.data, '\n', out.size) == NULL &&
              memchr(out.data, '<', out.size) == NULL);
        bytes_deinit(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char *text = fuzz_copy(data, n_bytes);
    check_utf8(text, n_bytes);
    json_t *value = NULL;
    struct fault fault = { 0 };
    enum status status = json_parse(text, n_bytes, &value, &fault);
    HOLDS((status == STATUS_OK) == (value != NULL));
    if (value) {
        check_depth(value, 1);
        char *again = json_text(value);
        json_t *same = NULL;
        HOLDS(json_parse(again, strlen(again), &same, &fault) == STATUS_OK);
        char *third = json_text(same);
        HOLDS(strcmp(again, third) == 0); /* numbers have 15 digits: the value itself may be rounded once */
        free(third);
        json_decref(same);
        free(again);
    } else {
        HOLDS(fault.text[0] && utf8_is_valid(fault.text, strlen(fault.text)));
    }
    json_decref(value);
    free(text);
    return 0;
}
