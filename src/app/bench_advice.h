/* bench_advice.h - what the figures of a machine and a model mean for the person who asked.
 *
 * Thread  any.
 */
#ifndef RUNNEL_APP_BENCH_ADVICE_H
#define RUNNEL_APP_BENCH_ADVICE_H

#include "base/json.h"

#include <stdint.h>

/* Tokens a second. A person reads about 250 words a minute, of 1.3 tokens each (Brysbaert 2019): 5 to 6; the engine gives running answers 7 while
 * it reads a prompt ([E24]). Twice that feels like no wait. */
#define BENCH_READING     7.0
#define BENCH_COMFORTABLE 15.0

struct bench_figures {
    double load_s;
    double first_s;      /* to the first token of a short question */
    double one;          /* tokens a second of one answer */
    double several;      /* of BENCH_STREAMS together */
    double prompt;       /* tokens of a prompt a second */
    double long_first_s; /* to the first token behind n_prompt tokens */
    uint32_t n_prompt;
    uint64_t memory_bytes;    /* that the engine takes */
    uint64_t available_bytes; /* that can be had, the engine's included; UINT64_MAX: unknown */
    double busy;              /* how much of the processors others used before: 0 to 1, and more */
    uint64_t size_bytes;      /* of the weights; 0: unknown */
    uint64_t n_parameters;    /* 0: unknown */
};

/* bench_advice is a new array of sentences, at least one. */
json_t *bench_advice(const struct bench_figures *figures);

#endif
