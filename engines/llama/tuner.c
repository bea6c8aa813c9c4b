#include "tuner.h"

#include <math.h>

#define PROBE_STEPS 3
#define PROBE_WORSE 1.4  /* one step says enough */
#define PROBE_GAIN  0.92 /* what is better must be better by more than noise */

/* The share of time that probes may cost is one to this. */
#define LOSS_FACTOR 30.0
#define LOOK_MS_MIN 150.0
#define LOOK_MS_MAX 4000.0 /* also after a very bad probe */

#define RECENT_RATE 0.3
#define USUAL_RATE  0.02

/* So much slower than usual, for so many steps: something has changed. */
#define SLOW_FACTOR 1.25
#define SLOW_STEPS  2

void tuner_init(struct tuner *tuner, int n_threads, bool is_fixed) {
    *tuner = (struct tuner){ .direction = -1 };
    for (int step = 1, count = 1; !is_fixed && count < n_threads; count += step) {
        if (tuner->n_counts == TUNER_COUNTS_MAX - 1) {
            break;
        }
        tuner->counts[tuner->n_counts++] = count;
        step = count >= 4 && (count & (count - 1)) == 0 ? count / 2 : step;
    }
    tuner->counts[tuner->n_counts++] = n_threads;
    tuner->at = tuner->probe = tuner->n_counts - 1;
}

static bool is_probing(const struct tuner *tuner) {
    return tuner->probe != tuner->at;
}

static void begin_probe(struct tuner *tuner) {
    int next = tuner->at + tuner->direction;
    if (next < 0 || next >= tuner->n_counts) {
        tuner->direction = -tuner->direction;
        next = tuner->at + tuner->direction;
    }
    tuner->probe = next;
    tuner->n_steps = 0;
    tuner->probe_sum = tuner->lost_ms = 0;
}

int tuner_choose(struct tuner *tuner) {
    bool is_settled = !is_probing(tuner) && tuner->recent > 0;
    bool is_due = tuner->now_ms >= tuner->next_ms;
    bool is_slower =
        tuner->n_slow >= SLOW_STEPS && tuner->now_ms >= tuner->next_ms - TUNER_LOOK_MS + LOOK_MS_MIN;
    if (tuner->n_counts > 1 && is_settled && (is_due || is_slower)) {
        begin_probe(tuner);
    }
    return tuner->probe;
}

static void settle(struct tuner *tuner, int at, double level) {
    bool has_moved = at != tuner->at;
    tuner->n_failed = has_moved ? 0 : tuner->n_failed + 1;
    /* What was better once is tried further; else the other side is next. */
    tuner->direction = has_moved ? at - tuner->at : -tuner->direction;
    tuner->at = tuner->probe = at;
    tuner->recent = level;
    tuner->usual = has_moved ? level : tuner->usual;
    tuner->n_slow = 0;
    double wait_ms = fmin(LOOK_MS_MIN * exp2(tuner->n_failed), TUNER_LOOK_MS);
    tuner->next_ms = tuner->now_ms + fmin(fmax(wait_ms, LOSS_FACTOR * tuner->lost_ms), LOOK_MS_MAX);
}

static void note_probe(struct tuner *tuner, double relative, double ms) {
    tuner->n_steps++;
    tuner->probe_sum += relative;
    tuner->lost_ms += ms * (1 - tuner->recent / relative);
    double mean = tuner->probe_sum / tuner->n_steps;
    if (mean > PROBE_WORSE * tuner->recent) {
        settle(tuner, tuner->at, tuner->recent);
    } else if (tuner->n_steps == PROBE_STEPS) {
        bool is_better = mean < PROBE_GAIN * tuner->recent;
        settle(tuner, is_better ? tuner->probe : tuner->at, is_better ? mean : tuner->recent);
    }
}

static void note_settled(struct tuner *tuner, double relative) {
    bool is_first = tuner->recent <= 0;
    tuner->next_ms = is_first ? tuner->now_ms + LOOK_MS_MIN : tuner->next_ms;
    tuner->recent = is_first ? relative : tuner->recent + RECENT_RATE * (relative - tuner->recent);
    tuner->usual = is_first ? relative : tuner->usual + USUAL_RATE * (relative - tuner->usual);
    tuner->n_slow = relative > SLOW_FACTOR * tuner->usual ? tuner->n_slow + 1 : 0;
}

void tuner_note(struct tuner *tuner, int index, double relative, double ms) {
    if (!(relative > 0)) {
        return;
    }
    tuner->now_ms += ms;
    if (index == tuner->at) {
        note_settled(tuner, relative);
    } else if (index == tuner->probe) {
        note_probe(tuner, relative, ms);
    }
}
