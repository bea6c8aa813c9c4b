/* tuner.h - how many threads: chosen, and chosen again, by what steps take.
 *
 * The compute threads wait for each other hundreds of times in a step, spinning. When another program takes one of their cores,
 * each wait lasts as long as its time slice, and fewer threads are faster. Nothing but the clock says so on every system: so the
 * tuner tries its neighbours, and stays with what was best.
 *
 *   settled ──time for a look, or slower than usual──▶ probing ──better──▶ settled there
 *      ▲───────────────── not better, or clearly worse ──────┘
 *
 * A probe is one to three steps. What it lost is known, and the next one waits thirty times that: probing costs about 3 %. While nothing
 * changes the looks become rare, at the most TUNER_LOOK_MS apart. Only the time that its steps take counts: a prompt after an hour of
 * rest is no better place for a look than one after another.
 *
 * Counts are a ladder (1, 2, 3, 4, 6, 8, 12 …), because on many cores one thread more or less makes no difference.
 *
 * Pure: no clock. Owner: the scheduler, one for decoding and one for prefill. Units: milliseconds.
 */
#ifndef RUNNEL_ENGINES_LLAMA_TUNER_H
#define RUNNEL_ENGINES_LLAMA_TUNER_H

#include <stdbool.h>

#define TUNER_COUNTS_MAX 16
#define TUNER_LOOK_MS    1200.0

struct tuner {
    int counts[TUNER_COUNTS_MAX]; /* rising */
    int n_counts;
    int at;        /* the index of the count that is settled on */
    int probe;     /* the index that is tried; equal to `at`: none */
    int direction; /* of the next probe */
    int n_steps;   /* of the probe */
    double probe_sum;
    double lost_ms;
    double usual; /* what a step takes, over what is expected of it: slowly, and of the last few */
    double recent;
    int n_slow; /* steps in a row that were slower than usual */
    int n_failed;
    double now_ms;  /* of all steps together */
    double next_ms; /* the next look */
};

/* tuner_init begins with the most. `is_fixed`: there is only that one. */
void tuner_init(struct tuner *tuner, int n_threads, bool is_fixed);

/* tuner_choose is the index of the count for the next step. */
int tuner_choose(struct tuner *tuner);

/* tuner_note: a step with counts[index] took `ms`, which is `relative` times what is expected of a step with that work, whatever the
 * threads. */
void tuner_note(struct tuner *tuner, int index, double relative, double ms);

#endif
