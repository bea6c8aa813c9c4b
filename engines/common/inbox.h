/* inbox.h - the commands that wait for the engine, in their order ([E19]).
 *
 * The inbox answers by itself what needs no model: pings, lines that cannot be understood, and commands whose fields are
 * wrong ([E2], [E6]). During a load it keeps everything but pings and unload for later, and so it does in the middle of a step.
 *
 * Owner   the engine's main loop.
 * Thread  one.
 * Memory  inbox_next gives the command away: command_free.
 * Limits  INBOX_KEPT_MAX commands are kept; reading stops there until they are taken.
 */
#ifndef RUNNEL_ENGINES_COMMON_INBOX_H
#define RUNNEL_ENGINES_COMMON_INBOX_H

#include "common/channel.h"
#include "common/command.h"
#include "common/events.h"

#define INBOX_KEPT_MAX 1024

struct inbox {
    struct channel *channel;
    struct events *events;
    struct command *kept;
    struct command **kept_tail;
    size_t n_kept;
};

void inbox_init(struct inbox *inbox, struct channel *channel, struct events *events);
void inbox_deinit(struct inbox *inbox);

/* inbox_next reads what the channel has, without blocking, and returns the next command to carry out; NULL: none now. With
 * `loading`, only unload comes out. */
struct command *inbox_next(struct inbox *inbox, bool loading);

/* inbox_collect reads what the channel has, without blocking, and keeps it for inbox_next: for a look in the middle of other work.
 * Pings are answered. What was collected is `kept`, in its order. */
void inbox_collect(struct inbox *inbox);

/* inbox_must_go: the server closed the socket, so all work is to be dropped ([E4]). */
bool inbox_must_go(const struct inbox *inbox);

/* inbox_is_done: the input ended and every command was taken. */
bool inbox_is_done(const struct inbox *inbox);

#endif
