/* fields.h - what the compatible APIs do with the fields of their requests: one list, for what is refused, for what a client is told to be without
 * effect, and for the rows of docs/compatibility.md [W113] [W114].
 *
 * Thread  any; the lists are constant. fields_check: the loop thread.
 * Units   a name is that of a member of the body; with a point in it, of a member of an object in it: "stream_options.include_usage".
 * Limits  a client is told of FIELDS_TOLD_MAX names at the most.
 */
#ifndef RUNNEL_API_FIELDS_H
#define RUNNEL_API_FIELDS_H

#include "api/openai.h"
#include "base/bytes.h"

#define FIELDS_TOLD_MAX   20
#define FIELDS_NAME_BYTES 64 /* of one of them */

enum field_use { FIELD_DONE, FIELD_IGNORED, FIELD_REFUSED };

struct field {
    const char *name;
    enum field_use use;
    const char *only; /* the one value that can be had, as JSON; NULL: there are others */
    const char *note; /* refused: what to do instead; else what differs from the original. NULL: nothing */
};

/* One for each kind of request. */
struct fields {
    const char *request;      /* "POST /v1/…" */
    const struct field *list; /* a name that is NULL ends it */
};

/* fields_list.c */
extern const struct fields fields_chat, fields_completions, fields_responses, fields_messages,
    fields_ollama_chat, fields_ollama_generate, fields_embeddings, fields_ollama_embed,
    fields_ollama_embeddings, fields_ollama_pull, fields_completion, fields_infill;

/* fields_check refuses a body with what cannot be had: false, and the error names it. What is there and without effect is put into the header of the answer
 * to come. A member that says nothing (null, false, "" or []) counts as absent. */
MUST_CHECK bool fields_check(const struct fields *fields, struct net_conn *net, const json_t *body,
                             struct openai_error *error);

/* The two halves of it. fields_add_ignored appends the names, with ", " between them: those of unusual letters are left out. */
MUST_CHECK bool fields_refuse(const struct fields *fields, const json_t *body, struct openai_error *error);
void fields_add_ignored(const struct fields *fields, const json_t *body, struct bytes *out);

/* fields_json is [{"request","fields":[{"name","use","only","note"}…]}…] of all lists; a new reference. */
json_t *fields_json(void);

#endif
