/* bench.h - runnel bench: how fast a model is on this machine, and what would suit it better.
 *
 *     runnel bench [MODEL] [--json]
 *
 * MODEL is a path or the name of a model; without it --model, else the first file of the model folders. It runs the engine alone, without a server and without
 * the database, for about half a minute (BENCH_STEP_MS for each figure, and the load). Exit code 0; 2: there are no figures, and a sentence says why.
 */
#ifndef RUNNEL_APP_BENCH_H
#define RUNNEL_APP_BENCH_H

#include "app/config.h"

#define BENCH_STREAMS 4
#define BENCH_STEP_MS 8000 /* a slow machine is cut off here */

int bench_run(const char *model, const struct config *config);

#endif
