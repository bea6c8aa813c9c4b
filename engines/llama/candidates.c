#include "candidates.h"

#include <math.h>
#include <stdbool.h>

/* Logits are looked at in blocks. The highest of a block is found in lanes that do not depend on each other, which compilers turn into a
 * few vector instructions; a block that has nothing of interest is looked at no closer. */
#define BLOCK 32
#define LANES 8

static float find_block_max(const float *logits) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        lanes[lane] = logits[lane];
    }
    for (int i = LANES; i < BLOCK; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
        }
    }
    float max = lanes[0];
    for (int lane = 1; lane < LANES; lane++) {
        max = lanes[lane] > max ? lanes[lane] : max;
    }
    return max;
}

llama_token candidates_best(const float *logits, int n_vocab) {
    llama_token best = 0;
    for (int begin = 0; begin < n_vocab; begin += BLOCK) {
        bool is_whole = begin + BLOCK <= n_vocab;
        if (is_whole && !(find_block_max(logits + begin) > logits[best])) {
            continue;
        }
        int end = is_whole ? begin + BLOCK : n_vocab;
        for (int i = begin; i < end; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
    }
    return best;
}

static bool seen_before(const llama_token *tokens, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (tokens[i] == tokens[index]) {
            return true;
        }
    }
    return false;
}

void candidates_penalize(float *logits, int n_vocab, const llama_token *recent, size_t n_recent,
                         float penalty) {
    for (size_t i = 0; i < n_recent; i++) {
        if (recent[i] >= 0 && recent[i] < n_vocab && !seen_before(recent, i)) {
            float *logit = &logits[recent[i]];
            *logit = *logit > 0 ? *logit / penalty : *logit * penalty;
        }
    }
}

void candidates_lower(float *logits, int n_vocab, const llama_token *tokens, const uint32_t *counts, size_t n,
                      float frequency, float presence) {
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] >= 0 && tokens[i] < n_vocab) {
            logits[tokens[i]] -= frequency * (float)counts[i] + presence;
        }
    }
}

void candidates_forbid(float *logits, int n_vocab, const llama_token *tokens, size_t n_tokens) {
    for (size_t i = 0; i < n_tokens; i++) {
        if (tokens[i] >= 0 && tokens[i] < n_vocab) {
            logits[tokens[i]] = -INFINITY;
        }
    }
}

size_t candidates_take_all(const float *logits, int n_vocab, llama_token_data *out) {
    for (int i = 0; i < n_vocab; i++) {
        out[i] = (llama_token_data){ .id = i, .logit = logits[i] };
    }
    return (size_t)n_vocab;
}

static bool is_worse(const llama_token_data *a, const llama_token_data *b) {
    return a->logit < b->logit || (a->logit == b->logit && a->id > b->id);
}

/* Restores the heap whose worst entry is on top, after heap[at] was replaced. */
static void sift_down(llama_token_data *heap, size_t n, size_t at) {
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++) {
            worst = is_worse(&heap[child], &heap[worst]) ? child : worst;
        }
        if (worst == at) {
            return;
        }
        llama_token_data moved = heap[at];
        heap[at] = heap[worst];
        heap[worst] = moved;
        at = worst;
    }
}

/* Those of a block that belong into the heap. */
static void take_better(const float *logits, int begin, int end, llama_token_data *heap, size_t n) {
    for (int i = begin; i < end; i++) {
        if (logits[i] > heap[0].logit) {
            heap[0] = (llama_token_data){ .id = i, .logit = logits[i] };
            sift_down(heap, n, 0);
        }
    }
}

size_t candidates_take_top(const float *logits, int n_vocab, size_t k, llama_token_data *out) {
    size_t n = k < (size_t)n_vocab ? k : (size_t)n_vocab;
    if (n == 0) {
        return 0;
    }
    candidates_take_all(logits, (int)n, out);
    for (size_t i = n / 2; i-- > 0;) {
        sift_down(out, n, i);
    }
    for (int begin = (int)n; begin < n_vocab; begin += BLOCK) {
        bool is_whole = begin + BLOCK <= n_vocab;
        if (!is_whole || find_block_max(logits + begin) > out[0].logit) {
            take_better(logits, begin, is_whole ? begin + BLOCK : n_vocab, out, n);
        }
    }
    for (size_t left = n; left > 1; left--) { /* the worst goes to the end, again and again */
        llama_token_data worst = out[0];
        out[0] = out[left - 1];
        out[left - 1] = worst;
        sift_down(out, left - 1, 0);
    }
    return n;
}
