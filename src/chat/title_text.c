#include "chat/title_text.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

/* What may stand around a title: one of them at a time is taken away, until there is none. */
static const char *const around[] = { "\"", "'",  "`",  "*",  "#",  "_", " ", "\t", "\r",
                                      "“",  "”",  "„",  "‟",  "‘",  "’", "«", "»",  "「",
                                      "」", "『", "』", "《", "》", "-", "–", "—",  NULL };
/* Behind it only. A question is one. */
static const char *const behind[] = { ".", "。", ",", ";", ":", NULL };
static const char *const labels[] = { "title:", "titel:", "titre:", "título:", "标题：", NULL };

struct line {
    const char *text;
    size_t size;
};

static bool drop_front(struct line *line, const char *mark) {
    size_t n = strlen(mark);
    bool has = line->size >= n && strncasecmp(line->text, mark, n) == 0;
    line->text += has ? n : 0;
    line->size -= has ? n : 0;
    return has;
}

static bool drop_back(struct line *line, const char *mark) {
    size_t n = strlen(mark);
    bool has = line->size >= n && memcmp(line->text + line->size - n, mark, n) == 0;
    line->size -= has ? n : 0;
    return has;
}

static bool drop_any(struct line *line, const char *const *marks, bool (*drop)(struct line *, const char *)) {
    for (size_t i = 0; marks[i]; i++) {
        if (drop(line, marks[i])) {
            return true;
        }
    }
    return false;
}

static void strip(struct line *line) {
    while (drop_any(line, around, drop_front) || drop_any(line, labels, drop_front) ||
           drop_any(line, around, drop_back) || drop_any(line, behind, drop_back)) {
    }
}

/* White space and control characters are one space. */
static char *flatten(const struct line *line) {
    struct bytes out;
    bytes_init(&out, line->size + 1);
    for (size_t i = 0; i < line->size; i++) {
        unsigned char c = (unsigned char)line->text[i];
        bool is_space = c <= ' ' || c == 0x7f;
        if (!is_space) {
            bytes_add_char(&out, (char)c);
        } else if (out.size && out.data[out.size - 1] != ' ') {
            bytes_add_char(&out, ' ');
        }
    }
    char *text = mem_copy_bytes(out.size ? out.data : "", out.size);
    bytes_deinit(&out);
    return text;
}

static size_t count_characters(const struct line *line) {
    size_t n = 0;
    for (size_t i = 0; i < line->size; i++) {
        n += ((unsigned char)line->text[i] & 0xc0) != 0x80;
    }
    return n;
}

/* "Here is a title:" announces the next one. */
static bool is_announcement(const struct line *line) {
    struct line copy = *line;
    while (drop_any(&copy, around, drop_back)) {
    }
    return copy.size > 0 && copy.text[copy.size - 1] == ':';
}

char *title_text_clean(const char *text) {
    while (*text) {
        struct line line = { text, strcspn(text, "\n") };
        text += line.size + (text[line.size] != '\0');
        bool is_skipped = is_announcement(&line);
        strip(&line);
        if (line.size > 0 && !is_skipped) {
            return count_characters(&line) <= TITLE_TEXT_CHARACTERS_MAX ? flatten(&line) : NULL;
        }
    }
    return NULL;
}
