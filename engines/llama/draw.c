#include "draw.h"

#include <math.h>

/* The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the result hangs on every bit of the word. */
static uint64_t mix(uint64_t word) {
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

double draw_uniform(uint64_t seed, uint64_t place, unsigned attempt) {
    const uint64_t golden = 0x9E3779B97F4A7C15u;
    uint64_t word = mix(seed + golden);
    word = mix(word ^ (place + golden));
    word = mix(word ^ (attempt + golden));
    return (double)(word >> 11) * 0x1p-53;
}

/* Returns the sum of all probabilities before they are divided by it; they are not. */
static double exponentiate(llama_token_data *candidates, size_t n) {
    float best = candidates[0].logit;
    for (size_t i = 1; i < n; i++) {
        best = candidates[i].logit > best ? candidates[i].logit : best;
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        candidates[i].p = expf(candidates[i].logit - best);
        sum += (double)candidates[i].p;
    }
    return sum;
}

size_t draw_pick(llama_token_data *candidates, size_t n, double uniform) {
    double wanted = uniform * exponentiate(candidates, n);
    size_t last = 0; /* rounding may leave a rest behind the last one that is possible */
    for (size_t i = 0; i < n; i++) {
        if (candidates[i].p > 0) {
            last = i;
            wanted -= (double)candidates[i].p;
            if (wanted < 0) {
                break;
            }
        }
    }
    return last;
}

size_t draw_mirostat_cut(const struct draw_mirostat *mirostat, llama_token_data *candidates, size_t n) {
    double sum = exponentiate(candidates, n);
    double least = sum * exp2(-mirostat->limit);
    size_t n_left = 0;
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        best = candidates[i].p > candidates[best].p ? i : best;
    }
    if ((double)candidates[best].p < least) {
        candidates[0] = candidates[best];
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        if ((double)candidates[i].p >= least) {
            candidates[n_left++] = candidates[i];
        }
    }
    return n_left;
}

void draw_mirostat_note(struct draw_mirostat *mirostat, const llama_token_data *candidates, size_t n,
                        llama_token token) {
    double sum = 0;
    double taken = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)candidates[i].p;
        taken += candidates[i].id == token ? (double)candidates[i].p : 0;
    }
    if (taken > 0) {
        mirostat->limit -= mirostat->eta * (log2(sum / taken) - mirostat->tau);
    }
}
