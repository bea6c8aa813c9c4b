/* clock.h - two clocks that are never mixed: timers are monotonic, the wall clock is for display (P12). */
#ifndef RUNNEL_BASE_CLOCK_H
#define RUNNEL_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* clock_now_ns reads CLOCK_MONOTONIC, the same clock in every process of this machine. */
uint64_t clock_now_ns(void);
uint64_t clock_now_ms(void);

/* clock_wall_ms is milliseconds since 1970 UTC. */
int64_t clock_wall_ms(void);

#define CLOCK_ISO_BYTES 32

/* clock_format_iso writes "2026-11-22T21:05:10.123Z". */
void clock_format_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES]);

/* clock_format_dashes writes "2026-11-22-21-05-10-123", the form inside conversation ids. */
void clock_format_dashes(int64_t wall_ms, char out[CLOCK_ISO_BYTES]);

/* clock_parse reads either of the two. False: it is neither, or not after 1970. */
bool clock_parse(const char *text, int64_t *wall_ms);

#endif
