extern "C" {
#include "base/id.h"
#include "base/utf8.h"
}

#include "chat_parser_new.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

/* Of what cannot be passed on unread, a reading of the whole is due with each new byte up to this size of the answer, and later when so
 * many bytes are new as the answer has pages of this size. */
constexpr size_t page_bytes = 2048;

/* Nothing that these bytes are part of begins a mark of any template. */
bool is_plain(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && c != ' ' && c != ',' && c != '.' && c != '\'') {
            return false;
        }
    }
    return size > 0 && text[size - 1] != ' ';
}

struct call {
    std::string id;
    bool is_named = false; /* id and name were given out */
    size_t n_said = 0;     /* bytes of its arguments */
};

bool ends_with(const std::string &text, const std::string &tail) {
    return !tail.empty() && text.size() >= tail.size() &&
           text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

} // namespace

struct chat_parser {
    common_chat_parser_params params;
    std::string answer;
    size_t n_read = 0;     /* bytes of the answer at the last reading */
    std::string reasoning; /* given out */
    std::string content;
    std::vector<call> calls;
    enum chat_part_kind open = CHAT_PART_TOOL; /* what plain words go on with; TOOL: nothing is known */
};

struct chat_parser *chat_parser_new(const common_chat_parser_params &params) {
    auto *parser = new chat_parser();
    parser->params = params;
    return parser;
}

void chat_parser_free(struct chat_parser *parser) {
    delete parser;
}

namespace {

/* Gives out what is new of a text; one that says something else than before waits until it says more again. */
void say(std::string &said, const std::string &now, enum chat_part_kind kind, chat_on_part on_part,
         void *ctx) {
    if (now.size() <= said.size() || now.compare(0, said.size(), said) != 0) {
        return;
    }
    size_t size = utf8_whole_length(now.data() + said.size(), now.size() - said.size());
    if (size == 0) {
        return;
    }
    chat_part part = {};
    part.kind = kind;
    part.text = now.data() + said.size();
    part.size = size;
    on_part(ctx, &part);
    said.append(now, said.size(), size);
}

std::string make_id(const std::string &given) {
    char hex[ID_HEX_BYTES];
    if (!given.empty() && given.size() < CHAT_CALL_ID_BYTES) {
        return given;
    }
    id_make_hex(hex);
    return std::string("call_") + hex;
}

/* The name of a call is whole once its arguments begin, or something follows it. */
void say_call(call &said, const common_chat_tool_call &now, size_t index, bool is_over, chat_on_part on_part,
              void *ctx) {
    bool is_ready = !now.name.empty() && (!now.arguments.empty() || is_over);
    size_t n_new = now.arguments.size() > said.n_said ? now.arguments.size() - said.n_said : 0;
    size_t size = n_new ? utf8_whole_length(now.arguments.data() + said.n_said, n_new) : 0;
    if (!is_ready || (said.is_named && size == 0)) {
        return;
    }
    chat_part part = {};
    part.kind = CHAT_PART_TOOL;
    part.index = index;
    part.text = now.arguments.data() + said.n_said;
    part.size = size;
    if (!said.is_named) {
        said.id = make_id(now.id);
        part.id = said.id.c_str();
        part.name = now.name.c_str();
    }
    on_part(ctx, &part);
    said.is_named = true;
    said.n_said += size;
}

void say_all(chat_parser *parser, const common_chat_msg &now, bool is_last, chat_on_part on_part, void *ctx) {
    say(parser->reasoning, now.reasoning_content, CHAT_PART_REASONING, on_part, ctx);
    say(parser->content, now.content, CHAT_PART_CONTENT, on_part, ctx);
    size_t n = now.tool_calls.size();
    for (size_t i = 0; i < n; i++) {
        if (i == parser->calls.size()) {
            parser->calls.emplace_back();
        }
        say_call(parser->calls[i], now.tool_calls[i], i, is_last || i + 1 < n, on_part, ctx);
    }
    /* Everything is given out, and the end of the answer is the end of one of the two. */
    parser->open = CHAT_PART_TOOL;
    if (n == 0 && ends_with(parser->answer, parser->content)) {
        parser->open = CHAT_PART_CONTENT;
    } else if (n == 0 && parser->content.empty() && ends_with(parser->answer, parser->reasoning)) {
        parser->open = CHAT_PART_REASONING;
    }
}

/* False: the library cannot make sense of it. */
bool read(chat_parser *parser, bool is_last, common_chat_msg &out) {
    try {
        out = common_chat_parse(parser->answer, !is_last, parser->params);
        return true;
    } catch (...) {
        return false;
    }
}

bool is_due(const chat_parser *parser) {
    return parser->answer.size() - parser->n_read > parser->answer.size() / page_bytes;
}

} // namespace

void chat_parser_add(struct chat_parser *parser, const char *text, size_t size, bool is_last,
                     chat_on_part on_part, void *ctx) {
    parser->answer.append(text, size);
    if (!is_last && parser->open != CHAT_PART_TOOL && is_plain(text, size)) {
        std::string &said = parser->open == CHAT_PART_CONTENT ? parser->content : parser->reasoning;
        chat_part part = {};
        part.kind = parser->open;
        part.text = text;
        part.size = size;
        said.append(text, size);
        on_part(ctx, &part);
        return;
    }
    common_chat_msg now;
    if (!is_last && !is_due(parser)) {
        parser->open = CHAT_PART_TOOL;
        return;
    }
    parser->n_read = parser->answer.size();
    if (read(parser, is_last, now) || (is_last && read(parser, false, now))) {
        say_all(parser, now, is_last, on_part, ctx);
    } else {
        parser->open = CHAT_PART_TOOL;
        if (is_last && parser->content.empty() && parser->calls.empty()) {
            /* Nothing in it is what the template says: better as it is than lost. */
            say(parser->content, parser->answer, CHAT_PART_CONTENT, on_part, ctx);
        }
    }
}
