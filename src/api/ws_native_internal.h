/* ws_native_internal.h - shared by the files of GET /ws only: ws_native.c, ws_native_watch.c, ws_native_calls.c. */
#ifndef RUNNEL_API_WS_NATIVE_INTERNAL_H
#define RUNNEL_API_WS_NATIVE_INTERNAL_H

#include "api/api_internal.h"
#include "api/ws_native_frames.h"

struct native {
    struct api_conn conn;
    struct list_node node;    /* in api->natives, once it said hello */
    struct list_node watches; /* the first is the next to be read */
    size_t n_watches;
    struct list_node calls;
    size_t n_calls;
    struct draft *draft; /* what is being typed; NULL: nothing yet */
    bool model_due;      /* the model changed since it was told */
    bool storage_due;    /* so did what is wrong with the disk */
    bool downloads_due;  /* and the list of downloads */
    bool inspects;       /* tokens with their stations [N33] */
    bool is_greeted;
};

/* native_fail tells a failure. `about` says of what. */
void native_fail(struct native *native, enum status status, const char *text,
                 const struct native_about *about);

/* One request of a client each. A failure is told by the caller. */
MUST_CHECK enum status native_on_watch(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_unwatch(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_send(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_edit(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_regenerate(struct native *native, const json_t *request,
                                            struct fault *fault);
MUST_CHECK enum status native_on_select(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_seen(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_draft(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_stop(struct native *native, const json_t *request, struct fault *fault);
MUST_CHECK enum status native_on_continue(struct native *native, const json_t *request, struct fault *fault);

/* ---- ws_native_watch.c ---- */
/* May another conversation be watched, when n_coming are about to be? STATUS_FULL. */
MUST_CHECK enum status native_check_watches(const struct native *native, size_t n_coming,
                                            struct fault *fault);
/* native_watch_new: whoever began a conversation sees it from its first message on (N6). */
void native_watch_new(struct native *native, const struct chat_sent *sent);
/* native_watch_reshaped tells that messages were hidden or shown, if the conversation is watched, and then all that is left. */
void native_watch_reshaped(struct native *native, const struct store_reshaped *reshaped, bool are_hidden);
/* native_watches_write writes one frame of what is due; false: nothing is. */
bool native_watches_write(struct native *native);
bool native_watches_have_more(const struct native *native);
void native_watches_free(struct native *native);

/* ---- ws_native_calls.c ---- */
void native_calls_free(struct native *native);

#endif
