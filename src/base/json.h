/* json.h - strict JSON at the door, on jansson.
 *
 * json_parse refuses what RFC 8259 leaves open: duplicate keys, invalid UTF-8, lone surrogates, trailing
 * bytes, and depth beyond JSON_DEPTH_MAX, which is counted before the parser recurses (threat T21).
 *
 * Thread  any; one json_t belongs to one thread.
 * Memory  json_t is reference-counted by jansson: json_decref.
 */
#ifndef RUNNEL_BASE_JSON_H
#define RUNNEL_BASE_JSON_H

#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64

/* json_use_mem gives the library memory of mem.h: it never answers that there is none. Before anything else of it. */
void json_use_mem(void);

/* json_parse returns a new reference in *out. On failure *out is NULL and the fault names the place. */
MUST_CHECK enum status json_parse(const char *text, size_t n_bytes, json_t **out, struct fault *fault);

/* json_parse_object: as json_parse, and the value is an object. */
MUST_CHECK enum status json_parse_object(const char *text, size_t n_bytes, json_t **out, struct fault *fault);

/* The json_take functions read an optional field: absent or null leaves *out alone and is OK; another type or
 * a number out of [min, max] is STATUS_INVALID with a fault that names the field. Strings are borrowed from
 * the object. A string with a NUL inside is refused: nothing that comes through here may have one. */
MUST_CHECK enum status json_take_string(const json_t *object, const char *key, const char **out,
                                        struct fault *fault);
MUST_CHECK enum status json_take_bool(const json_t *object, const char *key, bool *out, struct fault *fault);
MUST_CHECK enum status json_take_int(const json_t *object, const char *key, int64_t min, int64_t max,
                                     int64_t *out, struct fault *fault);
MUST_CHECK enum status json_take_double(const json_t *object, const char *key, double min, double max,
                                        double *out, struct fault *fault);

/* json_text is the compact text of a value in new memory; free with free(). */
char *json_text(const json_t *value);

/* json_get_present is the value at `key`; NULL where it is absent or null. Borrowed. */
json_t *json_get_present(const json_t *object, const char *key);

/* json_get_text is the string at `key`, or `otherwise` when there is none. For objects that the program
 * itself wrote. */
const char *json_get_text(const json_t *object, const char *key, const char *otherwise);

#endif
