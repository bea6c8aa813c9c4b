/* title_text.h - a title out of what a model answers when it is asked for one.
 *
 * Thread  any: pure.
 * Memory  new memory, freed by the caller.
 * Units   TITLE_TEXT_CHARACTERS_MAX counts code points. The text is UTF-8. */
#ifndef RUNNEL_CHAT_TITLE_TEXT_H
#define RUNNEL_CHAT_TITLE_TEXT_H

#define TITLE_TEXT_CHARACTERS_MAX 60

/* title_text_clean takes the first line that is a title, without what models put around one: "Title:", quotation marks, marks of
 * Markdown, a full stop. NULL: it is none; whoever goes on for longer than TITLE_TEXT_CHARACTERS_MAX has answered, and named nothing. */
char *title_text_clean(const char *text);

#endif
