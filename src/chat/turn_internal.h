/* turn_internal.h - shared by the files of a turn only: turn.c, turn_queue.c, turn_give.c, turn_engine.c, turn_end.c.
 *
 * A turn makes an answer: one generation, and those that go on with it after a crash.
 *
 *   BEHIND → WAITING → RUNNING → ENDING → freed, or WAITING again with the generation that goes on       any → ENDING
 *
 * BEHIND   another answer of the conversation comes first
 * WAITING  the model is not there yet, or another one is busy (turn_queue.c)
 * RUNNING  the engine has it (turn_give); its tokens go to the store (turn_engine.c), and into the stream when they are committed:
 *          nothing is seen before it is stored (P4)
 * ENDING   the event `end` is on its way to the disk (turn_end.c). An end that the store could not take is tried again: else the
 *          store would hold a reply that runs for ever
 *
 * T1  A generation ends exactly once: only turn_end leads into ENDING.
 * T2  seq is given out in on_step and nowhere else; the store's append guard checks it.
 * T3  Answers of the store come in the order of the jobs, so the turn outlives its last append.
 * T4  A conversation's turns are in the order of its messages: conversation->turn → behind → behind. Only the first is not BEHIND, or
 *     ENDING.
 */
#ifndef RUNNEL_CHAT_TURN_INTERNAL_H
#define RUNNEL_CHAT_TURN_INTERNAL_H

#include "chat/chat_internal.h"

enum turn_state { TURN_BEHIND, TURN_WAITING, TURN_RUNNING, TURN_ENDING };

struct ending;

struct turn {
    struct list_node node; /* in chat->turns */
    struct chat *chat;
    struct conversation *conversation; /* held */
    struct turn *behind;               /* the next of the conversation; NULL: none */
    struct message *answer;            /* its newest stream is what is being made */
    enum turn_state state;
    char *model_path;
    struct engine *engine; /* that makes it, while RUNNING; else NULL */
    struct settings settings;
    json_t *messages;     /* what the model is given; NULL: not made yet */
    uint64_t seq;         /* of the last event given to the store */
    size_t n_uncommitted; /* appends without an answer */
    uint32_t n_dropped;   /* messages that the engine leaves out of them */
    bool load_tried;
    bool is_kept;    /* a call of a compatible API asked that it goes on without it */
    bool is_patient; /* it goes on after a crash: the engine is not started again before its time */
    bool store_failed;
    bool is_full;          /* the text reached STREAM_TEXT_BYTES_MAX: it ends as "length" */
    size_t text_size;      /* of the whole answer, given to the store */
    struct ending *ending; /* NULL unless ENDING */
    enum turn_fate fate;
    uint64_t asker; /* struct chat_asker's number */
    struct figures_clock clock;
    uint64_t unwatched_min_ms; /* nobody is missed before (clock_now_ms) */
    struct list_node deletes;  /* chat_delete calls that wait for the end */
};

#define TURN_UNLOADED_FAULT "the model was unloaded: Continue, or another message, loads it again"
#define TURN_STORAGE_FAULT  "the answer could not be stored: look at the disk's free space and the log"

json_t *turn_error(const char *code, const char *text);

/* ---- turn_end.c ---- */
/* turn_end ends the generation, for good. Takes over the references. */
void turn_end(struct turn *turn, const char *reason, json_t *error, json_t *usage, json_t *timings);
/* turn_interrupt ends it as "interrupted"; it goes on by itself if the settings want it. */
void turn_interrupt(struct turn *turn, json_t *error, json_t *usage, json_t *timings);
void turn_fail(struct turn *turn, const char *code, const char *text);
/* turn_end_by_fate ends one whose fate is not open. */
void turn_end_by_fate(struct turn *turn);

/* ---- turn_queue.c ---- */
/* turn_add gives it its place, turn_remove takes it out; the next of the conversation has to be begun then. */
void turn_add(struct turn *turn);
void turn_remove(struct turn *turn);
/* turn_come: it is the first of its conversation. */
void turn_come(struct turn *turn);
/* turn_advance gives a WAITING one to the engine, or looks at why it cannot. */
void turn_advance(struct turn *turn);

/* ---- turn_give.c ---- */
/* turn_give gives it to an engine that has its model: as engine_generate. An answer that is long enough already ends. */
MUST_CHECK enum status turn_give(struct turn *turn, struct engine *engine);

#endif
