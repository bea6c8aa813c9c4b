/* chat_world.h - a store, an engine and a loop made by hand, for the unit tests of the chat as a whole.
 *
 * What the chat asks of the store waits as a job until the test answers it: so a test decides what comes while something else is
 * under way. The engine is READY, and ends what it was given, when the test says so.
 *
 * Owner   the test: chat_world_set_up and chat_world_tear_down are its cmocka functions. The end answers what still waits.
 * Thread  one.
 */
#ifndef RUNNEL_CHAT_CHAT_WORLD_H
#define RUNNEL_CHAT_CHAT_WORLD_H

#include "chat/chat.h"

#define WORLD_NAME       "chat_2026-11-23-00-00-00-000.txt" /* a stored conversation */
#define WORLD_NEW        "chat_2026-11-23-00-00-00-001.txt" /* what the store calls a new one */
#define WORLD_GENERATION "0123456789abcdef0123456789abcdef" /* the last one of WORLD_NAME */
#define WORLD_MODEL      "fake:one"

enum job_kind {
    JOB_SEND,
    JOB_CONTINUE,
    JOB_BEGIN_DETACHED,
    JOB_END,
    JOB_LOAD,
    JOB_FIND,
    JOB_DELETE,
    JOB_CHANGE,
    JOB_PUT_SETTING,
};

struct chat_world {
    struct chat *chat;
    struct list_node jobs; /* in the order they were asked */
    struct store_waiting waiting[1];
    size_t n_waiting; /* what chat_start finds */
    struct engine *engine;
    size_t n_loads;           /* models that were loaded */
    char given[ID_HEX_BYTES]; /* the generation that the engine makes; empty: none */
    bool is_cancelled;        /* it was asked to end it */
};

extern struct chat_world *world;

int chat_world_set_up(void **state);
int chat_world_tear_down(void **state);

/* world_waits: jobs of a kind that wait for an answer. */
size_t world_waits(enum job_kind kind);

/* world_asked: the generation that the oldest job of a kind names. */
const char *world_asked(enum job_kind kind);

/* Each answers the oldest job of its kind; the test fails when there is none. What the store would have found is as simple as can be. */
void world_sent(enum status status);
void world_continued(enum status status);
void world_begun(enum status status);
void world_ended(void);
void world_found(void);
void world_deleted(enum status status);
void world_changed(enum status status);
/* WORLD_NAME: a question, and an answer whose generation is open or has ended as `reason`; `settings` is what it has of its own. */
void world_loaded(const char *generation_id, const char *reason, const char *settings);
void world_not_loaded(enum status status);

/* The engine has loaded its model; it ends what it makes. */
void world_engine_ready(void);
void world_engine_ends(const char *reason);

#endif
