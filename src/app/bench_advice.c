#include "app/bench_advice.h"

#include "base/mem.h"

#include <stdlib.h>

/* More bits for each weight than this: a quantisation of four bits and a half is near half the size, with little loss. */
#define BITS_LARGE 5.5
/* A prompt of a page or two, 1,000 tokens, should not be waited for longer than this. */
#define PAGE_TOKENS 1000
#define PAGE_S      10.0
/* The part of the memory that may be taken before the machine gets short of it. */
#define MEMORY_SHARE 0.8
/* A larger model is worth a sentence when it is so many times larger. */
#define LARGER_MIN 2.0
/* So much of the processors makes the figures worse than the machine is. */
#define BUSY 0.5
#define GB   1e9

static void add(json_t *list, char *sentence) {
    json_array_append_new(list, json_string(sentence));
    free(sentence);
}

static double bits_per_weight(const struct bench_figures *figures) {
    return figures->n_parameters ? 8.0 * (double)figures->size_bytes / (double)figures->n_parameters : 0.0;
}

/* Speed goes down as the weights grow: each token reads all of them. */
static void advise_larger(const struct bench_figures *figures, json_t *list) {
    double by_speed = (double)figures->size_bytes * figures->one / BENCH_COMFORTABLE;
    double other_bytes = (double)figures->memory_bytes - (double)figures->size_bytes;
    double by_memory =
        MEMORY_SHARE * (double)figures->available_bytes - (other_bytes > 0 ? other_bytes : 0.0);
    double largest = by_speed < by_memory ? by_speed : by_memory;
    if (figures->size_bytes && largest > LARGER_MIN * (double)figures->size_bytes) {
        add(list, mem_format("There is room for a better model: a file of up to about %.1f GB should still "
                             "say %.0f tokens a "
                             "second here.",
                             largest / GB,
                             largest < by_speed ? (double)figures->size_bytes * figures->one / largest
                                                : BENCH_COMFORTABLE));
    }
}

static void advise_smaller(const struct bench_figures *figures, json_t *list) {
    double fitting = (double)figures->size_bytes * figures->one / BENCH_READING;
    if (bits_per_weight(figures) > BITS_LARGE) {
        add(list,
            mem_format(
                "Its weights have %.1f bits each: the same model as Q4_K_M or Q4_0 is near half the size and "
                "about twice as fast.",
                bits_per_weight(figures)));
    } else if (figures->size_bytes) {
        add(list,
            mem_format("Take a smaller model: a file of about %.1f GB should keep up with reading here.",
                       fitting / GB));
    }
}

static void advise_speed(const struct bench_figures *figures, json_t *list) {
    if (figures->one < BENCH_READING) {
        add(list, mem_format("Slow: %.1f tokens a second are fewer than most people read.", figures->one));
        advise_smaller(figures, list);
    } else if (figures->one < BENCH_COMFORTABLE) {
        add(list, mem_format("Good enough: %.0f tokens a second keep up with reading.", figures->one));
    } else {
        add(list, mem_format("Fast: %.0f tokens a second are more than anybody reads.", figures->one));
        advise_larger(figures, list);
    }
}

static void advise_several(const struct bench_figures *figures, json_t *list) {
    double each = figures->several / 4;
    if (figures->one >= BENCH_READING && each < BENCH_READING) {
        add(list,
            mem_format("For one person at a time: of four answers at once each gets %.1f tokens a second.",
                       each));
    } else if (each >= BENCH_READING) {
        add(list, mem_format("Four people at once still get %.0f tokens a second each.", each));
    }
}

static void advise_prompts(const struct bench_figures *figures, json_t *list) {
    double page_s = figures->prompt > 0 ? PAGE_TOKENS / figures->prompt : 0;
    if (page_s > PAGE_S) {
        add(list, mem_format("Long texts take patience: a page or two (%d tokens) is read in %.0f s before "
                             "the answer begins.",
                             PAGE_TOKENS, page_s));
    }
}

static void advise_memory(const struct bench_figures *figures, json_t *list) {
    if ((double)figures->memory_bytes > MEMORY_SHARE * (double)figures->available_bytes) {
        add(list,
            mem_format(
                "It takes %.1f GB of the %.1f GB that can be had: close other programs, or choose a smaller "
                "--context or model.",
                (double)figures->memory_bytes / GB, (double)figures->available_bytes / GB));
    }
}

static void advise_again(const struct bench_figures *figures, json_t *list) {
    if (figures->busy > BUSY) {
        add(list,
            mem_format("Other programs kept the processors busy (%.0f %%): measure again when they are done.",
                       100 * figures->busy));
    }
}

json_t *bench_advice(const struct bench_figures *figures) {
    json_t *list = json_array();
    advise_speed(figures, list);
    advise_several(figures, list);
    advise_prompts(figures, list);
    advise_memory(figures, list);
    advise_again(figures, list);
    return list;
}
