/* figures.h - what the answers have added up to since the start of the program.
 *
 * Thread  the loop thread. */
#ifndef RUNNEL_CHAT_FIGURES_H
#define RUNNEL_CHAT_FIGURES_H

#include "base/histogram.h"
#include "base/json.h"

/* `end.reason` [N9], in this order. */
enum { FIGURES_REASONS = 5 };
const char *figures_reason_name(size_t i);

struct figures {
    uint64_t n_tokens; /* committed */
    uint64_t n_ends[FIGURES_REASONS];
    uint64_t n_prompt_tokens; /* computed, and taken from the cache: as the engine tells at the end */
    uint64_t n_cached_tokens;
    uint64_t n_tokens_max; /* of prompt and answer together */
    double prefill_s;
    double decode_s;
    struct histogram first_token; /* from the question to the first token that is committed */
    struct histogram token_gap;   /* between two tokens of an answer, committed; over a crash too */
};

/* Of one answer, zeroed but for begun_ns. */
struct figures_clock {
    uint64_t begun_ns; /* 0: its first token has been */
    uint64_t last_ns;  /* its last token; 0: none yet */
};

void figures_add_token(struct figures *figures, struct figures_clock *clock, uint64_t now_ns);
void figures_add_end(struct figures *figures, const char *reason, const json_t *usage, const json_t *timings);

#endif
