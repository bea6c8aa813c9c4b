/* chat_parser.h - an answer, taken apart while it grows: content, thoughts, calls of tools. The reading is libllama-common's.
 *
 * What is given out is never taken back: text that may turn out to be something else is held until it is decided.
 *
 * Owner   one generation: chat_parser_free; NULL is fine.
 * Thread  one at a time.
 * Memory  the parts given to the callback are valid during it.
 * Limits  the library reads the whole answer again each time. So that a long one costs no more than its length, plain words in the middle
 *         of thoughts or content are passed on unread, and the rest is read as often as its size allows (chat_parser.cc).
 */
#ifndef RUNNEL_ENGINES_LLAMA_CHAT_PARSER_H
#define RUNNEL_ENGINES_LLAMA_CHAT_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHAT_CALL_ID_BYTES 64

enum chat_part_kind { CHAT_PART_CONTENT, CHAT_PART_REASONING, CHAT_PART_TOOL };

struct chat_part {
    enum chat_part_kind kind;
    const char *text; /* of a call: its arguments, which are JSON */
    size_t size;
    size_t index;     /* the rest is of a call: its number in the answer */
    const char *id;   /* NULL: it was said before, with the name */
    const char *name; /* NULL likewise */
};

typedef void (*chat_on_part)(void *ctx, const struct chat_part *part);

struct chat_parser;

/* chat_parser_add takes the next piece of the answer. With is_last nothing follows, and nothing is held any more. */
void chat_parser_add(struct chat_parser *parser, const char *text, size_t size, bool is_last,
                     chat_on_part on_part, void *ctx);

void chat_parser_free(struct chat_parser *parser);

#ifdef __cplusplus
}
#endif

#endif
