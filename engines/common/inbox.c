#include "common/inbox.h"

#include "base/log.h"

void inbox_init(struct inbox *inbox, struct channel *channel, struct events *events) {
    *inbox = (struct inbox){ .channel = channel, .events = events };
    inbox->kept_tail = &inbox->kept;
}

void inbox_deinit(struct inbox *inbox) {
    while (inbox->kept) {
        struct command *command = inbox->kept;
        inbox->kept = command->next;
        command_free(command);
    }
    inbox->kept_tail = &inbox->kept;
    inbox->n_kept = 0;
}

static void refuse(struct inbox *inbox, const struct command *command, const char *text) {
    struct engine_error error;
    engine_error_set(&error, ERROR_BAD_REQUEST, "%s", text);
    LOG_WARN("command_refused", "op=%.40s reason=%s", command ? command->op_name : "", error.text);
    if (command && command->id) {
        events_end(inbox->events, command->id, &(struct end_report){ .reason = "error", .error = &error });
    } else {
        events_failed(inbox->events, command ? command->op_name : "", &error);
    }
}

/* The next line as a command that is worth carrying out; NULL when no line waits. */
static struct command *next_decoded(struct inbox *inbox) {
    for (;;) {
        char *line;
        size_t n_bytes;
        struct command *command = NULL;
        struct fault fault;
        enum channel_line kind = channel_next_line(inbox->channel, &line, &n_bytes);
        if (kind == CHANNEL_NONE) {
            return NULL;
        }
        if (kind == CHANNEL_TOO_LONG) {
            refuse(inbox, NULL, "a line must not be longer than 8 MiB");
        } else if (n_bytes > 0 && command_decode(line, n_bytes, &command, &fault)) {
            refuse(inbox, command, fault.text);
        } else if (command && command->op == COMMAND_PING) {
            events_pong(inbox->events, command->n);
        } else if (command && command->op != COMMAND_UNKNOWN) {
            return command;
        }
        command_free(command);
    }
}

static void keep(struct inbox *inbox, struct command *command) {
    *inbox->kept_tail = command;
    inbox->kept_tail = &command->next;
    inbox->n_kept++;
}

static struct command *take_kept(struct inbox *inbox) {
    struct command *command = inbox->kept;
    inbox->kept = command->next;
    inbox->kept_tail = inbox->kept ? inbox->kept_tail : &inbox->kept;
    inbox->n_kept--;
    command->next = NULL;
    return command;
}

struct command *inbox_next(struct inbox *inbox, bool loading) {
    if (!loading && inbox->kept) {
        return take_kept(inbox);
    }
    while (inbox->n_kept < INBOX_KEPT_MAX) {
        channel_read(inbox->channel);
        struct command *command = next_decoded(inbox);
        if (command == NULL || !loading || command->op == COMMAND_UNLOAD) {
            return command;
        }
        keep(inbox, command);
    }
    return NULL;
}

void inbox_collect(struct inbox *inbox) {
    while (inbox->n_kept < INBOX_KEPT_MAX) {
        channel_read(inbox->channel);
        struct command *command = next_decoded(inbox);
        if (command == NULL) {
            return;
        }
        keep(inbox, command);
    }
}

bool inbox_must_go(const struct inbox *inbox) {
    return inbox->channel->at_end && inbox->channel->is_live;
}

bool inbox_is_done(const struct inbox *inbox) {
    return inbox->channel->at_end && inbox->kept == NULL && inbox->channel->at == inbox->channel->in.size;
}
