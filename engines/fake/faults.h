/* faults.h - the things that go wrong on purpose. */
#ifndef RUNNEL_ENGINES_FAKE_FAULTS_H
#define RUNNEL_ENGINES_FAKE_FAULTS_H

#include "script.h"

enum faults_outcome { FAULTS_DONE, FAULTS_WAIT, FAULTS_ERROR };

/* faults_do does what the script says just before token, chunk or load event `number`, beginning at fault *next. FAULTS_WAIT: a gate is closed; call again.
 * FAULTS_ERROR: the generation is to end with an error. Many faults do not return at all. */
enum faults_outcome faults_do(const struct script *script, struct channel *channel, enum script_point point,
                              int number, const char *message, size_t *next);

bool faults_gate_is_open(const char *file);

#endif
